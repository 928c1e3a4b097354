"""What the values of all fields are like, counted once a day, and of every file as it came in."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import NamedTuple

import polars as pl
from django.db import transaction
from django.db.models import Count, Max, Min, QuerySet

from customers import attributes, columns, history, quality, snapshot
from customers.history import Lake, Scope
from customers.ingest import Records, Result
from customers.models import Attribute, Customer, FieldQuality, Import, Product
from customers.personal import PERSONAL_NAMES
from customers.quality import Column, Figures
from customers.typed import typed

EVENTS = "events."
WEEK = timedelta(days=7)
LATELY = timedelta(days=90)
KEPT = timedelta(days=400)
AT_ONCE = 8  # columns in memory
MOST_EVENTS = 1_000_000  # of a week: of more, so many are looked at
ADDRESSES = {"email": "e-mail address", "phone": "phone number", "first_name": "first name", "last_name": "last name"}
Type = Attribute.Type
Values = Mapping[str, pl.Series]


class Told(NamedTuple):
    """A field with its values, how many others do not fit, and when the last of them was known."""

    field: str
    label: str
    kind: str
    column: Column
    unfit: int = 0
    newest: datetime | None = None


def count(at: datetime) -> bool:
    """Count all fields in the newest snapshot, once a day and once after every import. Give whether it did."""
    taken_at = snapshot.latest(at)
    if taken_at is None or not _is_due(taken_at):
        return False
    lake = history.pin()
    told = [*_addresses(), *_facts(taken_at, lake), *_events(taken_at, lake)]
    day = taken_at.astimezone(UTC).date()
    earlier = FieldQuality.objects.filter(of_import=None)
    told += _silent(earlier, taken_at, {one.field for one in told})
    known = _by_field(earlier.filter(as_of__lte=taken_at - WEEK), Max("pk"))
    first = _by_field(earlier.filter(as_of__lt=taken_at).exclude(day=day), Min("pk"))
    rows = list(_rows(told, taken_at, first | known))
    with transaction.atomic():
        earlier.filter(day=day).delete()
        FieldQuality.objects.filter(day__lt=day - KEPT).delete()
        FieldQuality.objects.bulk_create(rows, ignore_conflicts=True)
    return True


def note(of_import: Import, brought: Values, result: Result, at: datetime, happened: Records | None = None) -> None:
    """Keep what the values are like that a file brought, beside those before it: facts and addresses, and events."""
    told = [*_brought(of_import, brought, result), *_happened(of_import, happened or Records(read=0), result)]
    names = [one.field for one in told]
    others = FieldQuality.objects.filter(field__in=names, as_of__lt=at).exclude(of_import=of_import)
    of_files, of_days = others.exclude(of_import=None), others.filter(of_import=None)
    known = _by_field(of_files, Max("pk")) | _by_field(of_days, Max("pk"))
    rows = list(_rows(told, at, known, of_import))
    with transaction.atomic():
        FieldQuality.objects.filter(of_import=of_import).delete()
        FieldQuality.objects.bulk_create(rows)


def newest() -> list[FieldQuality]:
    """Give all fields as they were counted last."""
    return list(counted_last().order_by("pk"))


def counted_last() -> QuerySet[FieldQuality]:
    """Give the rows of the last count."""
    counted = FieldQuality.objects.filter(of_import=None)
    last = counted.order_by("-day").values_list("day", flat=True).first()
    return counted.filter(day=last) if last else counted.none()


def _is_due(taken_at: datetime) -> bool:
    """Tell whether the snapshot's day was not counted yet, or a file came since."""
    last = FieldQuality.objects.filter(of_import=None).aggregate(at=Max("as_of"))["at"]
    if last is None or last.astimezone(UTC).date() < taken_at.astimezone(UTC).date():
        return True
    return last < taken_at and Import.objects.filter(finished_at__gt=last, finished_at__lte=taken_at).exists()


def _by_field(rows: QuerySet[FieldQuality], which: Max | Min) -> dict[str, FieldQuality]:
    """Give one row of each field: the last or the first stored."""
    pks = rows.order_by().values("field").annotate(one=which).values_list("one", flat=True)
    return {row.field: row for row in FieldQuality.objects.filter(pk__in=list(pks))}


def _rows(
    told: list[Told], at: datetime, known: Mapping[str, FieldQuality], of_import: Import | None = None
) -> Iterator[FieldQuality]:
    for one in told:
        figures = quality.look(one.column, at, one.unfit)
        if PERSONAL_NAMES.search(one.field):
            figures["top"], figures["examples"] = [], []
        before = known.get(one.field)
        found = quality.drift(one.column, figures, _read(before), before.as_of, len(told)) if before else None
        yield FieldQuality(
            field=one.field[:240],
            label=one.label[:240],
            kind=one.kind,
            day=at.astimezone(UTC).date(),
            as_of=at,
            of_import=of_import,
            newest=one.newest or (before.newest if before and of_import is None else None),
            figures=figures,
            drift=found or {},
        )


