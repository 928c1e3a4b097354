"""Sums of reports, kept: what is new or may still change is counted again, the rest stays until something reaches it.

A day of first decisions is closed once its customers' time for the goal has run out. Closed days are counted anew when
an event comes late that lies in their time, when a customer is erased or merged, when goal, margin or costs are
changed, and once a day: a delivery or a code may have been settled since.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Any

import polars as pl
from django.db import connection, transaction
from django.db.models import Count, F, Min, QuerySet
from django.db.models.fields.tuple_lookups import Tuple, TupleGreaterThan

from campaigns import assigned
from campaigns.assigned import TOLD, Counted, Plan
from campaigns.models import Campaign, Decision, Delivery, ReportState, ReportSum, ReportTag
from customers import bulk
from customers.models import Event, Tombstone

EVERY = timedelta(hours=1)
WHOLE_EVERY = timedelta(days=1)
AT_ONCE = 5_000  # decisions that are counted while somebody waits: some tenths of a second
MOST_REASONS = 30


@dataclass(frozen=True)
class Facts:
    """Decisions by outcome, deliveries by state, and why decisions were not to deliver: outcome, reason, number."""

    outcomes: dict[str, int]
    deliveries: dict[str, int]
    reasons: list[tuple[str, str, int]]


@dataclass(frozen=True)
class Sums:
    """All that a report is made from, and as of when it was counted."""

    counted_at: datetime
    counted: Counted
    facts: Facts


def of(plan: Plan, as_of: datetime, at_once: int = AT_ONCE) -> Sums:
    """Give the sums of a plan: counted now where they are few, else those kept, which the schedule counts.

    Those kept may be from an earlier time; where there are none, or they were counted by another goal, they are
    counted now, and kept. A time before the one they are from is counted now, too.
    """
    if _is_small(plan, as_of, at_once):
        return Sums(as_of, assigned.count(plan, as_of), facts(plan, as_of))
    state = ReportState.objects.filter(key=plan.key).first()
    if state and state.as_of > as_of:
        return Sums(as_of, assigned.count(plan, as_of), facts(plan, as_of))
    if state is None or state.counted_by != plan.counted_by:
        state = refresh(plan, as_of)
    return kept(state)


def keep(now: datetime) -> None:
    """Count anew what is an hour old, of campaigns that are not small and of the programme. Safe to do twice."""
    plans = [assigned.plan_of(one) for one in Campaign.objects.exclude(launched_at=None).order_by("pk")]
    fresh = set(ReportState.objects.filter(as_of__gt=now - EVERY).values_list("key", flat=True))
    for plan in [*plans, assigned.plan_of_programme()]:
        if plan.key not in fresh and not _is_small(plan, now, AT_ONCE):
            refresh(plan, now)


def refresh(plan: Plan, as_of: datetime) -> ReportState:
    """Bring the kept sums of a plan up to a time, and give them; an earlier time changes nothing.

    Counting happens outside of the transaction that stores; who is second to store lets the first one's stand.
    """
    before = ReportState.objects.filter(key=plan.key).first()
    if before and before.as_of >= as_of and before.counted_by == plan.counted_by:
        return before
    seen, gone = _newest_event(), Tombstone.objects.count()
    since = _since(before, plan, as_of, gone) if before else None
    counted, told = assigned.count(plan, as_of, since), facts(plan, as_of)
    with transaction.atomic():
        state, _ = ReportState.objects.select_for_update().get_or_create(
            key=plan.key,
            defaults={"campaign": plan.campaign, "as_of": as_of, "whole_at": as_of, "counted_by": plan.counted_by},
        )
        if before and state.as_of != before.as_of:
            return state
        stale = {"day__gte": since.date()} if since else {}
        ReportSum.objects.filter(state=state, **stale).delete()
        ReportTag.objects.filter(state=state, **stale).delete()
        bulk.insert(ReportSum, counted.sums.with_columns(state_id=pl.lit(state.pk, pl.Int64)))
        bulk.insert(ReportTag, counted.tags.with_columns(state_id=pl.lit(state.pk, pl.Int64)))
        state.as_of, state.counted_by, state.gone = as_of, plan.counted_by, gone
        state.whole_at = state.whole_at if since else as_of
        state.before_xact, state.before_id = (before.seen_xact, before.seen_id) if before else seen
        state.seen_xact, state.seen_id = seen
        state.outcomes, state.deliveries, state.reasons = told.outcomes, told.deliveries, told.reasons
        state.save()
    return state


def kept(state: ReportState) -> Sums:
    """Give the sums as they are kept."""
    columns = [field.attname for field in ReportSum._meta.fields if field.attname not in ("id", "state_id")]
    sums = bulk.read(state.sums.order_by("day", "pk").values_list(*columns), _schema(ReportSum, columns))
    names = ["day", "tag", "clicked", "converted"]
    tags = bulk.read(state.tags.order_by("day", "tag").values_list(*names), _schema(ReportTag, names))
    told = Facts(state.outcomes, state.deliveries, [(str(a), str(b), int(n)) for a, b, n in state.reasons])
    return Sums(state.as_of, Counted(sums, tags), told)


def facts(plan: Plan, as_of: datetime) -> Facts:
    """Count decisions and deliveries of all rounds; of the programme nothing is told by these."""
    if plan.campaign is None:
        return Facts({}, {}, [])
    decided = Decision.objects.filter(campaign=plan.campaign, as_of__lte=as_of).order_by()
    sent = Delivery.objects.filter(decision__campaign=plan.campaign, decision__as_of__lte=as_of).order_by()
    undelivered = decided.exclude(outcome=Decision.Outcome.DELIVER).values_list("outcome", "reason")
    reasons = undelivered.annotate(n=Count("id")).order_by("-n", "outcome", "reason")[:MOST_REASONS]
    return Facts(
        dict(decided.values_list("outcome").annotate(Count("id"))),
        dict(sent.values_list("state").annotate(Count("id"))),
        list(reasons),
    )


def closed_before(plan: Plan, as_of: datetime) -> datetime:
    """Give the midnight (UTC) before which the days of first decisions are closed."""
    return _midnight(as_of - plan.window)


def _is_small(plan: Plan, as_of: datetime, most: int) -> bool:
    few = assigned.decisions_of(plan, as_of).order_by()[: most + 1]
    return few.count() <= most


def _since(before: ReportState, plan: Plan, as_of: datetime, gone: int) -> datetime | None:
    """Give from which day on to count anew; None: all of them."""
    is_over = plan.campaign is not None and plan.campaign.state == Campaign.State.STOPPED
    is_due = as_of - before.whole_at >= WHOLE_EVERY and not is_over
    if is_due or before.counted_by != plan.counted_by or before.gone != gone:
        return None
    since = closed_before(plan, before.as_of)
    # From the mark before the last: an event may be stored while it is counted, and be known only after its time.
    late = _stored_after(before.before_xact, before.before_id).filter(
        name__in=(plan.goal.event, *TOLD), occurred_at__lt=since + plan.window
    )
    earliest = late.aggregate(earliest=Min("occurred_at"))["earliest"]
    return since if earliest is None else min(since, _midnight(earliest - plan.window))


def _newest_event() -> tuple[int, int]:
    """Give the last event, in the order of commits, that no open transaction can still precede."""
    rows, below = Event.objects.order_by("-stored_xact", "-pk"), bulk.committed_below()
    found = (rows if below is None else rows.filter(stored_xact__lt=below)).values_list("stored_xact", "pk").first()
    return found or (0, 0)


def _stored_after(xact: int, number: int) -> "QuerySet[Event]":
    if connection.vendor != "postgresql":
        return Event.objects.filter(pk__gt=number)
    return Event.objects.filter(TupleGreaterThan(Tuple(F("stored_xact"), F("pk")), (xact, number)))


def _midnight(at: datetime) -> datetime:
    return datetime.combine(at.astimezone(UTC).date(), time(), UTC)


def _schema(model: Any, columns: list[str]) -> bulk.Schema:
    kinds = {"DateField": pl.Date, "CharField": pl.String, "FloatField": pl.Float64, "IntegerField": pl.Int64}
    return {name: kinds[model._meta.get_field(name).get_internal_type()] for name in columns}
