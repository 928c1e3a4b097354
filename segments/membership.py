"""Who is in which segment: what all rules say now, and the differences to what is stored."""

import logging
from collections.abc import Iterable
from datetime import datetime

import polars as pl
from django.db import transaction
from django.db.models import Count, Q

from customers import bulk, history
from segments import cuts, rulebook
from segments.models import Bucket, Membership, MembershipChange, Segment
from segments.rulebook import Rulebook
from segments.rules import masks, needs

log = logging.getLogger(__name__)
FEW = 1_000  # customers that are looked up by id; more are read by bucket
PAIR = ["segment_id", "customer_id"]
CHANGES: bulk.Schema = {"segment_id": pl.Int64, "customer_id": pl.Int64, "bucket": pl.Int64, "kind": pl.String}
STORED: bulk.Schema = {"segment_id": pl.Int64, "customer_id": pl.Int64, "bucket": pl.Int64, "as_of": pl.Datetime}


def refresh(frame: pl.DataFrame, as_of: datetime) -> pl.DataFrame:
    """Bring the memberships of the frame's customers up to date; give who entered and left which segment.

    Every segment is answered for these customers only, and only differences are written, in one transaction. What is
    stored for a later time stays. A segment that cannot be answered keeps its members; `finish` notes why.
    """
    book = rulebook.read()
    for key, problem in book.problems.items():
        log.error("Segment %s keeps its members: %s", key, problem)
    if frame.is_empty() or not book.rules:
        return pl.DataFrame(schema=CHANGES)
    inside = _inside(frame, book, as_of)
    with transaction.atomic():
        _lock(frame["bucket"].unique().sort().to_list())
        return _write(_differences(frame, inside, book, as_of), as_of)


def compared() -> set[str]:
    """Give the fields of which rules ask how a customer compares with all others."""
    book = rulebook.read()
    rules = [*book.rules.values(), *book.waiting.values()]
    return {node.field.name for rule in rules for node in needs(rule).cuts}


def cut(as_of: datetime, frames: Iterable[pl.DataFrame]) -> None:
    """Take and store the cut-points of all rules that compare with all customers; the frames hold everybody."""
    book = rulebook.read()
    rules = [*book.rules.values(), *book.waiting.values()]
    cuts.store(cuts.take(frames, {node for rule in rules for node in needs(rule).cuts}), as_of)


def finish(as_of: datetime) -> None:
    """Note every segment's size and the time it is true for, once all buckets are refreshed; and what is wrong."""
    book = rulebook.read()
    sizes = dict(Membership.objects.values_list("segment_id").annotate(Count("customer_id")).order_by())
    for key, pk in book.ids.items():
        segment = Segment.objects.filter(pk=pk)
        if key in book.problems:
            segment.update(problem=book.problems[key][:300])
        else:
            older = segment.filter(Q(as_of__isnull=True) | Q(as_of__lte=as_of))
            older.update(size=sizes.get(pk, 0), as_of=as_of, problem="")


def _inside(frame: pl.DataFrame, book: Rulebook, as_of: datetime) -> pl.DataFrame:
    """Give a row for every segment and customer that belongs into it."""
    asks_events = any(needs(rule).events for rule in book.rules.values())
    lake = history.pin() if asks_events else None  # held until the events are collected
    events = rulebook.events_of(lake, frame, FEW) if lake else None
    answers = masks(book.rules, frame, book.context(as_of, events))
    ids = pl.DataFrame(schema=dict.fromkeys([*PAIR, "bucket"], pl.Int64))
    parts = [
        frame.filter(answers[key]).select(pl.lit(book.ids[key], pl.Int64).alias("segment_id"), "customer_id", "bucket")
        for key in book.rules
    ]
    return pl.concat([ids, *parts])


def _lock(buckets: list[int]) -> None:
    """Hold the buckets' rows until the commit."""
    rows = Bucket.objects.select_for_update().filter(pk__in=buckets).order_by("pk")
    if len(rows) < len(buckets):
        Bucket.objects.bulk_create([Bucket(number=number) for number in buckets], ignore_conflicts=True)
        list(rows.all())


def _differences(frame: pl.DataFrame, inside: pl.DataFrame, book: Rulebook, as_of: datetime) -> pl.DataFrame:
    """Give who entered and who left since the stored state, without those stored for a later time."""
    answered = [book.ids[key] for key in book.rules]
    buckets = frame["bucket"].unique().to_list()
    people = Q(bucket__in=buckets)
    if frame.height <= FEW:
        people &= Q(customer_id__in=frame["customer_id"].to_list())
    people &= Q(segment_id__in=answered)
    stored = bulk.read(Membership.objects.filter(people).values_list(*STORED), STORED)
    stored = stored.join(frame.select("customer_id"), on="customer_id", how="semi")
    later = bulk.read(MembershipChange.objects.filter(people, as_of__gt=as_of).values_list(*PAIR), _of(PAIR))
    entered = inside.join(stored, on=PAIR, how="anti").join(later, on=PAIR, how="anti")
    left = stored.filter(pl.col("as_of") <= as_of).join(inside, on=PAIR, how="anti")
    kinds = ((entered, MembershipChange.Kind.ENTERED), (left, MembershipChange.Kind.LEFT))
    return pl.concat(part.select(*PAIR, "bucket", pl.lit(kind.value).alias("kind")).sort(PAIR) for part, kind in kinds)


def _write(changes: pl.DataFrame, as_of: datetime) -> pl.DataFrame:
    entered = changes.filter(pl.col("kind") == MembershipChange.Kind.ENTERED.value)
    left = changes.filter(pl.col("kind") == MembershipChange.Kind.LEFT.value)
    now = pl.lit(as_of).dt.cast_time_unit("us")
    bulk.insert(Membership, entered.select(*PAIR, "bucket", since=now, as_of=now))
    bulk.delete(Membership, left.select(PAIR))
    # The same time again with other facts: the later change takes the row, and readers that follow along see it.
    bulk.upsert(
        MembershipChange,
        changes.with_columns(as_of=now),
        key=[*PAIR, "as_of"],
        update=["kind", "stored_xact"],
        compare=["kind"],
    )
    return changes


def _of(names: list[str]) -> bulk.Schema:
    return {name: CHANGES[name] for name in names}
