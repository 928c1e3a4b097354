"""What is refused at the door, and what it is called. Pure."""

from collections.abc import Mapping
from datetime import datetime

import polars as pl

from customers import attributes, cleaning
from customers.cleaning import Check
from customers.models import Attribute, Channel

LIMITS = {"external_id": 200, "email": 254, "phone": 20, "first_name": 120, "last_name": 120}
CORE_LIMITS = {"country": 80, "city": 120, "language": 20, "time_zone": 60}
EVENT_LIMITS = {"external_id": 200, "message_id": 100, "name": 120, "order_id": 100, "currency": 3}
ESCAPED_NUL = r"\u0000"
NOTHING = pl.lit(None, pl.String)


def of_customers(received: datetime) -> list[Check]:
    """Give the checks of rows of ingest.CUSTOMERS."""
    texts = [cleaning.too_long(name, name, limit) for name, limit in LIMITS.items()]
    nuls = [cleaning.unstorable(name, name) for name in LIMITS]
    return [cleaning.missing("external_id", "external_id"), *nuls, *texts, *_after(received, "known_since")]


def of_facts(types: Mapping[str, str], received: datetime) -> list[Check]:
    """Give the checks of rows of ingest.ATTRIBUTES: a fact has a name, and the form that its type has."""
    core = {name: Attribute.Type.DATE if name == "birth_date" else Attribute.Type.TEXT for name in attributes.CORE}
    told = {**types, **{name: type_.value for name, type_ in core.items()}}
    kind = pl.col("name").replace_strict(told, default=None, return_dtype=pl.String)
    forms = [
        Check(pl.col("name"), (kind == type_) & attributes.is_unfit(pl.col("value"), type_), called, _shown("value"))
        for type_, called in attributes.CALLED.items()
    ]
    lengths = [
        Check(
            name,
            (pl.col("name") == name) & (pl.col("value").str.len_chars() > limit + 2),
            f"is longer than {limit} characters",
            NOTHING,
        )
        for name, limit in CORE_LIMITS.items()
    ]
    return [
        cleaning.missing("external_id", "external_id"),
        cleaning.missing("name", "name"),
        cleaning.too_long("external_id", "external_id", LIMITS["external_id"]),
        cleaning.too_long("name", "name", 100),
        cleaning.unstorable("name", "name"),
        Check(
            pl.col("name"), pl.col("value").str.contains(ESCAPED_NUL, literal=True), "contains a NUL character", NOTHING
        ),
        *forms,
        *lengths,
        *_after(received, "known_at"),
    ]


def of_consents() -> list[Check]:
    """Give the checks of rows of ingest.CONSENTS: where a consent came from is always told."""
    needed = [cleaning.missing(name, name) for name in ("external_id", "channel", "topic", "is_granted", "source")]
    unknown = Check("channel", ~pl.col("channel").is_in(Channel.values), "is not a channel", _shown("channel"))
    return [*needed, unknown, cleaning.too_long("topic", "topic", 60), cleaning.too_long("source", "source", 200)]


def of_events(received: datetime) -> list[Check]:
    """Give the checks of rows of ingest.EVENTS."""
    needed = [cleaning.missing(name, name) for name in ("external_id", "message_id", "name", "occurred_at")]
    nuls = [cleaning.unstorable(name, name) for name in EVENT_LIMITS]
    texts = [cleaning.too_long(name, name, limit) for name, limit in EVENT_LIMITS.items()]
    poison = Check(
        "properties", pl.col("properties").str.contains(ESCAPED_NUL, literal=True), "contains a NUL character", NOTHING
    )
    return [*needed, *nuls, *texts, poison, *cleaning.implausible("occurred_at", "occurred_at", received)]


def _after(received: datetime, column: str) -> list[Check]:
    return cleaning.implausible(column, column, received)


def _shown(column: str) -> pl.Expr:
    return pl.col(column).str.slice(0, 60)
