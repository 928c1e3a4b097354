"""A made-up shop of any size for `manage.py bench`: customers whose activity follows a power law, and two years of
events, loaded straight into the tables; five live models, 100 segments and three live campaigns.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
from django.core.management.color import no_style
from django.db import connection, models

from campaigns.models import Campaign, Offer
from customers import bulk, history, identity, snapshot
from customers.history import Scope
from customers.ingest import Records
from customers.models import Attribute, AttributeChange, Consent, Customer, Event, EventName, OrderLine, Product, Source
from scoring import artifacts, learners
from scoring.models import ModelVersion, Target
from segments.models import Segment

END = datetime(2026, 6, 1, tzinfo=UTC)
DAYS = 730
NAMES = ("Page Viewed", "Order Completed", "Product Viewed", "Email Sent", "Email Link Clicked", "Order Refunded")
SHARES = (0.5, 0.2, 0.15, 0.1, 0.03, 0.02)
COUNTRIES = ("DE", "FR", "GB", "PL", "ES", "IT", "NL", "AT")
PLANS = ("basic", "plus", "family", "gold")
PRODUCTS = 2_000
CHUNK = 500_000
SPREAD = 1.55  # of the logarithm of activity: a median of 6 events where the mean is 20
PREVIEWED: list[dict[str, Any]] = [
    {"field": "country", "op": "any_of", "value": ["DE", "FR"]},
    {"field": "attributes.plan", "op": "is_not", "value": "basic"},
    {"field": "features.recency_days", "op": ">", "value": 60},
    {"field": "features.orders_365d", "op": ">=", "value": 2},
    {"field": "scores.lapse", "op": ">", "value": 0.3},
]
ORDERED = {"event": "Order Completed", "count": {">=": 2}, "within": {"last": 90, "unit": "days"}}
PREVIEWED_EVENT = [*PREVIEWED[:4], ORDERED]


@dataclass(frozen=True)
class Size:
    """How many customers and events there are."""

    customers: int
    events: int


TARGETS = (
    ("lapse", "Order Completed", 30, Target.Kind.NO_EVENT, learners.BOOSTING),
    ("buy", "Order Completed", 30, Target.Kind.EVENT, learners.LOGISTIC),
    ("browse", "Product Viewed", 14, Target.Kind.EVENT, learners.NETWORK),
    ("click", "Email Link Clicked", 60, Target.Kind.EVENT, learners.BOOSTING),
    ("visit", "Page Viewed", 7, Target.Kind.EVENT, learners.LOGISTIC),
)


def fill(size: Size, seed: int) -> None:
    """Store the shop's customers, consents, attributes, events and order lines. Indexes are built afterwards."""
    chance = np.random.default_rng(seed)
    known = END - timedelta(days=DAYS)
    source = Source.objects.create(key="bench", name="Bench", kind=Source.Kind.IMPORT)
    EventName.objects.bulk_create(EventName(name=name) for name in NAMES)
    Attribute.objects.create(name="plan", type=Attribute.Type.TEXT)
    Attribute.objects.create(name="age", type=Attribute.Type.NUMBER)
    with _Loading(Product, Customer, Consent, AttributeChange, Event, OrderLine):
        bulk.insert(Product, _products())
        for start in range(0, size.customers, CHUNK):
            rows = np.arange(start, min(start + CHUNK, size.customers))
            _store_customers(rows, known, chance)
        activity = np.cumsum(chance.lognormal(0.0, SPREAD, size.customers))
        for start in range(0, size.events, CHUNK):
            rows = np.arange(start, min(start + CHUNK, size.events))
            _store_events(rows, size, activity, chance, source.pk)


def models_of(seed: int) -> None:
    """Fit five live models on one bucket's customers of the past."""
    lake = history.pin()
    for key, event, days, kind, learner in TARGETS:
        target = Target.objects.create(
            key=key, label=key.title(), kind=kind, event=event, horizon_days=days, created_at=END
        )
        t = END - timedelta(days=days + 1)
        frame = snapshot.take(Scope(bucket=0), t, lake).with_columns(
            pl.lit(t).cast(bulk.UTC_MICROSECONDS).alias("as_of")
        )
        events = lake.events(Scope(bucket=0)).filter(pl.col("name") == event, pl.col("occurred_at") > t)
        did = frame["customer_id"].is_in(events.select("customer_id").unique().collect()["customer_id"].implode())
        labels = (~did if kind == Target.Kind.NO_EVENT else did).to_numpy()
        model = learners.fit(frame, labels, seed, learners={learner: learners.MODELS[learner]})
        path, mac = artifacts.write(model, key, 1)
        ModelVersion.objects.create(
            target=target,
            number=1,
            state=ModelVersion.State.LIVE,
            learner=learner,
            validated=ModelVersion.Validated.OVER_TIME,
            as_of=t,
            created_at=END,
            seed=seed,
            features=[column.name for column in model.reading.columns],
            artefact=path,
            artefact_mac=mac,
            customers=frame.height,
            positives=int(labels.sum()),
        )


