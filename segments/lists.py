"""Lists of customers: pasted, uploaded, or frozen from a segment. Who is nobody is kept with line and reason."""

import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path, PurePath

import polars as pl
from django.db.models.functions import Lower

from customers import bulk, cleaning, erasure, identity, reading
from customers.models import Customer
from segments import by_hand, definition, membership
from segments.by_hand import PEOPLE, listed
from segments.models import ListChange, ListMember, ListRefused, Membership, Segment

MOST = 1_000_000
MOST_BYTES = 64 * 2**20  # a million ids of 60 letters
FEW = 5_000  # customers whose buckets are asked for by id
TOLD = 100  # ids of nobody that are told with a change
KEPT = timedelta(days=30)  # lines that were refused
LONGEST = 254  # letters of an address; no id has more
TABLE = (b",", b";", b"\t", b"|", b'"', b"\x00", b"%PDF", b"{")
HEADERS = ("external_id", "external id", "customer_id", "customer id", "customer", "id", "user_id", "user id")
MAILS = ("email", "e-mail", "mail", "email address", "e-mail address", "email_address")
ROWS: bulk.Schema = {"segment_id": pl.Int64, "bucket": pl.Int64, "customer_id": pl.Int64}
MAIL: bulk.Schema = {"email": pl.String, "customer_id": pl.Int64}
How = ListChange.How
Why = ListRefused.Why


class ListError(ValueError):
    """Ids that cannot be read, with the reason in one sentence."""


@dataclass(frozen=True)
class Given:
    """External ids or e-mail addresses as somebody gave them, in which lines, and from where."""

    ids: pl.Series
    lines: pl.Series
    source: str


def pasted(text: str) -> Given:
    """Give the ids of a text: one a line, or separated by commas, semicolons or tabs. Raises ListError."""
    parts = [
        (part.strip(), line)
        for line, told in enumerate(re.split(r"\r\n|\n|\r", text), start=1)
        for part in re.split(r"[,;\t]", told)
        if part.strip()
    ]
    return _given([part for part, _ in parts], [line for _, line in parts], "pasted")


def named(ids: Sequence[str], source: str) -> Given:
    """Give ids that stand one by one: each is one, whatever it holds, and its line is its place. Raises ListError."""
    return _given([one.strip() for one in ids], range(1, len(ids) + 1), source)


def uploaded(name: str, body: bytes, column: str = "") -> Given:
    """Give the ids of a file with one id a line, or with a column of ids. Raises ListError."""
    shown = PurePath(name).name[:LONGEST] or "the file"
    if len(body) > MOST_BYTES:
        raise ListError(f"{shown} is larger than {MOST_BYTES // 2**20} MB; split it.")
    if (lines := _lines(body)) is not None and not column:
        is_headed = bool(lines) and lines[0][0].casefold() in (*HEADERS, *MAILS)
        found = lines[1:] if is_headed else lines
        return _given([one for one, _ in found], [line for _, line in found], shown)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "list"
        path.write_bytes(body)
        try:
            table = reading.read(path)
        except reading.Unreadable as error:
            raise ListError(str(error).replace(str(path), shown)) from error
    chosen = _column(table.columns, column, shown)
    texts = table.rows.select(line=reading.LINE, told=_texts(table.rows[chosen])).filter(
        pl.col("told").fill_null("") != ""
    )
    is_header = chosen.casefold() in (*HEADERS, *MAILS) or chosen == column
    first = [] if is_header else [chosen]
    return _given([*first, *texts["told"]], [*([1] if first else []), *texts["line"]], shown)


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


def forget(customer: Customer, ids: set[str]) -> None:
    """Take somebody who is erased out of the lines that were refused before anybody had that id or address."""
    told = {one.lower() for one in (*ids, customer.email or "") if one}
    ListRefused.objects.annotate(lowered=Lower("given")).filter(lowered__in=told).delete()
    for change in ListChange.objects.exclude(unknown=0).exclude(unknown_ids=[]).only("unknown_ids").iterator():
        left = [one for one in change.unknown_ids if str(one).lower() not in told]
        if len(left) < len(change.unknown_ids):
            ListChange.objects.filter(pk=change.pk).update(unknown_ids=left)


erasure.FORGETTERS.append(forget)


