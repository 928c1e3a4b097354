"""Small worlds for the tests of rules: customers as plain values, and the same as frames."""

import json
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl

from segments import cuts
from segments.rules import Context, Field, Fields, Rule, Type, mask, needs, parse
from segments.rules.event_rows import EVENTS, LINES, PROPERTIES
from segments.rules.meaning import CHANGES, TOLD, Pins
from tests.segments.slow.rows import Happened, Person, World

TIME = pl.Datetime("us", "UTC")
COLUMNS: dict[str, Any] = {
    "country": pl.String,
    "attributes.plan": pl.String,
    "features.orders_90d": pl.Int64,
    "features.spend_90d": pl.Float64,
    "scores.lapse": pl.Float64,
    "consent.email.news": pl.Boolean,
    "attributes.since": TIME,
    "birth_date": pl.Date,
    "attributes.tags": pl.List(pl.String),
    "attributes.wishes": pl.List(pl.String),
    "attributes.contact": pl.String,
    "attributes.renews": TIME,
    "time_zone": pl.String,
    "scores.lapse.band": pl.String,
    "campaigns.winback.last_sent": TIME,
}
PROPERTIES_OF_ORDERS = {
    "total": Type.NUMBER,
    "coupon": Type.TEXT,
    "is_gift": Type.YES_NO,
    "ship_on": Type.DATE,
    "tags": Type.LIST,
}
FIELDS = Fields(
    {
        field.name: field
        for field in [
            Field("country", "country", Type.TEXT, "Customer"),
            Field("age", "age", Type.NUMBER, "Customer"),
            Field("attributes.plan", "plan", Type.TEXT, "Attributes"),
            Field("features.orders_90d", "orders in 90 days", Type.NUMBER, "Features"),
            Field("features.spend_90d", "spend in 90 days", Type.NUMBER, "Features"),
            Field("scores.lapse", "lapse score", Type.NUMBER, "Scores"),
            Field("consent.email.news", "consent to E-mail, news", Type.YES_NO, "Consent"),
            Field("attributes.since", "customer since", Type.DATE, "Attributes"),
            Field("birth_date", "birth date", Type.DATE, "Customer"),
            Field("attributes.tags", "tags", Type.LIST, "Attributes"),
            Field("attributes.wishes", "wishes", Type.LIST, "Attributes"),
            Field("attributes.contact", "contact", Type.TEXT, "Attributes"),
            Field("attributes.renews", "renews", Type.DATE, "Attributes"),
            Field("time_zone", "time zone", Type.TEXT, "Customer"),
            Field("scores.lapse.band", "lapse band", Type.TEXT, "Scores"),
            Field("campaigns.winback.last_sent", "last sent by winback", Type.DATE, "Campaigns"),
        ]
    },
    frozenset({"Order Completed", "Page Viewed"}),
    {
        "vip": frozenset(),
        "loyal": frozenset({"vip"}),
        "first": frozenset({"second"}),
        "second": frozenset({"third"}),
        "hand": frozenset(),
    },
    {
        "Order Completed": {
            "total": Type.NUMBER,
            "coupon": Type.TEXT,
            "is_gift": Type.YES_NO,
            "ship_on": Type.DATE,
            "tags": Type.LIST,
        }
    },
)
AS_OF = datetime(2026, 5, 20, 12, tzinfo=UTC)


def seed_of(number: int) -> int:
    return number * 0x5DEECE66D - 2**40


def person(number: int, *events: Happened, **values: Any) -> Person:
    """Give a customer; a field's dots are written as two underscores."""
    return Person(number, seed_of(number), {k.replace("__", "."): v for k, v in values.items()}, list(events))


def event(
    at: datetime, name: str = "Order Completed", value: float | None = None, known: datetime | None = None
) -> Happened:
    return Happened(name, at, known or at, value)