def _read(row: FieldQuality) -> Figures:
    figures: Figures = row.figures
    return figures


def _column(field: str, values: pl.Series, kind: str) -> Column:
    """Give the values of a field; of dates new ones always differ, except of birth dates, and names are not kept."""
    is_moving = kind == Type.DATE and field != snapshot.BIRTH_DATE
    return Column(values, is_moving or bool(PERSONAL_NAMES.search(field)))


def _labels() -> dict[str, tuple[str, str]]:
    """Give the type and the label of every fact, by its name in the snapshot."""
    core = {name: (Type.TEXT.value, name.replace("_", " ")) for name in snapshot.CORE}
    core[snapshot.BIRTH_DATE] = (Type.DATE.value, "birth date")
    own = Attribute.objects.exclude(name__in=core).order_by("name").values_list("name", "type", "label")
    return core | {f"attributes.{name}": (type_, label or name) for name, type_, label in own}


def _addresses() -> Iterator[Told]:
    """Give how many customers have addresses and names: the values themselves are not looked at."""
    counts = Customer.objects.aggregate(all=Count("pk"), **{name: Count(name) for name in ADDRESSES})
    for name, label in ADDRESSES.items():
        is_there = pl.Series([True]).new_from_index(0, counts[name])
        yield Told(name, label, Type.TEXT, Column(is_there.extend_constant(None, counts["all"] - counts[name]), True))


def _facts(taken_at: datetime, lake: Lake) -> Iterator[Told]:
    """Give the facts of a snapshot, some columns at a time."""
    pinned, labels = columns.pin(taken_at), _labels()
    names = [name for name in labels if name in pinned.names]
    known_at, unfit = _newest(lake, taken_at), _unfit(lake, taken_at)
    for start in range(0, len(names), AT_ONCE):
        some = names[start : start + AT_ONCE]
        frame = pinned.unkept(some)
        for name in some:
            kind, label = labels[name]
            bare = name.removeprefix("attributes.")
            yield Told(name, label, kind, _column(name, frame[name], kind), unfit.get(bare, 0), known_at.get(bare))


def _newest(lake: Lake, until: datetime) -> dict[str, datetime]:
    """Give when the last change of each fact was known."""
    changes = lake.attributes(Scope()).filter(pl.col("known_at") <= until)
    return dict(changes.group_by("name").agg(pl.col("known_at").max()).collect(engine="streaming").iter_rows())


def _unfit(lake: Lake, until: datetime) -> dict[str, int]:
    """Count the customers whose last value of a fact is not of its type.

    Such a value is refused at the door: only where the type was changed since, or at the first count, they are looked
    for.
    """
    last = {row.field: row for row in newest()}
    wanted: dict[str, list[str]] = {}
    for name, kind in attributes.known_types().items():
        row = last.get(f"attributes.{name}")
        if kind != Type.TEXT and (row is None or row.kind != kind or row.figures["unfit"]):
            wanted.setdefault(kind, []).append(name)
    if not wanted:
        return {}
    wrong = pl.any_horizontal(
        pl.col("name").is_in(names) & attributes.is_unfit(pl.col("value"), kind).fill_null(False)
        for kind, names in wanted.items()
    )
    told = lake.attributes(Scope()).filter(
        pl.col("known_at") <= until, pl.col("name").is_in([*chain(*wanted.values())])
    )
    found = told.filter(wrong).select("customer_id", "name").unique().collect(engine="streaming")
    if found.is_empty():
        return {}
    of_them = told.join(found.lazy(), on=["customer_id", "name"], how="semi").sort("known_at", "change_id")
    latest = of_them.group_by("customer_id", "name").last().filter(wrong)
    return dict(latest.group_by("name").len().collect().iter_rows())


