"""Who is in which segment: what all rules say now, and the differences to what is stored."""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from customers import bulk, erasure, history, snapshot
from customers.ids import among
from segments import bitmaps, cuts, growth, past, picked, rulebook
from segments.models import Bucket, Following, Membership, MembershipChange, Segment
from segments.rulebook import Rulebook
from segments.rules import masks, needs

FEW = 5_000  # customers that are looked up by id; more are read by bucket
PAIR = ["segment_id", "customer_id"]
CHANGES: bulk.Schema = {"segment_id": pl.Int64, "customer_id": pl.Int64, "bucket": pl.Int64, "kind": pl.String}
KIND = MembershipChange.Kind
TICK = timedelta(microseconds=1)
FOLLOWERS: list[
    Callable[[pl.DataFrame, datetime], None]
] = []  # told of every change, in the transaction that writes it
erasure.FORGETTERS.append(Following.lose)


def refresh(frame: pl.DataFrame, as_of: datetime) -> pl.DataFrame:
    """Bring the memberships of the frame's customers up to date; give who entered and left which segment.

    Every segment is answered for these customers only, and only differences are written, in one transaction. What is
    stored for a later time stays. A segment that cannot be answered keeps its members; `finish` notes why.
    """
    book = rulebook.read()
    rulebook.note(book, {key: book.problems[key] for key in book.paused})
    if frame.is_empty() or not book.rules:
        return pl.DataFrame(schema=CHANGES)
    inside = _answers(frame, book, as_of)
    buckets = frame["bucket"].unique().sort().to_list()
    with transaction.atomic():
        lock(buckets)
        there = set(Segment.objects.filter(pk__in=inside).values_list("pk", flat=True))
        answers = {segment: mask.to_numpy() for segment, mask in inside.items() if segment in there}
        return _write(_differences(frame, answers, as_of), as_of)


def put(segment: Segment, people: pl.DataFrame, inside: pl.Series, at: datetime) -> pl.DataFrame:
    """Say of customers (customer_id, bucket) whether they are in a segment, whatever was found before; give who moved.

    They are so as of just after the last change of the segment, or the latest snapshot, or of the time `at` where there
    was neither: the next cycle has the last word.
    """
    last = segment.changes.order_by("-as_of").values_list("as_of", flat=True).first()
    as_of = max((time + TICK for time in (last, segment.as_of, snapshot.latest()) if time), default=at)
    changes = [pl.DataFrame(schema=CHANGES)]
    asked = people.with_columns(inside=inside).sort("customer_id")
    for bucket in asked["bucket"].unique().sort().to_list():
        part = asked.filter(pl.col("bucket") == bucket)
        with transaction.atomic():
            lock([bucket])
            later = _written_later([bucket], [segment.pk], as_of)
            changes.append(_write(_compared(part, {segment.pk: part["inside"].to_numpy()}, bucket, later), as_of))
    size = bitmaps.totals([segment.pk]).get(segment.pk, bitmaps.NONE).size
    is_list = segment.kind == Segment.Kind.LIST
    Segment.objects.filter(pk=segment.pk).update(size=size, as_of=as_of if is_list else segment.as_of)
    return pl.concat(changes)


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
    totals = bitmaps.totals()
    later = set(Segment.objects.filter(as_of__gt=as_of).values_list("pk", flat=True))
    answered = [pk for key, pk in book.ids.items() if key not in book.problems and pk not in later]
    found = {pk: totals.get(pk, bitmaps.NONE) for pk in answered}
    rows = pl.DataFrame(
        {"id": answered, "size": [one.size for one in found.values()], "problem": [""] * len(answered)},
        schema={"id": pl.Int64, "size": pl.Int64, "problem": pl.String},
    )
    bulk.update(Segment, rows.with_columns(as_of=pl.lit(as_of).dt.cast_time_unit("us")), key=["id"])
    growth.note(found, as_of)
    rulebook.note(book, book.problems)


def _answers(frame: pl.DataFrame, book: Rulebook, as_of: datetime) -> dict[int, pl.Series]:
    """Say of every segment, by its id, which of the frame's customers belong into it."""
    scope = history.scope_of(frame, FEW)
    context = past.known(book.context(as_of, frame["bucket"].unique().to_list()), book.rules.values(), scope)
    answers = masks(book.rules, frame, context)
    return {book.ids[key]: answers[key] for key in book.rules}


def lock(buckets: list[int]) -> None:
    """Hold the buckets' rows until the commit: nobody else writes their memberships meanwhile."""
    rows = Bucket.objects.select_for_update().filter(pk__in=buckets).order_by("pk").values_list("pk", flat=True)
    if len(rows) < len(buckets):
        Bucket.objects.bulk_create([Bucket(number=number) for number in buckets], ignore_conflicts=True)
        list(rows.all())


def _differences(frame: pl.DataFrame, answers: Mapping[int, bitmaps.Flags], as_of: datetime) -> pl.DataFrame:
    """Store the new bits of all the frame's buckets, and give who entered and who left."""
    few = picked.pick(frame, answers) if answers and frame.height <= FEW else []
    whole = sorted(set(frame["bucket"].unique().to_list()) - {one.bucket for one in few})
    found = [_compared_few(frame, answers, few, as_of)] if few else []
    later = _written_later(whole, list(answers), as_of)
    return pl.concat(found + [_compared(frame, answers, bucket, later) for bucket in whole])


