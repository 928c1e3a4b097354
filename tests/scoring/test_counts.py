"""What there is to learn from is counted as training would find it, and refused with how much is missing."""

from datetime import timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from customers import history, ingest
from customers.ingest import Records
from customers.models import Source
from scoring import counts, minimums, questions, training_set
from scoring.minimums import Window
from scoring.models import Target
from tests.scoring.worlds import AS_OF, DAY, few_times

PEOPLE, DAYS = 90, 340
QUESTIONS: list[tuple[str, dict[str, Any]]] = [
    ("lapse", {"horizon_days": 60}),
    ("lapse", {"horizon_days": 30, "who_event": "Email Sent", "who_days": 60}),
    ("leave", {"attribute": "plan", "equals": "gold"}),
    ("leave", {"attribute": "plan", "equals": "gold", "who_event": "Email Sent"}),
    ("upgrade", {"attribute": "plan", "equals": "gold", "horizon_days": 60}),
    ("cancel", {"event": "Unsubscribed", "who_attribute": "country", "who_equals": "de"}),
    ("conversion", {"event": "Unsubscribed"}),
    ("upsell", {"category": "shoes"}),
    ("upsell", {"product": "p0", "who_attribute": "plan", "who_equals": "basic"}),
    ("spend", {}),
    ("best", {"percentile": 60}),
    ("engage", {}),
    ("next", {"horizon_days": 60}),
    ("unsubscribe", {}),
]


def records() -> Records:
    """Give customers who order shoes and hats, are mailed, change plans, and sometimes leave."""
    rng = np.random.default_rng(5)
    names = [f"c{i}" for i in range(PEOPLE)]
    start = AS_OF - DAYS * DAY
    facts = [(name, "country", '"DE"' if i % 2 else '"AT"', start) for i, name in enumerate(names)]
    events: list[tuple[str, str, str, int, float | None]] = []
    lines = []
    for name in names:
        facts.append((name, "plan", '"basic"', start + int(rng.integers(0, 100)) * DAY))
        if rng.random() < 0.5:
            facts.append((name, "plan", '"gold"', start + int(rng.integers(100, DAYS)) * DAY))
        for age in rng.integers(1, DAYS, int(rng.integers(0, 9))):
            events.append((name, f"{name}-o{age}", "Order Completed", int(age), float(rng.integers(5, 80))))
            lines.append((f"{name}-o{age}", f"p{rng.integers(0, 4)}", 1.0, float(rng.integers(5, 80)), None))
        events += [(name, f"{name}-m{age}", "Email Sent", int(age), None) for age in rng.integers(1, DAYS, 3)]
        last = str(rng.choice(["Email Opened", "Unsubscribed"]))
        events.append((name, f"{name}-u", last, int(rng.integers(1, 300)), None))
    frame = pl.DataFrame(events, schema=["external_id", "message_id", "name", "age", "value"], orient="row")
    at = pl.lit(AS_OF) - pl.duration(days="age")
    return Records(
        read=PEOPLE,
        customers=_numbered(pl.DataFrame({"external_id": names}).with_columns(known_since=pl.lit(start))),
        attributes=_numbered(pl.DataFrame(facts, schema=["external_id", "name", "value", "known_at"], orient="row")),
        events=_numbered(frame.unique("message_id").with_columns(occurred_at=at, known_at=at).drop("age")),
        lines=pl.DataFrame(lines, schema=["message_id", "product", "quantity", "price", "discount"], orient="row"),
        products=pl.DataFrame({"external_id": [f"p{i}" for i in range(4)], "category": ["Shoes", "Hats"] * 2}),
        types={"plan": "text"},
    )


def _numbered(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_row_index("line").with_columns(pl.col("line").cast(pl.Int64))


@pytest.mark.long
@pytest.mark.door
@pytest.mark.django_db
def test_a_target_that_is_not_stored_is_counted_as_training_would_find_it(monkeypatch: pytest.MonkeyPatch) -> None:
    few_times(monkeypatch)
    ingest.put(records(), Source.objects.create(key="shop", name="Shop", kind="api"), AS_OF)
    history.sync()
    for name, answers in QUESTIONS:
        target = questions.make(name, answers, AS_OF)
        examples = training_set.build(target, AS_OF)
        counted = counts.count(target, AS_OF)
        label = examples.frame["label"]
        positives = label.sum() if label.dtype == pl.Boolean else (label.fill_null(0.0) > 0).sum()
        windows = examples.frame["as_of"].n_unique() if examples.horizon else 0
        expected = (examples.frame["customer_id"].n_unique(), positives, windows)
        assert (counted.customers, counted.positives, counted.windows) == expected, name
        assert 0 < positives < examples.frame.height, name
        assert f"there are {counted.customers}, " in counted.refusal, name
    assert not Target.objects.exists()


@pytest.mark.door
@pytest.mark.django_db
def test_a_target_that_nothing_is_known_of_counts_nobody_and_says_so() -> None:
    target = Target(kind="event", event="Email Opened", horizon_days=30)
    assert counts.count(target, AS_OF) == (0, 0, 0.0, 0, 'No "Email Opened" is known as of 2026-01-01.')


@pytest.mark.parametrize(
    ("customers", "positives", "negatives", "says"),
    [
        (3, 1, 2, "Training takes 500 customers; there are 3, 497 too few."),
        (900, 150, 750, "Training takes 200 cases that came true; there are 150, 50 too few."),
        (900, 850, 50, "Training takes 200 cases that did not come true; there are 50, 150 too few."),
        (900, 300, 600, ""),
        (900, 300, None, ""),
    ],
)
def test_too_little_is_said_with_how_much_is_missing(
    customers: int, positives: int, negatives: int | None, says: str
) -> None:
    assert minimums.too_few(customers, positives, negatives) == says


@pytest.mark.parametrize(
    ("positives", "says"),
    [
        ([300, 0, 0, 300], ""),
        ([300, 300, 0, 20], "Testing takes 50 cases that came true; there are 20, 30 too few."),
        ([100, 80, 300, 300], "No window of 60 days had closed"),
        ([300], "No window of 60 days had closed"),
    ],
)
def test_a_window_to_test_on_begins_after_others_closed(positives: list[int], says: str) -> None:
    windows = [Window(AS_OF + 30 * i * DAY, 1000, count) for i, count in enumerate(positives)]
    said = minimums.too_short(windows, timedelta(days=60))
    assert said.startswith(says)
    assert bool(said) == bool(says)
