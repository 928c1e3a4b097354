"""All customers as of a time: a frame with one row a customer, and its files in the lake.

Never in it: e-mail address, phone number, first and last name.
"""

import shutil
from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.fields.tuple_lookups import Tuple, TupleGreaterThan

from customers import bulk, features, generations, history
from customers.consent import hashes_of
from customers.generations import LakeError
from customers.history import Lake, Scope
from customers.ids import among
from customers.models import Attribute, Channel, Consent, Customer, Suppression
from customers.past import Known
from customers.rows import greatest, numbered
from customers.tombstones import without_erased
from customers.typed import typed

CORE = ("country", "city", "language", "time_zone")
BIRTH_DATE = "birth_date"
KEYS = ("customer_id", "bucket")
PERSONAL = frozenset({"email", "phone", "first_name", "last_name"})
REACH = {"email": Channel.EMAIL, "phone": Channel.PHONE}
FOLDER_FORMAT = "%Y-%m-%dT%H-%M-%S.%fZ"
REMOVED = ".removed-"  # before the name of a folder that is being removed
DAYS_KEPT = 35
MONTHS_KEPT = 24
FEW = 5_000  # ids that go into the query; more are picked from the customers between the lowest and the highest
PEOPLE: bulk.Schema = {
    "id": pl.Int64,
    "bucket": pl.Int64,
    "seed": pl.Int64,
    "external_id": pl.String,
    "known_since": pl.Datetime,
    "email": pl.String,
    "phone": pl.String,
}
NEVER, WITHDRAWN, GRANTED = -1, 0, 1


class File(NamedTuple):
    """One bucket's file of a snapshot, as it was at one moment: a rewritten one has another inode."""

    path: Path
    inode: int
    changed_ns: int


class Kind(NamedTuple):
    """What a consent is for."""

    channel: str
    topic: str


class People(NamedTuple):
    """Customers as they are stored now, and what they permit: read once, and taken as of many times."""

    frame: pl.DataFrame
    permitted: pl.DataFrame


class Taken(NamedTuple):
    """Customers as of a time, and the past that their features came from."""

    frame: pl.DataFrame
    past: Known


def take(customers: Scope, as_of: datetime, lake: Lake | None = None) -> pl.DataFrame:
    """Give the frame of the customers known as of the time: core columns, attributes, features, consent, reach.

    Consent and reach are those of now. Rows are in the order of customer_id. Raises LakeError.
    """
    return take_with_past(customers, as_of, lake or history.pin()).frame


def people_of(customers: Scope) -> People:
    """Read customers and what they permit, for `take_with_past`."""
    people = _people(customers)
    return People(people, _permitted(people, customers))


def take_with_past(
    customers: Scope,
    as_of: datetime,
    lake: Lake,
    columns: Collection[str] | None = None,
    read: People | None = None,
) -> Taken:
    """Give what `take` gives, and the past it was computed from, so that it is read once. Raises LakeError.

    Of `columns` the features are computed that are among them; by default all. The customers are read now, unless they
    were `read` before.
    """
    people = read.frame if read else _people(customers)
    wanted = [feature for feature in features.names() if columns is None or feature.column in columns]
    past = features.Past(lake.events(customers), lake.lines(customers), lake.properties(customers))
    known = Known(people.select("customer_id", "known_since"), past, as_of, settings.TIME_ZONE)
    frame = people.hstack(features.of(known, wanted).drop("customer_id"))
    is_known = (frame["known_since"] <= as_of.astimezone(UTC)) | frame["has_events"]
    frame = frame if is_known.all() else frame.filter(is_known)
    told = _told(lake.attributes(customers), as_of, frame["customer_id"])
    permitted = read.permitted.filter(is_known) if read else _permitted(frame, customers)
    core = frame.select("customer_id", "bucket", "seed", "external_id")
    computed = frame.select(feature.column for feature in wanted)
    return Taken(pl.concat([core, told, computed, permitted], how="horizontal"), known)


def store(frame: pl.DataFrame, as_of: datetime, bucket: int) -> None:
    """Write one bucket's frame into the snapshot of the time, in place of an earlier one. Raises LakeError."""
    if personal := PERSONAL.intersection(frame.columns):
        raise LakeError(f"A snapshot never holds {', '.join(sorted(personal))}.")
    content = _parquet(frame)
    with generations.writing(_snapshots().parent):
        # Who was erased since the frame was taken is left out here: the rewriting may be over.
        left = without_erased(frame, [bucket], Q())
        content = content if len(left) == len(frame) else _parquet(left)
        generations.replace(_folder(as_of) / f"{bucket}.parquet", content)


