"""Targets that are numbers: what is spent, and the days until the next order, by the same doors as a yes or no."""

from dataclasses import replace
from datetime import datetime, timedelta
from io import StringIO

import numpy as np
import polars as pl
import pytest
from django.core.management import call_command

from customers import bulk, snapshot
from customers.history import Scope
from customers.models import EventName
from scoring import (
    artifacts,
    forecast_versions,
    forecasts,
    labels,
    number_champion,
    number_figures,
    number_rules,
    numbers,
    ranking,
    scores,
    targets,
    training,
    value,
    value_fit,
    waiting,
)
from scoring.evaluation import Figure
from scoring.forecasts import Trained
from scoring.models import ModelVersion, Target
from scoring.number_figures import Amounts
from scoring.report import Check
from scoring.training_set import TrainingRefused, TrainingSet, ordered
from tests.scoring.worlds import AS_OF, DAY, order_times, people, store_shop

pytestmark = pytest.mark.long

HORIZON = 60
STANDS = [AS_OF - (HORIZON + 30 * i) * DAY for i in range(5)]


def ordering(kind: Target.Kind) -> Target:
    """Give a number target about orders, not stored."""
    return Target(
        key=kind.value, label=kind.label, kind=kind, event="Order Completed", horizon_days=HORIZON, created_at=AS_OF
    )


SPEND, NEXT = ordering(Target.Kind.SPEND), ordering(Target.Kind.NEXT)


def priced(count: int, seed: int = 3, days: int = 420) -> pl.DataFrame:
    """Give orders of which each customer's are of a worth of her own."""
    orders = order_times(count, seed, days)
    rng = np.random.default_rng(seed)
    own = rng.gamma(3.0, 15.0, count + 1)
    values = own[orders["customer_id"].to_numpy()] * rng.gamma(5.0, 0.2, orders.height)
    return orders.with_columns(pl.Series("value", values))


def told_at(orders: pl.DataFrame, count: int, t: datetime) -> pl.DataFrame:
    """Give the customers who had ordered by a time with what their orders tell."""
    age = (pl.lit(t).cast(bulk.UTC_MICROSECONDS) - pl.col("occurred_at")).dt.total_seconds() / 86_400
    past = orders.filter(pl.col("occurred_at") <= t).with_columns(age=age)
    told = past.group_by("customer_id").agg(
        pl.col("age").floor().n_unique().alias("features.order_days"),
        pl.col("age").max().alias("features.first_order_days"),
        pl.col("age").min().alias("features.recency_days"),
        pl.col("value").sum().alias("features.spend"),
        pl.col("value").filter(pl.col("age") < 365).sum().alias("features.spend_365d"),
        ((pl.col("age").max() - pl.col("age").min()) / (pl.len() - 1)).alias("features.gap_mean_days"),
    )
    told = told.with_columns(pl.col("features.gap_mean_days").fill_nan(None))
    return people(count).join(told, on="customer_id").with_columns(as_of=pl.lit(t).cast(bulk.UTC_MICROSECONDS))


def examples(orders: pl.DataFrame, count: int, target: Target, stands: list[datetime]) -> TrainingSet:
    """Give the training set of a number target from snapshots at these times."""
    snapshots, parameters = [], None
    for t in stands:
        frame = told_at(orders, count, t)
        parameters = value_fit.fit(frame)
        end = t + timedelta(days=target.horizon_days or 0)
        later = orders.filter((pl.col("occurred_at") > t) & (pl.col("occurred_at") <= end))
        after = (pl.col("occurred_at").min() - pl.lit(t).cast(bulk.UTC_MICROSECONDS)).dt.total_seconds() / 86_400
        is_spend = target.kind == Target.Kind.SPEND
        came = later.group_by("customer_id").agg(label=(pl.col("value").sum() if is_spend else after).round(6))
        frame = value.add(frame, parameters, HORIZON).join(came, on="customer_id", how="left")
        snapshots.append(frame.with_columns(pl.col("label").fill_null(0.0)) if is_spend else frame)
    frame = ordered(pl.concat(snapshots))
    return TrainingSet(frame, ModelVersion.Validated.OVER_TIME, timedelta(days=HORIZON), value=parameters)


@pytest.fixture(scope="module")
def spend() -> Trained:
    return forecasts.learn(examples(priced(900), 900, SPEND, STANDS), SPEND, 0, training.silent)


