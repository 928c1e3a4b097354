"""Scores are judged once their window has closed, among everybody and among those whom we left alone."""

from datetime import timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from django.conf import settings

from customers import bulk, history, ingest, snapshot
from customers.history import Scope
from customers.ingest import Records
from customers.models import Alert, Source
from scoring import backtest, seals, watch, windows
from scoring.learners import Floats
from scoring.models import Backtest, Drift, Evaluation, ModelVersion, ScoredSnapshot, ScoreRun, Target
from tests.scoring.worlds import AS_OF, DAY, events_of, store_shop

pytestmark = [pytest.mark.door, pytest.mark.django_db]
COUNT = 800
CLOSED = AS_OF + 31 * DAY


def orders(who: "np.ndarray[tuple[int], np.dtype[np.int64]]", days: float) -> pl.DataFrame:
    """Give an order of each of these customers so many days after the scores."""
    at = pl.lit(AS_OF + timedelta(days=days)).cast(bulk.UTC_MICROSECONDS)
    return pl.DataFrame({"customer_id": who}).with_columns(occurred_at=at, known_at=at)


@pytest.fixture
def version() -> ModelVersion:
    """Give a live version that foresees who orders within 30 days: four in ten, on average."""
    target = Target.objects.create(
        key="buys", label="Buys", kind="event", event="Order Completed", horizon_days=30, created_at=AS_OF
    )
    made = ModelVersion.objects.create(
        target=target,
        number=1,
        state="live",
        learner="logistic",
        validated="over_time",
        as_of=AS_OF - DAY,
        created_at=AS_OF - DAY,
        seed=0,
        customers=5_000,
        positives=2_000,
        threshold=0.5,
        artefact="models/buys.skops",
        artefact_mac=seals.mac_of(b"model"),
    )
    auc = {"value": 0.78, "low": 0.75, "high": 0.81}
    Evaluation.objects.create(version=made, learner="logistic", customers=5_000, positives=2_000, figures={"auc": auc})
    return made


def shop(version: ModelVersion, chances: Floats, truth: Floats | None = None) -> None:
    """Store customers whose scores say these chances, and who order by them, or by others that are the truth."""
    (Path(settings.LAKE_URL) / "models").mkdir(parents=True)
    (Path(settings.LAKE_URL) / version.artefact).write_bytes(b"model")
    everybody = np.arange(1, COUNT + 1)
    happened = np.random.default_rng(3).random(COUNT) < (chances if truth is None else truth)
    store_shop(COUNT, orders(everybody, -10))
    scored = pl.DataFrame({"external_id": [f"c{one}" for one in everybody], "scores.buys": chances})
    frame = snapshot.take(Scope(), AS_OF).join(scored, on="external_id")
    for bucket in range(4):
        snapshot.store(frame.filter(pl.col("bucket") == bucket), AS_OF, bucket)
    run = ScoreRun.objects.create(
        as_of=AS_OF,
        inputs="",
        versions={str(version.target_id): version.pk},
        scored_at={str(version.target_id): AS_OF.isoformat()},
    )
    windows.plan(run)
    record(orders(everybody[happened], 12), "Order Completed")


def record(what: pl.DataFrame, name: str) -> None:
    """Learn of events of one name a month after the scores."""
    source, _ = Source.objects.get_or_create(key=name, name=name, kind="api")
    ingest.put(Records(read=what.height, events=events_of(what, name).with_columns(name=pl.lit(name))), source, CLOSED)
    history.sync()


def chances() -> Floats:
    found: Floats = np.random.default_rng(2).uniform(0.05, 0.75, COUNT).round(6)
    return found


