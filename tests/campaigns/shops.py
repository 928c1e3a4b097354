"""A small varied shop with a live model, for the tests of whole cycles."""

from datetime import datetime

import polars as pl

from customers import bulk, history, snapshot
from customers.history import Scope
from customers.models import Attribute, Event, OrderLine, Product
from scoring import artifacts, learners
from scoring.models import ModelVersion, Target
from scoring.ranking import BANDS
from tests.customers.histories import add_customers, add_events, random_history, tell


def open_shop(count: int, seed: int = 7) -> list[int]:
    """Store customers in all four buckets with ties, late news, visits, lines and attributes; give their ids."""
    past = random_history(seed, count)
    ids = add_customers(*(f"c{n}" for n in range(count)), email="x@example.test")
    numbers = dict(zip(past.people["customer_id"], ids, strict=True))
    told = past.properties.select("event_id", "properties")
    events = past.events.join(told, on="event_id", how="left", maintain_order="left")
    events = events.with_columns(
        pl.col("customer_id").replace_strict(numbers), pl.col("properties").fill_null('{"page": 1}')
    )
    add_events(events)
    stored = dict(zip(past.events["event_id"], Event.objects.order_by("pk").values_list("pk", flat=True), strict=True))
    products = {n: Product.objects.create(external_id=f"p{n}").pk for n in range(1, 12)}
    lines = past.lines.drop_nulls().select("event_id", "product_id", "quantity", "price", "discount")
    columns = [pl.col("event_id").replace_strict(stored), pl.col("product_id").replace_strict(products)]
    bulk.insert(OrderLine, lines.with_columns(columns))
    Attribute.objects.create(name="plan", label="Plan", type="text")
    Attribute.objects.create(name="size", label="Size", type="number")
    for n, customer in enumerate(ids):
        tell(customer, "plan", ('"gold"', '"silver"', None)[n % 3], past.people["known_since"][n])
        tell(customer, "size", str(n / 7), past.people["known_since"][n])
        tell(customer, "country", '"DE"' if n % 2 else '"AT"', past.people["known_since"][n])
    return ids


def live_model(as_of: datetime, key: str = "spends") -> ModelVersion:
    """Fit a model of who orders most, and let it be live; the lake is brought up to date."""
    history.sync()
    moment = pl.lit(as_of).cast(bulk.UTC_MICROSECONDS)
    frame = snapshot.take(Scope(), as_of).with_columns(as_of=moment)
    labels = (frame["features.orders"] > frame["features.orders"].median()).to_numpy()
    model = learners.fit(frame, labels, 0, learners={learners.AVERAGE: {}})
    target = Target.objects.create(
        key=key, label="Orders most", kind="attribute", attribute="plan", equals="platinum", created_at=as_of
    )
    path, mac = artifacts.write(model, key, 1)
    return ModelVersion.objects.create(
        target=target,
        number=1,
        state=ModelVersion.State.LIVE,
        reason="It is the only one.",
        learner=model.learner,
        validated=ModelVersion.Validated.IN_FOLDS,
        as_of=as_of,
        created_at=as_of,
        seed=0,
        features=[column.name for column in model.reading.columns],
        artefact=path,
        artefact_mac=mac,
        customers=frame.height,
        positives=int(labels.sum()),
        threshold=0.5,
        bands=BANDS,
    )
