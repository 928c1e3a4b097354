"""Scores are written once, ranked with ties, banded, published by one flip, and never see the future."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from django.conf import settings
from django.db import connection

from customers import bulk, history, ingest, snapshot
from customers.history import Scope
from customers.ingest import Records
from scoring import artifacts, learners, ranking, scores, targets, training
from scoring.learners import AVERAGE, BOOSTING, LOGISTIC
from scoring.models import BandChange, ModelVersion, Score, ScoreRun, Target
from scoring.training import Trained
from tests.scoring.worlds import AS_OF, DAY, events_of, few_times, order_times, signal, store_shop

pytestmark = [pytest.mark.door, pytest.mark.django_db]
LATER = AS_OF + DAY
Live = tuple[ModelVersion, pl.DataFrame]


@pytest.fixture(scope="module")
def trained() -> Trained:
    return training.learn(signal(600, 1.5)[0], 0, names=(LOGISTIC, BOOSTING, AVERAGE))


@pytest.fixture
def live(trained: Trained) -> Live:
    """Give a live version of an attribute target, and 600 stored customers whom it can score."""
    store_shop(600, order_times(1).head(0))
    target = Target.objects.create(
        key="gone",
        label="Gone",
        kind="attribute",
        attribute="gone",
        equals="yes",
        value=200.0,
        contact_cost=1.0,
        offer_cost=10.0,
        save_rate=0.3,
        created_at=AS_OF,
    )
    version = training.keep(trained, target, AS_OF, 0)
    known = snapshot.take(Scope(), AS_OF).select("customer_id", "seed", "bucket")
    inputs = trained.training_set.frame.sort("customer_id").select("attributes.plan", "features.load", "features.noise")
    return version, known.hstack(inputs)


def scored(frame: pl.DataFrame, as_of: datetime) -> pl.DataFrame:
    run = scores.begin(as_of)
    assert run is not None
    found = scores.score(frame, as_of, run)
    ranking.rank(run)
    return found


def test_a_version_is_stored_whole_and_scores_everybody(live: Live) -> None:
    version, frame = live
    assert version.state == ModelVersion.State.LIVE
    assert version.report["money"]["line"] == pytest.approx(0.164, abs=0.001)
    found = scored(frame, AS_OF)
    values = found["scores.gone"]
    assert values.null_count() == 0
    assert values.round(6).to_list() == values.to_list()
    assert values.mean() == pytest.approx(version.positives / 600, abs=0.03)
    stored = dict(Score.objects.values_list("customer_id", "value"))
    assert stored == dict(found.select("customer_id", "scores.gone").iter_rows())


def test_scoring_twice_gives_the_same_rows_and_a_published_run_is_not_begun_again(live: Live) -> None:
    _, frame = live
    run = scores.begin(AS_OF)
    assert run is not None
    scores.score(frame, AS_OF, run)
    assert scores.begin(AS_OF) == run
    scores.score(frame.sample(fraction=1.0, shuffle=True), AS_OF, run)
    ranking.rank(run)
    stored = dict(Score.objects.values_list("customer_id", "value"))
    assert len(stored) == Score.objects.count() == 600
    assert ranking.attach(frame)["scores.gone"].to_list() == [stored[one] for one in frame["customer_id"]]
    assert scores.begin(AS_OF) is None
    assert scores.begin(LATER) is not None


def order(values: list[float], bands: list[dict[str, Any]] | None = None) -> ranking.Order:
    return ranking.Order(
        np.sort(np.array([round(value * ranking.MILLION) for value in values])), bands or ranking.BANDS
    )


def test_equal_scores_share_percentile_and_rank() -> None:
    values = [0.1, 0.5, 0.5, 0.9, 0.2]
    all_, asked = order(values), pl.Series(values)
    assert all_.placed(asked)["percentile"].to_list() == [20.0, 80.0, 80.0, 100.0, 40.0]
    assert all_.placed(asked)["rank"].to_list() == [5, 2, 2, 1, 4]
    assert all_.band(asked).to_list() == ["low", "medium", "medium", "high", "low"]


def test_bands_may_be_cut_by_percentile() -> None:
    values = [0.1, 0.2, 0.3, 0.4]
    all_ = order(values, [{"name": "rest", "from": 0.0}, {"name": "top", "from_percentile": 75.0}])
    assert all_.band(pl.Series(values)).to_list() == ["rest", "rest", "top", "top"]


def test_a_score_that_nobody_had_stands_where_it_falls() -> None:
    all_ = order([0.1, 0.2, 0.3, 0.4])
    assert all_.placed(pl.Series([0.25, 0.05, 0.9]))["percentile"].to_list() == [50.0, 0.0, 100.0]
    assert all_.placed(pl.Series([0.25, 0.05, 0.9]))["rank"].to_list() == [3, 5, 1]


def test_many_scores_are_looked_up_in_a_table_with_the_same_result(monkeypatch: pytest.MonkeyPatch) -> None:
    chance = np.random.default_rng(1)
    all_ = order([0.0, 1.0, *chance.random(500).round(2)])
    asked = pl.Series([-0.1, 0.0, 1.0, 1.1, *chance.random(500).round(3)])
    few = all_.placed(asked)
    monkeypatch.setattr(ranking, "MANY", 0)
    assert all_.placed(asked).equals(few)
    beyond = order([-0.5, 0.5, 1.5])
    assert beyond.placed(pl.Series([-0.5, 0.6, 1.5, 9.0]))["rank"].to_list() == [3, 2, 1, 1]


def test_the_published_run_is_attached_with_percentile_rank_and_band(live: Live) -> None:
    _, frame = live
    value = scored(frame, AS_OF)
    found = ranking.attach(frame.sample(fraction=1.0, shuffle=True, seed=1).head(50))
    assert found.height == 50
    both = found.join(value.select("customer_id", expected="scores.gone"), on="customer_id")
    assert both["scores.gone"].to_list() == both["expected"].to_list()
    best = value.sort("scores.gone", descending=True).head(1)
    top = ranking.attach(best.select(frame.columns)).row(0, named=True)
    assert (top["scores.gone.rank"], top["scores.gone.percentile"], top["scores.gone.band"]) == (1, 100.0, "high")
    assert ranking.attach(found).columns == found.columns


def test_only_who_moved_between_bands_is_noted(live: Live) -> None:
    _, frame = live
    before = scored(frame, AS_OF)
    assert not BandChange.objects.exists()
    moved = before.sort("scores.gone").head(3)["customer_id"].to_list()
    high = pl.col("customer_id").is_in(moved)
    raised = frame.with_columns(pl.when(high).then(9.0).otherwise(pl.col("features.load")).alias("features.load"))
    scored(raised, LATER)
    changes = BandChange.objects.filter(as_of=LATER).values_list("customer_id", "band_before", "band")
    assert sorted(changes) == sorted((customer, "low", "high") for customer in moved)


def test_a_small_cycle_writes_into_the_published_run_and_never_over_newer_scores(live: Live) -> None:
    _, frame = live
    before = scored(frame, AS_OF)
    run = ScoreRun.objects.get()
    one = before.sort("scores.gone").head(1).select(frame.columns).with_columns(pl.lit(9.0).alias("features.load"))
    scores.score(one, LATER, run)
    row = ranking.attach(one).row(0, named=True)
    assert row["scores.gone"] > 0.9
    assert row["scores.gone.band"] == "high"
    assert BandChange.objects.count() == 1
    scores.score(one.with_columns(pl.lit(-9.0).alias("features.load")), AS_OF + timedelta(hours=1), run)
    assert ranking.attach(one).row(0, named=True)["scores.gone"] == row["scores.gone"]


def test_a_target_that_is_rescored_less_often_keeps_its_scores_until_its_time_has_come(live: Live) -> None:
    version, frame = live
    Target.objects.update(rescore_hours=36)
    first = scored(frame.head(590), AS_OF)
    risen = frame.with_columns(pl.lit(9.0).alias("features.load"))
    kept = scored(risen, LATER)
    assert kept.head(590)["scores.gone"].to_list() == first["scores.gone"].to_list()
    assert (kept.tail(10)["scores.gone"] > 0.9).all()
    assert sorted(Score.objects.filter(run__state="published").values_list("as_of").distinct()) == [(AS_OF,), (LATER,)]
    assert (scored(risen, LATER + DAY)["scores.gone"] > 0.9).all()
    assert version.state == ModelVersion.State.LIVE


def test_a_run_that_was_begun_and_never_published_is_removed_by_the_next_one(live: Live) -> None:
    _, frame = live
    lost = scores.begin(AS_OF - DAY)
    assert lost is not None
    scores.score(frame, AS_OF - DAY, lost)
    scored(frame, AS_OF)
    assert [run.as_of for run in ScoreRun.objects.all()] == [AS_OF]
    assert Score.objects.count() == 600


@pytest.mark.skipif(connection.vendor != "postgresql", reason="elsewhere nothing goes through the rows by itself")
def test_postgresql_does_not_go_through_a_run_because_its_rows_are_new(live: Live) -> None:
    scored(live[1], AS_OF)
    options = (
        "SELECT reloptions FROM pg_class JOIN pg_inherits ON oid = inhrelid "
        "WHERE inhparent = 'scoring_score_%s'::regclass AND relkind = 'r'"
    )
    with connection.cursor() as cursor:
        cursor.execute(options, [ScoreRun.objects.get().pk])
        assert cursor.fetchall() == [(["autovacuum_vacuum_insert_threshold=-1"],)]


def test_two_runs_are_kept_and_one_is_published(live: Live) -> None:
    _, frame = live
    for days in range(4):
        scored(frame, AS_OF + days * DAY)
    assert [run.state for run in ScoreRun.objects.order_by("as_of")] == ["old", "published"]
    assert Score.objects.count() == 1200


def test_a_new_version_replaces_the_live_one_and_a_worse_one_does_not(live: Live, trained: Trained) -> None:
    version, _ = live
    better = training.keep(trained, version.target, AS_OF, 1)
    noise = training.keep(training.learn(signal(600, 0.0)[0], 1, names=(LOGISTIC,)), version.target, AS_OF, 1)
    states = dict(ModelVersion.objects.values_list("number", "state"))
    assert states == {1: "retired", 2: "live", 3: "candidate"}
    assert "chance" in noise.reason
    assert training.summary(better)["live"] is True


def beside(version: ModelVersion, trained: Trained) -> Target:
    """Give another target with a live version of the same model."""
    other = Target.objects.create(
        key="other", label="Other", kind="attribute", attribute="gone", equals="yes", created_at=AS_OF
    )
    training.keep(trained, other, version.as_of, 0)
    return other


def tear(version: ModelVersion) -> None:
    path = Path(settings.LAKE_URL) / version.artefact
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


@pytest.mark.parametrize("broken", ["file", "feature"])
def test_a_target_that_cannot_be_scored_keeps_its_scores_and_the_others_are_scored(
    live: Live, trained: Trained, broken: str
) -> None:
    version, frame = live
    first = scored(frame, AS_OF)["scores.gone"]
    other = beside(version, trained)
    if broken == "file":
        tear(version)
    else:
        noise = learners.fit_only(trained.training_set.frame, trained.training_set.labels(), {"features.noise"})
        path, mac = artifacts.write(noise, other.key, 1)
        other.versions.update(artefact=path, artefact_mac=mac)
        frame = frame.drop("features.load")
    second = scored(frame, LATER)
    assert second["scores.gone"].to_list() == first.to_list()
    assert second["scores.other"].null_count() == 0
    times = Score.objects.filter(run__state="published").values_list("target__key", "as_of").distinct()
    assert sorted(times) == [("gone", AS_OF), ("other", LATER)]


def test_a_small_cycle_leaves_the_scores_of_a_torn_model_alone(live: Live) -> None:
    version, frame = live
    scored(frame, AS_OF)
    before = set(Score.objects.values_list("customer_id", "value", "as_of"))
    tear(version)
    scores.score(frame.head(5), LATER, ScoreRun.objects.get())
    assert set(Score.objects.values_list("customer_id", "value", "as_of")) == before


def test_without_old_scores_a_torn_model_gives_none(live: Live) -> None:
    version, frame = live
    tear(version)
    assert scored(frame, AS_OF)["scores.gone"].null_count() == 600
    assert not Score.objects.exists()


@pytest.mark.long
@pytest.mark.once
def test_nothing_known_later_changes_a_model_or_a_score(monkeypatch: pytest.MonkeyPatch) -> None:
    few_times(monkeypatch)
    orders = order_times(700)
    source = store_shop(700, orders)
    target = targets.of_event("Order Completed", 45, is_absent=True, at=AS_OF)
    first = training.train(target, AS_OF, names=(LOGISTIC,))
    before = scored(snapshot.take(Scope(), AS_OF), AS_OF)
    known_late = orders.head(300).with_columns(known_at=pl.lit(LATER).cast(bulk.UTC_MICROSECONDS))
    at = pl.col("occurred_at") + 400 * DAY
    future = orders.tail(300).with_columns(occurred_at=at, known_at=pl.max_horizontal(at, pl.lit(LATER)))
    for frame, prefix in ((known_late, "late"), (future, "future")):
        ingest.put(Records(read=300, events=events_of(frame, prefix)), source, LATER + 500 * DAY)
    history.sync()
    second = training.train(target, AS_OF, names=(LOGISTIC,))
    after = scored(snapshot.take(Scope(), AS_OF), AS_OF)
    summaries = [training.summary(version) for version in (first, second)]
    assert {key for key in summaries[0] if summaries[0][key] != summaries[1][key]} == {"version"}
    assert after["scores.no_order_completed_45d"].equals(before["scores.no_order_completed_45d"])