def test_scores_are_judged_when_their_window_has_closed_and_not_before(version: ModelVersion) -> None:
    shop(version, chances())
    assert backtest.judge_due(CLOSED - timedelta(seconds=1)) == []
    made = backtest.judge_due(CLOSED)
    assert {one.who for one in made} == {"everybody", "left_alone"}
    one = Backtest.objects.get(who="everybody")
    assert (one.version, one.as_of, one.judged_at, one.customers) == (version, AS_OF, CLOSED, COUNT)
    assert one.figures["auc"]["low"] < one.figures["auc"]["value"] < one.figures["auc"]["high"]
    assert one.figures["foreseen"] == pytest.approx(0.4, abs=0.03)
    assert one.figures["happened"] == pytest.approx(one.positives / COUNT, abs=1e-6)
    assert len(one.curves["reliability"]) == 10
    assert not ScoredSnapshot.objects.exists()
    assert backtest.judge_due(CLOSED + DAY) == []


def test_judging_again_changes_nothing(version: ModelVersion) -> None:
    shop(version, chances())
    first = backtest.judge(version, AS_OF, CLOSED, history.pin())
    again = backtest.judge(version, AS_OF, CLOSED, history.pin())
    assert Backtest.objects.count() == 2
    assert [one.figures for one in first] == [one.figures for one in again]


def test_whom_we_contacted_does_not_count_among_those_left_alone(version: ModelVersion) -> None:
    shop(version, chances())
    record(orders(np.arange(1, 301), 5), "Email Sent")
    backtest.judge_due(CLOSED)
    assert {one.who: one.customers for one in Backtest.objects.all()} == {"everybody": COUNT, "left_alone": COUNT - 300}


def test_a_snapshot_that_was_removed_is_not_judged_and_of_a_week_one_is(version: ModelVersion) -> None:
    shop(version, chances())
    for days in (1, 2):
        ScoredSnapshot.objects.create(
            version=version, day=(AS_OF + days * DAY).date(), as_of=AS_OF + days * DAY, due_at=CLOSED + days * DAY
        )
    assert len(backtest.judge_due(CLOSED + 3 * DAY)) == 2
    assert not ScoredSnapshot.objects.exists()


def test_a_model_that_still_fits_raises_nothing(version: ModelVersion) -> None:
    shop(version, chances())
    watch.watch(CLOSED)
    assert not Alert.objects.exists()


def test_a_level_that_is_off_and_a_ranking_that_is_lost_are_alerts_until_another_version_is_live(
    version: ModelVersion,
) -> None:
    shop(version, chances(), truth=0.4 * np.random.default_rng(5).permutation(chances()))
    watch.watch(CLOSED)
    found = {one.kind: one for one in Alert.objects.all()}
    assert set(found) == {"level", "performance"}
    assert "foresaw 39.9% and 16.4% happened" in found["level"].sentence
    assert "buys v1 of “Buys”, judged by 800 customers as of 2026-01-01, sorts worse" in found["performance"].sentence
    assert found["level"].link == f"/admin/scoring/target/{version.target_id}/change/"
    ModelVersion.objects.update(state="retired")
    watch.watch(CLOSED + DAY)
    open_ = Alert.objects.exclude(state="done")
    assert [one.kind for one in open_] == ["baseline"]


def test_customers_who_changed_are_an_alert_once_a_day(version: ModelVersion) -> None:
    shop(version, chances())
    spread = {"edges": [], "levels": ["month", "year"], "shares": [0.9, 0.1, 0.0, 0.0], "rows": 5_000}
    ModelVersion.objects.update(report={"spreads": {"attributes.plan": spread}})
    watch.watch(AS_OF + DAY)
    watch.watch(AS_OF + DAY + timedelta(hours=1))
    assert Drift.objects.get().figures["drifted"] == ["attributes.plan"]
    assert "attributes.plan (" in Alert.objects.get(kind="drift").sentence
    told = {"field": "attributes.plan", "kind": "time_only", "why": "It mostly tells the time.", "figure": 0.9}
    ModelVersion.objects.update(
        report={"spreads": {"attributes.plan": spread}, "guard": {"blocked": [], "warned": [told]}}
    )
    watch.watch(AS_OF + DAY)
    assert Alert.objects.get(kind="drift").state == "done"
    ModelVersion.objects.update(report={"spreads": {"attributes.plan": spread}})
    watch.watch(AS_OF + DAY)
    assert Alert.objects.get(kind="drift").state == "open"
    ModelVersion.objects.update(report={"spreads": {"attributes.plan": {**spread, "shares": [1 / 3, 2 / 3, 0, 0]}}})
    Drift.objects.all().delete()
    watch.watch(AS_OF + DAY)
    assert Alert.objects.get(kind="drift").state == "done"