def _change(segment: Segment, given: Given, how: How, by: str, at: datetime) -> ListChange:
    """Store what becomes of a list; its members follow at once, segments that refer to it with the next cycle."""
    asked = pl.DataFrame({"line": given.lines, "given": given.ids}).unique("given", keep="first", maintain_order=True)
    found = _found(asked["given"])
    refused = asked.join(found, on="given", how="anti", maintain_order="left")
    people = _placed(found["customer_id"].unique())
    nobody = people.clear()
    on = nobody if how == How.REMOVED else people
    off = people if how == How.REMOVED else nobody
    if how == How.REPLACED:
        off = listed(segment.pk).join(people, on="customer_id", how="anti")
    change = ListChange(segment=segment, how=how, source=given.source[:300], at=at, by=by, read=len(given.ids))
    change.repeated, change.unknown = len(given.ids) - len(asked), len(refused)
    change.unknown_ids = refused["given"].head(TOLD).str.slice(0, LONGEST).to_list()
    change.removed = bulk.delete(ListMember, _rows(segment, off))
    change.added = bulk.insert(ListMember, _rows(segment, on), ignore=list(ROWS))
    change.save()
    _keep(change, refused, at)
    _tell(segment, off, is_on=False, at=at)
    _tell(segment, on, is_on=True, at=at)
    return change


def _keep(change: ListChange, refused: pl.DataFrame, at: datetime) -> None:
    """Keep the lines of nobody with the reason, and forget those of a month ago."""
    is_long = pl.col("given").str.len_chars() > LONGEST
    is_mail = pl.col("given").str.contains("@", literal=True)
    why = pl.when(is_long).then(pl.lit(Why.TOO_LONG)).when(is_mail).then(pl.lit(Why.NO_ADDRESS))
    rows = refused.select(
        "line",
        pl.col("given").str.slice(0, LONGEST),
        change_id=pl.lit(change.pk, pl.Int64),
        why=why.otherwise(pl.lit(Why.UNKNOWN)),
    )
    bulk.insert(ListRefused, rows)
    ListRefused.objects.filter(change__at__lt=at - KEPT).delete()


def _found(given: pl.Series) -> pl.DataFrame:
    """Give who is meant (`given`, `customer_id`): by external id, else by address; all of those who share one."""
    ids = given.filter(given.str.len_chars() <= LONGEST)
    known = identity.find(ids).select(given="external_id", customer_id="customer_id")
    rest = ids.filter(ids.str.contains("@", literal=True) & ~ids.is_in(known["given"].implode()))
    if rest.is_empty():
        return known
    mails = pl.DataFrame({"given": rest, "email": cleaning.emails(rest).str.to_lowercase()}).drop_nulls()
    people = Customer.objects.exclude(email=None)
    if len(mails) <= FEW:
        people = people.annotate(lowered=Lower("email")).filter(lowered__in=mails["email"].unique().to_list())
    stored = bulk.read(people.values_list("email", "pk"), MAIL).with_columns(pl.col("email").str.to_lowercase())
    return pl.concat([known, mails.join(stored, on="email").select("given", "customer_id")])


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


def _given(ids: list[str], lines: Sequence[int], source: str) -> Given:
    if not ids:
        raise ListError(f"There are no ids in {source}." if source != "pasted" else "There are no ids.")
    if len(ids) > MOST:
        raise ListError(f"There are {len(ids):,} ids; a list takes at most {MOST:,} at a time.")
    told = pl.Series("external_id", ids, dtype=pl.String).str.replace_all("\x00", "\ufffd", literal=True)
    return Given(told, pl.Series("line", list(lines), dtype=pl.Int64), source)


def _lines(body: bytes) -> list[tuple[str, int]] | None:
    """Give the lines of a plain text with their numbers, or None for a table or anything else."""
    if any(mark in body for mark in TABLE):
        return None
    try:
        lines = body.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError:
        return None
    return [(line.strip(), number) for number, line in enumerate(lines, start=1) if line.strip()]


def _column(columns: list[str], wanted: str, shown: str) -> str:
    """Give the column of the ids: the one that is named, the one that is called so, an address, or the only one."""
    if wanted:
        if wanted not in columns:
            raise ListError(f"{shown} has no column {wanted!r}; there are {', '.join(columns[:20])}.")
        return wanted
    called = [name for known in (HEADERS, MAILS) for name in columns if name.casefold() in known]
    if len(columns) > 1 and not called:
        raise ListError(f"{shown} has {len(columns)} columns; say which of {', '.join(columns[:20])} holds the ids.")
    return called[0] if called else columns[0]


def _texts(column: pl.Series) -> pl.Series:
    """Give a column's values as ids; a number of a spreadsheet without its point."""
    if column.dtype.is_float() and (column == column.round()).fill_null(True).all():
        column = column.cast(pl.Int64)
    return column.cast(pl.String).str.strip_chars()
