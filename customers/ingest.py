"""The one way in: records are checked whole, then stored in sets, and nothing is stored twice."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

import polars as pl

from customers import attributes, bulk, catalogue, cleaning, consent, events, identity, newcomers, refusal
from customers.cleaning import REFUSED
from customers.ids import near
from customers.models import Customer, Product, Quarantine, Source

CUSTOMERS: bulk.Schema = {
    "line": pl.Int64,
    "external_id": pl.String,
    "known_since": bulk.UTC_MICROSECONDS,
    "email": pl.String,
    "phone": pl.String,
    "first_name": pl.String,
    "last_name": pl.String,
}
ATTRIBUTES: bulk.Schema = {
    "line": pl.Int64,
    "external_id": pl.String,
    "name": pl.String,
    "value": pl.String,
    "known_at": bulk.UTC_MICROSECONDS,
}
CONSENTS: bulk.Schema = {
    "line": pl.Int64,
    "external_id": pl.String,
    "channel": pl.String,
    "topic": pl.String,
    "is_granted": pl.Boolean,
    "source": pl.String,
}
EVENTS: bulk.Schema = {
    "line": pl.Int64,
    "line_count": pl.Int64,
    "external_id": pl.String,
    **{name: dtype for name, dtype in events.EVENTS.items() if name != "customer_id"},
}
LINES: bulk.Schema = {
    "message_id": pl.String,
    "product": pl.String,
    "quantity": pl.Float64,
    "price": pl.Float64,
    "discount": pl.Float64,
}
LIMITS = {"name": 255, "category": 120, "brand": 120, "currency": 3, "image_url": 500}  # letters of a product's texts
PRODUCTS: bulk.Schema = {"external_id": pl.String, **dict.fromkeys(LIMITS, pl.String), "price": pl.Float64}
ADDRESSES = ("email", "phone", "first_name", "last_name")
COUNTED = ("read", "stored", "repeated", "quarantined", "events", "customers")


@dataclass(frozen=True)
class Records:
    """What was read, as frames; each may be None, and may lack columns that hold no value.

    `read` counts the lines read outside, `line` in a frame says where a row came from, `refused` (cleaning.REFUSED)
    what the reader has set aside already; what is neither refused nor stored was repeated. An event row stands for
    `line_count` lines (default 1); its order lines name it by `message_id`. Attributes are told one row a fact, as JSON
    text; a null clears the fact, a null in any other frame says nothing. `known_since` and `known_at` are the time of
    receipt where absent.
    """

    read: int
    customers: pl.DataFrame | None = None
    attributes: pl.DataFrame | None = None
    consents: pl.DataFrame | None = None
    events: pl.DataFrame | None = None
    lines: pl.DataFrame | None = None
    products: pl.DataFrame | None = None
    refused: pl.DataFrame | None = None
    types: Mapping[str, str] = field(default_factory=dict)
    timeless: frozenset[str] = frozenset()
    import_id: int | None = None


@dataclass(frozen=True)
class Result:
    """What became of the lines read; `events` and `customers` count the rows that are new.

    `refused` (cleaning.REFUSED) are those that were set aside, `news` the lines that told something new, `people` the
    ids of all customers told of.
    """

    read: int
    stored: int
    repeated: int
    quarantined: int
    reasons: dict[str, int]
    events: int
    customers: int
    refused: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=REFUSED), repr=False, compare=False)
    news: pl.Series = field(default_factory=lambda: pl.Series("line", [], pl.Int64), repr=False, compare=False)
    people: pl.Series = field(default_factory=lambda: pl.Series("customer_id", [], pl.Int64), repr=False, compare=False)


@dataclass(frozen=True)
class Checked:
    """Records as they may be stored: every frame complete, what is refused taken out."""

    customers: pl.DataFrame
    attributes: pl.DataFrame
    consents: pl.DataFrame
    events: pl.DataFrame
    lines: pl.DataFrame
    products: pl.DataFrame
    refused: pl.DataFrame
    types: dict[str, str]


def put(records: Records, source: Source, received: datetime, on_progress: events.Progress | None = None) -> Result:
    """Check records, store what is new of them, quarantine what is refused, and give the counts.

    Safe to run twice, also after being killed: message ids and equal facts are recognised.
    """
    result = store(records, source, received, on_progress)
    quarantine(result.refused, source, received, records.import_id)
    return result


def store(
    records: Records,
    source: Source,
    received: datetime,
    on_progress: events.Progress | None = None,
    found: pl.DataFrame | None = None,
) -> Result:
    """Do what `put` does, without storing what is refused; `found` is what identity.find gave of the customers."""
    checked = check(records, received)
    attributes.declare(checked.types, records.timeless)
    total = checked.customers.height + checked.events.height
    ids = _customers(checked, records, received, _part(on_progress, 0, total), found)
    before = ids.filter(~pl.col("is_whole"))
    told = _with_ids(checked.consents, before)
    touched = pl.concat([_put_customers(checked, before), _put_consents(told, received)])
    _note_import(touched, records.import_id)
    facts = _with_ids(checked.attributes, before).drop("line")
    touched = pl.concat([touched, attributes.store(facts, records.import_id)])
    lines, fresh = _put_products(checked), checked.events.filter(~_sent_before(checked.events, source))
    rows = _with_ids(fresh, ids).select("customer_id", *(name for name in events.EVENTS if name != "customer_id"))
    told_events = _part(on_progress, total - len(rows), total)
    stored_events = events.store_new(rows, lines, source, records.import_id, told_events)
    new = ids.filter("is_new")
    changed = pl.concat([touched, new["customer_id"]]).unique()
    lines_told = _lines_of(checked, ids, changed)
    counted = _result(records, checked, len(lines_told) + int(fresh["line_count"].sum()), stored_events, len(new))
    news, people = pl.concat([lines_told, fresh["line"]]), ids["customer_id"].unique()
    return replace(counted, refused=checked.refused, news=news, people=people)


def _part(told: events.Progress | None, before: int, total: int) -> events.Progress | None:
    """Tell of a part of the rows, after so many before it, as a portion of all."""
    return told and (lambda done, of: told(min(before + done, total), total))


def preview(records: Records, source_key: str, received: datetime) -> Result:
    """Give the counts that `put` would give, for customers counting as stored whoever is told; write nothing."""
    checked = check(records, received)
    fresh = checked.events.filter(~_sent_before(checked.events, Source.objects.filter(key=source_key).first()))
    people = _everybody(checked, received)
    new = people.join(identity.find(people["external_id"]), on="external_id", how="anti")
    stored = _people_lines(checked)["line"].n_unique() + int(fresh["line_count"].sum())
    return replace(_result(records, checked, stored, len(fresh), len(new)), refused=checked.refused)


def _result(records: Records, checked: Checked, stored: int, stored_events: int, customers: int) -> Result:
    quarantined = len(checked.refused)
    return Result(
        read=records.read,
        stored=stored,
        repeated=records.read - stored - quarantined,
        quarantined=quarantined,
        reasons=_reasons(checked.refused),
        events=stored_events,
        customers=customers,
    )


def together(parts: Sequence[Result]) -> Result:
    """Give what became of all lines of some records, of which none were about the same customers."""
    refused = pl.concat(one.refused for one in parts).sort("line", maintain_order=True)
    counts = {name: sum(getattr(one, name) for one in parts) for name in COUNTED}
    news, people = (pl.concat(getattr(one, name) for one in parts) for name in ("news", "people"))
    return Result(**counts, reasons=_reasons(refused), refused=refused, news=news, people=people.unique())


def _reasons(refused: pl.DataFrame) -> dict[str, int]:
    kinds = pl.concat_str("column", "kind", separator=" ").alias("reason")
    return dict(refused.group_by(kinds).len().sort("len", "reason", descending=[True, False]).iter_rows())


def check(records: Records, received: datetime) -> Checked:
    """Give the records that may be stored, and what is refused with column and reason; writes nothing."""
    facts_told = _complete(records.attributes, ATTRIBUTES)
    types = _types(records, facts_told)
    people = cleaning.sift(_complete(records.customers, CUSTOMERS), refusal.of_customers(received))
    facts = cleaning.sift(facts_told, refusal.of_facts(types, received))
    consents = cleaning.sift(_complete(records.consents, CONSENTS), refusal.of_consents())
    happened = cleaning.sift(_complete_events(records.events, received), refusal.of_events(received))
    about_people = pl.concat([people.refused, facts.refused, consents.refused])
    unfit = pl.concat([about_people, happened.refused]).unique("line", keep="first", maintain_order=True)
    fit = [~pl.col("line").fill_null(-1).is_in(about_people["line"].drop_nulls().unique().implode())]
    fit = [] if about_people.is_empty() else fit
    set_aside = _complete(records.refused, REFUSED)
    return Checked(
        customers=people.accepted.filter(*fit).with_columns(pl.col("known_since").fill_null(received)),
        attributes=facts.accepted.filter(*fit).with_columns(pl.col("known_at").fill_null(received)),
        consents=consents.accepted.filter(*fit),
        events=happened.accepted.unique("message_id", keep="first", maintain_order=True),
        lines=_complete(records.lines, LINES).filter(pl.col("product").is_not_null()),
        products=_complete(records.products, PRODUCTS),
        refused=pl.concat([set_aside, _complete(_with_records(unfit, records), REFUSED)]),
        types=types,
    )


def quarantine(refused: pl.DataFrame, source: Source, received: datetime, import_id: int | None) -> int:
    """Store refused records (cleaning.REFUSED) with line, column and reason; give how many."""
    reason = pl.when(pl.col("value").is_null()).then("kind").otherwise(pl.format("{} {}", "value", "kind"))
    rows = refused.select(
        "line",
        pl.col("column").fill_null("").str.slice(0, 120),
        reason=reason.str.replace_all(cleaning.NUL, "", literal=True).str.slice(0, 300),
        record=pl.col("record").fill_null("{}").str.replace_all(refusal.ESCAPED_NUL, r"\ufffd", literal=True),
        source_id=pl.lit(source.pk, pl.Int64),
        of_import_id=pl.lit(import_id, pl.Int64),
        received_at=pl.lit(received, bulk.UTC_MICROSECONDS),
    )
    return bulk.insert(Quarantine, rows)


def _complete(frame: pl.DataFrame | None, schema: bulk.Schema) -> pl.DataFrame:
    """Give the frame in a schema; its numbers are finite."""
    complete = events.complete(frame, schema)
    return complete.with_columns(
        cleaning.finite(pl.col(name)).alias(name) for name, dtype in schema.items() if dtype == pl.Float64
    )


def _complete_events(frame: pl.DataFrame | None, received: datetime) -> pl.DataFrame:
    """Give events that are known from their receipt unless told, and never before they occurred."""
    known = pl.max_horizontal(pl.col("known_at").fill_null(received), "occurred_at")
    return _complete(frame, EVENTS).with_columns(pl.col("line_count").fill_null(1), known_at=known)


def _types(records: Records, facts: pl.DataFrame) -> dict[str, str]:
    """Give the types of the attributes told: as stored, else as the reader says, else as their values look."""
    stored = attributes.known_types()
    told = facts.filter(pl.col("name").is_not_null())
    names = told["name"].unique(maintain_order=True)
    return {
        name: stored.get(name)
        or records.types.get(name)
        or attributes.type_of(told.filter(pl.col("name") == name)["value"])
        for name in names
        if name not in attributes.CORE
    }


def _with_records(refused: pl.DataFrame, records: Records) -> pl.DataFrame:
    """Give refused rows with the record they came from, as JSON text: the first row of their line."""
    told = [
        frame
        for frame in (records.events, records.customers, records.attributes, records.consents)
        if frame is not None
    ]
    lines = [
        frame.filter(pl.col("line").is_in(refused["line"].implode())).select(
            "line", record=pl.struct(pl.all()).struct.json_encode()
        )
        for frame in told
    ]
    if not lines:
        return refused
    return refused.join(pl.concat(lines).unique("line", keep="first", maintain_order=True), on="line", how="left")


def _customers(
    checked: Checked,
    records: Records,
    received: datetime,
    on_progress: events.Progress | None,
    found: pl.DataFrame | None,
) -> pl.DataFrame:
    """Give external_id and customer_id of everybody told of, who `is_new`, and who is stored here, `is_whole`."""
    everybody = _everybody(checked, received)
    found = identity.find(everybody["external_id"]) if found is None else found
    new = everybody.join(found, on="external_id", how="anti", maintain_order="left")
    told = newcomers.Told(
        checked.customers.select("external_id", *ADDRESSES),
        checked.attributes.drop("line"),
        checked.consents.drop("line"),
    )
    created = newcomers.store(new, told, received, records.import_id, on_progress)
    others = everybody.join(created, on="external_id", how="anti", maintain_order="left")
    known = identity.resolve(others, records.import_id, found if len(created) == len(new) else None)
    return pl.concat([known.with_columns(is_whole=False), created.with_columns(is_new=True, is_whole=True)])


def _everybody(checked: Checked, received: datetime) -> pl.DataFrame:
    """Give every external id told of, with the earliest time we could have known it."""
    frames = [
        checked.customers.select("external_id", "known_since"),
        checked.attributes.select("external_id", known_since="known_at"),
        checked.events.select("external_id", known_since="known_at"),
        checked.consents.select("external_id", known_since=pl.lit(received, bulk.UTC_MICROSECONDS)),
    ]
    return pl.concat(frames).group_by("external_id", maintain_order=True).agg(pl.col("known_since").min())


def _with_ids(rows: pl.DataFrame, ids: pl.DataFrame) -> pl.DataFrame:
    """Give rows with customer_id in place of external_id."""
    return rows.join(
        ids.select("external_id", "customer_id"), on="external_id", how="inner", maintain_order="left"
    ).drop("external_id")


def _put_customers(checked: Checked, ids: pl.DataFrame) -> pl.Series:
    """Store told addresses and names that differ; give the customers changed."""
    told = (
        _with_ids(checked.customers, ids)
        .group_by("customer_id", maintain_order=True)
        .agg(pl.col(ADDRESSES).drop_nulls().last())
    )
    told = told.filter(pl.any_horizontal(pl.col(ADDRESSES).is_not_null()))
    if told.is_empty():
        return told["customer_id"]
    schema: bulk.Schema = {"customer_id": pl.Int64, **dict.fromkeys(ADDRESSES, pl.String)}
    people = Customer.objects.filter(near("pk", told["customer_id"]))
    stored = bulk.read_columns(people.values_list("pk", *ADDRESSES), schema, absent=ADDRESSES)
    both = told.join(stored, on="customer_id", suffix="_stored")
    differs = [pl.col(name).is_not_null() & pl.col(name).ne_missing(pl.col(f"{name}_stored")) for name in ADDRESSES]
    changed = both.filter(pl.any_horizontal(differs))
    rows = changed.select("customer_id", *(pl.coalesce(name, f"{name}_stored").alias(name) for name in ADDRESSES))
    bulk.update(Customer, rows.rename({"customer_id": "id"}), key=["id"])
    return changed["customer_id"]


def _put_consents(told: pl.DataFrame, received: datetime) -> pl.Series:
    """Store permissions that say something new; give the customers they are of. A withdrawal outlasts any list."""
    if told.is_empty():
        return pl.Series("customer_id", [], dtype=pl.Int64)
    before = consent.standing(told["customer_id"]).drop("since")
    lasting = consent.without_withdrawn(told, before)
    new = lasting.join(before, on=before.columns, how="anti")
    consent.record(new, received)
    return new["customer_id"]


def _note_import(customer_ids: pl.Series, import_id: int | None) -> None:
    """Note on customers that an import changed something of theirs that does not name it itself."""
    rows = customer_ids.unique().to_frame("id").with_columns(told_by_id=pl.lit(import_id, pl.Int64))
    if import_id is not None:
        bulk.update(Customer, rows, key=["id"])


def put_products_of(happened: pl.DataFrame) -> None:
    """Store what events (name, occurred_at, properties) that passed all checks tell of products."""
    _store_products(_complete(catalogue.told(happened), PRODUCTS))


def _put_products(checked: Checked) -> pl.DataFrame:
    """Store products that are new or have another name; give the order lines with product_id."""
    seen = _complete(catalogue.told(checked.events), PRODUCTS)
    sold = pl.concat([seen, checked.products, _complete(checked.lines.select(external_id="product"), PRODUCTS)])
    _store_products(sold)
    if checked.lines.is_empty():
        return events.complete(None, events.LINES)
    numbered = _products(checked.lines["product"].unique()).select(product="external_id", product_id="product_id")
    return events.complete(checked.lines.join(numbered, on="product", how="inner", maintain_order="left"), events.LINES)


def _store_products(sold: pl.DataFrame) -> None:
    """Store products (PRODUCTS) that are new or differ, as they were told last."""
    texts = tuple(LIMITS)
    told = sold.group_by("external_id", maintain_order=True).agg(pl.col(*texts, "price").drop_nulls().last())
    if told.is_empty():
        return
    stored = _products(told["external_id"])
    rows = told.join(stored, on="external_id", how="left", suffix="_stored").select(
        "external_id",
        *(pl.coalesce(name, f"{name}_stored", pl.lit("")).str.slice(0, LIMITS[name]).alias(name) for name in texts),
        price=pl.coalesce("price", "price_stored"),
    )
    bulk.upsert(Product, rows, key=["external_id"], update=[*texts, "price"])


def _products(external_ids: pl.Series) -> pl.DataFrame:
    schema: bulk.Schema = {
        "external_id": pl.String,
        "product_id": pl.Int64,
        **dict.fromkeys(LIMITS, pl.String),
        "price": pl.Float64,
    }
    rows = Product.objects.all()
    if len(external_ids) <= identity.FEW:
        rows = rows.filter(external_id__in=external_ids.to_list())
    return bulk.read(rows.values_list("external_id", "pk", *LIMITS, "price"), schema)


def _sent_before(rows: pl.DataFrame, source: Source | None) -> pl.Series:
    """Say of every event row whether the source has sent its message id before."""
    if source is None:
        return pl.repeat(False, len(rows), eager=True)
    return rows["message_id"].is_in(events.known(source, rows["message_id"]).implode())


def _lines_of(checked: Checked, ids: pl.DataFrame, customer_ids: pl.Series) -> pl.Series:
    """Give the lines that told of some customers, apart from events."""
    theirs = ids.filter(pl.col("customer_id").is_in(customer_ids.implode()))
    frames = [checked.customers, checked.attributes, checked.consents]
    if len(theirs) < len(ids):
        frames = [frame.join(theirs, on="external_id", how="semi") for frame in frames]
    return pl.concat(frame["line"] for frame in frames).unique()


def _people_lines(checked: Checked) -> pl.DataFrame:
    frames = (checked.customers, checked.attributes, checked.consents)
    return pl.concat([frame.select("line", "external_id") for frame in frames]).unique()
