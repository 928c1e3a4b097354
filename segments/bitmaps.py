"""Members as bits: one bitmap for each segment and bucket, beside the rows that people and readers see.

A bucket numbers its customers in the order of their ids; bit n of a bitmap stands for customer n. Rows and bitmaps are
written in one transaction under the bucket's lock; what differs is found without reading the rows.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import polars as pl
from django.db.models import Sum

from customers import bulk
from customers.ids import among
from customers.models import Customer
from segments.models import Bitmap, Bucket, Membership

Ints = np.ndarray[tuple[int], np.dtype[np.int64]]
Flags = np.ndarray[tuple[int], np.dtype[np.bool_]]
Places = Ints | slice  # numbers of customers; a slice is all of them
FEW = 5_000  # customers who are looked up by id; more are read by bucket
PAIRS: bulk.Schema = {"segment_id": pl.Int64, "customer_id": pl.Int64}
KEY = ["segment_id", "bucket"]
CONTENT = ["bits", "size", "entered", "left"]
STORED: bulk.Schema = {**dict.fromkeys(KEY, pl.Int64), "bits": pl.Binary, **dict.fromkeys(CONTENT[1:], pl.Int64)}


class Totals(NamedTuple):
    """How many members a segment has, and how many entered and left it ever."""

    size: int
    entered: int
    left: int


NONE = Totals(0, 0, 0)


@dataclass
class Roster:
    """A bucket's customers by number, and for each of some segments who of them is a member.

    `stored` is how the customers are numbered until this is written, `entered` and `left` count who ever did.
    """

    bucket: int
    ids: Ints
    members: dict[int, Flags]
    stored: Ints
    entered: dict[int, int]
    left: dict[int, int]
    unsaved: set[int] = field(default_factory=set)
    is_renumbered: bool = False

    def admit(self, ids: Ints) -> Places:
        """Give the numbers of customers, after numbering those who are new. Members keep their bits."""
        if np.array_equal(ids, self.ids):
            return slice(None)
        merged = np.union1d(self.ids, ids)
        if len(merged) > len(self.ids):
            self.is_renumbered = True
            places = np.searchsorted(merged, self.ids)
            if len(self.ids) and places[-1] != len(self.ids) - 1:
                self.unsaved.update(self.members)  # somebody new stands in between: every bit moves
            for segment, flags in self.members.items():
                self.members[segment] = np.zeros(len(merged), dtype=bool)
                self.members[segment][places] = flags
            self.ids = merged
        return np.searchsorted(self.ids, ids)

    def dismiss(self, ids: Ints) -> bool:
        """Forget customers who are no longer stored. Give whether there were any."""
        stays = ~np.isin(self.ids, ids)
        if stays.all():
            return False
        self.ids, self.is_renumbered = self.ids[stays], True
        self.members = {segment: flags[stays] for segment, flags in self.members.items()}
        self.unsaved.update(self.members)
        return True

    def put(self, segment: int, places: Places, inside: Flags) -> None:
        """Say which of the customers at these numbers are members."""
        was = self.members[segment][places]
        self.entered[segment] += int(np.count_nonzero(inside & ~was))
        self.left[segment] += int(np.count_nonzero(was & ~inside))
        self.members[segment][places] = inside
        self.unsaved.add(segment)


def read(bucket: int, segments: Collection[int]) -> Roster:
    """Give a bucket's roster; the bucket is locked. A segment without a bitmap yet is taken from its rows."""
    ids = _numbers(bytes(Bucket.objects.values_list("ids", flat=True).get(pk=bucket)))
    there = Bitmap.objects.filter(among("segment_id", segments), bucket=bucket)
    stored = list(there.values_list("segment_id", "bits", "entered", "left"))
    members = {segment: flags(bytes(bits), len(ids)) for segment, bits, _, _ in stored}
    entered, left = {pk: n for pk, _, n, _ in stored}, {pk: n for pk, _, _, n in stored}
    roster = Roster(bucket, ids, members, ids, entered, left)
    missing = sorted(set(segments) - roster.members.keys())
    if missing:
        rows = bulk.read(Membership.objects.filter(bucket=bucket, segment__in=missing).values_list(*PAIRS), PAIRS)
        roster.admit(rows["customer_id"].unique().to_numpy())
        for segment in missing:
            own = rows.filter(pl.col("segment_id") == segment)["customer_id"].to_numpy()
            roster.members[segment] = np.isin(roster.ids, own)
            roster.entered[segment] = roster.left[segment] = 0
            roster.unsaved.add(segment)
    return roster