def load(
    as_of: datetime, buckets: int | Collection[int] | None = None, columns: Collection[str] | None = None
) -> pl.DataFrame:
    """Give the stored snapshot of the time, of one bucket, some or all. Raises LakeError where there is none.

    Of `columns` those that it has are read, with customer_id and bucket; by default all.
    """
    numbers = range(settings.BUCKETS) if buckets is None else [buckets] if isinstance(buckets, int) else buckets
    paths = [path for number in numbers if (path := _folder(as_of) / f"{number}.parquet").exists()]
    missing = LakeError(f"There is no snapshot as of {as_of.isoformat()} in {_folder(as_of)}.")
    if not paths:
        raise missing
    try:
        frames = [_read(path, columns) for path in paths]
    except FileNotFoundError as error:  # removed just now: a rename took all files of the snapshot at once
        raise missing from error
    frame = pl.concat(frames, how="diagonal_relaxed")
    frame = frame if frame["customer_id"].is_sorted() else frame.sort("customer_id")
    return without_erased(frame, None if buckets is None else numbers, Q(rewritten_at=None))


def _read(path: Path, columns: Collection[str] | None) -> pl.DataFrame:
    if columns is None:
        return pl.read_parquet(path, glob=False, hive_partitioning=False)
    there = pl.read_parquet_schema(path)
    wanted = [name for name in there if name in KEYS or name in columns]
    return pl.read_parquet(path, columns=wanted, glob=False, hive_partitioning=False)


def is_stored(as_of: datetime, bucket: int) -> bool:
    """Give whether the snapshot of the time holds the bucket."""
    return (_folder(as_of) / f"{bucket}.parquet").exists()


def latest(until: datetime | None = None) -> datetime | None:
    """Give the time of the newest snapshot of which every bucket is stored; of those up to a time, if it is given."""
    newest_first = sorted(_stored().items(), reverse=True)
    asked = (folder for folder in newest_first if until is None or folder[0] <= until)
    return next((time for time, folder in asked if _is_whole(folder)), None)


def times(after: datetime, until: datetime) -> list[datetime]:
    """Give the times in (after, until] of the snapshots of which every bucket is stored, in order."""
    return sorted(time for time, folder in _stored().items() if after < time <= until and _is_whole(folder))


def files(as_of: datetime) -> tuple[File, ...]:
    """Give the files of the snapshot of the time, in the order of their buckets; none where there is none."""
    paths = [_folder(as_of) / f"{number}.parquet" for number in range(settings.BUCKETS)]
    return tuple(found for path in paths if (found := file_at(path)) is not None)


def of_bucket(bucket: int) -> dict[datetime, Path]:
    """Give where every stored snapshot has the bucket, by time, in order."""
    there = {time: folder / f"{bucket}.parquet" for time, folder in sorted(_stored().items())}
    return {time: path for time, path in there.items() if path.exists()}


def file_at(path: Path) -> File | None:
    """Give a file as it is now."""
    try:
        stat = path.stat()
    except FileNotFoundError:
        return None
    return File(path, stat.st_ino, stat.st_mtime_ns)


def prune(as_of: datetime) -> int:
    """Keep the newest snapshot of each of the last 35 days and 24 months (UTC); give how many others were removed.

    Kept besides: the one of the time itself, what is later, and the two newest, of which readers may hold the name.
    Only a snapshot of which every bucket is stored stands for its day or month.
    """
    until = as_of.astimezone(UTC)
    with generations.writing(_snapshots().parent):
        _remove_unfinished()
        stored = _stored()
        whole = sorted(time for time, folder in stored.items() if _is_whole(folder))
        kept = _lasting((time for time in whole if time <= until), until) | {until, *whole[-2:]}
        gone = [folder for time, folder in stored.items() if time < until and time not in kept]
        for folder in gone:
            shutil.rmtree(folder.rename(folder.with_name(REMOVED + folder.name)))
    return len(gone)


