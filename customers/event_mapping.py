"""The lines of a file as events: one a line, or one an order with the lines that share its number."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b

import polars as pl

from customers import cleaning, mapping
from customers.cleaning import Check
from customers.events import ORDER_REFUNDED
from customers.ingest import Records
from customers.mapping import Mapped, WrongMapping
from customers.reading import LINE, SURPLUS, Table

SEPARATOR = "\x1f"  # stands in no text that people write
DECIMALS = 6  # sums of money are rounded to these, so that what cancels out is nothing


@dataclass(frozen=True)
class EventColumns:
    """Which columns of a file make events; names are looked up by `resolve`."""

    customer: str
    time: str
    name: str | None = None
    name_column: str | None = None
    value: tuple[str, ...] = ()
    order: str | None = None
    product: str | None = None
    product_name: str | None = None
    category: str | None = None
    quantity: str | None = None
    price: str | None = None
    discount: tuple[str, ...] = ()
    properties: tuple[str, ...] = ()
    id: str | None = None
    known_since: str | None = None
    is_keeping_duplicates: bool = False


def resolve(wanted: EventColumns, columns: Sequence[str]) -> EventColumns:
    """Give the mapping with the file's own column names. Raises WrongMapping for what is not there or not together."""
    if (wanted.name is None) == (wanted.name_column is None):
        raise WrongMapping("Give either --name or --name-column.")
    if wanted.order and not wanted.name:
        raise WrongMapping("--order needs --name: the lines of an order are one event.")

    def one(name: str | None) -> str | None:
        return None if name is None else mapping.find(name, columns)

    return EventColumns(
        customer=mapping.find(wanted.customer, columns),
        time=mapping.find(wanted.time, columns),
        name=wanted.name,
        name_column=one(wanted.name_column),
        value=tuple(mapping.find(name, columns) for name in wanted.value),
        order=one(wanted.order),
        product=one(wanted.product),
        product_name=one(wanted.product_name),
        category=one(wanted.category),
        quantity=one(wanted.quantity),
        price=one(wanted.price),
        discount=tuple(mapping.find(name, columns) for name in wanted.discount),
        properties=tuple(mapping.find(name, columns) for name in wanted.properties),
        id=one(wanted.id),
        known_since=mapping.known_since(wanted.known_since, columns),
        is_keeping_duplicates=wanted.is_keeping_duplicates,
    )


def map_events(table: Table, columns: EventColumns, zone: str, received: datetime) -> Mapped:
    """Give the records of a file's lines: checked line by line, repeats dropped, orders put together."""
    rows, format_ = _plain(table, columns, zone)
    sifted = cleaning.sift(rows, _checks(columns, received))
    refused = mapping.refused_records(table, sifted.refused)
    accepted = sifted.accepted
    if not columns.is_keeping_duplicates:
        lines = table.rows.join(accepted.select(pl.col("line").alias(LINE)), on=LINE, how="semi", maintain_order="left")
        kept = lines.unique(table.columns, keep="first").select(line=LINE)
        accepted = accepted.join(kept, on="line", how="semi", maintain_order="left")
    if columns.order:
        accepted, foreign = _without_foreign_lines(accepted, columns.order)
        refused = pl.concat([refused, mapping.refused_records(table, foreign)])
    accepted = accepted.with_columns(message_id=_message_ids(table, accepted, columns))
    told = table.rows.select(
        pl.col(LINE).alias("line"), *(pl.col(name).alias(f"properties.{name}") for name in columns.properties)
    )
    accepted = accepted.join(told, on="line", how="left", maintain_order="left")
    events = _orders(accepted, columns) if columns.order else _singles(accepted, columns)
    types = {name: mapping.inferred_type(events[f"properties.{name}"]) for name in columns.properties}
    records = Records(
        read=len(table.rows),
        events=events.with_columns(_objects(events, types, zone)),
        lines=_order_lines(accepted, columns),
        products=_products(accepted, columns),
        refused=refused,
    )
    said = [f"{columns.time}: time, read as {format_}, {zone} where no offset is given"]
    return Mapped(records, (*said, *(f"{name}: {type_}" for name, type_ in types.items())))


