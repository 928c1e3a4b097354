"""Models find what is there, say how sure that is, and stay away from what is not."""

from datetime import timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import roc_auc_score

from scoring import baselines, choice, evaluation, learners, splits, training, validation
from scoring.encoding import learn as learn_encoding
from scoring.learners import AVERAGE, BOOSTING, LOGISTIC
from scoring.models import ModelVersion, Target
from scoring.training_set import TrainingRefused, TrainingSet, of_attribute
from tests.scoring.worlds import AS_OF, DAY, attribute_set, order_set, order_times, people, signal

pytestmark = pytest.mark.long


@pytest.mark.long
def test_a_planted_signal_is_found_and_its_interval_covers_the_truth() -> None:
    examples, chances, frame = signal(1500, 1.5)
    trained = training.learn(examples, 0, names=(LOGISTIC, BOOSTING, AVERAGE))
    truth = roc_auc_score(examples.labels(), frame.with_columns(chance=chances).sort("seed")["chance"])
    auc = trained.figures["auc"]
    assert trained.passed
    assert truth - 0.02 < auc.value < truth + 0.005
    assert auc.low < truth < auc.high + 0.005
    assert trained.figures["ece"].value < 0.04
    drivers = {one["field"]: one["importance"] for one in trained.report["drivers"]}
    assert list(drivers) == ["features.load", "attributes.plan", "features.noise"]
    assert drivers["attributes.plan"]["low"] > 0.01 > drivers["features.noise"]["low"]


@pytest.mark.parametrize("seed", [1, 2])
def test_noise_never_goes_live(seed: int) -> None:
    rng = np.random.default_rng(seed)
    columns = {f"features.n{i}": rng.normal(size=600) for i in range(6)}
    trained = training.learn(attribute_set(people(600, seed, columns), rng.random(600) < 0.4), seed, names=(LOGISTIC,))
    assert not trained.passed
    assert "cannot be told from chance" in trained.reason()


def test_a_model_that_knows_no_more_than_the_simple_rule_does_not_go_live() -> None:
    examples, _, _ = signal(900, 1.5)
    rng = np.random.default_rng(0)
    frame = examples.frame.drop("attributes.plan", "features.noise").rename({"features.load": "features.tenure"})
    frame = frame.with_columns(pl.Series(f"features.n{i}", rng.normal(size=900)) for i in range(9))
    trained = training.learn(TrainingSet(frame, examples.validated, baseline="features.tenure"), 0, names=(LOGISTIC,))
    assert trained.figures["auc"].low > 0.6
    assert not trained.passed
    assert "does not surely beat tenure alone" in trained.reason()


def test_over_time_it_is_tested_on_later_times_and_other_customers() -> None:
    orders = order_times(900)
    stands = [AS_OF - (45 + 30 * i) * DAY for i in reversed(range(8))]
    examples = order_set(orders, 900, stands)
    trained = training.learn(examples, 0, names=(LOGISTIC,))
    assert trained.judged.origins == stands[-3:]
    assert trained.figures["auc"].value > 0.7
    assert trained.verdict["baseline"] == baselines.DAYS
    for split in splits.judging(examples, 0):
        seen, tested = examples.frame.filter(pl.Series(split.train)), examples.frame.filter(pl.Series(split.test))
        assert split.origin is not None
        assert set(seen["customer_id"]).isdisjoint(tested["customer_id"])
        assert (seen["as_of"] + timedelta(days=45)).max() <= split.origin  # type: ignore[operator]
        assert tested["as_of"].unique().to_list() == [split.origin]


def test_the_same_rows_and_seed_give_the_same_chances_whatever_the_order_and_the_names() -> None:
    examples, _, _ = signal(700, 1.0)
    names = {"attributes.plan": "attributes.zzz", "features.noise": "features.aaa"}
    shuffled = examples.frame.sample(fraction=1.0, shuffle=True, seed=5).rename(names)
    shuffled = shuffled.select(sorted(shuffled.columns, reverse=True))
    other = attribute_set(shuffled, shuffled["label"])
    one, two = (learners.fit(one.frame, one.labels(), 4, learners={learners.AVERAGE: {}}) for one in (examples, other))
    assert np.array_equal(one.chances(examples.frame), two.chances(other.frame))


@pytest.mark.parametrize(
    ("count", "rate", "says"),
    [(300, 0.5, "there are 300, 200 too few"), (900, 0.1, "cases that came true"), (900, 0.9, "did not come true")],
)
def test_too_little_is_refused_with_how_much_is_missing(count: int, rate: float, says: str) -> None:
    rng = np.random.default_rng(1)
    examples = attribute_set(people(count, columns={"features.x": rng.normal(size=count)}), rng.random(count) < rate)
    with pytest.raises(TrainingRefused, match=says):
        training.learn(examples, 0)


def test_a_history_too_short_to_test_on_later_times_is_refused() -> None:
    examples = order_set(order_times(900), 900, [AS_OF - 75 * DAY, AS_OF - 45 * DAY])
    with pytest.raises(TrainingRefused, match="longer history"):
        training.learn(examples, 0)


def test_the_threshold_is_not_chosen_on_the_rows_it_is_judged_on() -> None:
    examples, _, _ = signal(700, 0.5)
    chosen = choice.choose(examples, (LOGISTIC,), 0, lambda _: None)
    outcome = validation.judge(examples, chosen, 0, lambda _: None).outcome
    best = evaluation.best_threshold(outcome.labels, outcome.chances)
    at_best = evaluation.Outcome(outcome.labels, outcome.chances, outcome.chances >= best, outcome.customers)
    assert evaluation.figures(outcome, 0)["f1"].value < evaluation.figures(at_best, 0)["f1"].value


@pytest.mark.long
def test_telco_in_folds_is_as_good_as_published(data: Path) -> None:
    raw = pl.read_csv(data / "telco_ibm" / "Telco-Customer-Churn.csv.gz")
    frame = people(raw.height).with_columns(raw.rename({name: f"attributes.{name}" for name in raw.columns}))
    target = Target(key="churn", kind="attribute", attribute="Churn", equals="yes")
    trained = training.learn(of_attribute(frame, target, AS_OF), 0, names=(AVERAGE,))
    assert trained.training_set.validated == ModelVersion.Validated.IN_FOLDS
    assert 0.843 < trained.figures["auc"].value < 0.855
    assert trained.figures["ece"].value < 0.03
    assert trained.passed
    assert "attributes.Churn" not in [column.name for column in trained.model.reading.columns]
    assert trained.model.reading.dropped == {"attributes.customerID": "different for nearly everybody"}
    kinds = {column.name: column.kind for column in learn_encoding(trained.training_set.frame).columns}
    assert kinds["attributes.TotalCharges"] == "number"