def segments_of(count: int = 100) -> None:
    """Make segments of which each holds some fifth of all customers."""
    for n in range(count):
        Segment.objects.create(
            key=f"segment-{n}", name=f"Segment {n}", rule={"version": 1, "rule": _rule(n)}, created_at=END
        )


def campaigns_of() -> None:
    """Make three live campaigns: an e-mail on a score, an offer on a segment, a call on a percentile."""
    Offer.objects.create(key="five", name="Five off", value=5)
    mail = {"subject": "Hello", "body": "Hello {{ customer.first_name | default: 'there' }}"}
    plans: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
        "win-back": (
            {"kind": "score", "score": "lapse", "direction": "above", "enter": 0.7, "leave": 0.6},
            {"action": "email", **mail},
        ),
        "thank-you": (
            {"kind": "segment", "segment": "segment-3", "edge": "entered"},
            {"action": "offer", "offer": "five", "subject": "Hello", "body": "Your code: {{ offer.code }}"},
        ),
        "call": (
            {"kind": "score", "score": "buy", "direction": "above", "enter": 99, "leave": 98, "of": "percentile"},
            {"action": "call", "title": "Call", "talking_points": "Ask how they are."},
        ),
    }
    for key, (trigger, step) in plans.items():
        Campaign.objects.create(
            key=key, name=key.title(), state="live", trigger=trigger, steps=[step], created_at=END, launched_at=END
        )


def _rule(n: int) -> dict[str, Any]:
    """Give one of a hundred rules of two or three conditions, over features, attributes, scores and other segments."""
    country = {
        "field": "country",
        "op": "any_of",
        "value": [COUNTRIES[n % 8], COUNTRIES[(n + 3) % 8], COUNTRIES[(n + 5) % 8]],
    }
    recent = {"field": "features.recency_days", "op": "<", "value": 60 + n}
    bought = {"field": "features.orders_365d", "op": ">=", "value": 1}
    scored = {"field": "scores.lapse", "op": ">", "value": round(0.2 + n / 500, 3)}
    viewed = {"field": "features.page_views_90d", "op": ">=", "value": 1}
    plan = {"field": "attributes.plan", "op": "any_of", "value": [PLANS[n % 4], PLANS[(n + 1) % 4]]}
    likely = {"field": "scores.buy.percentile", "op": ">=", "value": 60 + n % 30}
    kinds: list[list[dict[str, Any]]] = [
        [country, bought],
        [plan, recent],
        [scored, plan],
        [viewed],
        [likely],
        [plan, viewed],
        [country, {"segment": f"segment-{n - 6}", "op": "not_in"}] if n >= 6 else [country, bought],
    ]
    return {"all": kinds[n % len(kinds)]}


def _products() -> pl.DataFrame:
    ids = pl.int_range(1, PRODUCTS + 1, eager=True)
    blank = pl.lit("")
    names = pl.DataFrame({"id": ids}).with_columns(external_id=pl.format("product {}", "id"))
    return names.with_columns(name=pl.col("external_id"), category=blank, brand=blank, currency=blank, image_url=blank)


def _store_customers(rows: "np.ndarray[Any, Any]", known: datetime, chance: np.random.Generator) -> None:
    ids = pl.Series("id", rows + 1, dtype=pl.Int64)
    names = ids.cast(pl.String) + "@bench"
    seeds = identity.seed_of(names)
    since = pl.lit(known).cast(bulk.UTC_MICROSECONDS)
    people = pl.DataFrame(
        {"id": ids, "external_id": names, "public_id": names, "seed": seeds, "bucket": identity.bucket_of(seeds)}
    )
    people = people.with_columns(email=pl.col("external_id") + ".example", attributes=pl.lit("{}"), known_since=since)
    bulk.insert(Customer, people)
    consents = people.filter(pl.Series(chance.random(len(rows)) < 0.8)).select(
        customer_id="id",
        channel=pl.lit("email"),
        topic=pl.lit("newsletter"),
        is_granted=pl.lit(value=True),
        source=pl.lit("bench"),
        since=since,
    )
    bulk.insert(Consent, consents)
    for name, told in (
        ("country", chance.choice([f'"{country}"' for country in COUNTRIES], len(rows))),
        ("plan", chance.choice([f'"{plan}"' for plan in PLANS], len(rows), p=(0.5, 0.3, 0.15, 0.05))),
        ("age", chance.integers(18, 90, len(rows)).astype(str)),
    ):
        bulk.insert(
            AttributeChange, people.select(customer_id="id", name=pl.lit(name), value=pl.Series(told), known_at=since)
        )