def _events(taken_at: datetime, lake: Lake) -> Iterator[Told]:
    """Give the fields of the events of the last week, by name."""
    week = pl.col("occurred_at").is_between(taken_at - WEEK, taken_at, closed="right")
    happened = lake.events(Scope()).filter(week)
    many = happened.select(pl.len()).collect(engine="streaming").item()
    is_picked = pl.col("event_id") % (many // MOST_EVENTS + 1) == 0
    names = ("event_id", "name", "occurred_at", "value", "order_id")
    found = happened.filter(is_picked).select(names).collect(engine="streaming").cast({"name": pl.String})
    lines = lake.lines(Scope()).filter(week, is_picked).select("event_id", "product_id").collect(engine="streaming")
    products = lines.group_by("event_id").agg(pl.col("product_id").first().alias("product"))
    joined = found.join(products, on="event_id", how="left")
    ids = joined["product"].drop_nulls().unique().to_list()
    called = dict(Product.objects.filter(pk__in=ids[:MOST_EVENTS]).values_list("pk", "external_id"))
    joined = joined.with_columns(pl.col("product").replace_strict(called, default=None, return_dtype=pl.String))
    yield from _of_events(joined)


def _silent(earlier: QuerySet[FieldQuality], taken_at: datetime, there: Collection[str]) -> list[Told]:
    """Give the fields of events that came lately, and not in the last week."""
    nothing = Column(pl.Series(dtype=pl.Null), moves=True)
    lately = earlier.filter(field__startswith=EVENTS, newest__gt=taken_at - LATELY)
    return [
        Told(field, row.label, row.kind, nothing, 0, row.newest)
        for field, row in sorted(_by_field(lately, Max("pk")).items())
        if field not in there
    ]


def _of_events(happened: pl.DataFrame) -> Iterator[Told]:
    """Give the fields of events (name, occurred_at, value, order_id, product) by name; those nobody tells are none."""
    for (name,), rows in sorted(happened.partition_by("name", as_dict=True).items()):
        parts = {
            "value": (Type.NUMBER, "value"),
            "order": (Type.TEXT, "order_id"),
            "product": (Type.TEXT, "product"),
            "time": (Type.DATE, "occurred_at"),
        }
        newest = rows["occurred_at"].max()
        for part, (kind, column) in parts.items():
            if rows[column].null_count() < len(rows):
                field = f"{EVENTS}{name}.{part}"
                values = _column(field, rows[column], kind)
                yield Told(field, f"{name}: {part}", kind, values, 0, newest if isinstance(newest, datetime) else None)


def brought(records: Records) -> Values:
    """Give the values of the facts that were told, by field, and of addresses and names whether there is one."""
    found = {}
    if (people := records.customers) is not None:
        there = {name: people[name].is_not_null() for name in ADDRESSES if name in people.columns}
        found = {name: column.replace(False, None) for name, column in there.items()}
    if records.attributes is None:
        return found
    labels = _labels()
    for (bare,), rows in records.attributes.partition_by("name", as_dict=True).items():
        field = str(bare) if bare in labels else f"attributes.{bare}"
        if field in labels:
            found[field] = typed(rows["value"], Type(labels[field][0]))
    return found


def _brought(of_import: Import, told: Values, result: Result) -> Iterator[Told]:
    """Give the facts and addresses of a file, those that were refused among them."""
    refused, labels = _refused(result), _labels()
    for field, values in told.items():
        named = of_import.mapping.get(field) or field if field in ADDRESSES else field.removeprefix("attributes.")
        unfit = refused.get(_plain(str(named)), 0)
        all_of_them = values.extend_constant(None, unfit)
        if field in ADDRESSES:
            yield Told(field, ADDRESSES[field], Type.TEXT, Column(all_of_them, True), unfit)
        else:
            kind, label = labels[field]
            yield Told(field, label, kind, _column(field, all_of_them, kind), unfit)


def _happened(of_import: Import, records: Records, result: Result) -> Iterator[Told]:
    """Give the fields of a file of events."""
    if records.events is None or records.events.is_empty():
        return
    lines = records.lines if records.lines is not None else pl.DataFrame(schema={"message_id": pl.String})
    known = {"value": pl.Float64, "order_id": pl.String}
    happened = records.events.with_columns(
        pl.lit(None, dtype).alias(name) for name, dtype in known.items() if name not in records.events.columns
    )
    if "product" in lines.columns:
        first = lines.group_by("message_id").agg(pl.col("product").first())
        happened = happened.join(first, on="message_id", how="left")
    else:
        happened = happened.with_columns(product=pl.lit(None, pl.String))
    is_one_name = happened["name"].n_unique() == 1
    refused, fields = _refused(result) if is_one_name else {}, of_import.mapping
    for one in _of_events(happened):
        said = fields.get(one.field.rpartition(".")[2]) or ""
        unfit = sum(refused.get(_plain(str(label)), 0) for label in ([said] if isinstance(said, str) else said))
        values = one.column.values.extend_constant(None, unfit)
        yield one._replace(column=Column(values, one.column.moves), unfit=unfit)


def _refused(result: Result) -> dict[str, int]:
    """Count the refused lines of a file by the column they were refused for."""
    counts: Iterable[tuple[str | None, int]] = result.refused.group_by("column").len().iter_rows()
    return {_plain(column): many for column, many in counts if column}


def _plain(label: str) -> str:
    return label.casefold().replace(" ", "_").replace("-", "_")
