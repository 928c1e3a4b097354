"""Whether a campaign is accounted for: who was due, what was decided, what was to go out, and what became of it.

Both sides of every sum must be equal: crossings that fired and decisions, decisions to deliver and their deliveries,
deliveries and their ends. Nothing is called done while a sum differs or a row is open.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import starmap
from typing import NamedTuple

from django.db.models import Case, Count, Q, Sum, Value, When

from campaigns.models import Campaign, Decision, Delivery, Slot, TriggerState

Outcome, State = Decision.Outcome, Delivery.State
DECISIONS, DELIVERIES = "decisions", "deliveries"
ON_THE_WAY = (State.PLANNED, State.CLAIMED, State.SENDING)
ENDED = (State.SENT, State.FAILED, State.CANCELLED)
WITH_REASON = (State.FAILED, State.CANCELLED)  # of what was sent, the receipt is the reason


class Balance(NamedTuple):
    """What must be equal, with both sides."""

    words: str
    left: int
    right: int

    @property
    def is_equal(self) -> bool:
        """Say whether it is."""
        return self.left == self.right


class Open(NamedTuple):
    """Rows that have not come to their end, and the list that shows them: which one, and by which filter."""

    words: str
    number: int
    list: str = ""
    filter: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Reconciliation:
    """The books of one campaign as of a time."""

    campaign: Campaign
    as_of: datetime
    due: int
    outcomes: dict[str, int]
    deliveries: dict[str, int]
    balances: tuple[Balance, ...]
    open: tuple[Open, ...]

    @property
    def decisions(self) -> int:
        """Give how many decisions there are."""
        return sum(self.outcomes.values())

    @property
    def is_done(self) -> bool:
        """Say that all sums hold and nothing is open."""
        return not self.open and all(one.is_equal for one in self.balances)

    def sentence(self) -> str:
        """Give the whole in one sentence."""
        told = f"due {self.due:,}, decisions {self.decisions:,}, deliveries {sum(self.deliveries.values()):,}"
        if self.is_done:
            return f"Done: {told}; everything has come to its end."
        wrong = [f"{one.words} differ ({one.left:,} and {one.right:,})" for one in self.balances if not one.is_equal]
        return f"Not done: {told}; {'; '.join([*wrong, *(f'{one.words}: {one.number:,}' for one in self.open)])}."


class _Row(NamedTuple):
    """So many decisions of one outcome whose delivery (none where `state` is null) stands so."""

    outcome: str
    state: str | None
    step: int | None
    is_bare: bool
    number: int


def reconcile(campaign: Campaign, as_of: datetime) -> Reconciliation:
    """Give the books of a campaign, counted by the database."""
    # Crossings first: of a decision that is stored between the two counts, the crossing is not missed then.
    fired = TriggerState.objects.filter(campaign=campaign).aggregate(fired=Sum("round"))["fired"] or 0
    rows = _rows(campaign)
    decided = [row for row in rows if not row.step]  # without a delivery, or with the first
    decisions = sum(row.number for row in decided)
    due = max(fired, decisions)  # what a merge left without a state still has its decisions
    going = sum(row.number for row in decided if row.outcome == Outcome.DELIVER)
    carried = sum(row.number for row in decided if row.outcome == Outcome.DELIVER and row.state is not None)
    made = sum(row.number for row in rows if row.state is not None)
    opened = tuple(one for one in _open(campaign, rows, due - decisions, going - carried, as_of) if one.number)
    ends = sum(row.number for row in rows if row.state in ENDED)
    not_ended = sum(row.number for row in rows if row.state in (*ON_THE_WAY, State.UNCERTAIN))
    balances = (
        Balance("crossings and decisions", due, decisions),
        Balance("decisions to deliver and those with a delivery", going, carried),
        Balance("deliveries and their ends, the open ones counted", made, ends + not_ended),
    )
    outcomes = _counted((row.outcome, row.number) for row in decided)
    states = _counted((row.state, row.number) for row in rows if row.state is not None)
    return Reconciliation(campaign, as_of, due, outcomes, states, balances, opened)


def _rows(campaign: Campaign) -> list[_Row]:
    """Give the decisions counted by outcome and by how their deliveries stand, in one statement."""
    is_bare = Q(deliveries__state__in=WITH_REASON, deliveries__reason="", deliveries__resolution="")
    found = (
        Decision.objects.filter(campaign=campaign)
        .annotate(is_bare=Case(When(is_bare, then=Value(True)), default=Value(False)))
        .order_by()
        .values_list("outcome", "deliveries__state", "deliveries__step", "is_bare")
        .annotate(Count("pk"))
    )
    return list(starmap(_Row, found))


def _open(campaign: Campaign, rows: list[_Row], undecided: int, missing: int, as_of: datetime) -> Iterator[Open]:
    """Give everything that may be open, each row once: a deferred decision stands for its planned delivery."""
    deferred = sum(row.number for row in rows if row.outcome == Outcome.DEFERRED and not row.step)
    slots = Slot.objects.filter(campaign=campaign, at__lte=as_of, done_at__isnull=True).count()
    yield Open("times to act that have come and are not done", slots)
    yield Open("crossings without a decision", undecided)
    yield Open("decisions to deliver without a delivery", missing, DECISIONS, (("outcome", Outcome.DELIVER),))
    yield Open("decisions deferred", deferred, DECISIONS, (("outcome", Outcome.DEFERRED),))
    for state in (*ON_THE_WAY, State.UNCERTAIN):
        waits = Outcome.DEFERRED if state == State.PLANNED else ""
        count = sum(row.number for row in rows if row.state == state and row.outcome != waits)
        yield Open(f"deliveries {state.label.lower()}", count, DELIVERIES, (("state", state),))
    bare = sum(row.number for row in rows if row.is_bare)
    yield Open("deliveries ended without a reason", bare, DELIVERIES)
    astray = sum(row.number for row in rows if row.state == State.SENT and row.outcome != Outcome.DELIVER)
    yield Open("deliveries sent that were not decided", astray, DELIVERIES, (("state", State.SENT),))


def _counted(found: Iterator[tuple[str, int]]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for name, count in found:
        counts[name] = counts.get(name, 0) + count
    return counts
