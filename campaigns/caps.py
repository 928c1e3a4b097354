"""How often a customer is written to: the programme's cap over everything, and caps of channels and topics.

All are rolling: a message counts from when it began until `days` later, to the second. What is planned counts as if it
began when it is due; what is deferred does not count until it goes.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

import polars as pl
from django.db.models import Q

from campaigns.eligibility import COUNTED, IS_CONTACT, NAMED, WAITING, among
from campaigns.models import Campaign, Decision, Delivery, FrequencyCap, Programme
from customers import bulk
from customers.ids import among as is_one_of

MESSAGES: bulk.Schema = {
    "customer_id": pl.Int64,
    "delivery_id": pl.Int64,
    "channel": pl.String,
    "topic": pl.String,
    "priority": pl.Int64,
    "state": pl.String,
    "at": bulk.UTC_MICROSECONDS,
}
DELIVERIES: bulk.Schema = {
    "customer_id": pl.Int64,
    "id": pl.Int64,
    "channel": pl.String,
    "decision_id": pl.Int64,
    "priority": pl.Int64,
    "state": pl.String,
    "began_at": bulk.UTC_MICROSECONDS,
    "due_at": bulk.UTC_MICROSECONDS,
}
FULL: bulk.Schema = {"customer_id": pl.Int64, "reason": pl.String, "free_at": bulk.UTC_MICROSECONDS}
MOMENT = "%Y-%m-%d %H:%M UTC"
NAMES = {"": "message", "email": "e-mail", "phone": "call", "sms": "SMS message", "push": "push message"}


@dataclass(frozen=True)
class Cap:
    """At most so many messages in any so many days; of one channel or about one topic, where these are named."""

    messages: int
    days: int
    channel: str = ""
    topic: str = ""

    @property
    def window(self) -> timedelta:
        """Give how long a message counts."""
        return timedelta(days=self.days)

    def covers(self, channel: str, topic: str) -> bool:
        """Say whether a message of this channel and topic counts."""
        return self.channel in ("", channel) and self.topic in ("", topic)

    def free_at(self, times: Iterable[datetime]) -> datetime | None:
        """Give when there is room again after messages that began, or begin, at these times; None: there is room."""
        counted = sorted(times)
        return counted[len(counted) - self.messages] + self.window if len(counted) >= self.messages else None

    def sentence(self, count: int, free_at: datetime) -> str:
        """Say that a customer has had enough, and until when."""
        return self._words(count) + f"{free_at:{MOMENT}}."

    def sentences(self) -> pl.Expr:
        """Give what `sentence` says, of the columns `count` and `free_at`."""
        one, many = pl.lit(self._words(1)), pl.format(self._words(2).replace("2", "{}", 1), "count")
        words = pl.when(pl.col("count") == 1).then(one).otherwise(many)
        return pl.concat_str(words, pl.col("free_at").dt.strftime(MOMENT), pl.lit("."))

    def _words(self, count: int) -> str:
        what = NAMES[self.channel] + ("s" if count != 1 else "") + (f" about {self.topic}" if self.topic else "")
        days = "1 day" if self.days == 1 else f"{self.days} days"
        return f"{count} {what} in {days}, planned ones included; the cap is {self.messages}, with room from "


class Room(NamedTuple):
    """What the caps leave to some customers.

    `full` has those without room: `customer_id`, `reason`, and `free_at`, when there is room again. `gives_way` has the
    planned messages of campaigns that go later (`customer_id`, `delivery_id`) whose place the others would take.
    """

    full: pl.DataFrame
    gives_way: pl.DataFrame


def current(programme: Programme) -> tuple[Cap, ...]:
    """Give all caps, that of the programme first."""
    rows = FrequencyCap.objects.order_by("days", "channel", "topic")
    own = Cap(programme.cap_messages, programme.cap_days)
    return (own, *(Cap(row.messages, row.days, row.channel, row.topic) for row in rows))


def messages(people: pl.DataFrame, as_of: datetime, caps: Collection[Cap]) -> pl.DataFrame:
    """Give the messages of these customers that a cap may count as of a time: begun lately, or planned to go."""
    longest = max(cap.window for cap in caps)
    begun = Q(state__in=COUNTED, began_at__gt=as_of - longest, began_at__lte=as_of)
    ours = Delivery.objects.filter(begun | Q(state__in=WAITING), IS_CONTACT, among(people, few=NAMED))
    is_waiting, now = pl.col("state").is_in(WAITING), pl.lit(as_of, bulk.UTC_MICROSECONDS)
    at = pl.when(is_waiting).then(pl.max_horizontal("due_at", now)).otherwise("began_at")
    found = bulk.read(ours.values_list(*DELIVERIES), DELIVERIES).with_columns(at=at).rename({"id": "delivery_id"})
    asked = found if any(cap.topic for cap in caps) else found.filter(is_waiting)
    told = found.join(_decided(asked["decision_id"]), on="decision_id", how="left", maintain_order="left")
    deferred = is_waiting & (pl.col("outcome") != Decision.Outcome.DELIVER)
    return told.filter(~deferred.fill_null(False)).select(pl.col(list(MESSAGES)))


def room(found: pl.DataFrame, caps: Iterable[Cap], as_of: datetime, priority: int) -> Room:
    """Say who of those with `found` messages has no room for one more, and what gives way to it among the rest.

    A planned message of a campaign that goes later, by its priority, is in nobody's way: it gives its place up, the
    last one first.
    """
    in_time = found.sort("at")  # once: a sort in each group takes thirty times as long
    lesser = (pl.col("state") == Delivery.State.PLANNED) & (pl.col("priority") > priority)
    full, giving = [pl.DataFrame(schema=FULL)], [found.select("customer_id", "delivery_id").clear()]
    for cap in caps:
        covered = [pl.lit(value) == pl.col(name) for name, value in _named(cap)]
        counted = in_time.filter(pl.col("at") > as_of - cap.window, *covered)
        firm = counted.filter(~lesser).group_by("customer_id").agg(count=pl.len(), times=pl.col("at"))
        filled = firm.filter(pl.col("count") >= cap.messages)
        at = pl.col("times").list.get(pl.col("count") - cap.messages) + cap.window
        full.append(filled.with_columns(free_at=at).select("customer_id", reason=cap.sentences(), free_at="free_at"))
        last_first = counted.filter(lesser).sort("priority", "at", "delivery_id", descending=True)
        ranked = last_first.join(firm, on="customer_id", how="left", maintain_order="left").with_columns(
            nth=pl.int_range(pl.len()).over("customer_id"),
            over=pl.len().over("customer_id") + pl.col("count").fill_null(0) + 1 - cap.messages,
        )
        giving.append(ranked.filter(pl.col("nth") < pl.col("over")).select("customer_id", "delivery_id"))
    last = pl.concat(full).sort("free_at", descending=True).unique("customer_id", keep="first", maintain_order=True)
    ways = pl.concat(giving).unique().join(last, on="customer_id", how="anti")
    return Room(last, ways)


def _named(cap: Cap) -> list[tuple[str, str]]:
    return [(name, value) for name, value in (("channel", cap.channel), ("topic", cap.topic)) if value]


def _decided(ids: pl.Series) -> pl.DataFrame:
    """Give the outcome and the topic of some decisions.

    They are read by their ids, not by a join: of a table that grew by half a million rows since it was last looked at,
    PostgreSQL expects none, and goes through all deliveries for each decision.
    """
    topics = dict(Campaign.objects.values_list("pk", "topic"))
    rows = Decision.objects.filter(is_one_of("pk", ids)).values_list("id", "outcome", "campaign_id")
    decided = bulk.read(rows, {"decision_id": pl.Int64, "outcome": pl.String, "campaign_id": pl.Int64})
    topic = pl.col("campaign_id").replace_strict(topics, default="", return_dtype=pl.String)
    return decided.select("decision_id", "outcome", topic=topic)