def _plain(table: Table, columns: EventColumns, zone: str) -> tuple[pl.DataFrame, str]:
    """Give line, ids as text, times in UTC and numbers, beside the texts the numbers were read from."""
    rows = table.rows
    times = cleaning.times(rows[columns.time], zone)
    series = [rows[LINE].rename("line"), table.surplus.rename(SURPLUS), times.values.rename("occurred_at")]
    series += [cleaning.text_of(rows[columns.time]).rename("time said"), *_texts(table, columns)]
    frame = pl.DataFrame(series)
    for name in _numbers(columns):
        said = cleaning.text_of(rows[name]).rename(f"said.{name}")
        number = rows.select(_number(name, rows.schema[name]).alias(f"number.{name}")).to_series()
        frame = frame.with_columns(said, number)
    if columns.known_since:
        frame = frame.with_columns(known_at=_known_at(rows, columns.known_since, zone))
    return frame, times.format


def _texts(table: Table, columns: EventColumns) -> list[pl.Series]:
    named = {
        "external_id": columns.customer,
        "order_id": columns.order,
        "id": columns.id,
        "product": columns.product,
        "product_name": columns.product_name,
        "category": columns.category,
        "name": columns.name_column,
    }
    return [cleaning.identifiers(table.rows[name]).rename(called) for called, name in named.items() if name]


def _numbers(columns: EventColumns) -> list[str]:
    named = [*columns.value, columns.quantity, columns.price, *columns.discount]
    return list(dict.fromkeys(name for name in named if name))


def _number(name: str, dtype: pl.DataType) -> pl.Expr:
    return cleaning.finite(pl.col(name)) if dtype.is_numeric() else cleaning.number(pl.col(name))


def _known_at(rows: pl.DataFrame, said: str, zone: str) -> pl.Series | pl.Expr:
    if said in rows.columns:
        return cleaning.times(rows[said], zone).values
    return pl.lit(mapping.midnight(said))


def _checks(columns: EventColumns, received: datetime) -> list[Check]:
    """Give what refuses a line, under the file's own column names."""
    no_time = pl.col("occurred_at").is_null()
    checks = [
        mapping.ragged(),
        cleaning.missing("external_id", columns.customer),
        cleaning.missing("time said", columns.time),
        Check(columns.time, no_time, "is not a date", pl.col("time said").str.slice(0, 60)),
        *cleaning.implausible("occurred_at", columns.time, received),
    ]
    texts = [("external_id", columns.customer, 200), ("order_id", columns.order, 100), ("id", columns.id, 100)]
    texts += [("name", columns.name_column, 120), ("product", columns.product, 100)]
    for called, name, limit in texts:
        if name:
            checks += [cleaning.unstorable(called, name), cleaning.too_long(called, name, limit)]
    needed = [("order_id", columns.order), ("id", None if columns.order else columns.id), ("name", columns.name_column)]
    checks += [cleaning.missing(called, name) for called, name in needed if name]
    for name in _numbers(columns):
        said = pl.col(f"said.{name}")
        fault = cleaning.is_no_number(said, pl.col(f"number.{name}"))
        checks.append(Check(name, fault, "is not a number", said.str.slice(0, 60)))
    return checks


