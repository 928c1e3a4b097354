"""How far a running cycle has come, and how long it will still take."""

from datetime import datetime
from typing import NamedTuple

from django.conf import settings
from django.db.models import Count, Q

from campaigns.cycle_tasks import CLOSED
from campaigns.models import Cycle

Kind, Stage = Cycle.Kind, Cycle.Stage
OF_KIND = {
    Kind.FULL: (Stage.SYNC, Stage.SCORE, Stage.RANK, Stage.REFRESH, Stage.COUNT, Stage.ALLOCATE, Stage.DELIVER),
    Kind.SMALL: (Stage.SYNC, Stage.REFRESH, Stage.ALLOCATE),
}


class Progress(NamedTuple):
    """The stage in words, pieces of work done of all, and the seconds left where they can be told."""

    stage: str
    done: int
    total: int
    seconds_left: float | None

    @property
    def percent(self) -> int:
        """The share of the pieces done."""
        return 100 * self.done // max(1, self.total)

    def sentence(self) -> str:
        """Give it in one sentence."""
        return f"{self.stage}: {self.done:,} of {self.total:,} pieces done, {_left(self.seconds_left)}"


class Pieces(NamedTuple):
    """The pieces of one stage's work."""

    ended: int
    planned: int


def of(cycle: Cycle, now: datetime) -> Progress:
    """Give how far a cycle has come by a time.

    The time left follows the last cycle of its kind that was done: what share of its seconds of work is still ahead.
    Without one, it follows the cycle's own pace.
    """
    pieces = _pieces(cycle)
    done, total = (sum(one) for one in zip(*pieces.values(), strict=True))
    last = Cycle.objects.filter(kind=cycle.kind, state=Cycle.State.DONE).order_by("-pk").first()
    left = _like(last, pieces) if last else None
    if left is None and done:
        left = (now - cycle.started_at).total_seconds() * (total - done) / done
    return Progress(cycle.get_stage_display(), done, total, left)


def _pieces(cycle: Cycle) -> dict[str, Pieces]:
    """Give the pieces of every stage, with those that are still to be planned."""
    counted = cycle.tasks.values("stage").annotate(ended=Count("pk", filter=Q(state__in=CLOSED)), planned=Count("pk"))
    found = {row["stage"]: Pieces(row["ended"], row["planned"]) for row in counted.order_by()}
    of_kind = list(OF_KIND[Kind(cycle.kind)])
    now = of_kind.index(Stage(cycle.stage)) if cycle.stage in of_kind else len(of_kind)
    return {
        stage: found.get(stage, Pieces(0, _to_plan(cycle, stage) if n > now else 0)) for n, stage in enumerate(of_kind)
    }


def _to_plan(cycle: Cycle, stage: str) -> int:
    is_by_bucket = cycle.kind == Kind.FULL and stage in (Stage.SCORE, Stage.REFRESH)
    return int(settings.BUCKETS) if is_by_bucket else 1


def _like(last: Cycle, pieces: dict[str, Pieces]) -> float | None:
    """Give the seconds left if every stage takes its share of the time as it did last."""
    spent: dict[str, float] = last.summary.get("seconds", {})
    whole = sum(spent.get(stage, 0.0) for stage in pieces)
    if not whole or last.finished_at is None:
        return None
    ahead = sum(spent.get(stage, 0.0) * (1 - one.ended / one.planned) for stage, one in pieces.items() if one.planned)
    return (last.finished_at - last.started_at).total_seconds() * ahead / whole


def _left(seconds: float | None) -> str:
    if seconds is None:
        return "the time left is not known yet"
    if seconds < 1:
        return "nearly done"
    return f"about {seconds:.0f} s left" if seconds < 90 else f"about {seconds / 60:.0f} min left"
