"""What became of each customer who was assigned, from her first decision on, and the sums of that. One pass of Polars.

Each customer counts once, in the arm of her first decision and from that moment, whether anything was sent or not
(intention to treat); later rounds are not independent of the first. What counts has happened within the goal's days
after it and was known as of the time.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import polars as pl
from django.db.models import Exists, OuterRef, QuerySet

from campaigns import programme
from campaigns.assignment import HOLDOUT, OUTSIDE, TREATED
from campaigns.feedback import NAMES as RECEIPTS
from campaigns.models import Campaign, Decision, Delivery, OfferCode, Way
from campaigns.report import Goal
from customers import bulk
from customers.models import Event

PROGRAMME_DAYS = 90  # from everybody's first day in the programme on
MOST_CONTACTS = 20  # more are told as so many
CLICKED, UNSUBSCRIBED, COMPLAINED = RECEIPTS["clicked"], RECEIPTS["unsubscribed"], RECEIPTS["complained"]
TOLD = (CLICKED, UNSUBSCRIBED, COMPLAINED)
NOT_ELIGIBLE = (Decision.Outcome.INELIGIBLE, Decision.Outcome.SUPPRESSED)
FIFTHS = [(n / 5, f"{n / 5:.1f} to {(n + 1) / 5:.1f}") for n in range(5)]

DECISIONS: bulk.Schema = {
    "id": pl.Int64,
    "customer_id": pl.Int64,
    "as_of": bulk.UTC_MICROSECONDS,
    "arm": pl.String,
    "probability": pl.Float64,
    "variant": pl.String,
    "campaign_version": pl.Int64,
    "outcome": pl.String,
    "score": pl.Float64,
}
EVENTS: bulk.Schema = {"customer_id": pl.Int64, "at": bulk.UTC_MICROSECONDS, "value": pl.Float64}
RECEIVED: bulk.Schema = {
    "customer_id": pl.Int64,
    "at": bulk.UTC_MICROSECONDS,
    "name": pl.String,
    "properties": pl.String,
}
SENT: bulk.Schema = {
    "customer_id": pl.Int64,
    "at": bulk.UTC_MICROSECONDS,
    "campaign_id": pl.Int64,
    "channel": pl.String,
    "delivery": pl.String,
}
REDEEMED: bulk.Schema = {
    "customer_id": pl.Int64,
    "at": bulk.UTC_MICROSECONDS,
    "cost": pl.Float64,
    "worth": pl.Float64,
    "is_percent": pl.Boolean,
    "order_value": pl.Float64,
}
KEYS = ("day", "version", "arm", "variant", "probability", "part")


@dataclass(frozen=True)
class Plan:
    """By what it is counted, of one campaign or of all together: the goal, and which part of a value is earned."""

    campaign: Campaign | None
    goal: Goal
    margin: float
    costs: dict[int, float]  # of a message or call, by campaign

    @property
    def key(self) -> str:
        """Give the name under which its sums are kept."""
        return f"campaign {self.campaign.pk}" if self.campaign else "programme"

    @property
    def window(self) -> timedelta:
        """Give how long after a first decision something counts."""
        return timedelta(days=self.goal.days)

    @property
    def counted_by(self) -> dict[str, Any]:
        """Give what other sums follow from when it changes."""
        costs = {str(key): cost for key, cost in self.costs.items() if cost}
        return {"event": self.goal.event, "days": self.goal.days, "margin": self.margin, "costs": costs}


@dataclass(frozen=True)
class Counted:
    """The sums over customers by what they have in common (KEYS), and over those who clicked by day and tag."""

    sums: pl.DataFrame
    tags: pl.DataFrame


def plan_of(campaign: Campaign) -> Plan:
    """Give by what a campaign is counted."""
    margin = programme.current().margin if campaign.margin is None else campaign.margin
    goal = Goal(campaign.goal_event, campaign.goal_days)
    return Plan(campaign, goal, margin, {campaign.pk: campaign.message_cost})


def plan_of_programme() -> Plan:
    """Give by what all campaigns are counted together: for the goal that most of those launched have."""
    costs = dict(Campaign.objects.values_list("pk", "message_cost"))
    goals = list(Campaign.objects.exclude(launched_at=None).values_list("goal_event", flat=True))
    default = str(Campaign._meta.get_field("goal_event").get_default())
    event = max(sorted(set(goals)), key=goals.count, default=default)
    return Plan(None, Goal(event, PROGRAMME_DAYS), programme.current().margin, costs)


def count(
    plan: Plan,
    as_of: datetime,
    since: datetime | None = None,
    parted: Callable[[pl.DataFrame], pl.DataFrame] | None = None,
) -> Counted:
    """Count what became of the customers up to a time; with `since`, of those whose first decision was not before.

    `parted` gives them their `part`, in place of the band of the score.
    """
    people = _first_decisions(plan, as_of, since)
    if people.is_empty():
        nobody = _with_nothing(people)
        return Counted(_sums(nobody), _tags(nobody, pl.DataFrame(schema={"customer_id": pl.Int64, "tag": pl.String})))
    seen = _Seen(plan, as_of, since, people.select("customer_id", start="as_of"))
    clicks, told = seen.receipts()
    people = people.join(seen.goals(), on="customer_id", how="left", maintain_order="left")
    people = people.join(seen.costs(), on="customer_id", how="left", maintain_order="left")
    people = people.join(told, on="customer_id", how="left", maintain_order="left")
    people = _with_nothing(people).with_columns(margin=plan.margin * pl.col("value") - pl.col("cost"))
    people = parted(people) if parted else people.with_columns(part=_part(plan))
    return Counted(_sums(people), _tags(people, clicks))


def decisions_of(plan: Plan, as_of: datetime) -> "QuerySet[Decision]":
    """Give the decisions that assigned somebody; of the programme also those outside of a pilot, who may be mailed."""
    decided = Decision.objects.filter(as_of__lte=as_of)
    return decided.filter(campaign=plan.campaign).exclude(arm=OUTSIDE) if plan.campaign else decided


def _first_decisions(plan: Plan, as_of: datetime, since: datetime | None) -> pl.DataFrame:
    decided = decisions_of(plan, as_of)
    if since:
        earlier = decided.filter(customer=OuterRef("customer"), as_of__lt=since)
        decided = decided.filter(~Exists(earlier), as_of__gte=since)
    found = bulk.read(decided.values_list(*DECISIONS), DECISIONS)
    first = found.sort("as_of", "customer_id", "id").unique("customer_id", keep="first", maintain_order=True)
    if plan.campaign:
        return first
    # Against the holdout, all others are one arm, whatever a campaign drew for them.
    is_held_out = pl.col("arm") == HOLDOUT
    return first.with_columns(
        arm=pl.when(is_held_out).then("arm").otherwise(pl.lit(TREATED)),
        probability=pl.when(is_held_out).then("probability").otherwise(1.0),
        variant=pl.lit(""),
        campaign_version=pl.lit(0, pl.Int64),
    )


@dataclass(frozen=True)
class _Seen:
    """What was seen of customers since their first decision (customer_id, start)."""

    plan: Plan
    as_of: datetime
    since: datetime | None
    starts: pl.DataFrame

    @property
    def first(self) -> datetime:
        return self.starts["start"].min()  # type: ignore[return-value]

    def goals(self) -> pl.DataFrame:
        """Give `goals` and `value` within the window, `goals_before` and `before` in as many days before it."""
        named = self._events(self.first - self.plan.window).filter(name=self.plan.goal.event)
        found = self._started(bulk.read(named.values_list("customer_id", "occurred_at", "value"), EVENTS))
        start, window, at = pl.col("start"), self.plan.window, pl.col("at")
        after, before = (at > start) & (at <= start + window), (at <= start) & (at > start - window)
        return found.group_by("customer_id").agg(
            goals=after.sum(),
            value=pl.col("value").filter(after).sum(),
            goals_before=before.sum(),
            before=pl.col("value").filter(before).sum(),
        )

    def costs(self) -> pl.DataFrame:
        """Give `messages` and calls, `contacts` by them, and `cost`: of these, and of offers that were redeemed."""
        sent = self._in_window(self._sent()).with_columns(
            cost=pl.col("campaign_id").replace_strict(self.plan.costs, default=0.0, return_dtype=pl.Float64)
        )
        contacts = (pl.col("channel") != Way.DATA).sum()
        messages = sent.group_by("customer_id").agg(messages=pl.len(), contacts=contacts, cost=pl.col("cost").sum())
        redeemed = self._in_window(self._redeemed())
        offers = redeemed.group_by("customer_id").agg(offers=pl.col("cost").sum())
        both = messages.join(offers, on="customer_id", how="full", coalesce=True)
        return both.with_columns(cost=pl.col("cost").fill_null(0.0) + pl.col("offers").fill_null(0.0)).drop("offers")

    def receipts(self) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Give who clicked which tag, and who clicked, unsubscribed or complained at all; people, not machines."""
        named = self._events(self.first).filter(name__in=TOLD)
        columns = ("customer_id", "occurred_at", "name", "properties")
        found = self._in_window(bulk.read(named.values_list(*columns), RECEIVED)).with_columns(
            delivery=pl.col("properties").str.json_path_match("$.delivery"),
            tag=pl.col("properties").str.json_path_match("$.tag"),
        )
        if self.plan.campaign:
            found = found.join(self._sent().select("delivery"), on="delivery", how="semi")
        flags = {"clicked": CLICKED, "unsubscribed": UNSUBSCRIBED, "complained": COMPLAINED}
        told = found.group_by("customer_id").agg(
            (pl.col("name") == name).any().alias(is_) for is_, name in flags.items()
        )
        clicks = found.filter(pl.col("name") == CLICKED, pl.col("tag").is_not_null()).select("customer_id", "tag")
        return clicks.unique(), told

    def _events(self, after: datetime) -> "QuerySet[Event]":
        decided = decisions_of(self.plan, self.as_of).filter(customer=OuterRef("customer"))
        if self.since:
            decided = decided.filter(as_of__gte=self.since)
        known = Event.objects.filter(occurred_at__gt=after, occurred_at__lte=self.as_of, known_at__lte=self.as_of)
        return known.filter(Exists(decided))

    def _sent(self) -> pl.DataFrame:
        sent = Delivery.objects.filter(
            state=Delivery.State.SENT, began_at__gte=self.first, began_at__lte=self.as_of
        ).order_by()
        if self.plan.campaign:
            sent = sent.filter(decision__campaign=self.plan.campaign)
        columns = ("customer_id", "began_at", "decision__campaign_id", "channel", "public_id")
        return bulk.read(sent.values_list(*columns), SENT)

    def _redeemed(self) -> pl.DataFrame:
        codes = OfferCode.objects.filter(
            state=OfferCode.State.REDEEMED, redeemed_at__gte=self.first, redeemed_at__lte=self.as_of
        ).exclude(delivery=None)
        if self.plan.campaign:
            codes = codes.filter(delivery__decision__campaign=self.plan.campaign)
        told = ("customer_id", "redeemed_at", "offer__cost", "offer__value", "offer__is_percent", "order_value")
        found = bulk.read(codes.values_list(*told), REDEEMED)
        part = pl.col("worth") / 100.0 * pl.col("order_value").fill_null(0.0)
        worth = pl.when("is_percent").then(part).otherwise("worth")
        return found.select("customer_id", "at", cost=pl.coalesce("cost", worth))

    def _started(self, found: pl.DataFrame) -> pl.DataFrame:
        return found.join(self.starts, on="customer_id")

    def _in_window(self, found: pl.DataFrame) -> pl.DataFrame:
        start = pl.col("start")
        return self._started(found).filter(pl.col("at") >= start, pl.col("at") <= start + self.plan.window)


