"""The members of a segment as a file, in portions, so that no more than one is held; each export leaves a row."""

import tempfile
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import polars as pl
from django.conf import settings
from django.db.models import QuerySet
from django.http import StreamingHttpResponse

from customers import bulk, snapshot
from customers.generations import LakeError
from customers.ids import among
from customers.models import Customer
from customers.plain_cells import FORMULA
from scoring import ranking
from segments.models import Membership, Segment, SegmentExport

CSV, NDJSON, PARQUET = "csv", "ndjson", "parquet"
CONTENT_TYPES = {
    CSV: "text/csv; charset=utf-8",
    NDJSON: "application/x-ndjson",
    PARQUET: "application/vnd.apache.parquet",
}
PIECE = 1 << 20  # bytes of a file at a time
PORTION = 50_000  # members that are read at once
DENSE = 4  # customers for each member, up to which all of a range are read
ROWS: bulk.Schema = {
    "customer_id": pl.Int64,
    "external_id": pl.String,
    "since": pl.Datetime("us", "UTC"),
}
MEMBER = ("customer_id", "since")
NAMED: bulk.Schema = {"customer_id": pl.Int64, "external_id": pl.String}


@dataclass(frozen=True)
class Export:
    """Who takes out which segment, in which format, with which fields besides the external id."""

    segment: Segment
    format: str
    fields: tuple[str, ...]
    by: str
    at: datetime

    def written(self) -> Iterator[bytes]:
        """Give the file in parts; the row of the export is there before the first."""
        row = SegmentExport.objects.create(
            segment=self.segment, at=self.at, by=self.by, format=self.format, fields=list(self.fields)
        )
        sizes: list[int] = []
        frames = self.frames(snapshot.latest() if self.fields else None, sizes)
        yield from self.table(frames) if self.format == PARQUET else self.lines(frames)
        SegmentExport.objects.filter(pk=row.pk).update(rows=sum(sizes))

    def lines(self, frames: Iterable[pl.DataFrame]) -> Iterator[bytes]:
        """Give frames as text, one after the other; the names of the columns, where nobody is a member."""
        is_first = True
        for frame in frames:
            yield self.text(frame, is_first=is_first).encode()
            is_first = False
        if is_first:
            yield self.text(pl.DataFrame(schema=["external_id", "since", *self.fields]), is_first=True).encode()

    def table(self, frames: Iterable[pl.DataFrame]) -> Iterator[bytes]:
        """Give frames as one Parquet file. It ends with where its parts stand, so it is written to disk first."""
        with tempfile.TemporaryDirectory(prefix="cusp-export-") as folder:
            pieces = [pl.LazyFrame(schema={"external_id": pl.String, "since": ROWS["since"]})]
            for number, frame in enumerate(frames):
                frame.write_parquet(path := Path(folder, f"{number}.parquet"))
                pieces.append(pl.scan_parquet(path))
            whole = pl.concat(pieces, how="diagonal_relaxed")
            nothing = [name for name, dtype in whole.collect_schema().items() if dtype == pl.Null]
            never = [pl.lit(None, pl.String).alias(name) for name in self.fields if len(pieces) == 1]
            whole = whole.with_columns(pl.col(nothing).cast(pl.String), *never)
            whole.sink_parquet(path := Path(folder, "whole.parquet"))
            with path.open("rb") as file:
                while piece := file.read(PIECE):
                    yield piece

    def answer(self) -> StreamingHttpResponse:
        """Give the answer to a request for the file."""
        name = f'attachment; filename="{self.segment.key}.{self.format}"'
        headers = {"Content-Disposition": name, "Cache-Control": "no-store"}
        return StreamingHttpResponse(self.written(), content_type=CONTENT_TYPES[self.format], headers=headers)

    def frames(self, taken_at: datetime | None, sizes: list[int]) -> Iterator[pl.DataFrame]:
        """Give the members in portions, with the fields as of the snapshot; note how many."""
        if self.fields:
            yield from self._of_buckets(taken_at, sizes)
            return
        for found in _portions(self.segment):
            sizes.append(found.height)
            yield found.select("external_id", "since")

    def _of_buckets(self, taken_at: datetime | None, sizes: list[int]) -> Iterator[pl.DataFrame]:
        """Give the members of one bucket after the other, as the snapshot lies."""
        for bucket in range(settings.BUCKETS):
            found = bulk.read(
                Membership.objects.filter(segment=self.segment, bucket=bucket)
                .order_by("customer_id")
                .values_list("customer_id", "customer__external_id", "since"),
                ROWS,
            )
            if found.is_empty():
                continue
            told = _told(taken_at, bucket, self.fields)
            joined = found.join(told, on="customer_id", how="left", maintain_order="left")
            sizes.append(joined.height)
            yield joined.select("external_id", "since", *self.fields)

    def text(self, frame: pl.DataFrame, *, is_first: bool) -> str:
        """Give rows in the format; the names of the columns go before the first."""
        if self.format == NDJSON:
            return frame.with_columns(_dates(frame)).write_ndjson()
        return frame.with_columns([*_dates(frame), *_cells(frame)]).write_csv(include_header=is_first)