def frame_of(people: Sequence[Person]) -> pl.DataFrame:
    """Give the customers as the frame that rules are read on."""
    base = {
        "customer_id": [one.number for one in people],
        "bucket": [one.number % 4 for one in people],
        "seed": [one.seed for one in people],
        "external_id": [one.external_id for one in people],
    }
    columns = [pl.Series(name, [one.values.get(name) for one in people], dtype) for name, dtype in COLUMNS.items()]
    types = {"customer_id": pl.Int64, "bucket": pl.Int64, "seed": pl.Int64, "external_id": pl.String}
    return pl.DataFrame(base, schema=types).with_columns(columns)


def _happened(people: Sequence[Person]) -> list[tuple[tuple[int, int, str, datetime, datetime], Happened]]:
    """Give all events with what every table tells of them, numbered as they come."""
    each = [(one.number, e) for one in people for e in one.events]
    return [((number, i, e.name, e.at, e.known_at), e) for i, (number, e) in enumerate(each)]


def events_of(people: Sequence[Person]) -> pl.LazyFrame:
    """Give the customers' events as the lake does."""
    rows = [(*at, e.value) for at, e in _happened(people)]
    return pl.LazyFrame(rows, schema=EVENTS, orient="row")


def properties_of(people: Sequence[Person]) -> pl.LazyFrame:
    """Give the properties of the events that have any, as the lake does."""
    rows = [(*at, json.dumps(e.properties)) for at, e in _happened(people) if e.properties]
    return pl.LazyFrame(rows, schema=PROPERTIES, orient="row")


def lines_of(people: Sequence[Person]) -> pl.LazyFrame:
    """Give the order lines with the names of what they are of."""
    rows = [
        (*at, one.product, one.category, one.quantity, one.price, None)
        for at, e in _happened(people)
        for one in e.lines
    ]
    return pl.LazyFrame(rows, schema=LINES, orient="row")


def changes_of(people: Sequence[Person]) -> pl.LazyFrame:
    """Give when the customers entered and left segments."""
    rows = [(one.number, move.segment, move.kind, move.as_of) for one in people for move in one.moves]
    return pl.LazyFrame(rows, schema=CHANGES, orient="row")


def told_of(people: Sequence[Person]) -> tuple[pl.LazyFrame, pl.LazyFrame]:
    """Give what was told of attributes as the lake does, and the bands of scores as scoring does."""
    rows = [(one.number, FIELDS.fields[told.field], told) for one in people for told in one.told]
    attributes = [
        (number, field.told_as, None if told.value is None else json.dumps(told.value, default=str), told.known_at)
        for number, field, told in rows
        if not field.is_band
    ]
    bands = [(number, field.told_as, told.value, told.known_at) for number, field, told in rows if field.is_band]
    return pl.LazyFrame(attributes, TOLD, orient="row"), pl.LazyFrame(bands, TOLD, orient="row")


def rule_of(node: Any, key: str = "") -> Rule:
    return parse({"version": 1, "rule": node}, FIELDS, key)


def context_of(world: World, *nodes: Any) -> Context:
    """Give what rules are read against, their cut-points taken from everybody in the world."""
    segments: Mapping[str, Rule] = {key: rule_of(rule, key) for key, rule in world.segments.items()}
    asked = [*(needs(rule_of(node)) for node in nodes), *(needs(rule) for rule in segments.values())]
    found = cuts.take([frame_of(world.people)], {one for each in asked for one in each.cuts})
    attributes, bands = told_of(world.people)
    return Context(
        world.as_of,
        events_of(world.people),
        found,
        segments,
        ZoneInfo(world.zone),
        attributes=attributes,
        bands=bands,
        properties=properties_of(world.people),
        lines=lines_of(world.people),
        changes=changes_of(world.people),
        lists=lambda key: _numbers(world.lists.get(key)),
        pins={
            key: Pins(_numbers(world.included.get(key)), _numbers(world.excluded.get(key)))
            for key in world.included.keys() | world.excluded.keys()
        },
    )


def _numbers(found: Collection[int] | None) -> pl.Series:
    return pl.Series(sorted(found or ()), dtype=pl.Int64)


def matching(node: Any, world: World) -> list[int]:
    """Give the numbers of the customers for whom a rule holds."""
    found = mask(rule_of(node), frame_of(world.people), context_of(world, node))
    return [one.number for one, is_in in zip(world.people, found.to_list(), strict=True) if is_in]