def rewrite(erased: Mapping[int, list[int]]) -> int:
    """Take customers, ids by bucket, out of every snapshot. Give how many files were written afresh."""
    written = 0
    with generations.writing(_snapshots().parent):
        _remove_unfinished()
        for folder in _stored().values():
            for bucket, ids in erased.items():
                written += _was_rewritten(folder / f"{bucket}.parquet", ids)
    return written


def _remove_unfinished() -> None:
    """Remove what a crash left behind; the lake's lock is held."""
    for folder in _snapshots().glob(f"{REMOVED}*"):
        shutil.rmtree(folder)
    for draft in _snapshots().glob("*/.*.new"):
        draft.unlink()


def _was_rewritten(path: Path, ids: list[int]) -> bool:
    """Take customers out of one file. Give whether it held any of them."""
    if not path.exists():
        return False
    frame = pl.read_parquet(path, glob=False, hive_partitioning=False)
    left = frame.filter(~pl.col("customer_id").is_in(ids))
    if len(left) < len(frame):
        generations.replace(path, _parquet(left))
    return len(left) < len(frame)


def _parquet(frame: pl.DataFrame) -> bytes:
    content = BytesIO()
    frame.write_parquet(content, compression="lz4", statistics=False)  # written and read every hour
    return content.getvalue()


def _lasting(times: Iterable[datetime], until: datetime) -> set[datetime]:
    """Give the newest of the sorted times of each of the last 35 days and 24 months, those of `until` included."""
    days: dict[date, datetime] = {}
    months: dict[tuple[int, int], datetime] = {}
    for time in times:
        if until.date() - time.date() < timedelta(days=DAYS_KEPT):
            days[time.date()] = time
        if (until.year - time.year) * 12 + until.month - time.month < MONTHS_KEPT:
            months[time.year, time.month] = time
    return {*days.values(), *months.values()}


def _stored() -> dict[datetime, Path]:
    """Give the folders of all snapshots, also of those with buckets missing, by time."""
    folders = [folder for folder in _snapshots().glob("*") if not folder.name.startswith(".")]
    return {datetime.strptime(folder.name, FOLDER_FORMAT).replace(tzinfo=UTC): folder for folder in folders}


def _is_whole(folder: Path) -> bool:
    return len(list(folder.glob("[!.]*.parquet"))) == int(settings.BUCKETS)


def _snapshots() -> Path:
    return Path(settings.LAKE_URL) / "snapshots"


def _folder(as_of: datetime) -> Path:
    return _snapshots() / as_of.astimezone(UTC).strftime(FOLDER_FORMAT)


def _within(rows: "models.QuerySet[Any]", scope: Scope, prefix: str = "") -> "models.QuerySet[Any]":
    """Narrow a query to the scope's customers, or, where they are many, to somewhat more."""
    if scope.buckets is not None:
        rows = rows.filter(**{f"{prefix}bucket__in": scope.buckets})
    if scope.ids is None:
        return rows
    if len(scope.ids) <= FEW:
        return rows.filter(among(f"{prefix}id", scope.ids))
    return rows.filter(**{f"{prefix}id__range": (min(scope.ids), max(scope.ids))})


def _of(ids: pl.Series, scope: Scope) -> Q:
    """Narrow a query to people, or, where they are most of all, to somewhat more.

    PostgreSQL looks for a bucket's ids much faster than it joins all its customers.
    """
    return Q() if scope.buckets is None and scope.ids is None else among("customer_id", ids.to_list())


def _people(scope: Scope) -> pl.DataFrame:
    rows = _within(Customer.objects.order_by("id"), scope).values_list(*PEOPLE)
    people = bulk.read(rows, PEOPLE).rename({"id": "customer_id"})
    return people if scope.ids is None else people.filter(pl.col("customer_id").is_in(scope.ids))


def _told(changes: pl.LazyFrame, as_of: datetime, ids: pl.Series) -> pl.DataFrame:
    """Give the core columns and `attributes.<name>` of these customers as last told by the time, typed."""
    declared = Attribute.objects.exclude(name__in=(*CORE, BIRTH_DATE)).order_by("name").values_list("name", "type")
    types = {name: Attribute.Type(type_) for name, type_ in declared}
    columns = [*CORE, BIRTH_DATE, *types]
    wide = _latest(changes.filter(pl.col("known_at") <= as_of.astimezone(UTC)), columns, ids)
    core = [typed(wide[name], Attribute.Type.TEXT) for name in CORE]
    birth_date = typed(wide[BIRTH_DATE], Attribute.Type.DATE).dt.date()
    attributes = [typed(wide[name], type_).alias(f"attributes.{name}") for name, type_ in types.items()]
    return pl.DataFrame([*core, birth_date, *attributes])


