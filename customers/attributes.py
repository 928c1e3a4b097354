"""Facts about customers: their history, and the latest of each on the customer."""

from collections.abc import Callable, Collection, Iterator, Mapping

import polars as pl
from django.db import transaction

from customers import bulk
from customers.ids import DENSE
from customers.models import Attribute, AttributeChange, Customer

CORE = ("country", "city", "language", "time_zone", "birth_date")
ROWS_A_TRANSACTION = 20_000
CUSTOMERS_A_TRANSACTION = 2_000
MANY = 50_000  # customers whose histories are read at once
FEW = 5_000  # up to here nobody is looked at before
CHANGES: bulk.Schema = {
    "customer_id": pl.Int64,
    "name": pl.String,
    "value": pl.String,
    "known_at": bulk.UTC_MICROSECONDS,
}
HISTORY: bulk.Schema = {
    "id": pl.Int64,
    "customer_id": pl.Int64,
    "name": pl.String,
    "value": pl.String,
    "known_at": pl.Datetime,
}
WHEN = ["customer_id", "name", "known_at"]
USERS: list[Callable[[str], list[str]]] = []  # segments adds what of it asks an attribute of this name
FORMS = {
    Attribute.Type.NUMBER.value: r"^-?\d",
    Attribute.Type.YES_NO.value: r"^(true|false)$",
    Attribute.Type.TEXT.value: r'^"',
    Attribute.Type.LIST.value: r"^\[",
}
CALLED = {
    Attribute.Type.NUMBER.value: "is not a number",
    Attribute.Type.YES_NO.value: "is not yes or no",
    Attribute.Type.TEXT.value: "is not text",
    Attribute.Type.DATE.value: "is not a date",
    Attribute.Type.LIST.value: "is not a list",
}


def known_types() -> dict[str, str]:
    """Give the type of every attribute there is."""
    return dict(Attribute.objects.values_list("name", "type"))


def is_unfit(value: pl.Expr, type_: str) -> pl.Expr:
    """Say where a JSON text is not of an attribute type."""
    if type_ == Attribute.Type.DATE:
        day = value.str.slice(1, 10).str.to_date("%Y-%m-%d", strict=False)
        return value.is_not_null() & (day.is_null() | ~value.str.starts_with('"'))
    return ~value.str.contains(FORMS[type_])


def type_of(values: pl.Series) -> str:
    """Give the type that all of some JSON texts have; text where they differ."""
    told = values.drop_nulls()
    for kind in (Attribute.Type.NUMBER, Attribute.Type.YES_NO, Attribute.Type.LIST):
        if not told.is_empty() and told.str.contains(FORMS[kind.value]).all():
            return kind.value
    return Attribute.Type.TEXT.value


def declare(types: Mapping[str, str], timeless: Collection[str]) -> None:
    """Store attributes that are new with their type; those told as timeless are marked so."""
    names = [name for name in types if name not in CORE]
    rows = pl.DataFrame(
        {
            "name": names,
            "label": [""] * len(names),
            "type": [types[name] for name in names],
            "is_timeless": [name in timeless for name in names],
        },
        schema={"name": pl.String, "label": pl.String, "type": pl.String, "is_timeless": pl.Boolean},
    )
    bulk.insert(Attribute, rows, ignore=["name"])
    Attribute.objects.filter(name__in=list(timeless), is_timeless=False).update(is_timeless=True)


def store(told: pl.DataFrame, import_id: int | None = None, source: str = "") -> pl.Series:
    """Store what changed of what was told (customer_id, name, value as JSON text, known_at); give whose did.

    A null value clears. For the same customer, name and time the last row wins. An equal value is no change. Every
    change names the import that brought it, if one did, or the act of ours that was its `source`.
    """
    latest = told.select(pl.col(name).cast(dtype) for name, dtype in CHANGES.items()).unique(WHEN, keep="last")
    changed = [_store_portion(portion, import_id, source) for portion in _portions(_news(latest))]
    return pl.concat(changed) if changed else pl.Series("customer_id", [], dtype=pl.Int64)


