"""One pass of a day that is past: what a live pass reads from the database is what was so then, or was replayed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property

import polars as pl

from campaigns import caps, eligibility, offers, programme
from campaigns.backtest.agreed import Agreed
from campaigns.backtest.memory import Memory
from campaigns.caps import MESSAGES
from campaigns.limits import Limits
from campaigns.looks import View
from campaigns.models import Campaign, Decision, Delivery, Offer, OfferCode, TriggerBaseline
from campaigns.offers import terms
from customers import bulk
from segments.models import Segment

NOBODY = pl.Series("customer_id", [], dtype=pl.Int64)
READ: bulk.Schema = {"as_of": bulk.UTC_MICROSECONDS, "read_xact": pl.Int64, "read_id": pl.Int64}
OTHERS: bulk.Schema = {
    "customer_id": pl.Int64,
    "delivery_id": pl.Int64,
    "channel": pl.String,
    "topic": pl.String,
    "priority": pl.Int64,
    "began_at": bulk.UTC_MICROSECONDS,
    "due_at": bulk.UTC_MICROSECONDS,
    "decided_at": bulk.UTC_MICROSECONDS,
    "campaign_id": pl.Int64,
    "key": pl.String,
}
Outcome = Decision.Outcome


@dataclass(frozen=True)
class Then(View):
    """A pass over everybody as of a time that is past. Nothing is read of what was remembered or stored since."""

    memory: Memory = field(default_factory=Memory)
    inside: Mapping[str, pl.Series] = field(default_factory=dict)
    began: datetime | None = None

    @cached_property
    def unanswered(self) -> frozenset[str]:
        """Give no segment: all that are asked for were answered."""
        return frozenset()

    def states(self, campaign: Campaign, people: pl.DataFrame) -> pl.DataFrame:
        """Give what was replayed so far."""
        return self.memory.states

    def noted(self, campaign: Campaign) -> list[TriggerBaseline]:
        """Give with which versions the day before was looked at."""
        return self.memory.noted(campaign)

    def alive_since(self, campaign: Campaign) -> datetime:
        """Give when the replay begins."""
        return self.began or self.as_of

    def read_as_of(self, times: pl.Series) -> pl.DataFrame:
        """Give nothing: events are told apart by when they were known."""
        return pl.DataFrame(schema=READ)

    def brought(self, people: pl.DataFrame, attribute: str, before: datetime) -> pl.Series:
        """Give nobody: what an import brought counts from when it was known."""
        return NOBODY

    def members(self, segment: Segment, people: pl.DataFrame) -> pl.Series:
        """Say who was in a segment then."""
        return people["customer_id"].is_in(self.inside[segment.key].implode())

    def stayed(self, segment: str, since: datetime) -> pl.Series:
        """Give who had been in the segment since a time."""
        return self.memory.members.filter(pl.col("since") <= since)["customer_id"]


@dataclass
class ThenLimits(Limits):
    """What limited the messages of a day that is past."""

    agreed: Agreed = field(default_factory=Agreed)

    def allowed(self, people: pl.DataFrame, channel: str, topic: str) -> pl.DataFrame:
        """Say of customers what they had agreed to by then, and whether their address of now was closed."""
        today = eligibility.allowed(people, channel, topic, self.contacts)
        return self.agreed.allowed(today, (channel, topic), self.as_of)


class Given(offers.Promised):
    """The codes that a replayed campaign gave so far, of each variant, and who was in the offers' audiences."""

    def __init__(self, decisions: pl.DataFrame, inside: Mapping[str, pl.Series]) -> None:
        """Begin with what was decided before."""
        super().__init__()
        self.sent = decisions.filter(pl.col("sent_at").is_not_null()).select("customer_id", "variant", "sent_at")
        self.inside = inside

    def barred(self, people: pl.DataFrame, offers: Mapping[str, Offer], as_of: datetime) -> pl.DataFrame:
        """Add why customers may not have their offer: it is shut, they have a code that is good, it is for others."""
        said: pl.Expr = pl.lit(None, pl.String)
        for variant, offer in offers.items():
            sharing = [one for one, other in offers.items() if other.pk == offer.pk]
            good = pl.col("sent_at") > as_of - timedelta(days=offer.valid_days)
            has = self.sent.filter(pl.col("variant").is_in(sharing), good)["customer_id"]
            is_good = pl.col("customer_id").is_in(has.implode())
            why: pl.Expr = pl.when(is_good).then(pl.lit(terms.has_one(offer, OfferCode.State.GIVEN)))
            if offer.audience is not None:
                is_member = pl.col("customer_id").is_in(self.inside[offer.audience.key].implode())
                why = pl.when(is_member).then(why).otherwise(pl.coalesce(why, pl.lit(terms.outside(offer))))
            shut = terms.shut(offer, as_of)
            own = pl.lit(shut) if shut else why
            said = pl.when(pl.col("variant") == variant).then(own).otherwise(said)
        return people.with_columns(barred=said.cast(pl.String))


class Others:
    """What other campaigns sent in the time of a replay and before it, and when that was decided; read once."""

    def __init__(self, campaign: Campaign, since: datetime, until: datetime) -> None:
        """Read as far back as a cap counts."""
        self.campaign, self.rules = campaign, programme.current()
        self.caps = caps.current(self.rules)
        self.longest = max(one.window for one in self.caps)
        columns = {
            "delivery_id": "pk",
            "topic": "decision__campaign__topic",
            "decided_at": "decision__as_of",
            "campaign_id": "decision__campaign_id",
            "key": "decision__campaign__key",
        }
        began = {"began_at__gt": since - self.longest, "began_at__lte": until + timedelta(days=1)}
        rows = Delivery.objects.filter(eligibility.IS_CONTACT, state__in=eligibility.COUNTED, **began)
        rows = rows.exclude(decision__campaign=campaign.pk).order_by("pk")
        self.rows = bulk.read(rows.values_list(*(columns.get(name, name) for name in OTHERS)), OTHERS)

    def at(self, as_of: datetime) -> pl.DataFrame:
        """Give those that counted in a pass of a time: begun by then, or decided before and still to go (MESSAGES).

        In one pass the campaigns decide by priority, then by age.
        """
        own = self.campaign
        is_before = (pl.col("priority") < own.priority) | (
            (pl.col("priority") == own.priority) & (pl.col("campaign_id") < own.pk)
        )
        moment = pl.lit(as_of, bulk.UTC_MICROSECONDS)
        is_begun = pl.col("began_at") <= moment
        is_decided = (pl.col("decided_at") < moment) | ((pl.col("decided_at") == moment) & is_before)
        counted = self.rows.filter(is_begun | is_decided, pl.col("began_at") > as_of - self.longest)
        state = pl.when(is_begun).then(pl.lit(Delivery.State.SENT.value))
        return counted.with_columns(
            state=state.otherwise(pl.lit(Delivery.State.PLANNED.value)),
            at=pl.when(is_begun).then("began_at").otherwise(pl.max_horizontal("due_at", moment)),
        ).select(*MESSAGES)

    def own(self, decisions: pl.DataFrame, channel: str) -> pl.DataFrame:
        """Give the replayed messages of the campaign itself (MESSAGES)."""
        return decisions.filter(pl.col("sent_at").is_not_null()).select(
            "customer_id",
            delivery_id=pl.lit(None, pl.Int64),
            channel=pl.lit(channel),
            topic=pl.lit(self.campaign.topic),
            priority=pl.lit(self.campaign.priority, pl.Int64),
            state=pl.lit(Delivery.State.SENT.value),
            at="sent_at",
        )
