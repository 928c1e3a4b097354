"""Lists of customers: pasted, uploaded, or frozen from a segment. Ids of nobody are told, never dropped in silence."""

import re
import tempfile
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePath

import polars as pl

from customers import bulk, identity, reading
from customers.models import Customer
from segments import by_hand, definition, membership
from segments.by_hand import PEOPLE, listed
from segments.models import ListChange, ListMember, Membership, Segment

MOST = 1_000_000
FEW = 5_000  # customers whose buckets are asked for by id
TOLD = 100  # ids of nobody that are kept with a change
LONGEST = 200
TABLE = (b",", b";", b"\t", b"|", b'"', b"\x00", b"%PDF", b"{")
HEADERS = ("external_id", "external id", "customer_id", "customer id", "customer", "id", "user_id", "user id")
ROWS: bulk.Schema = {"segment_id": pl.Int64, "bucket": pl.Int64, "customer_id": pl.Int64}
How = ListChange.How


class ListError(ValueError):
    """Ids that cannot be read, with the reason in one sentence."""


@dataclass(frozen=True)
class Given:
    """External ids as somebody gave them, and from where."""

    ids: pl.Series
    source: str


def pasted(text: str) -> Given:
    """Give the ids of a text: one a line, or separated by commas, semicolons or tabs. Raises ListError."""
    return _given([part.strip() for part in re.split(r"[\n\r,;\t]", text) if part.strip()], "pasted")


def uploaded(name: str, body: bytes, column: str = "") -> Given:
    """Give the ids of a file with one id a line, or with a column of ids. Raises ListError."""
    shown = PurePath(name).name[:LONGEST] or "the file"
    if (lines := _lines(body)) is not None and not column:
        return _given(lines[1:] if lines and lines[0].casefold() in HEADERS else lines, shown)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "list"
        path.write_bytes(body)
        try:
            table = reading.read(path)
        except reading.Unreadable as error:
            raise ListError(str(error).replace(str(path), shown)) from error
    chosen = _column(table.columns, column, shown)
    ids = _texts(table.rows[chosen])
    is_header = chosen.casefold() in HEADERS or chosen == column
    return _given([*([] if is_header else [chosen]), *ids], shown)


def add(segment: Segment, given: Given, by: str, at: datetime) -> ListChange:
    """Put customers on a list."""
    return _change(segment, given, How.ADDED, by, at)


def remove(segment: Segment, given: Given, by: str, at: datetime) -> ListChange:
    """Take customers off a list."""
    return _change(segment, given, How.REMOVED, by, at)


def replace(segment: Segment, given: Given, by: str, at: datetime) -> ListChange:
    """Make a list hold these customers and no others."""
    return _change(segment, given, How.REPLACED, by, at)


def put(segment: Segment, customers: pl.Series, source: str, at: datetime, *, is_on: bool) -> ListChange:
    """Put customers, by their ids, on a list or take them off; who is so already stays."""
    people = _placed(customers.unique())
    how = How.ADDED if is_on else How.REMOVED
    change = ListChange(segment=segment, how=how, source=source[:300], at=at, read=len(people))
    if is_on:
        change.added = bulk.insert(ListMember, _rows(segment, people), ignore=list(ROWS))
    else:
        change.removed = bulk.delete(ListMember, _rows(segment, people))
    change.save()
    _tell(segment, people, is_on=is_on, at=at)
    return change


def frozen(segment: Segment, key: str, name: str, by: "definition.By", at: datetime) -> Segment:
    """Make a list of the members that a segment has at the moment. Raises what `definition.save` raises."""
    made = definition.save(Segment(key=key, name=name, kind=Segment.Kind.LIST, folder=segment.folder), by, at)
    rows = Membership.objects.filter(segment=segment).values_list("customer_id", "bucket")
    people = bulk.read(rows, PEOPLE)
    source = f"{segment.key} as of {segment.as_of or at:%Y-%m-%d %H:%M} UTC"
    change = ListChange(segment=made, how=How.FROZEN, source=source, at=at, by=definition.name_of(by), read=len(people))
    change.added = bulk.insert(ListMember, _rows(made, people), ignore=list(ROWS))
    change.save()
    _tell(made, people, is_on=True, at=at)
    return made


