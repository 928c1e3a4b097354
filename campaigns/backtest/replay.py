"""A campaign acted out over days that are past, by the code of a live pass. Nothing is written.

Each day is looked at once: at the time of its newest snapshot, of which it had recorded facts, else of its newest full
cycle, else at the hour at which the time begins. Whoever matches on the first day makes the campaign due for nobody: it
begins in silence.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import polars as pl
from django.conf import settings

from campaigns import allocate, causes, decide, edges, eligibility, looks, offers, policy, slots, variants
from campaigns.allocate import Means, Purse
from campaigns.backtest.facts import Facts, Past
from campaigns.backtest.memory import DECIDED, SINCE, Memory
from campaigns.backtest.then import Given, Others, Then, ThenLimits
from campaigns.decide import NO_CHANGES
from campaigns.looks import Edges
from campaigns.models import Campaign, Cycle, Decision
from campaigns.news import NOTHING, OCCURRED
from campaigns.offers import Stock
from campaigns.policy import REASON_LENGTH
from campaigns.triggers import EventTrigger, ScheduleTrigger, SegmentTrigger, Slotted, Trigger
from customers import bulk, snapshot
from customers.history import Scope
from segments.models import MembershipChange

DAY = timedelta(days=1)
NOBODY = pl.DataFrame(schema={"customer_id": pl.Int64, "bucket": pl.Int64})
GOES = pl.col("outcome") == Decision.Outcome.DELIVER
WAITS = pl.col("outcome") == Decision.Outcome.DEFERRED
Outcome = Decision.Outcome


@dataclass(frozen=True)
class Period:
    """The time of a replay: from after `since` until `until`."""

    since: datetime
    until: datetime


def times(period: Period) -> list[datetime]:
    """Give when each day is looked at."""
    recorded = snapshot.times(period.since, period.until)
    done = Cycle.objects.filter(kind=Cycle.Kind.FULL, state=Cycle.State.DONE)
    cycles = list(done.filter(as_of__gt=period.since, as_of__lte=period.until).values_list("as_of", flat=True))
    found = []
    end = period.since
    while end < period.until:
        begin, end = end, min(end + DAY, period.until)
        looks = (time for some in (recorded, cycles) if (time := _last(some, begin, end)))
        found.append(next(looks, end))
    return found


def _last(times: Iterable[datetime], after: datetime, until: datetime) -> datetime | None:
    return max((time for time in times if after < time <= until), default=None)


class Replay:
    """One campaign and a time; `memory` is what it remembers so far."""

    def __init__(self, campaign: Campaign, trigger: Trigger, period: Period, memory: Memory) -> None:
        """Read what holds for all days."""
        self.campaign, self.trigger, self.period, self.memory = campaign, trigger, period, memory
        self.shared = variants.parse(campaign)
        self.channel = self.shared[0].step.channel
        self.past = Past(campaign, trigger, self.shared)
        self.others = Others(campaign, period.since, period.until)
        self.given = offers.of_variants(self.shared)

    def day(self, before: datetime | None, as_of: datetime) -> None:
        """Act out one day; `before` is when the day before was looked at."""
        facts, began = self.past.at(as_of), self.period.since
        frame = causes.replayed(facts.frame, before or began, as_of, self.past.lake)
        happened = self._happened(before or began, as_of)
        self._stay(facts, as_of)
        seen = Then(
            frame,
            NO_CHANGES,
            as_of,
            True,
            self.past.segments,
            facts.models,
            happened,
            memory=self.memory,
            inside=facts.inside,
            began=began,
        )
        told = self._edges(seen, before or began)
        self._go_on(facts, as_of)
        limits = self._limits(facts, told.due.select(*NOBODY.columns), as_of)
        turns = decide.judge(seen, [(self.campaign, self.trigger, told)], limits)
        self.memory.remember(told, as_of)
        for turn in turns:
            self._take(turn.decisions, facts, as_of)
        self._note(facts, as_of)

    def _edges(self, seen: Then, before: datetime) -> Edges:
        if not isinstance(self.trigger, Slotted):
            return edges.find(seen, self.campaign, self.trigger)
        zone = ZoneInfo(settings.TIME_ZONE)
        due_at = (
            slots.upcoming(self.trigger, before, seen.as_of, zone) if isinstance(self.trigger, ScheduleTrigger) else []
        )
        if not due_at or self.campaign.audience is None:
            return edges.NO_EDGES
        people = seen.frame.select("customer_id", "bucket", "seed")
        people = people.filter(seen.members(self.campaign.audience, people)).with_columns(slots.NO_VALUE)
        known = looks.with_states(self.campaign, people, seen.as_of, self.memory.states)
        due = slots.of_known(self.campaign, self.trigger, known, due_at[-1], seen.as_of)
        fired = known.join(due.select("customer_id", "cause", "happened_at", "is_late"), on="customer_id")
        fired = fired.with_columns(is_inside=True, fires=True)
        return Edges(looks.states(fired, self.campaign, seen.as_of), due, edges.NO_EDGES.baselines)

    def _happened(self, before: datetime, as_of: datetime) -> pl.DataFrame:
        """Give the events that the trigger waits for and that became known since the day before."""
        if not isinstance(self.trigger, EventTrigger):
            return NOTHING
        lake, name = self.past.lake, self.trigger.of.event
        learned_at = pl.max_horizontal("occurred_at", "known_at")
        rows = lake.events(Scope()).filter(pl.col("name") == name, learned_at > before, learned_at <= as_of)
        told = lake.properties(Scope()).filter(pl.col("name") == name).select("event_id", "properties")
        found = rows.join(told, on="event_id", how="left").with_columns(
            name=pl.col("name").cast(pl.String),
            properties=pl.col("properties").fill_null("{}"),
            imported_at=pl.lit(None, bulk.UTC_MICROSECONDS),
            stored_xact=pl.lit(0, pl.Int64),
        )
        return found.select(*OCCURRED).collect()

    def _stay(self, facts: Facts, as_of: datetime) -> None:
        """Remember since when members of the trigger's segment are members."""
        if not isinstance(self.trigger, SegmentTrigger) or self.trigger.edge != "stays":
            return
        now = facts.inside[self.trigger.segment].to_frame("customer_id")
        before = self.memory.members
        if not self.memory.days:
            entered = MembershipChange.objects.filter(
                segment__key=self.trigger.segment, kind=MembershipChange.Kind.ENTERED, as_of__lte=as_of
            )
            before = bulk.read(entered.order_by("as_of").values_list("customer_id", "as_of"), SINCE)
            before = before.unique("customer_id", keep="last", maintain_order=True)
        since = pl.col("since").fill_null(pl.lit(as_of, bulk.UTC_MICROSECONDS))
        self.memory.members = now.join(before, on="customer_id", how="left", maintain_order="left").with_columns(since)

    def _limits(self, facts: Facts, people: pl.DataFrame, as_of: datetime) -> ThenLimits:
        """Give what limited the messages to some customers then."""
        ids, decisions = people.select("customer_id").unique(), self.memory.decisions
        own = self.others.own(decisions, self.channel)
        messages = pl.concat([self.others.at(as_of), own]).join(ids, on="customer_id", how="semi")
        contacts = eligibility.contacts(people.unique("customer_id").sort("customer_id"))
        codes = Given(decisions, facts.inside)
        return ThenLimits(as_of, self.others.rules, self.others.caps, contacts, messages, codes, self.past.agreed)

    def _take(self, decisions: pl.DataFrame, facts: Facts, as_of: datetime) -> None:
        """Note what was decided, and let a campaign with a budget choose."""
        never, moment = pl.lit(None, bulk.UTC_MICROSECONDS), pl.lit(as_of, bulk.UTC_MICROSECONDS)
        new = decisions.with_columns(sent_at=pl.when(GOES).then(moment).otherwise(never)).select(*DECIDED)
        self.memory.decisions = pl.concat([self.memory.decisions, new])
        if allocate.is_budgeted(self.campaign):
            self._choose(self._held(as_of, is_new=True), facts, as_of)

    def _go_on(self, facts: Facts, as_of: datetime) -> None:
        """Look again at what waited and is due: it goes, waits on, or is given up."""
        held = self._held(as_of, is_new=False)
        if held.is_empty():
            return
        over = held.filter(pl.col("expires_at") <= as_of)
        self._settle(allocate.given_up(over, self.campaign, as_of), as_of)
        rest = held.filter(pl.col("expires_at") > as_of)
        if allocate.is_budgeted(self.campaign):
            self._choose(rest, facts, as_of)
        elif not rest.is_empty():
            limits = self._limits(facts, rest.select(*NOBODY.columns), as_of)
            limited = limits.look(rest, self.campaign, self.channel)
            wait = allocate.patience(self.campaign, as_of)
            self._settle(policy.limit(limited.people, wait, is_budgeted=False), as_of)

    def _held(self, as_of: datetime, *, is_new: bool) -> pl.DataFrame:
        """Give the decisions that wait and are due, of this day or of those before."""
        numbered = self.memory.decisions.with_row_index("id").with_columns(pl.col("id").cast(pl.Int64))
        is_todays = pl.col("as_of") == as_of
        held = numbered.filter(WAITS, pl.col("due_at") <= as_of, is_todays if is_new else ~is_todays)
        return held.select(*allocate.HELD_ROWS, "due_at", why=allocate.head(pl.col("reason")))

    def _choose(self, held: pl.DataFrame, facts: Facts, as_of: datetime) -> None:
        if held.is_empty():
            return
        limits = self._limits(facts, held.select(*NOBODY.columns), as_of)
        means = Means(limits, self._stocks(), self._purse(as_of))
        settled = allocate.choose(held.drop("due_at"), self.campaign, self.shared, means)
        self._settle(settled.changes, as_of)

    def _settle(self, changes: pl.DataFrame, as_of: datetime) -> None:
        """Write down what became of decisions that waited."""
        rows = changes.select("id", "outcome", pl.col("reason").str.slice(0, REASON_LENGTH), "due_at")
        moment = pl.lit(as_of, bulk.UTC_MICROSECONDS)
        rows = rows.with_columns(sent_at=pl.when(GOES).then(moment).otherwise(pl.lit(None, bulk.UTC_MICROSECONDS)))
        numbered = self.memory.decisions.with_row_index("id").with_columns(pl.col("id").cast(pl.Int64))
        self.memory.decisions = numbered.update(rows, on="id").drop("id").select(*DECIDED)

    def _stocks(self) -> dict[str, Stock]:
        """Give the whole stock of each offer of now, less what was given so far."""
        found = {}
        for offer in self.given.values():
            sharing = [variant for variant, other in self.given.items() if other.pk == offer.pk]
            stock = offers.stock_of(offer)
            is_given = pl.col("sent_at").is_not_null() & pl.col("variant").is_in(sharing)
            left = None if stock.total is None else max(0, stock.total - self.memory.decisions.filter(is_given).height)
            found[offer.key] = Stock(stock.name, stock.total, left)
        return found

    def _purse(self, as_of: datetime) -> Purse:
        begin, end = allocate.day_of(as_of)
        sent = self.memory.decisions["sent_at"].drop_nulls()
        today = int(((sent >= begin) & (sent < end)).sum())
        campaign = self.campaign
        spent = len(sent) * campaign.message_cost if campaign.budget is not None else 0.0
        return Purse(campaign.budget, campaign.message_cost, spent, campaign.most_a_day, today, end)

    def _note(self, facts: Facts, as_of: datetime) -> None:
        self.memory.days.append({"at": as_of.isoformat(), "source": facts.source, "customers": facts.frame.height})