def _without_foreign_lines(rows: pl.DataFrame, order: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Part lines whose order began with another customer."""
    foreign = pl.col("external_id") != pl.col("external_id").first().over("order_id")
    check = Check(order, foreign, "is the order of another customer", pl.col("order_id"))
    return cleaning.sift(rows, [check])


def _message_ids(table: Table, rows: pl.DataFrame, columns: EventColumns) -> pl.Series:
    """Give the order's number, the line's own id, or a hash of what the line says."""
    if columns.order:
        return rows["order_id"].rename("message_id")
    if columns.id:
        return rows["id"].rename("message_id")
    lines = table.rows.join(rows.select(pl.col("line").alias(LINE)), on=LINE, how="semi", maintain_order="left")
    parts = [
        pl.format("{}={}", pl.lit(name), pl.col(name).cast(pl.String).fill_null("")) for name in sorted(table.columns)
    ]
    flat = [column for column in table.columns if lines.schema[column].is_nested()]
    lines = lines.with_columns(pl.struct(name).struct.json_encode().alias(name) for name in flat)
    said = lines.select(pl.concat_str([pl.lit(columns.name or ""), *parts], separator=SEPARATOR)).to_series()
    ids = pl.Series(
        "message_id", [blake2b(text.encode(), digest_size=16).hexdigest() for text in said], dtype=pl.String
    )
    if not columns.is_keeping_duplicates:
        return ids
    times_seen = pl.int_range(pl.len()).over("message_id")
    numbered = pl.when(times_seen > 0).then(pl.format("{}-{}", "message_id", times_seen + 1)).otherwise("message_id")
    return ids.to_frame().select(numbered.alias("message_id"))["message_id"]


def _line_value(columns: EventColumns) -> pl.Expr:
    """Give the value of a line: the product of the value columns, else quantity times price."""
    factors = columns.value or tuple(name for name in (columns.quantity, columns.price) if name and columns.price)
    if not factors:
        return pl.lit(None, pl.Float64)
    value = pl.col(f"number.{factors[0]}")
    for name in factors[1:]:
        value = value * pl.col(f"number.{name}")
    return value


def _orders(rows: pl.DataFrame, columns: EventColumns) -> pl.DataFrame:
    """Give one event an order: the first time and the summed value of its lines; below nothing it is a refund."""
    known = [pl.col("known_at").max()] if columns.known_since else []
    value = pl.col("line value")
    orders = (
        rows.with_columns(_line_value(columns).alias("line value"))
        .group_by("order_id", maintain_order=True)
        .agg(
            pl.col("line", "external_id", "message_id").first(),
            pl.col("occurred_at").min(),
            *known,
            pl.col(r"^properties\..*$").drop_nulls().first(),
            line_count=pl.len(),
            value=pl.when(value.is_not_null().any()).then(value.sum().round(DECIMALS)),
        )
    )
    name = pl.when(pl.col("value") < 0).then(pl.lit(ORDER_REFUNDED)).otherwise(pl.lit(columns.name))
    return _with_known(orders.with_columns(name=name))


def _singles(rows: pl.DataFrame, columns: EventColumns) -> pl.DataFrame:
    """Give one event a line."""
    name = pl.col("name") if columns.name_column else pl.lit(columns.name)
    return _with_known(rows.with_columns(name=name, value=_line_value(columns)))


def _with_known(rows: pl.DataFrame) -> pl.DataFrame:
    """Give events that are known since they occurred, unless something else was said."""
    if "known_at" not in rows.columns:
        return rows.with_columns(known_at="occurred_at")
    return rows.with_columns(pl.col("known_at").fill_null(pl.col("occurred_at")))


def _objects(events: pl.DataFrame, types: Mapping[str, str], zone: str) -> pl.Series:
    """Give every event's properties as a JSON object of those that hold a value."""
    if not types:
        return pl.repeat("{}", len(events), eager=True).rename("properties")
    members = []
    for name, type_ in types.items():
        key = pl.select(cleaning.json_text(pl.lit(name), pl.String())).item()
        members.append(pl.lit(f"{key}: ") + mapping.as_json(events[f"properties.{name}"], type_, zone))
    joined = pl.concat_str(members, separator=", ", ignore_nulls=True)
    return events.select(properties=pl.lit("{") + joined + pl.lit("}"))["properties"]


def _order_lines(rows: pl.DataFrame, columns: EventColumns) -> pl.DataFrame | None:
    """Give what was bought: quantity 1 unless told, the price a unit as told or as the line's value has it."""
    if not columns.product:
        return None
    quantity = pl.col(f"number.{columns.quantity}").fill_null(1.0) if columns.quantity else pl.lit(1.0)
    price = pl.col(f"number.{columns.price}") if columns.price else _line_value(columns) / quantity
    discounts = [pl.col(f"number.{name}") for name in columns.discount]
    discount = pl.sum_horizontal(discounts) if discounts else pl.lit(None, pl.Float64)
    return rows.select("message_id", "product", quantity=quantity, price=price, discount=discount)


def _products(rows: pl.DataFrame, columns: EventColumns) -> pl.DataFrame | None:
    """Give the products sold with the last name and category that the file tells."""
    if not columns.product:
        return None
    told = {
        "name": "product_name" if columns.product_name else None,
        "category": "category" if columns.category else None,
    }
    texts = [pl.col(column).drop_nulls().last().alias(name) for name, column in told.items() if column]
    sold = rows.filter(pl.col("product").is_not_null()).group_by(external_id="product", maintain_order=True)
    return sold.agg(texts)
