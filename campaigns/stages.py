"""What each stage of a cycle does, for some buckets or for all. Each is safe to do twice."""

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from typing import Any

import polars as pl
from django.conf import settings
from django.db import models, transaction

from campaigns import allocate, causes, decide, deliver, news, occurrences, planning, programme
from campaigns.assignment import held_out
from campaigns.cycle_tasks import ALL, Outcome
from campaigns.models import Cycle, CycleTask
from campaigns.news import FOLLOWED, Marks, learned, newest, read_by
from campaigns.offers import told
from customers import history, snapshot
from customers.history import Scope
from customers.models import Source
from scoring import ranking, scores
from scoring.models import ScoreRun, Target
from segments import alerts, membership

DELIVERIES = 200  # of one piece of work
OWN_ACTS = (*planning.EVENTS.values(), *deliver.SENT.values(), "Offer Given")  # what deciding and delivering record
SMALL_MOST = 5_000  # customers of a small cycle; more are left to a full one


def sync(cycle: Cycle, buckets: Sequence[int]) -> Outcome:
    """Bring the lake up to date, and open the run of scores unless nothing is new since the published one.

    What only our own campaigns recorded as of the same time is no news: a cycle never feeds on itself.
    """
    before = last_read(cycle)
    marks = news.known_by(read_by(before), newest(), cycle.as_of) if before else newest()
    events = 0 if _is_repeat(cycle, marks) else history.sync()
    if cycle.kind == Cycle.Kind.FULL:
        run = scores.begin(cycle.as_of) or (ranking.published() if _lacks_buckets(cycle) else None)
    elif count_news(before, marks) <= SMALL_MOST:
        run = ranking.published()
    else:
        return Outcome({"events": events})
    Cycle.objects.filter(pk=cycle.pk).update(run=run, marks=marks)
    redeemed = told.redeem(read_by(before) if before else news.BEGIN, marks, cycle.as_of)
    return Outcome({"events": events, **redeemed})


def score(cycle: Cycle, buckets: Sequence[int]) -> Outcome:
    """Compute the features and scores of some buckets, and store their snapshots, which say who is held out."""
    assert cycle.run is not None
    lake = history.pin()
    frame, past = snapshot.take_with_past(Scope(several=tuple(buckets)), cycle.as_of, lake)
    scored = scores.score(frame, cycle.as_of, cycle.run, lake, past)
    scored = scored.with_columns(held_out(scored["seed"], programme.current().holdout_share))
    for bucket in buckets:
        own = scored if len(buckets) == 1 else scored.filter(pl.col("bucket") == bucket)
        snapshot.store(own, cycle.as_of, bucket)
    return Outcome({"scored": _scored(scored)})


def rank(cycle: Cycle, buckets: Sequence[int]) -> Outcome:
    """Rank the new scores and publish them; store the cut-points of rules that compare with all customers.

    Customers of buckets that were set aside keep the scores they had, and nobody's newer score is replaced.
    """
    if not Cycle.objects.filter(pk=cycle.pk, state=Cycle.State.RUNNING).exists():
        return Outcome({})  # cancelled: its scores are not published
    if cycle.run is not None:
        _publish(cycle, cycle.run)
    compared = membership.compared()
    membership.cut(cycle.as_of, (_ranked(cycle, [each], compared) for each in buckets_to_refresh(cycle)))
    return Outcome({})


def refresh(cycle: Cycle, buckets: Sequence[int]) -> Outcome:
    """Bring the memberships of some buckets up to date, and decide about their customers."""
    frame = _ranked(cycle, buckets)
    _note_bands(cycle, buckets, frame)
    return _decided(cycle, causes.attach(frame, previous(cycle), cycle.as_of, history.pin()), is_whole=True)


def refresh_changed(cycle: Cycle, buckets: Sequence[int]) -> Outcome:
    """Rescore the customers with news since the cycle before, refresh their memberships, and decide about them."""
    before = last_read(cycle)
    ids = changed(read_by(before), read_by(cycle)) if before else []
    if not ids or before is None:
        return Outcome({})
    lake = history.pin().of(ids)
    frame, past = snapshot.take_with_past(Scope(ids=tuple(ids)), cycle.as_of, lake)
    run = ranking.published()
    scored = scores.score(frame, cycle.as_of, run, lake, past) if run else frame
    frame = causes.attach(ranking.attach(scored), before.as_of, cycle.as_of, lake)
    outcome = _decided(cycle, frame, is_whole=False)
    return Outcome({**outcome.counts, "scored": _scored(scored)})


def count(cycle: Cycle, buckets: Sequence[int]) -> Outcome:
    """Note the size of every segment, and which are paused; remove the snapshots that had their time."""
    membership.finish(cycle.as_of)
    alerts.tell(cycle.as_of)
    snapshot.prune(cycle.as_of)
    return Outcome({})