def _store_events(
    rows: "np.ndarray[Any, Any]", size: Size, activity: "np.ndarray[Any, Any]", chance: np.random.Generator, source: int
) -> None:
    """Store a slice of the time, in the order of time; a fifth are orders of one line."""
    who = np.searchsorted(activity, chance.random(len(rows)) * activity[-1]) + 1
    steps = np.sort((rows + chance.random(len(rows))) / size.events)
    first, last = END - timedelta(days=DAYS), END
    micros = int(first.timestamp() * 1e6) + (steps * (last - first).total_seconds() * 1e6).astype(np.int64)
    kinds = chance.choice(len(NAMES), len(rows), p=SHARES)
    value = np.round(chance.lognormal(3.2, 0.8, len(rows)), 2)
    events = pl.DataFrame({"id": rows + 1, "customer_id": who, "at": micros, "kind": kinds, "value": value})
    has_value = pl.col("kind").is_in([1, 5])
    stored = events.select(
        "id",
        "customer_id",
        source_id=pl.lit(source, pl.Int64),
        message_id=pl.col("id").cast(pl.String),
        name=pl.lit(pl.Series(NAMES)).gather(pl.col("kind")),
        occurred_at=pl.col("at").cast(pl.Datetime("us")).dt.replace_time_zone("UTC"),
        known_at=pl.col("at").cast(pl.Datetime("us")).dt.replace_time_zone("UTC"),
        order_id=pl.when(has_value).then(pl.col("id").cast(pl.String)),
        value=pl.when(has_value).then("value"),
        properties=pl.lit("{}"),
    )
    bulk.insert(Event, stored)
    product = pl.Series("product_id", chance.integers(1, PRODUCTS + 1, len(rows)), dtype=pl.Int64)
    lines = events.with_columns(product).filter(pl.col("kind") == 1)
    bulk.insert(
        OrderLine, lines.select("product_id", event_id="id", quantity=pl.lit(1.0), price="value", discount=pl.lit(0.0))
    )


class _Loading:
    """While the block runs, PostgreSQL's tables have no indexes and check no keys; afterwards they have them again."""

    def __init__(self, *tables: type[models.Model]) -> None:
        self.tables = tables
        self.made: list[str] = []

    def __enter__(self) -> None:
        if connection.vendor != "postgresql":
            return
        names = [table._meta.db_table for table in self.tables]
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint "
                "WHERE conrelid::regclass::text = ANY(%s) AND contype IN ('f', 'u')",
                [names],
            )
            for table, name, definition in cursor.fetchall():
                cursor.execute(f'ALTER TABLE {table} DROP CONSTRAINT "{name}"')
                self.made.append(f'ALTER TABLE {table} ADD CONSTRAINT "{name}" {definition}')
            cursor.execute(
                "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = ANY(%s) AND indexname NOT LIKE %s",
                [names, "%_pkey"],
            )
            for name, definition in cursor.fetchall():
                cursor.execute(f'DROP INDEX "{name}"')
                self.made.insert(0, definition)

    def __exit__(self, *error: object) -> None:
        with connection.cursor() as cursor:
            if connection.vendor == "postgresql":
                cursor.execute("SET maintenance_work_mem = '512MB'")
                for statement in self.made:
                    cursor.execute(statement + (" NOT VALID" if "FOREIGN KEY" in statement else ""))
                cursor.execute("VACUUM ANALYZE" if connection.get_autocommit() else "ANALYZE")
            for statement in connection.ops.sequence_reset_sql(no_style(), list(self.tables)):
                cursor.execute(statement)


def orders_of(count: int, at: datetime) -> Records:
    """Give one order for each of `count` customers, as an application tells it."""
    ids = pl.Series("external_id", np.arange(1, count + 1) * 7, dtype=pl.Int64).cast(pl.String) + "@bench"
    moment = pl.lit(at).cast(bulk.UTC_MICROSECONDS)
    orders = (
        pl.DataFrame({"external_id": ids})
        .with_row_index()
        .select(
            line=pl.col("index").cast(pl.Int64),
            external_id="external_id",
            message_id=pl.format("new {}", "index"),
            name=pl.lit("Order Completed"),
            occurred_at=moment,
            known_at=moment,
            value=pl.lit(20.0),
        )
    )
    return Records(read=count, events=orders)
