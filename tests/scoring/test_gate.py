"""The gate says of every condition whether it is met, by how much, and keeps away what does not meet all."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import polars as pl
import pytest

from scoring import artifacts, baselines, evaluation, gate, training
from scoring.evaluation import Gain, Outcome
from scoring.gate import Case
from scoring.learners import BASE_RATE, LOGISTIC, Floats, Model
from scoring.models import ModelVersion, Target
from scoring.report import Check, Gate
from scoring.training_set import TrainingSet, ordered
from tests.scoring.worlds import AS_OF, DAY, people, signal

State = ModelVersion.State
MODEL = "model"
ORIGINS = ("2025-10-01", "2025-11-01", "2025-12-01")


def case(ours: Floats, theirs: Floats, seed: int = 0, rows: int = 3000) -> Case:
    """Give the case of a model and a rule; how much each knows of the log-odds, by origin."""
    rng = np.random.default_rng(seed)
    at = np.arange(rows) % 3
    odds = rng.normal(size=rows)
    labels = rng.random(rows) < 1 / (1 + np.exp(-odds))
    chances = [1 / (1 + np.exp(-(odds * each[at] + rng.normal(size=rows) * (1 - each[at])))) for each in (ours, theirs)]
    names = (MODEL, baselines.DAYS)
    outcomes = {name: Outcome(labels, one, labels, np.arange(rows)) for name, one in zip(names, chances, strict=True)}
    outcomes[BASE_RATE] = replace(outcomes[MODEL], chances=np.full(rows, labels.mean()))
    aucs = evaluation.aucs(outcomes, at, 0)
    words = {baselines.DAYS: "recency alone", BASE_RATE: "the base rate"}
    return Case(MODEL, outcomes[MODEL], aucs, words, ORIGINS)


def check(verdict: Gate, name: str) -> Check:
    return next(one for one in verdict["checks"] if one["name"] == name)


def test_what_is_better_everywhere_passes_and_says_by_how_much() -> None:
    verdict = gate.gate(case(np.array([1.0, 1.0, 1.0]), np.array([0.5, 0.5, 0.5])))
    assert verdict["passed"]
    assert verdict["baseline"] == baselines.DAYS
    assert "better than recency alone: AUC 0." in gate.reason(verdict)
    assert all(any(sign.isdigit() for sign in one["sentence"]) for one in verdict["checks"] if one["name"] != "guard")


def test_a_gain_within_a_bound_of_99_percent_is_not_enough() -> None:
    close = case(np.array([0.62, 0.62, 0.62]), np.array([0.55, 0.55, 0.55]))
    gain = close.gain(MODEL, close.aucs[baselines.DAYS])
    assert gain.error < gain.difference < gate.BOUND * gain.error
    verdict = gate.gate(close)
    assert not verdict["passed"]
    assert "does not surely beat recency alone" in gate.reason(verdict)
    assert check(verdict, "chance")["passed"]


def test_one_time_at_which_the_rule_is_better_keeps_it_away() -> None:
    verdict = gate.gate(case(np.array([1.0, 1.0, 0.5]), np.array([0.4, 0.4, 0.9])))
    assert check(verdict, "baseline")["passed"]
    assert not check(verdict, "origins")["passed"]
    assert gate.reason(verdict).startswith("At 2025-12-01, where it does worst, it is worse than recency alone")


def test_chances_that_are_off_keep_it_away_unless_the_season_excuses_them() -> None:
    right = case(np.array([1.0, 1.0, 1.0]), np.array([0.5, 0.5, 0.5]))
    chances = right.outcome.chances
    higher = replace(right, outcome=replace(right.outcome, chances=chances**0.7))
    assert 0.05 < evaluation.ece(higher.outcome) < 0.15
    verdict = gate.gate(higher)
    assert not check(verdict, "calibration")["passed"]
    assert "beyond the bound of 0.050" in check(verdict, "calibration")["sentence"]
    excused = gate.gate(replace(higher, is_season_known=False))
    assert excused["passed"]
    assert "the season is not known" in check(excused, "calibration")["sentence"]


def test_few_customers_are_not_blamed_for_what_chance_gives() -> None:
    rng = np.random.default_rng(5)
    chances = rng.uniform(0.2, 0.6, 400)
    gaps = [evaluation.ece(Outcome(rng.random(400) < chances, chances, chances > 1, np.arange(400))) for _ in range(60)]
    one = Outcome(chances > 1, chances, chances > 1, np.arange(400))
    assert evaluation.chance_ece(one) == pytest.approx(np.mean(gaps), rel=0.1)


def test_a_blocked_field_that_is_still_read_keeps_it_away_by_name() -> None:
    good = case(np.array([1.0, 1.0, 1.0]), np.array([0.5, 0.5, 0.5]))
    verdict = gate.gate(replace(good, unresolved=["attributes.duration"]))
    assert not verdict["passed"]
    assert "attributes.duration" in gate.reason(verdict)


def test_telling_the_times_apart_is_no_merit() -> None:
    rng = np.random.default_rng(1)
    at = np.repeat(np.arange(3), 1000)
    labels = rng.random(3000) < np.array([0.1, 0.5, 0.9])[at]
    by_time = Outcome(labels, np.array([0.1, 0.5, 0.9])[at], labels, np.arange(3000))
    assert evaluation.figures(by_time, 0)["auc"].value > 0.8
    assert evaluation.mean_auc(evaluation.aucs({MODEL: by_time}, at, 0)[MODEL]).value == pytest.approx(0.5)


@pytest.mark.parametrize(("difference", "passed"), [(0.01, True), (-0.01, True), (-0.05, False)])
def test_a_new_version_must_not_be_worse_than_the_live_one(difference: float, passed: bool) -> None:
    found = gate.against("version 3", Gain(difference, 0.01))
    assert found["passed"] is passed
    assert "version 3" in found["sentence"]


@pytest.mark.long
@pytest.mark.once
@pytest.mark.door
@pytest.mark.django_db
def test_a_simple_rule_is_live_while_no_model_beats_it_and_gives_way_to_one_that_does() -> None:
    examples, _, _ = signal(700, 1.5)
    noise = pl.Series("features.other", np.random.default_rng(0).normal(size=700))
    frame = examples.frame.drop("attributes.plan", "features.noise").rename({"features.load": "features.tenure"})
    plain = replace(examples, frame=frame.with_columns(noise), baseline="features.tenure")
    target = stored_target("attribute")
    first = training.keep(training.learn(plain, 0, names=(LOGISTIC,)), target, AS_OF, 0)
    assert first.state == State.CANDIDATE
    assert "Until a model does better, tenure alone is live." in first.reason
    rule = target.versions.get(state=State.LIVE)
    assert (rule.is_baseline, rule.learner, rule.features) == (True, baselines.FIELD, ["features.tenure"])
    stored = artifacts.read(rule)
    assert isinstance(stored, Model)
    assert stored.chances(plain.frame).mean() == pytest.approx(plain.labels().mean(), abs=0.01)
    assert training.summary(first)["live"] is False
    assert training.summary(rule)["baseline"]["learner"] == baselines.FIELD
    better = training.keep(training.learn(examples, 0, names=(LOGISTIC,)), target, AS_OF + DAY, 0)
    again = training.keep(training.learn(plain, 0, names=(LOGISTIC,)), target, AS_OF + DAY, 0)
    states = list(target.versions.order_by("number").values_list("state", flat=True))
    assert states == ["candidate", "retired", "live", "candidate"]
    assert (better.number, again.number) == (3, 4)


def monthly(count: int = 500) -> TrainingSet:
    """Give seven snapshots in which one field tells much and another a little."""
    rng = np.random.default_rng(3)
    own, snapshots = people(count), []
    for i in range(7):
        strong, weak = rng.normal(size=(2, count))
        label = rng.random(count) < 1 / (1 + np.exp(-1.5 * strong - 0.8 * weak))
        at = pl.lit(AS_OF - (30 + 30 * i) * DAY).cast(pl.Datetime("us", "UTC")).alias("as_of")
        columns = {"features.strong": strong, "features.weak": weak, "label": label}
        snapshots.append(own.with_columns(at, *(pl.Series(name, one) for name, one in columns.items())))
    return TrainingSet(ordered(pl.concat(snapshots)), ModelVersion.Validated.OVER_TIME, timedelta(days=30))


@pytest.mark.long
@pytest.mark.once
@pytest.mark.door
@pytest.mark.django_db
def test_a_challenger_that_is_worse_than_the_live_version_at_later_times_stays_away() -> None:
    target, examples = stored_target("event"), monthly()
    good = training.learn(examples, 0, names=(LOGISTIC,))
    poor = training.learn(examples.but({"features.strong"}), 0, names=(LOGISTIC,))
    assert good.passed
    assert poor.passed
    live = training.keep(good, target, AS_OF - 300 * DAY, 0)
    refused = training.keep(poor, target, AS_OF, 0)
    assert (live.state, refused.state) == (State.LIVE, State.CANDIDATE)
    assert "worse than the live version 1" in refused.reason
    assert not refused.report["gate"]["passed"]
    equal = training.keep(good, target, AS_OF, 0)
    assert equal.state == State.LIVE
    assert "It is not worse than the live version 1" in equal.reason


@pytest.mark.door
@pytest.mark.django_db
def test_a_live_version_that_saw_the_tested_times_is_not_compared_and_that_is_said() -> None:
    target, good = stored_target("event"), training.learn(monthly(), 0, names=(LOGISTIC,))
    training.keep(good, target, AS_OF, 0)
    second = training.keep(good, target, AS_OF, 0)
    assert second.state == State.LIVE
    assert "could not be compared with it (no window that was tested began after it was trained)" in second.reason


def stored_target(kind: str) -> Target:
    words = {"attribute": "gone", "equals": "yes"} if kind == "attribute" else {"event": "Order", "horizon_days": 30}
    return Target.objects.create(key="gone", label="Gone", kind=kind, created_at=AS_OF, **words)