@pytest.fixture(scope="module")
def next_order() -> Trained:
    return forecasts.learn(examples(priced(900), 900, NEXT, STANDS), NEXT, 0, training.silent)


def test_what_is_spent_is_ranked_better_than_by_simple_rules(spend: Trained) -> None:
    assert spend.passed, spend.report["gate"]["checks"]
    ours, rate = spend.pooled[spend.learner], spend.pooled[number_rules.RATE]
    assert ours["gini"].value > rate["gini"].value
    assert ours["gini"].low > 0.3
    assert abs(ours["total_error"].value) < 0.25
    assert ours["mae"].value < rate["mae"].value
    assert abs(spend.pooled[forecasts.MEAN]["gini"].value) < 0.1
    assert "the total was off by" in spend.report["notes"][0]
    assert "nine times in ten" in spend.report["notes"][1]
    assert not spend.report["season"]["known"]


def test_amounts_of_chance_pass_no_gate() -> None:
    orders = priced(900)
    found = examples(orders, 900, SPEND, STANDS)
    amounts = np.random.default_rng(4).permutation(found.amounts())
    trained = forecasts.learn(
        replace(found, frame=found.frame.with_columns(label=pl.Series(amounts))), SPEND, 0, training.silent
    )
    assert not trained.passed
    assert not trained.report["gate"]["checks"][0]["passed"]


def test_what_weighs_is_named_with_how_the_amount_goes_with_it(spend: Trained) -> None:
    first = spend.report["drivers"][0]
    assert first["importance"]["low"] > 0
    assert first["field"] in {"features.spend", "features.spend_365d", "features.order_days", "value.spend"}
    assert first["dependence"][-1]["amount"] > 2 * first["dependence"][0]["amount"]
    assert first["sentence"].startswith("On average ")


def test_days_have_drivers_that_tell_of_a_chance(next_order: Trained) -> None:
    first = next_order.report["drivers"][0]
    assert first["importance"]["low"] > 0
    assert all(0 <= point["chance"] <= 1 for point in first["dependence"])


def test_a_model_that_ranks_worse_than_the_live_one_stays_away(spend: Trained, monkeypatch: pytest.MonkeyPatch) -> None:
    live = ModelVersion(target=SPEND, number=3, as_of=min(STANDS) - DAY)
    monkeypatch.setattr(artifacts, "read", lambda version: spend.model)
    dice = np.random.default_rng(0)
    blind = [test._replace(foreseen={spend.learner: dice.random(len(test.rows))}) for test in spend.tests]
    assert not number_champion.compare(replace(spend, tests=blind), live, 0)["passed"]
    assert number_champion.compare(spend, live, 0)["sentence"].startswith("It is ")
    later = ModelVersion(target=SPEND, number=3, as_of=AS_OF)
    assert "could not be compared" in number_champion.compare(spend, later, 0)["sentence"]


def test_one_customer_is_foreseen_as_among_all(spend: Trained) -> None:
    frame = spend.training_set.frame
    assert isinstance(spend.model, numbers.Model)
    everybody = spend.model.amounts(frame)
    assert spend.model.amounts(frame[11:12])[0] == pytest.approx(everybody[11])
    assert (everybody >= 0).all()
    assert spend.model.predict(spend.model.reading.matrix(frame[:0])).shape == (0,)


def test_large_customers_are_named_beside_the_total() -> None:
    orders = priced(900)
    orders = orders.with_columns(value=pl.when(pl.col("customer_id") <= 2).then(20_000.0).otherwise("value"))
    trained = forecasts.learn(examples(orders, 900, SPEND, STANDS), SPEND, 0, training.silent)
    assert any(note.startswith("3 customers made") for note in trained.report["notes"])


def test_the_level_is_that_of_the_same_season_a_year_ago() -> None:
    """Everything costs three times as much in the weeks that come, as it did in the same weeks a year ago."""
    count, days = 600, 700
    season = (AS_OF - 365 * DAY, AS_OF - 305 * DAY)
    orders = priced(count, days=days).with_columns(
        value=pl.when(pl.col("occurred_at").is_between(*season)).then(pl.col("value") * 3).otherwise("value")
    )
    stands = [AS_OF - (HORIZON + 60 * i) * DAY for i in range(4)]
    found = examples(orders, count, SPEND, [*stands, AS_OF - 365 * DAY])
    trained = forecasts.learn(found, SPEND, 0, training.silent)
    told = trained.report["season"]
    assert told["known"]
    assert 2.0 < told["after"] / told["before"] < 3.01
    assert "last year's same season" in told["sentence"]