def _with_nothing(people: pl.DataFrame) -> pl.DataFrame:
    """Give the customers with all figures, 0 where nothing was seen."""
    numbers = ("value", "before", "cost", "margin")
    counts = ("goals", "goals_before", "messages", "contacts")
    flags = ("clicked", "unsubscribed", "complained")
    kinds = dict.fromkeys(numbers, pl.Float64) | dict.fromkeys(counts, pl.Int64) | dict.fromkeys(flags, pl.Boolean)
    return people.with_columns(
        (pl.col(name) if name in people.columns else pl.lit(None)).fill_null(0).cast(kind).alias(name)
        for name, kind in kinds.items()
    ).with_columns(part=pl.lit(""))


def _part(plan: Plan) -> pl.Expr:
    """Give the band of the score at the decision, in fifths; of the programme, how many contacts there were."""
    if plan.campaign is None:
        return pl.col("contacts").clip(upper_bound=MOST_CONTACTS).cast(pl.String)
    named = pl.lit("")
    for line, name in FIFTHS:
        named = pl.when(pl.col("score") >= line).then(pl.lit(name)).otherwise(named)
    return pl.when(pl.col("score") > 1.0).then(pl.lit("more than 1")).otherwise(named)


def _sums(people: pl.DataFrame) -> pl.DataFrame:
    """Add up what customers have who are alike in KEYS."""
    value, before, margin = pl.col("value"), pl.col("before"), pl.col("margin")
    did, did_before, was_sent = pl.col("goals") > 0, pl.col("goals_before") > 0, pl.col("messages") > 0
    counts = {
        "customers": pl.len(),
        "converted": did.sum(),
        "did_before": did_before.sum(),
        "did_both": (did & did_before).sum(),
        "messages": pl.col("messages").sum(),
        "eligible": (~pl.col("outcome").is_in(NOT_ELIGIBLE)).sum(),
        "delivered": was_sent.sum(),
        "clicked": pl.col("clicked").sum(),
        "delivered_and_converted": (was_sent & did).sum(),
        "unsubscribed": pl.col("unsubscribed").sum(),
        "complained": pl.col("complained").sum(),
    }
    totals = {
        "value": value,
        "value_squares": value * value,
        "before": before,
        "before_squares": before * before,
        "value_before": value * before,
        "margin": margin,
        "margin_squares": margin * margin,
        "margin_before": margin * before,
        "cost": pl.col("cost"),
    }
    keyed = people.with_columns(day=pl.col("as_of").dt.date(), version=pl.col("campaign_version"))
    return keyed.group_by(KEYS, maintain_order=True).agg(
        *(each.cast(pl.Int64).alias(name) for name, each in counts.items()),
        *(each.sum().cast(pl.Float64).alias(name) for name, each in totals.items()),
    )


def _tags(people: pl.DataFrame, clicks: pl.DataFrame) -> pl.DataFrame:
    """Count by day and tag who clicked, and who of these converted."""
    who = people.select("customer_id", day=pl.col("as_of").dt.date(), did=pl.col("goals") > 0)
    counts = {"clicked": pl.len().cast(pl.Int64), "converted": pl.col("did").sum().cast(pl.Int64)}
    return who.join(clicks, on="customer_id").group_by("day", "tag", maintain_order=True).agg(**counts)