def test_a_torn_file_and_a_field_that_is_gone_are_an_alert(version: ModelVersion) -> None:
    shop(version, chances())
    ModelVersion.objects.update(features=["features.orders", "recency.event", "value.chance"])
    watch.watch(AS_OF + DAY)
    assert not Alert.objects.filter(kind="artefact").exists()
    ModelVersion.objects.update(features=["attributes.plan", "features.orders", "attributes.size"])
    watch.watch(AS_OF + DAY)
    told = Alert.objects.get(kind="artefact").sentence
    assert (
        told == "“Buys” keeps its old scores. buys v1 reads attributes.size, which customers no longer have; train "
        "it again."
    )
    (Path(settings.LAKE_URL) / version.artefact).write_bytes(b"mo")
    watch.watch(AS_OF + 2 * DAY)
    assert "is not the one that was stored" in Alert.objects.get(kind="artefact").sentence


def spending(version: ModelVersion, level: float = 1.0, *, is_sorted: bool = True) -> None:
    """Let the version foresee what is spent, and customers spend so many times that, or in another order."""
    Target.objects.update(kind="spend")
    gini = {"value": 0.4, "low": 0.35, "high": 0.45}
    Evaluation.objects.update(figures={"gini": gini})
    version.refresh_from_db()
    amounts = 10 + 90 * np.random.default_rng(2).beta(0.5, 1.0, COUNT)
    shop(version, amounts, truth=np.zeros(COUNT))
    rng = np.random.default_rng(4)
    truth = amounts if is_sorted else rng.permutation(amounts)
    made = rng.poisson(level * truth / 20)
    record(orders(np.repeat(np.arange(1, COUNT + 1), made), 12), "Order Completed")


def test_amounts_that_were_foreseen_are_judged_by_what_was_spent(version: ModelVersion) -> None:
    spending(version)
    watch.watch(CLOSED)
    one = Backtest.objects.get(who="left_alone")
    assert one.figures["total_error"]["low"] < 0 < one.figures["total_error"]["high"]
    assert one.figures["foreseen"] == pytest.approx(one.figures["happened"], rel=0.1)
    assert one.figures["gini"]["low"] > 0.3
    assert len(one.curves["reliability"]) == 10
    assert not Alert.objects.exists()


def test_amounts_far_off_or_in_another_order_are_alerts(version: ModelVersion) -> None:
    spending(version, level=0.5, is_sorted=False)
    watch.watch(CLOSED)
    found = {one.kind: one.sentence for one in Alert.objects.all()}
    assert set(found) == {"level", "performance"}
    assert "foresaw a total that was off by +" in found["level"]
    assert "normalised Gini" in found["performance"]


def test_days_until_the_next_order_are_judged_among_those_who_were_told_a_day(version: ModelVersion) -> None:
    Target.objects.update(kind="next")
    version.refresh_from_db()
    shop(version, np.where(np.arange(COUNT) < 400, 13.0, 6.0), truth=np.zeros(COUNT))
    record(orders(np.arange(201, 601), 12), "Order Completed")
    backtest.judge_due(CLOSED)
    figures = Backtest.objects.get(who="everybody").figures
    assert figures["on_time"]["value"] == pytest.approx(200 / COUNT)
    assert figures["mae"]["value"] == pytest.approx((1 + 6) / 2)
