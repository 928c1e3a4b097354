"""Figures agree with scikit-learn and with slow definitions; intervals cover."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import (
    average_precision_score,
    brier_score_loss,
    f1_score,
    precision_score,
    recall_score,
    roc_auc_score,
)

from scoring import evaluation
from scoring.evaluation import Outcome


def outcome(count: int, seed: int, decimals: int = 2) -> Outcome:
    rng = np.random.default_rng(seed)
    chances = np.clip(rng.beta(2, 4, count).round(decimals), 0.01, 0.99)
    return Outcome(rng.random(count) < chances, chances, chances >= 0.4, np.arange(count))


@pytest.mark.parametrize("seed", range(3))
def test_figures_agree_with_scikit_learn_with_many_ties(seed: int) -> None:
    one = outcome(500, seed)
    found = evaluation.figures(one, 0)
    expected = {
        "auc": roc_auc_score(one.labels, one.chances),
        "average_precision": average_precision_score(one.labels, one.chances),
        "brier": brier_score_loss(one.labels, one.chances),
        "precision": precision_score(one.labels, one.flagged),
        "recall": recall_score(one.labels, one.flagged),
        "f1": f1_score(one.labels, one.flagged),
    }
    assert {name: found[name].value for name in expected} == pytest.approx(expected)
    assert all(figure.low <= figure.value <= figure.high for figure in found.values())


def test_calibration_error_and_lift_are_what_their_definitions_say() -> None:
    one = outcome(1000, 4, decimals=12)
    order = np.argsort(one.chances)
    tenths = np.split(order, 10)
    slowly = np.mean([abs(one.chances[rows].mean() - one.labels[rows].mean()) for rows in tenths])
    found = evaluation.figures(one, 0)
    assert found["ece"].value == pytest.approx(slowly)
    assert found["lift"].value == pytest.approx(one.labels[tenths[-1]].mean() / one.labels.mean())


def test_chances_that_are_all_the_same_have_no_lift() -> None:
    labels = np.arange(400) % 4 == 0
    found = evaluation.figures(Outcome(labels, np.full(400, 0.25), labels | True, np.arange(400)), 0)
    assert found["auc"] == (0.5, 0.5, 0.5)
    assert found["lift"].value == pytest.approx(1.0)


def test_rows_of_the_same_customer_widen_the_interval() -> None:
    one = outcome(300, 1, decimals=9)
    copies = one.at(np.tile(np.arange(300), 9))
    apart = Outcome(copies.labels, copies.chances, copies.flagged, np.arange(2700))
    single, together, separate = (evaluation.figures(each, 0)["auc"] for each in (one, copies, apart))
    assert together.high - together.low == pytest.approx(single.high - single.low, rel=1e-9)
    assert separate.high - separate.low < (single.high - single.low) / 2


def test_intervals_of_auc_cover_the_truth_about_as_often_as_they_say() -> None:
    many = outcome(200_000, 99, decimals=9)
    truth = roc_auc_score(many.labels, many.chances)
    found = [evaluation.figures(outcome(300, seed, decimals=9), seed)["auc"] for seed in range(60)]
    assert 53 <= sum(auc.low <= truth <= auc.high for auc in found) <= 60


def test_the_error_of_a_difference_is_that_of_paired_customers() -> None:
    one = outcome(800, 2, decimals=9)
    rng, at_once = np.random.default_rng(0), np.zeros(800, dtype=np.int64)
    close = replace(one, chances=np.clip(one.chances + rng.normal(0, 0.01, 800), 0, 1))
    aucs = evaluation.aucs({"one": one, "near": close, "any": replace(one, chances=rng.random(800))}, at_once, 0)
    nearly, random = (evaluation.gain(aucs["one"], aucs[name]) for name in ("near", "any"))
    assert abs(nearly.difference) < 0.02
    assert nearly.error < random.error / 3
    assert random.difference > 2 * random.error


def test_curves_end_where_they_must() -> None:
    found = evaluation.curves(outcome(500, 3))
    assert found["gains"][0] == {"share": 0.0, "captured": 0.0}
    assert found["gains"][-1] == {"share": 1.0, "captured": 1.0}
    assert sum(point["customers"] for point in found["reliability"]) == 500
    assert [point["predicted"] for point in found["reliability"]] == sorted(
        p["predicted"] for p in found["reliability"]
    )