def move(kept: Customer, gone: Customer) -> int:
    """Store one customer's changes anew as another's, so that readers that follow along see them; give how many."""
    told: bulk.Schema = {**CHANGES, "of_import_id": pl.Int64, "source": pl.String}
    theirs = AttributeChange.objects.filter(customer=gone)
    moved = bulk.read(theirs.order_by("known_at", "pk").values_list(*told), told)
    moved = moved.with_columns(customer_id=pl.lit(kept.pk, pl.Int64))
    theirs.delete()
    before = bulk.read(AttributeChange.objects.filter(customer=kept).order_by("pk").values_list(*HISTORY), HISTORY)
    bulk.insert(AttributeChange, moved)
    if len(moved):
        _set_latest(pl.concat([before.select(*CHANGES), moved.select(*CHANGES)]), moved.select(*CHANGES))
    return len(moved)


def _news(told: pl.DataFrame) -> pl.DataFrame:
    """Leave out customers of whom nothing new is told: of many, most are as they were, and need no lock."""
    ids = told["customer_id"].unique().sort()
    if len(ids) <= FEW:
        return told
    kept = []
    for begin in range(0, len(ids), MANY):
        some = ids[begin : begin + MANY]
        ends = (some[0], some[-1])
        theirs = told.filter(pl.col("customer_id").is_between(*ends))
        if ends[1] - ends[0] < DENSE * len(some):
            stored = AttributeChange.objects.filter(customer__gte=ends[0], customer__lte=ends[1])
            news = _differing(bulk.read_columns(stored.values_list(*HISTORY), HISTORY, absent=("value",)), theirs)
            theirs = theirs.join(news.select("customer_id").unique(), on="customer_id", how="semi")
        kept.append(theirs)
    return pl.concat(kept)