def _latest(changes: pl.LazyFrame, names: list[str], ids: pl.Series) -> pl.DataFrame:
    """Give the last value of each name, as it was told, one column a name and one row a customer."""
    rows = changes.filter(pl.col("name").is_in(names)).collect()
    who = numbered(ids.to_numpy(), rows["customer_id"].to_numpy())
    rows, who = rows.filter(pl.Series(who >= 0)), who[who >= 0]
    place = rows["name"].cast(pl.Enum(names)).to_physical().cast(pl.Int64).to_numpy() * len(ids) + who
    known_at = rows["known_at"].to_physical().to_numpy()
    last = pl.Series(greatest(len(names) * len(ids), place, known_at, rows["change_id"].to_numpy()))
    value = rows["value"].gather(last.replace(-1, None))
    return pl.DataFrame([value.slice(i * len(ids), len(ids)).alias(name) for i, name in enumerate(names)])


def _permitted(people: pl.DataFrame, scope: Scope) -> pl.DataFrame:
    """Give `consent.<channel>.<topic>` (no value: never asked) and `reachable.<address>` of the people, as of now."""
    kinds = consent_kinds()
    granted = _granted(people["customer_id"], kinds, scope)
    columns = [
        pl.Series(f"consent.{kind.channel}.{kind.topic}", column == GRANTED).set(pl.Series(column == NEVER), None)
        for kind, column in zip(kinds, granted, strict=True)
    ]
    reach = []
    for address, channel in REACH.items():
        of_channel = granted[[kind.channel == channel for kind in kinds]]
        may = pl.Series((of_channel == GRANTED).any(axis=0))
        reach.append(_reached(people[address], may, channel).alias(f"reachable.{address}"))
    return pl.DataFrame([*columns, *reach])


def consent_kinds() -> list[Kind]:
    """Give all kinds of consent, one step in the index a kind: there are few, and a row for each customer."""
    found: list[Kind] = []
    rows = Consent.objects.order_by("channel", "topic").values_list("channel", "topic")
    while kind := rows.first():
        found.append(Kind(*kind))
        rows = rows.filter(TupleGreaterThan(Tuple(F("channel"), F("topic")), kind))
    return found


def _granted(ids: pl.Series, kinds: list[Kind], scope: Scope) -> np.ndarray[tuple[int, int], np.dtype[np.int8]]:
    """Give a row for each kind of consent with what each customer said: NEVER, WITHDRAWN or GRANTED."""
    schema: bulk.Schema = {"customer_id": pl.Int64, "channel": pl.String, "topic": pl.String, "is_granted": pl.Boolean}
    stored = bulk.read(Consent.objects.filter(_of(ids, scope)).values_list(*schema), schema)
    named = pl.DataFrame(kinds, schema={"channel": pl.String, "topic": pl.String}, orient="row").with_row_index("kind")
    rows = stored.join(named.with_columns(pl.col("kind").cast(pl.Int64)), on=["channel", "topic"])
    who = numbered(ids.to_numpy(), rows["customer_id"].to_numpy())
    said = np.full((len(kinds), len(ids)), NEVER, dtype=np.int8)
    said[rows["kind"].to_numpy()[who >= 0], who[who >= 0]] = rows["is_granted"].cast(pl.Int8).to_numpy()[who >= 0]
    return said


def _reached(addresses: pl.Series, may: pl.Series, channel: Channel) -> pl.Series:
    """Say who granted a topic of the channel and has an address that is not suppressed."""
    reached = may & (addresses.fill_null("") != "")
    schema: bulk.Schema = {"address_hash": pl.String}
    suppressed = bulk.read(Suppression.objects.filter(channel=channel).values_list(*schema), schema)
    if suppressed.is_empty():
        return reached
    is_open = ~hashes_of(channel.value, addresses.filter(reached)).is_in(suppressed["address_hash"].implode())
    return reached.scatter(reached.arg_true(), is_open)