def _portions(segment: Segment) -> Iterator[pl.DataFrame]:
    """Give the members in the order of their numbers, so that each table is read along its key, once."""
    rows = Membership.objects.filter(segment=segment).order_by("customer_id").values_list("customer_id", "since")
    after = 0
    while True:
        found = bulk.read(rows.filter(customer_id__gt=after)[:PORTION], {name: ROWS[name] for name in MEMBER})
        if found.is_empty():
            return
        named = bulk.read(_people(found["customer_id"]).values_list("id", "external_id"), NAMED)
        yield found.join(named, on="customer_id", how="inner", maintain_order="left")
        after = int(found["customer_id"][-1])


def _people(ids: pl.Series) -> "QuerySet[Customer]":
    """Ask for customers by their range where most of it is asked for, else one by one; `ids` are in order."""
    first, last = int(ids[0]), int(ids[-1])
    if last - first < DENSE * ids.len():
        return Customer.objects.filter(pk__gte=first, pk__lte=last)
    return Customer.objects.filter(among("pk", ids))


def _told(taken_at: datetime | None, bucket: int, names: Collection[str]) -> pl.DataFrame:
    """Give the fields of one bucket's customers; one that nobody has a value of is empty."""
    nobody = pl.DataFrame(schema={"customer_id": pl.Int64, **dict.fromkeys(names, pl.Null)})
    if taken_at is None:
        return nobody
    wanted = {*names, *(".".join(name.split(".")[:2]) for name in names)}
    try:
        frame = ranking.place(snapshot.load(taken_at, bucket, wanted), ranking.published())
    except LakeError:
        return nobody
    absent = [pl.lit(None).alias(name) for name in names if name not in frame.columns]
    return frame.with_columns(absent).select("customer_id", *names)


def _dates(frame: pl.DataFrame) -> list[pl.Expr]:
    times = [name for name, dtype in frame.schema.items() if isinstance(dtype, pl.Datetime)]
    return [pl.col(name).dt.strftime("%Y-%m-%dT%H:%M:%S%.6fZ") for name in times]


def _cells(frame: pl.DataFrame) -> list[pl.Expr]:
    """Give texts so that no spreadsheet takes one for a formula; lists as texts, split by a bar."""
    texts = {name: pl.col(name) for name, dtype in frame.schema.items() if dtype == pl.String}
    lists = {name: pl.col(name).list.join("|") for name, dtype in frame.schema.items() if isinstance(dtype, pl.List)}
    return [
        pl.when(one.str.contains(FORMULA)).then(pl.concat_str(pl.lit("'"), one)).otherwise(one).alias(name)
        for name, one in {**texts, **lists}.items()
    ]