def _portions(told: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """Cut by customer, so that a portion stays below the rows and customers of one transaction."""
    sizes = told.group_by("customer_id").len("size").sort("customer_id")
    by_rows = pl.col("size").cum_sum() // ROWS_A_TRANSACTION
    by_customers = pl.int_range(pl.len()) // CUSTOMERS_A_TRANSACTION
    numbered = sizes.select("customer_id", portion=pl.struct(by_rows, by_customers.alias("people")).rle_id())
    yield from told.join(numbered, on="customer_id").partition_by("portion", include_key=False)


@transaction.atomic
def _store_portion(told: pl.DataFrame, import_id: int | None, source: str) -> pl.Series:
    customers = told["customer_id"].unique()
    # Sorted and locked, so that two imports of the same people take turns; who was erased meanwhile is told nothing of.
    rows = Customer.objects.select_for_update().filter(pk__in=customers.to_list()).order_by("pk")
    held = pl.Series("id", list(rows.values_list("pk", flat=True)), pl.Int64)
    told = told.filter(pl.col("customer_id").is_in(held.implode()))
    stored = AttributeChange.objects.filter(customer_id__in=held.to_list())
    history = bulk.read(stored.values_list(*HISTORY), HISTORY)
    changes = _differing(history, told)
    if changes.is_empty():
        return changes["customer_id"]
    bulk.insert(AttributeChange, changes.with_columns(of_import_id=pl.lit(import_id, pl.Int64), source=pl.lit(source)))
    _set_latest(pl.concat([history.drop("id"), changes]), changes)
    return changes["customer_id"].unique()


def _differing(history: pl.DataFrame, told: pl.DataFrame) -> pl.DataFrame:
    """Give the told rows whose value differs from what held just before."""
    both = pl.concat(
        [history.with_columns(is_told=False), told.with_columns(id=pl.lit(None, pl.Int64), is_told=True)],
        how="diagonal",
    )
    ordered, value = _ordered(both, "id"), pl.col("value")
    is_next = pl.all_horizontal(pl.col(name) == pl.col(name).shift(1) for name in ("customer_id", "name"))
    ordered = ordered.with_columns(before=pl.when(is_next).then(value.shift(1)))
    # Few differ as they are written, and only those need be read to be compared.
    written = ordered.filter(pl.col("is_told") & value.ne_missing(pl.col("before")))
    return written.filter(_comparable(value).ne_missing(_comparable(pl.col("before")))).select(*CHANGES)


def _ordered(facts: pl.DataFrame, *then: str) -> pl.DataFrame:
    """Give facts by customer, name and time, and then by more; to sort by texts would take most of the time."""
    names = pl.Enum(facts["name"].drop_nulls().unique().sort())
    by = [pl.col(name).cast(names) if name == "name" else pl.col(name) for name in (*WHEN, *then)]
    return facts.sort(by, nulls_last=True, maintain_order=True)


def _comparable(value: pl.Expr) -> pl.Expr:
    """Give JSON text in one spelling: databases write numbers and lists their own way."""
    number = value.cast(pl.Float64, strict=False).cast(pl.String)
    listed = value.str.replace_all('", "', '","', literal=True)
    return (
        pl.when(value == "null")
        .then(None)
        .when(value.str.starts_with("["))
        .then(listed)
        .otherwise(pl.coalesce(number, value))
    )


def first_changes(told: pl.DataFrame) -> pl.DataFrame:
    """Give the changes (CHANGES) that facts are for customers of whom nothing was told before."""
    told = _ordered(told.select(pl.col(name).cast(dtype) for name, dtype in CHANGES.items()))
    told = told.unique(WHEN, keep="last", maintain_order=True)
    if told.select("customer_id", "name").is_unique().all():
        return told.filter(pl.col("value").is_not_null() & (pl.col("value") != "null"))
    nothing = pl.DataFrame(
        schema={name: pl.Datetime("us", "UTC") if d == pl.Datetime else d for name, d in HISTORY.items()}
    )
    return _differing(nothing, told)


def begin(changes: pl.DataFrame, import_id: int | None) -> None:
    """Store the first changes of customers just created."""
    bulk.insert(AttributeChange, changes.with_columns(of_import_id=pl.lit(import_id, pl.Int64), source=pl.lit("")))


def latest(history: pl.DataFrame) -> pl.DataFrame:
    """Give customer_id, the latest `attributes` as JSON text and the latest of each CORE column there is."""
    values = _ordered(history).unique(["customer_id", "name"], keep="last", maintain_order=True)
    found = values.select("customer_id").unique().join(_objects(values), on="customer_id", how="left")
    for name in CORE:
        column = values.filter(pl.col("name") == name).select("customer_id", _core(name))
        if not column.is_empty():
            found = found.join(column, on="customer_id", how="left")
    return found


def _objects(latest: pl.DataFrame) -> pl.DataFrame:
    """Give customer_id and all attributes outside of CORE as one JSON text; none where all were cleared.

    Each customer's come in the order of their names, as those of all others do.
    """
    own = latest.filter(~pl.col("name").is_in(CORE) & pl.col("value").is_not_null())
    names = own["name"].unique().sort()
    keys = pl.DataFrame({"v": names}).select(pl.struct("v").struct.json_encode().str.slice(5).str.strip_suffix("}"))
    key = pl.col("name").replace_strict(names, keys.to_series() + ": ", return_dtype=pl.String)
    members = own.select("customer_id", "name", member=key + pl.col("value"))
    if not keys.to_series().is_sorted():
        members = members.sort("member")
    text = pl.lit("{") + pl.col("member").str.join(", ") + pl.lit("}")
    return members.group_by("customer_id", maintain_order=True).agg(attributes=text)


def _core(name: str) -> pl.Expr:
    value = pl.col("value").str.json_decode(pl.String)
    return (value.str.to_date("%Y-%m-%d") if name == "birth_date" else value).alias(name)


def _set_latest(history: pl.DataFrame, changes: pl.DataFrame) -> None:
    """Write the latest value of every attribute to the customers that changed."""
    people = history.join(changes.select("customer_id").unique(), on="customer_id", how="semi")
    values = _ordered(people).unique(["customer_id", "name"], keep="last", maintain_order=True)
    everybody = people.select("customer_id").unique().join(_objects(values), on="customer_id", how="left")
    bulk.update(Customer, everybody.select(pl.col("attributes").fill_null("{}"), id="customer_id"), key=["id"])
    for name in CORE:
        changed = changes.filter(pl.col("name") == name).select("customer_id").unique()
        column = values.filter(pl.col("name") == name).join(changed, on="customer_id", how="semi")
        bulk.update(Customer, column.select(_core(name), id="customer_id"), key=["id"])


def users(name: str) -> list[str]:
    """Name what asks an attribute."""
    return [user for one in USERS for user in one(name)]