def size(segment: Segment) -> int:
    """Give how many customers are on a list."""
    return ListMember.objects.filter(segment=segment).count()


def _change(segment: Segment, given: Given, how: How, by: str, at: datetime) -> ListChange:
    """Store what becomes of a list; its members follow at once, segments that refer to it with the next cycle."""
    ids = given.ids.unique(maintain_order=True)
    found = identity.find(ids)
    unknown = ids.filter(~ids.is_in(found["external_id"].implode()))
    people = _placed(found["customer_id"].unique())
    nobody = people.clear()
    on = nobody if how == How.REMOVED else people
    off = people if how == How.REMOVED else nobody
    if how == How.REPLACED:
        off = listed(segment.pk).join(people, on="customer_id", how="anti")
    change = ListChange(segment=segment, how=how, source=given.source[:300], at=at, by=by, read=len(given.ids))
    change.repeated, change.unknown = len(given.ids) - len(ids), len(unknown)
    change.unknown_ids = unknown.head(TOLD).to_list()
    change.removed = bulk.delete(ListMember, _rows(segment, off))
    change.added = bulk.insert(ListMember, _rows(segment, on), ignore=list(ROWS))
    change.save()
    _tell(segment, off, is_on=False, at=at)
    _tell(segment, on, is_on=True, at=at)
    return change


def _tell(segment: Segment, people: pl.DataFrame, *, is_on: bool, at: datetime) -> None:
    """Bring the memberships of customers who came on a list, or went off it, up to date; pins go first."""
    inside = pl.repeat(is_on, people.height, dtype=pl.Boolean, eager=True)
    inside = by_hand.pinned(inside, people["customer_id"], by_hand.pins().get(segment.key))
    membership.put(segment, people, inside, at)


def _rows(segment: Segment, people: pl.DataFrame) -> pl.DataFrame:
    return people.select(pl.lit(segment.pk, pl.Int64).alias("segment_id"), "bucket", "customer_id")


def _placed(customers: pl.Series) -> pl.DataFrame:
    """Give customers with their buckets, in the order of their ids."""
    rows = Customer.objects.filter(pk__in=customers.to_list()) if len(customers) <= FEW else Customer.objects.all()
    stored = bulk.read(rows.order_by("pk").values_list("pk", "bucket"), PEOPLE)
    return stored.filter(pl.col("customer_id").is_in(customers.implode()))


def _given(ids: list[str], source: str) -> Given:
    if not ids:
        raise ListError(f"There are no ids in {source}." if source != "pasted" else "There are no ids.")
    if len(ids) > MOST:
        raise ListError(f"There are {len(ids):,} ids; a list takes at most {MOST:,} at a time.")
    if too_long := next((one for one in ids if len(one) > LONGEST), None):
        raise ListError(f"{too_long[:40]}… is longer than an id can be ({LONGEST} letters).")
    return Given(pl.Series("external_id", ids, dtype=pl.String), source)


def _lines(body: bytes) -> list[str] | None:
    """Give the lines of a plain text, or None for a table or anything else."""
    if any(mark in body for mark in TABLE):
        return None
    try:
        return [line.strip() for line in body.decode("utf-8-sig").splitlines() if line.strip()]
    except UnicodeDecodeError:
        return None


def _column(columns: list[str], wanted: str, shown: str) -> str:
    """Give the column that holds the ids: the one that is named, the only one, or the one that is called so."""
    if wanted:
        if wanted not in columns:
            raise ListError(f"{shown} has no column {wanted!r}; there are {', '.join(columns[:20])}.")
        return wanted
    named = [name for name in columns if name.casefold() in HEADERS]
    if len(columns) > 1 and not named:
        raise ListError(f"{shown} has {len(columns)} columns; say which of {', '.join(columns[:20])} holds the ids.")
    return named[0] if named else columns[0]


def _texts(column: pl.Series) -> list[str]:
    """Give a column's values as ids; a number of a spreadsheet without its point."""
    told = column.drop_nulls()
    if told.dtype.is_float() and (told == told.round()).all():
        told = told.cast(pl.Int64)
    return [one for one in told.cast(pl.String).str.strip_chars().to_list() if one]
