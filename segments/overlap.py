"""How segments overlap: exact counts of every combination, from the bitmaps."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from django.db.models import OuterRef, Subquery

from segments import bitmaps
from segments.models import Bitmap, Bucket, Segment

FEWEST, MOST = 2, 6
COLUMNS = ("segment_id", "bits", "ids")


class CannotCompare(ValueError):
    """Too few, too many, or twice the same segment."""


class NotCounted(CannotCompare):
    """A segment whose members no cycle has counted yet."""


@dataclass(frozen=True)
class Part:
    """The customers who are in exactly these segments, and in none of the others."""

    segments: tuple[str, ...]
    count: int


@dataclass(frozen=True)
class Pair:
    """How many are in both of two segments, as shares of each, and of all who are in one of them."""

    one: str
    other: str
    both: int
    share_of_one: float
    share_of_other: float
    share_of_either: float


@dataclass(frozen=True)
class Overlap:
    """`parts` has every combination, the largest number of segments first; `sizes` is by key."""

    as_of: datetime
    sizes: dict[str, int]
    either: int
    all: int
    parts: list[Part]
    pairs: list[Pair]
    sentence: str


def overlap(segments: Sequence[Segment]) -> Overlap:
    """Compare two to six segments by their members as of the last refresh. Raises CannotCompare, and NotCounted."""
    if len({segment.pk for segment in segments}) < len(segments):
        raise CannotCompare("A segment is named twice.")
    if not FEWEST <= len(segments) <= MOST:
        raise CannotCompare(f"{FEWEST} to {MOST} segments can be compared, not {len(segments)}.")
    if waiting := [f"“{segment.name}”" for segment in segments if segment.as_of is None]:
        said = "was" if len(waiting) == 1 else "were"
        raise NotCounted(f"{' and '.join(waiting)} {said} not counted yet: the next full cycle counts.")
    counts = _counts([segment.pk for segment in segments])
    keys = [segment.key for segment in segments]
    codes = range(1, len(counts))
    sizes = {key: int(sum(counts[code] for code in codes if code >> n & 1)) for n, key in enumerate(keys)}
    ordered = sorted(codes, key=lambda code: (-code.bit_count(), code))
    parts = [Part(tuple(key for n, key in enumerate(keys) if code >> n & 1), int(counts[code])) for code in ordered]
    pairs = [_pair(keys[i], keys[j], parts, sizes) for i in range(len(keys)) for j in range(i + 1, len(keys))]
    times = [segment.as_of for segment in segments]
    return Overlap(
        min(time for time in times if time),
        sizes,
        sum(part.count for part in parts),
        parts[0].count,
        parts,
        pairs,
        _sentence(segments, sizes, parts[0].count),
    )


def _counts(segments: Sequence[int]) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
    """Give by combination, the segments as bits of a number, how many customers are in just these."""
    counts = np.zeros(2 ** len(segments), dtype=np.int64)
    for bucket in Bucket.objects.values_list("pk", flat=True):
        # One statement: between two, somebody might number the customers of the bucket afresh.
        ids = Subquery(Bucket.objects.filter(pk=OuterRef("bucket")).values("ids"))
        rows = Bitmap.objects.filter(bucket=bucket, segment__in=segments).annotate(ids=ids)
        found = {pk: bitmaps.flags(bytes(bits), len(packed) // 8) for pk, bits, packed in rows.values_list(*COLUMNS)}
        if found:
            code = sum(flags.astype(np.uint8) << segments.index(pk) for pk, flags in found.items())
            counts += np.bincount(code, minlength=len(counts))
    return counts


def _pair(one: str, other: str, parts: Sequence[Part], sizes: dict[str, int]) -> Pair:
    both = sum(part.count for part in parts if {one, other} <= {*part.segments})
    either = sizes[one] + sizes[other] - both
    return Pair(one, other, both, *(round(both / n, 4) if n else 0.0 for n in (sizes[one], sizes[other], either)))


def _sentence(segments: Sequence[Segment], sizes: dict[str, int], everywhere: int) -> str:
    names = [f"“{segment.name}”" for segment in segments]
    listed = f"{', '.join(names[:-1])} and {names[-1]}"
    if not everywhere:
        return f"Nobody is in {'both' if len(segments) == FEWEST else 'all of'} {listed}."
    shares = [f"{everywhere / sizes[one.key]:.1%} of “{one.name}”".replace(".0%", "%") for one in segments]
    people = "1 customer is" if everywhere == 1 else f"{everywhere:,} customers are"
    told = f"{', '.join(shares[:-1])} and {shares[-1]}".replace("%", " %")
    return f"{people} in {'both' if len(segments) == FEWEST else 'all of'} {listed}: {told}."