def test_half_of_those_who_are_told_a_day_order_by_it(next_order: Trained) -> None:
    assert next_order.passed, next_order.report["gate"]["checks"]
    found = next_order.pooled[next_order.learner]
    assert found["on_time"].value == pytest.approx(0.5, abs=0.08)
    assert abs(found["total_error"].value) < 0.15
    assert isinstance(next_order.model, waiting.Model)
    chances = np.array([0.2, 0.49, 0.5001, 0.8, 0.99])
    days = next_order.model.told(chances)
    assert np.isnan(days[:2]).all()
    assert (np.diff(days[2:]) < 0).all()
    assert days[2] == pytest.approx(HORIZON, abs=0.5)


@pytest.mark.parametrize(("name", "rule"), [("spend", number_rules.RATE), ("next_order", number_rules.GAP)])
def test_a_stored_rule_tells_what_was_judged(name: str, rule: str, request: pytest.FixtureRequest) -> None:
    trained: Trained = request.getfixturevalue(name)
    assert trained.rule is not None
    assert trained.rule.learner == rule
    frame = trained.training_set.frame[:300]
    matrix = trained.rule.reading.matrix(frame)
    again = artifacts.from_bytes(artifacts.to_bytes(trained.rule))
    told = trained.rule.predict(matrix)
    assert np.array_equal(again.predict(matrix), told, equal_nan=True)
    if rule == number_rules.RATE:
        paid, since = (frame[f"features.{one}"].to_numpy() for one in ("spend_365d", "first_order_days"))
        plain = paid / np.clip(since, 30, 365)
        assert told[plain > 0] / plain[plain > 0] == pytest.approx(told[plain > 0][0] / plain[plain > 0][0])
    else:
        assert 0 < np.nanmin(told) < np.nanmax(told) <= HORIZON


@pytest.mark.door
@pytest.mark.django_db
@pytest.mark.parametrize(
    ("name", "kind", "words"),
    [("spend", Target.Kind.SPEND, "everybody's own rate so far"), ("next_order", Target.Kind.NEXT, "the usual gap")],
)
def test_the_best_simple_rule_goes_live_where_no_model_beats_it(
    name: str, kind: Target.Kind, words: str, request: pytest.FixtureRequest
) -> None:
    trained: Trained = request.getfixturevalue(name)
    assert trained.rule is not None
    report = trained.report.copy()
    check: Check = {"name": "simple rule", "passed": False, "sentence": "It does not surely rank better."}
    report["gate"] = {**report["gate"], "passed": False, "checks": [check]}
    EventName.objects.create(name="Order Completed")
    target = targets.store(ordering(kind))
    failed = replace(trained, report=report)
    version = forecast_versions.keep(failed, target, AS_OF, 0)
    live = target.versions.get(state=ModelVersion.State.LIVE)
    assert (version.state, version.is_baseline) == (ModelVersion.State.CANDIDATE, False)
    assert (live.is_baseline, live.learner) == (True, trained.rule.learner)
    assert f"Until a model does better, {words}" in version.reason
    assert "which is better than chance: Gini 0." in live.reason
    assert training.summary(live)["gini"] == training.summary(live)["baseline"]["gini"]
    frame = trained.training_set.frame[:50]
    served = artifacts.read(live)
    assert np.isfinite(served.predict(served.reading.matrix(frame))).any()

    again = forecast_versions.keep(failed, target, AS_OF + DAY, 0)
    assert again.state == ModelVersion.State.CANDIDATE
    newest = target.versions.get(state=ModelVersion.State.LIVE)
    assert newest.is_baseline
    assert newest.before == live
    wins = forecast_versions.keep(trained, target, AS_OF + 2 * DAY, 0)
    assert wins.state == ModelVersion.State.LIVE
    assert wins.before == newest
    assert forecast_versions.keep(failed, target, AS_OF + 3 * DAY, 0).state == ModelVersion.State.CANDIDATE
    assert target.versions.get(state=ModelVersion.State.LIVE) == wins