def _compared_few(
    frame: pl.DataFrame, answers: Mapping[int, bitmaps.Flags], few: list[picked.Picked], as_of: datetime
) -> pl.DataFrame:
    """Do what `_compared` does for buckets of whose customers few are in the frame."""
    ids = frame["customer_id"].to_numpy()
    rows = MembershipChange.objects.filter(among("customer_id", ids), as_of__gt=as_of).values_list(*PAIR)
    later = _by_segment(rows)
    segments, asked = list(answers), np.stack(list(answers.values()))
    parts = []
    for bits in few:
        moved: list[tuple[int, str, bitmaps.Ints]] = []
        own, was, now = ids[bits.rows], bits.inside(segments), asked[:, bits.rows]
        for row, segment in enumerate(segments):
            if segment in later:
                now[row] = np.where(np.isin(own, later[segment]), was[row], now[row])
        for row in np.flatnonzero((was != now).any(axis=1)).tolist():
            segment, before, after = segments[row], was[row], now[row]
            moved += [(segment, KIND.ENTERED, own[after & ~before]), (segment, KIND.LEFT, own[before & ~after])]
            bits.put(segment, before, after)
        parts.append(_changes(moved, bits.bucket))
    picked.write(few)
    return pl.concat(parts)


def _compared(
    frame: pl.DataFrame, answers: Mapping[int, bitmaps.Flags], bucket: int, later: Mapping[int, bitmaps.Ints]
) -> pl.DataFrame:
    """Store a bucket's new bits, and give who entered and who left.

    `later` are, by segment, the customers for whom a later time is stored: that stays.
    """
    of_bucket = (frame["bucket"] == bucket).to_numpy()
    is_here = slice(None) if of_bucket.all() else of_bucket
    ids = frame["customer_id"].to_numpy()[is_here]
    roster = bitmaps.read(bucket, answers)
    places = roster.admit(ids)
    if 2 * len(ids) >= len(roster.ids) and roster.dismiss(bitmaps.gone(roster, ids)):
        places = np.searchsorted(roster.ids, ids)
    moved: list[tuple[int, str, bitmaps.Ints]] = []
    for segment, mask in answers.items():
        was = roster.members[segment][places]
        now = np.where(np.isin(ids, later[segment]), was, mask[is_here]) if segment in later else mask[is_here]
        if (was != now).any():
            moved += [(segment, KIND.ENTERED, ids[now & ~was]), (segment, KIND.LEFT, ids[was & ~now])]
            roster.put(segment, places, now)
    bitmaps.write(roster)
    return _changes(moved, bucket)


def _changes(moved: list[tuple[int, str, bitmaps.Ints]], bucket: int) -> pl.DataFrame:
    """Give one row for each customer who moved, from the customers of each segment and kind."""
    counts = [len(ids) for _, _, ids in moved]
    columns = {
        "segment_id": np.repeat(np.array([segment for segment, _, _ in moved], dtype=np.int64), counts),
        "customer_id": np.concatenate([np.empty(0, dtype=np.int64), *(ids for _, _, ids in moved)]),
        "kind": np.repeat(np.array([kind == KIND.ENTERED for _, kind, _ in moved], dtype=bool), counts),
    }
    kind = pl.when("kind").then(pl.lit(str(KIND.ENTERED))).otherwise(pl.lit(str(KIND.LEFT)))
    rows = pl.DataFrame(columns).with_columns(bucket=pl.lit(bucket, pl.Int64), kind=kind)
    return rows.select(*CHANGES).sort("segment_id", "kind", "customer_id")


def _written_later(buckets: list[int], segments: list[int], as_of: datetime) -> dict[int, bitmaps.Ints]:
    """Give by segment the customers of these buckets whose membership was stored for a later time."""
    if not buckets:
        return {}
    rows = MembershipChange.objects.filter(among("segment_id", segments), bucket__in=buckets, as_of__gt=as_of)
    return _by_segment(rows.values_list(*PAIR))


def _by_segment(rows: "QuerySet[MembershipChange, Any]") -> dict[int, bitmaps.Ints]:
    later = bulk.read(rows, {name: CHANGES[name] for name in PAIR})
    return {
        segment: part["customer_id"].to_numpy()
        for (segment,), part in later.partition_by("segment_id", as_dict=True).items()
    }


def _write(changes: pl.DataFrame, as_of: datetime) -> pl.DataFrame:
    entered = changes.filter(pl.col("kind") == KIND.ENTERED)
    left = changes.filter(pl.col("kind") == KIND.LEFT)
    now = pl.lit(as_of).dt.cast_time_unit("us")
    bulk.insert(Membership, entered.select(*PAIR, "bucket", since=now, as_of=now))
    bulk.delete(Membership, left.select(PAIR))
    rows = changes.sort("customer_id", "segment_id").with_columns(as_of=now)  # as the index that takes longest lies
    try:
        with transaction.atomic():
            bulk.insert(MembershipChange, rows)
    except IntegrityError:  # the same time again, with other facts: whoever follows the commits is told the later ones
        bulk.delete(MembershipChange, rows.select(*PAIR, "as_of"))
        bulk.insert(MembershipChange, rows)
    for follow in FOLLOWERS:
        follow(changes, as_of)
    return changes