def share_out(cycle: Cycle, buckets: Sequence[int]) -> Outcome:
    """Let campaigns with a budget or a daily limit choose among all who may get their message."""
    allocate.allocate(cycle.as_of)
    return Outcome({})


def deliver_due(cycle: Cycle, buckets: Sequence[int]) -> Outcome:
    """Deliver some of what is due; there may be more."""
    states = deliver.deliver(cycle.as_of, limit=DELIVERIES)
    return Outcome({"deliveries": dict(states)}, has_more=deliver.has_more(states))


Stage = Cycle.Stage
Work = Callable[[Cycle, Sequence[int]], Outcome]
FULL: dict[str, Work] = {
    Stage.SYNC: sync,
    Stage.SCORE: score,
    Stage.RANK: rank,
    Stage.REFRESH: refresh,
    Stage.COUNT: count,
    Stage.ALLOCATE: share_out,
    Stage.DELIVER: deliver_due,
}
# What a small cycle plans is sent beside it (tasks.small_cycle): the next one begins meanwhile.
SMALL: dict[str, Work] = {Stage.SYNC: sync, Stage.REFRESH: refresh_changed, Stage.ALLOCATE: share_out}
OF_KIND = {Cycle.Kind.FULL: FULL, Cycle.Kind.SMALL: SMALL}


def following(cycle: Cycle) -> tuple[str, list[int]]:
    """Give the stage after the cycle's, and the buckets it works on. A failed step over all buckets ends the cycle."""
    stages = [*OF_KIND[Cycle.Kind(cycle.kind)], Stage.DONE]
    done = cycle.tasks.filter(stage=cycle.stage, state=CycleTask.State.DONE)
    if not done.exists():
        return Stage.DONE, []
    stage = stages[stages.index(Stage(cycle.stage)) + 1]
    if stage == Stage.SCORE and cycle.run is None:
        stage = Stage.RANK
    if stage == Stage.SCORE:
        return stage, list(range(settings.BUCKETS))
    if stage == Stage.REFRESH and cycle.kind == Cycle.Kind.FULL:
        return stage, buckets_to_refresh(cycle)
    return stage, [] if stage == Stage.DONE else [ALL]


def buckets_to_refresh(cycle: Cycle) -> list[int]:
    """Give the buckets with a snapshot as of the cycle: all of them when nothing was to be scored."""
    if cycle.run is None:
        return list(range(settings.BUCKETS))
    done = cycle.tasks.filter(stage=Stage.SCORE, state=CycleTask.State.DONE)
    return sorted(done.values_list("bucket", flat=True))


def set_aside(cycle: Cycle) -> list[int]:
    """Give the buckets that could not be scored."""
    failed = cycle.tasks.filter(stage=Stage.SCORE, state=CycleTask.State.FAILED)
    return sorted(failed.values_list("bucket", flat=True))


def previous(cycle: Cycle) -> datetime | None:
    """Give the as-of time of the last full cycle before this one that was done."""
    done = Cycle.objects.filter(kind=Cycle.Kind.FULL, state=Cycle.State.DONE, as_of__lt=cycle.as_of)
    return done.order_by("-as_of").values_list("as_of", flat=True).first()


def changed(after: Marks, until: Marks) -> list[int]:
    """Give the customers of whom there is news after the marks `after`, up to the marks `until`."""
    found: set[int] = set()
    for name in FOLLOWED:
        found.update(_news(name, after, until).values_list("customer_id", flat=True).distinct())
    return sorted(found)


def count_news(before: Cycle | None, until: Marks) -> int:
    """Give of how many customers there is news since a cycle read, counted up to one more than SMALL_MOST."""
    found: set[int] = set()
    if before is None:
        return 0
    for name in FOLLOWED:
        rows = _news(name, read_by(before), until).values_list("customer_id", flat=True)
        found.update(rows.distinct()[: SMALL_MOST + 1])
    return min(len(found), SMALL_MOST + 1)


def last_read(until: Cycle | None = None) -> Cycle | None:
    """Give the newest cycle (before `until`) that says how far it read, if a full cycle was ever done.

    One that failed or was cancelled has read for nobody: whom it did not reach is still news.
    """
    if not Cycle.objects.filter(kind=Cycle.Kind.FULL, state=Cycle.State.DONE).exists():
        return None
    cycles = Cycle.objects.filter(marks__isnull=False, state__in=(Cycle.State.RUNNING, Cycle.State.DONE))
    return (cycles.filter(pk__lt=until.pk) if until else cycles).order_by("-pk").first()


