"""How the queue is doing: load and age, who calls, what comes of it over time, and what is left undone."""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from typing import NamedTuple

from django.db.models import Count, F, Min, Q, QuerySet
from django.db.models.functions import TruncDate
from django.utils import timezone

from campaigns.calls.queue import ABANDONED, EXPIRED
from campaigns.models import Agent, Call, CallTask
from customers.models import AuditEntry

State, Outcome = CallTask.State, CallTask.Outcome
DAYS = 30
ENDED = (State.DONE, State.CANCELLED)


class CampaignLoad(NamedTuple):
    """The calls of one campaign: how many wait, since when, and what became of the others lately."""

    campaign: str
    open: int
    claimed: int
    oldest: datetime | None
    done: int
    expired: int
    cancelled: int
    outcomes: Counter[str]


class AgentLoad(NamedTuple):
    """The calls of one agent."""

    agent: str
    held: int
    today: int
    most: int | None
    calls: int
    abandoned: int
    seconds: float | None
    outcomes: Counter[str]


class Day(NamedTuple):
    """What came of the calls of one day."""

    day: date
    outcomes: Counter[str]


def campaigns(at: datetime) -> list[CampaignLoad]:
    """Give the load by campaign, the longest queue first."""
    since = Q(ended_at__gt=at - timedelta(days=DAYS))
    expired = Q(state=State.CANCELLED, delivery__reason=EXPIRED)
    rows = CallTask.objects.filter(Q(state__in=(State.OPEN, State.CLAIMED)) | since).values("campaign__name")
    counted = rows.annotate(
        open=Count("pk", filter=Q(state=State.OPEN, due_at__lte=at)),
        claimed=Count("pk", filter=Q(state=State.CLAIMED)),
        oldest=Min("due_at", filter=Q(state=State.OPEN, due_at__lte=at)),
        done=Count("pk", filter=Q(state=State.DONE)),
        expired=Count("pk", filter=expired),
        cancelled=Count("pk", filter=Q(state=State.CANCELLED)),
    )
    outcomes = _outcomes(at, "task__campaign__name")
    return [
        CampaignLoad(
            row["campaign__name"],
            row["open"],
            row["claimed"],
            row["oldest"],
            row["done"],
            row["expired"],
            row["cancelled"] - row["expired"],
            outcomes.get(row["campaign__name"], Counter()),
        )
        for row in counted.order_by("-open", "campaign__name")
    ]


def agents(at: datetime) -> list[AgentLoad]:
    """Give the load by agent: those who called lately, have a call, or have limits."""
    midnight = timezone.localtime(at).replace(hour=0, minute=0, second=0, microsecond=0)
    held = dict(_counted(CallTask.objects.filter(state=State.CLAIMED), "agent__username"))
    today = dict(_counted(Call.objects.filter(at__gte=midnight, at__lte=at), "agent__username"))
    left = AuditEntry.objects.filter(what=ABANDONED, at__gt=at - timedelta(days=DAYS))
    abandoned = dict(_counted(left, "by__username"))
    most = dict(Agent.objects.values_list("user__username", "calls_a_day"))
    outcomes, seconds = _outcomes(at, "agent__username"), _seconds(at)
    names = {*held, *today, *abandoned, *most, *outcomes} - {None}
    return [
        AgentLoad(
            name,
            held.get(name, 0),
            today.get(name, 0),
            most.get(name),
            sum(outcomes.get(name, Counter()).values()),
            abandoned.get(name, 0),
            seconds.get(name),
            outcomes.get(name, Counter()),
        )
        for name in sorted(map(str, names))
    ]


def days(at: datetime) -> list[Day]:
    """Give the outcomes of each day of the last weeks, days without calls too."""
    rows = _lately(at).annotate(day=TruncDate("at")).values_list("day", "outcome").annotate(n=Count("pk")).order_by()
    found: dict[date, Counter[str]] = {}
    for day, outcome, n in rows:
        found.setdefault(day, Counter())[outcome] += n
    last = timezone.localtime(at).date()
    every = [last - timedelta(days=n) for n in range(DAYS - 1, -1, -1)]
    return [Day(day, found.get(day, Counter())) for day in every]


def held() -> "QuerySet[CallTask]":
    """Give the calls that agents have, the longest first."""
    rows = CallTask.objects.filter(state=State.CLAIMED).order_by("claimed_at", "pk")
    return rows.select_related("customer", "campaign", "agent")


def call_backs(at: datetime, most: int) -> Sequence[CallTask]:
    """Give the next calls that are to be made again at a time of their own."""
    rows = CallTask.objects.filter(state=State.OPEN, tries__gt=0, due_at__gt=at).order_by("due_at", "pk")
    return list(rows.select_related("customer", "campaign")[:most])


def calls(since: datetime, until: datetime) -> Iterator[tuple[object, ...]]:
    """Give every call of a time as a row: when, campaign, customer, try, outcome, seconds, agent and note."""
    rows = Call.objects.filter(at__gte=since, at__lte=until).order_by("at", "pk")
    named = ("at", "task__campaign__key", "task__customer__external_id", "number", "outcome", "seconds")
    yield from rows.values_list(*named, "agent__username", "note").iterator(chunk_size=2_000)


def _lately(at: datetime) -> "QuerySet[Call]":
    return Call.objects.filter(at__gt=at - timedelta(days=DAYS), at__lte=at)


def _counted(rows: "QuerySet[CallTask] | QuerySet[Call] | QuerySet[AuditEntry]", by: str) -> Iterator[tuple[str, int]]:
    yield from rows.order_by().values_list(by).annotate(n=Count("pk"))


def _outcomes(at: datetime, by: str) -> dict[str, Counter[str]]:
    found: dict[str, Counter[str]] = {}
    for name, outcome, n in _lately(at).order_by().values_list(by, "outcome").annotate(n=Count("pk")):
        found.setdefault(name, Counter())[outcome] = n
    return found


def _seconds(at: datetime) -> dict[str, float]:
    told = _lately(at).exclude(seconds=None).order_by().values_list(F("agent__username"), "seconds")
    found: dict[str, list[int]] = {}
    for name, seconds in told:
        found.setdefault(name, []).append(seconds)
    return {name: sum(all_) / len(all_) for name, all_ in found.items()}
