"""Customers change: the inbox says so, a new version takes over, a worse one is refused, and a mistake is undone."""

from datetime import UTC, datetime, timedelta
from functools import partial

import numpy as np
import polars as pl
import pytest
from django.contrib.auth.models import User

from customers import bulk, history, ingest, snapshot
from customers.history import Scope
from customers.ingest import Records
from customers.models import Alert, Source
from scoring import labels, learners, ranking, scores, training, training_queue, training_work, versions, watch
from scoring.models import Backtest, ModelVersion, Score, Target, TrainingRun
from tests.scoring.worlds import DAY

pytestmark = [pytest.mark.door, pytest.mark.django_db, pytest.mark.once]
START = datetime(2025, 1, 1, tzinfo=UTC)
COUNT = 700
CHANGED, RETRAINED, END = 120, 240, 250  # days from the start


def day(number: float) -> datetime:
    return START + timedelta(days=number)


def times(days: "np.ndarray[tuple[int], np.dtype[np.float64]]") -> pl.Series:
    micros = int(START.timestamp() * 1_000_000) + (days * 86_400_000_000).astype(np.int64)
    return pl.Series(micros).cast(bulk.UTC_MICROSECONDS)


@pytest.fixture
def target() -> Target:
    """Give the target "orders within 30 days" of a shop where a high load means orders, and later the opposite."""
    rng = np.random.default_rng(7)
    load = rng.normal(size=COUNT)
    who, at = [np.arange(COUNT)], [rng.uniform(-60, 0, COUNT)]
    for month in range(0, END, 30):
        odds = 1.8 * load - 0.4 if month < CHANGED else -1.8 * load - 1.2
        came = np.flatnonzero(rng.random(COUNT) < 1 / (1 + np.exp(-odds)))
        who.append(came)
        at.append(month + rng.uniform(1, 30, len(came)))
    names = [f"c{one}" for one in range(COUNT)]
    known = times(rng.uniform(-700, 0, COUNT))
    lines = pl.int_range(1, COUNT + 1, eager=True)
    people = pl.DataFrame({"line": lines, "external_id": names}).with_columns(known_since=known)
    facts = pl.DataFrame({"line": lines, "external_id": names, "value": load.round(4).astype(str)})
    orders = pl.DataFrame({"customer": np.concatenate(who), "days": np.concatenate(at)}).with_row_index("line")
    orders = orders.filter(pl.col("days") < END)
    moments = times(orders["days"].to_numpy())
    events = orders.select(
        pl.col("line").cast(pl.Int64),
        external_id=pl.format("c{}", "customer"),
        message_id=pl.format("o{}", "line"),
        name=pl.lit("Order Completed"),
        occurred_at=moments,
        known_at=moments,
        value=pl.lit(20.0),
    )
    told = facts.with_columns(name=pl.lit("load"), known_at=known)
    records = Records(read=COUNT, customers=people, attributes=told, events=events, types={"load": "number"})
    ingest.put(records, Source.objects.create(key="shop", name="Shop", kind="api"), day(END))
    history.sync()
    return Target.objects.create(
        key="orders",
        label="Orders",
        kind="event",
        event="Order Completed",
        horizon_days=30,
        retrain_days=RETRAINED - CHANGED,
        vouched=["attributes.load"],
        created_at=START,
    )


def trained() -> TrainingRun:
    run = training_work.work()
    assert run is not None
    return run


def turn(at: datetime) -> dict[int, float]:
    """Score everybody, keep the snapshot, publish; give what is published."""
    run = scores.begin(at)
    assert run is not None
    frame = scores.score(snapshot.take(Scope(), at), at, run)
    for bucket in range(4):
        snapshot.store(frame.filter(pl.col("bucket") == bucket), at, bucket)
    ranking.rank(run)
    return dict(Score.objects.filter(run=ranking.published()).values_list("customer_id", "value"))


def alerts() -> set[str]:
    return set(Alert.objects.filter(state="open").values_list("kind", flat=True))


def test_customers_change_and_the_models_follow(target: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(labels, "MOST_SNAPSHOTS", 4)
    monkeypatch.setattr(training, "train", partial(training.train, names=(learners.LOGISTIC,)))
    ann = User.objects.create(username="ann")

    training_queue.ask(target, day(CHANGED), ann)
    first = trained().version
    assert first is not None
    assert first.state == ModelVersion.State.LIVE, first.reason
    turn(day(CHANGED))
    watch.watch(day(CHANGED))
    assert not alerts() & {"level", "performance"}

    turn(day(CHANGED + 31))
    watch.watch(day(CHANGED + 31))
    assert Backtest.objects.get(who="left_alone").as_of == day(CHANGED)
    assert {"performance", "drift"} <= alerts()

    watch.watch(day(RETRAINED))
    run = trained()
    assert (run.is_scheduled, run.as_of, run.state) == (True, day(RETRAINED), "done")
    second = run.version
    assert second is not None
    assert second.state == ModelVersion.State.LIVE, second.reason
    assert second.before == first
    good = turn(day(RETRAINED))
    watch.watch(day(RETRAINED))
    assert not alerts() & {"level", "performance"}

    Target.objects.update(excluded=["attributes.load"])
    target.refresh_from_db()
    training_queue.ask(target, day(RETRAINED) + DAY, ann)
    worse = trained().version
    assert worse is not None
    assert worse.state == ModelVersion.State.CANDIDATE
    assert target.versions.get(state="live") == second

    with pytest.raises(versions.VersionError, match="did not pass the gate"):
        versions.promote(worse, ann, day(RETRAINED))
    versions.promote(worse, ann, day(RETRAINED), "To see what it does.")
    assert turn(day(RETRAINED)) != good
    versions.roll_back(target, ann, day(RETRAINED))
    assert turn(day(RETRAINED)) == good