def test_no_rule_is_served_that_is_no_better_than_chance(spend: Trained) -> None:
    frame = spend.training_set.frame
    dice = np.random.default_rng(2)
    blind = frame.with_columns(pl.Series("features.spend_365d", dice.random(frame.height)))
    trained = forecasts.learn(replace(spend.training_set, frame=blind), SPEND, 0, training.silent)
    assert trained.rule is None


@pytest.mark.parametrize("name", ["spend", "next_order"])
def test_a_stored_model_tells_the_same(name: str, request: pytest.FixtureRequest) -> None:
    trained: Trained = request.getfixturevalue(name)
    matrix = trained.model.reading.matrix(trained.training_set.frame[:200])
    again = artifacts.from_bytes(artifacts.to_bytes(trained.model))
    assert np.array_equal(again.predict(matrix), trained.model.predict(matrix), equal_nan=True)


def test_the_same_input_gives_the_same_model(spend: Trained) -> None:
    again = forecasts.learn(examples(priced(900), 900, SPEND, STANDS), SPEND, 0, training.silent)
    matrix = spend.model.reading.matrix(spend.training_set.frame)
    assert np.array_equal(again.model.predict(matrix), spend.model.predict(matrix))
    assert again.pooled == spend.pooled


def test_figures_of_amounts_are_those_of_their_definitions() -> None:
    rng = np.random.default_rng(1)
    came = rng.gamma(0.3, 100.0, 400)
    perfect = number_figures.figures(Amounts(came, came * 2, np.arange(400)), 0)
    assert perfect["gini"].value == pytest.approx(1.0)
    assert perfect["spearman"].value == pytest.approx(1.0)
    assert perfect["total_error"].value == pytest.approx(1.0)
    top = np.sort(came)[-40:].sum() / came.sum()
    assert perfect["capture"].value == pytest.approx(top)
    against = number_figures.figures(Amounts(came, -came, np.arange(400)), 0)
    assert against["gini"].value == pytest.approx(-1.0)
    assert isinstance(perfect["mae"], Figure)
    assert perfect["mae"].value == pytest.approx(came.mean())
    assert perfect["mae"].low < came.mean() < perfect["mae"].high


def test_too_short_a_history_is_refused_by_what_is_missing() -> None:
    with pytest.raises(TrainingRefused, match="No window of 60 days had closed"):
        forecasts.learn(examples(priced(900), 900, SPEND, STANDS[:2]), SPEND, 0, training.silent)
    with pytest.raises(TrainingRefused, match="Training takes 500 customers; there are 290, 210 too few"):
        forecasts.learn(examples(priced(320), 320, SPEND, STANDS), SPEND, 0, training.silent)


@pytest.mark.once
@pytest.mark.door
@pytest.mark.django_db
def test_numbers_are_trained_scored_and_ranked_by_the_same_doors(
    next_order: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(labels, "MOST_SNAPSHOTS", 4)
    store_shop(600, order_times(600, days=300))
    targets.store(ordering(Target.Kind.SPEND))
    out = StringIO()
    call_command("train", "spend", "--as-of", AS_OF.isoformat(), stdout=out)
    assert "gini" in out.getvalue()
    kept = forecast_versions.keep(next_order, targets.store(ordering(Target.Kind.NEXT)), AS_OF, 0)
    assert kept.state == ModelVersion.State.LIVE
    for version in ModelVersion.objects.all():
        assert training.summary(version)["gini"]["value"] > 0.2
    ModelVersion.objects.update(state=ModelVersion.State.LIVE)  # whatever so few tell
    run = scores.begin(AS_OF)
    assert run is not None
    frame = snapshot.take(Scope(), AS_OF)
    scored = scores.score(frame, AS_OF, run)
    assert scored.filter(pl.col("scores.spend") > 40).height > 10
    assert scored.filter(pl.col("scores.next") > 0).height > scored.filter(pl.col("scores.next") > HORIZON).height == 0
    assert scored["scores.next"].null_count() > scored["scores.spend"].null_count()
    ranking.rank(run)
    placed = ranking.attach(frame)
    best = placed.sort("scores.spend", descending=True, nulls_last=True).row(0, named=True)
    assert (best["scores.spend.rank"], best["scores.spend.band"]) == (1, "high")
    soonest = placed.sort("scores.next", nulls_last=True).row(0, named=True)
    assert soonest["scores.next.band"] == "soon"