def write(roster: Roster) -> None:
    """Store what changed in a roster."""
    if roster.is_renumbered:
        _renumber_others(roster)
        Bucket.objects.filter(pk=roster.bucket).update(ids=roster.ids.astype("<i8").tobytes())
    store(
        Bitmap(
            segment_id=segment,
            bucket=roster.bucket,
            bits=np.packbits(inside).tobytes(),
            size=int(np.count_nonzero(inside)),
            entered=roster.entered[segment],
            left=roster.left[segment],
        )
        for segment, inside in roster.members.items()
        if segment in roster.unsaved
    )


def store(bitmaps: Iterable[Bitmap]) -> None:
    """Store bitmaps, in place of those there are."""
    rows = [tuple(getattr(one, name) for name in STORED) for one in bitmaps]
    bulk.upsert(Bitmap, pl.DataFrame(rows, STORED, orient="row"), key=KEY, update=CONTENT)


def _renumber_others(roster: Roster) -> None:
    """Move the bits of the segments that are not in the roster: those that cannot be answered keep their members."""
    if np.array_equal(roster.stored, roster.ids[: len(roster.stored)]):
        return
    others = list(Bitmap.objects.filter(bucket=roster.bucket).exclude(segment__in=roster.members))
    for one in others:
        inside = np.isin(roster.ids, roster.stored[flags(bytes(one.bits), len(roster.stored))])
        one.bits, one.size = np.packbits(inside).tobytes(), int(inside.sum())
    Bitmap.objects.bulk_update(others, ["bits", "size"])


def gone(roster: Roster, present: Ints) -> Ints:
    """Give the roster's customers who are not among `present` because they are no longer stored."""
    if np.array_equal(roster.ids, present):
        return np.empty(0, dtype=np.int64)
    absent = np.setdiff1d(roster.ids, present)
    if not len(absent):
        return absent
    found = Customer.objects.filter(bucket=roster.bucket).values_list("pk")
    stored = bulk.read(found, {"customer_id": pl.Int64})["customer_id"].to_numpy()
    return np.setdiff1d(absent, stored)


def totals(segments: Collection[int] | None = None) -> Mapping[int, Totals]:
    """Give how many members each segment, or each of some, has and had."""
    rows = Bitmap.objects.order_by() if segments is None else Bitmap.objects.filter(segment__in=segments).order_by()
    counted = rows.values_list("segment_id").annotate(Sum("size"), Sum("entered"), Sum("left"))
    return {segment: Totals(*numbers) for segment, *numbers in counted}


def members(segment: int, people: pl.DataFrame) -> pl.Series:
    """Say of each of some customers (customer_id, bucket) whether she is stored as a member."""
    ids = people["customer_id"].to_numpy()
    if len(ids) <= FEW:
        stored = Membership.objects.filter(among("customer_id", ids), segment=segment).values_list("customer_id")
        own = bulk.read(stored, {"customer_id": pl.Int64})["customer_id"].to_numpy()
        return pl.Series("is_member", np.isin(ids, own))
    found = np.zeros(len(ids), dtype=bool)
    for bucket in people["bucket"].unique().to_list():
        if Bucket.objects.filter(pk=bucket).exists():
            roster = read(bucket, [segment])
            found |= np.isin(ids, roster.ids[roster.members[segment]])
        else:
            rows = Membership.objects.filter(segment=segment, bucket=bucket).values_list("customer_id", flat=True)
            found |= np.isin(ids, np.array(list(rows), dtype=np.int64))
    return pl.Series("is_member", found)


def _numbers(packed: bytes) -> Ints:
    return np.frombuffer(packed, dtype="<i8").astype(np.int64)


def flags(packed: bytes, length: int) -> Flags:
    """Give the first `length` bits; what a bitmap lacks are customers who came after it was written."""
    bits = np.unpackbits(np.frombuffer(packed, dtype=np.uint8), count=min(length, 8 * len(packed)))
    found: Flags = bits.view(np.bool_)
    return found if len(found) == length else np.pad(found, (0, length - len(found)))
