"""The bits of a few customers, read and turned where they lie: no bitmap is unpacked, and only what differs written."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from segments.bitmaps import Flags, Ints
from segments.bitmaps import store as store_bitmaps
from segments.models import Bitmap, Bucket

Bytes = np.ndarray[tuple[int], np.dtype[np.uint8]]
Table = np.ndarray[tuple[int, int], np.dtype[np.bool_]]
MANY = 8  # times as many customers in a bucket as are asked about


@dataclass
class Picked:
    """Some customers of one bucket: their rows in the frame, their numbers, and the bitmaps of some segments."""

    bucket: int
    rows: Ints
    places: Ints
    bitmaps: dict[int, Bitmap]
    unsaved: set[int] = field(default_factory=set)

    def inside(self, segments: Iterable[int]) -> Table:
        """Say which of the customers are members: a row for each segment."""
        at = self.places >> 3
        found: Table = np.stack([self._bits(segment)[at] for segment in segments]) & self._masks() != 0
        return found

    def put(self, segment: int, was: Flags, inside: Flags) -> None:
        """Say which of the customers, of whom some were members, are so from now on."""
        one, turned = self.bitmaps[segment], was != inside
        bits = self._bits(segment).copy()
        np.bitwise_xor.at(bits, self.places[turned] >> 3, self._masks()[turned])
        entered, left = int((inside & turned).sum()), int((was & turned).sum())
        one.bits, one.size = bits.tobytes(), one.size + entered - left
        one.entered, one.left = one.entered + entered, one.left + left
        self.unsaved.add(segment)

    def _bits(self, segment: int) -> Bytes:
        """Give a bitmap, which may lack customers who came after it was written, with all of these."""
        packed = np.frombuffer(bytes(self.bitmaps[segment].bits), dtype=np.uint8)
        missing = int(self.places.max() >> 3) + 1 - len(packed)
        return np.pad(packed, (0, missing)) if missing > 0 else packed

    def _masks(self) -> Bytes:
        found: Bytes = (0x80 >> (self.places & 7)).astype(np.uint8)
        return found


def pick(frame: pl.DataFrame, segments: Collection[int]) -> list[Picked]:
    """Give the bits of the frame's customers in those buckets that have many more; the buckets are locked.

    A bucket in which one of them has no number yet, or a segment has no bitmap, is left out.
    """
    bucket_of, ids = frame["bucket"].to_numpy(), frame["customer_id"].to_numpy()
    found = []
    for bucket, packed in Bucket.objects.filter(pk__in=np.unique(bucket_of).tolist()).values_list("pk", "ids"):
        rows = np.flatnonzero(bucket_of == bucket)
        known = np.frombuffer(bytes(packed), dtype="<i8")
        if MANY * len(rows) <= len(known):
            places = np.minimum(np.searchsorted(known, ids[rows]), len(known) - 1)
            if (known[places] == ids[rows]).all():
                found.append(Picked(bucket, rows, places, {}))
    by_bucket = {one.bucket: one for one in found}
    for bitmap in Bitmap.objects.filter(bucket__in=list(by_bucket), segment__in=segments):
        by_bucket[bitmap.bucket].bitmaps[bitmap.segment_id] = bitmap
    return [one for one in found if len(one.bitmaps) == len(segments)]


def write(picked: Iterable[Picked]) -> None:
    """Store the bitmaps that changed."""
    store_bitmaps(one.bitmaps[segment] for one in picked for segment in sorted(one.unsaved))