def looked_at_since(cycle: Cycle) -> list[int]:
    """Give the customers whom a small cycle as of a later time has looked at: what this one knows of them is old."""
    small = Cycle.objects.filter(kind=Cycle.Kind.SMALL, state=Cycle.State.DONE, marks__isnull=False)
    last = small.filter(pk__gt=cycle.pk, as_of__gt=cycle.as_of).order_by("-pk").first()
    return changed(read_by(cycle), read_by(last)) if last else []


def _news(name: str, after: Marks, until: Marks) -> "models.QuerySet[Any]":
    """Give what we learned from others: that we sent something, or held somebody out, is no news to us."""
    rows = learned(name, after, until)
    return rows.exclude(name__in=OWN_ACTS, source__kind=Source.Kind.CAMPAIGNS) if name == "events" else rows


def _is_repeat(cycle: Cycle, marks: Marks) -> bool:
    """Give whether a full cycle as of the same time is done, and only our own campaigns have told us more since."""
    same = Cycle.objects.filter(kind=Cycle.Kind.FULL, state=Cycle.State.DONE, as_of=cycle.as_of)
    before = same.order_by("-pk").first()
    if before is None or before.marks is None:
        return False
    told = learned("events", read_by(before), marks).exclude(source__kind=Source.Kind.CAMPAIGNS)
    return not told.exists() and not learned("attributes", read_by(before), marks).exists()


def _lacks_buckets(cycle: Cycle) -> bool:
    """Give whether the last cycle as of the same time set buckets aside before they were scored, or a file is gone."""
    if not all(snapshot.is_stored(cycle.as_of, bucket) for bucket in range(settings.BUCKETS)):
        return True
    same = Cycle.objects.filter(kind=Cycle.Kind.FULL, as_of=cycle.as_of, pk__lt=cycle.pk)
    before = same.exclude(state=Cycle.State.CANCELLED).order_by("-pk").first()
    return before is not None and bool(set_aside(before))


def _publish(cycle: Cycle, run: ScoreRun) -> None:
    before = ranking.published()
    scores.take_over(run, set_aside(cycle))
    names = [f"scores.{key}" for key in Target.objects.values_list("key", flat=True)]
    ranking.rank(run, (snapshot.load(cycle.as_of, each, names) for each in buckets_to_refresh(cycle)))
    if before is not None and before.pk != run.pk:
        scores.keep_newer(run, before, looked_at_since(cycle))


def _ranked(cycle: Cycle, buckets: Sequence[int], columns: Collection[str] | None = None) -> pl.DataFrame:
    """Give some buckets' snapshot with its scores and where they stand among all; of `columns`, what they need."""
    wanted = None if columns is None else [*columns, *(".".join(name.split(".")[:2]) for name in columns)]
    # Bucket by bucket: to put a frame of many columns in the order of all customers takes longer than to read it.
    frames = [snapshot.load(cycle.as_of, bucket, wanted) for bucket in buckets]
    frame = pl.concat(frames, how="diagonal_relaxed")
    return ranking.attach(frame) if cycle.run is None else ranking.place(frame, cycle.run)


def _note_bands(cycle: Cycle, buckets: Sequence[int], frame: pl.DataFrame) -> None:
    """Note who of some buckets has another band than in the run before."""
    if cycle.run is None:
        return
    before = ScoreRun.objects.filter(state=ScoreRun.State.OLD, pk__lt=cycle.run_id).order_by("-pk").first()
    scored = [name for name in frame.columns if name.startswith("scores.") and name.count(".") == 1]
    there = [bucket for bucket in buckets if before and snapshot.is_stored(before.as_of, bucket)]
    if before is not None and scored and there:
        ranking.note_moved(frame, cycle.run, snapshot.load(before.as_of, there, scored), before)


def _decided(cycle: Cycle, frame: pl.DataFrame, *, is_whole: bool) -> Outcome:
    """Write the differences of membership and the decisions that follow in one commit: an edge is seen once.

    Whom a later small cycle has looked at keeps her memberships, and fires nothing.
    """
    current = frame
    if newer := looked_at_since(cycle) if is_whole else []:
        is_old = pl.col("customer_id").is_in(pl.Series(newer).implode())
        frame = frame.with_columns(cause=pl.when(is_old).then(pl.lit(causes.START)).otherwise("cause"))
        current = frame.filter(~is_old)
    with transaction.atomic():
        changes = membership.refresh(current, cycle.as_of)
        happened = news.occurred(cycle, frame, occurrences.events_waited_for())
        decisions = decide.decide(frame, changes, cycle.as_of, is_whole=is_whole, happened=happened)
    kinds = Counter(changes["kind"].to_list())
    return Outcome(
        {
            "customers": frame.height,
            "entered": kinds["entered"],
            "left": kinds["left"],
            "decisions": dict(decisions),
        }
    )


def _scored(frame: pl.DataFrame) -> int:
    values = frame.select(name for name in frame.columns if name.startswith("scores."))
    return sum(values.height - column.null_count() for column in values.iter_columns())
