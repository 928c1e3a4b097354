"""Events of known customers, under known names, from a known source: one statement of PostgreSQL stores them.

What it does not take goes the one way in (customers.ingest), which makes customers and names, and says what is refused.
So nothing is decided here: what is taken is what would be stored there just so.
"""

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple

import polars as pl
from django.db import IntegrityError, connection

from customers import bulk, catalogue, cleaning, ingest, refusal
from customers.models import Identity, Source

LIMITS = tuple(refusal.EVENT_LIMITS.items())
TOLD_OF_PRODUCTS: bulk.Schema = {"name": pl.String, "occurred_at": bulk.UTC_MICROSECONDS, "properties": pl.String}
STORE = """
WITH told AS MATERIALIZED (
    SELECT * FROM json_to_recordset(%s) AS said (
        external_id text, message_id text, name text, occurred_at timestamptz, known_at timestamptz,
        order_id text, value float8, currency text, properties jsonb)
), found AS MATERIALIZED (
    SELECT told.*, who.customer_id, source.id AS source_id FROM told
    JOIN customers_source source ON source.key = %s AND source.kind = %s
    JOIN customers_identity who ON who.kind = %s AND who.value = told.external_id
    JOIN customers_customer customer ON customer.id = who.customer_id AND customer.known_since <= told.known_at
    JOIN customers_eventname named ON named.name = told.name
), stored AS (
    INSERT INTO customers_event (
        customer_id, source_id, message_id, name, occurred_at, known_at, stored_xact, order_id, value, currency,
        properties)
    SELECT customer_id, source_id, message_id, name, occurred_at, known_at, pg_current_xact_id()::text::bigint,
        order_id, value, currency, properties FROM found
    ON CONFLICT (source_id, message_id) DO NOTHING RETURNING message_id
)
SELECT (SELECT json_agg(message_id)::text FROM found), (SELECT json_agg(message_id)::text FROM stored)"""
Row = dict[str, Any]


class Taken(NamedTuple):
    """The lines with which nothing more is to be done, and those among them that told something new."""

    lines: frozenset[int]
    news: frozenset[int]


NOTHING = Taken(frozenset(), frozenset())


def store(rows: Iterable[Row], apart: set[str], source_key: str, received: datetime) -> Taken:
    """Store event rows (ingest.EVENTS) that can be stored at once, none whose message id is `apart`."""
    if connection.vendor != "postgresql":
        return NOTHING
    told: dict[str, list[Row]] = {}
    latest, others = received + cleaning.ALLOWANCE, set(apart)
    for row in rows:
        told.setdefault(row["message_id"], []).append(row)
        if not _is_plain(row, latest):
            others.add(row["message_id"])
    plain = [alike[0] for message_id, alike in told.items() if message_id not in others]
    if not plain:
        return NOTHING
    _store_products(plain)
    with connection.cursor() as cursor:
        events = f"[{','.join(_json(row, received) for row in plain)}]"
        try:
            cursor.execute(STORE, [events, source_key, Source.Kind.API.value, Identity.Kind.EXTERNAL.value])
        except IntegrityError:  # a customer was merged or erased meanwhile: the other way looks her up again
            return NOTHING
        found, stored = (json.loads(ids) if ids else [] for ids in cursor.fetchone())
    return Taken(
        frozenset(row["line"] for message_id in found for row in told[message_id]),
        frozenset(told[message_id][0]["line"] for message_id in stored),
    )


def _is_plain(row: Row, latest: datetime) -> bool:
    """Say that a row passes all checks of customers.refusal, as those of batch_items have been made."""
    if any(len(row.get(name) or "") > most for name, most in LIMITS):
        return False
    is_in_time = cleaning.EARLIEST <= row["occurred_at"] <= latest
    return is_in_time and refusal.ESCAPED_NUL not in row.get("properties", "")


def _store_products(rows: list[Row]) -> None:
    """Store what rows tell of products."""
    telling = [
        row
        for row in rows
        if catalogue.NAMED in row.get("properties", "") and row["name"].startswith(catalogue.FIRST_WORDS)
    ]
    if telling:
        ingest.put_products_of(pl.DataFrame(telling, schema=TOLD_OF_PRODUCTS))


def _json(row: Row, received: datetime) -> str:
    """Give a row as JSON, with its properties as they came."""
    occurred_at = row["occurred_at"]
    told = {
        "external_id": row["external_id"],
        "message_id": row["message_id"],
        "name": row["name"],
        "occurred_at": occurred_at.isoformat(),
        "known_at": max(occurred_at, received).isoformat(),
        "order_id": row.get("order_id"),
        "value": row["value"],
        "currency": row.get("currency"),
    }
    return f'{json.dumps(told)[:-1]}, "properties": {row.get("properties", "{}")}}}'
