"""Reasons are sentences that add up to the model's own log-odds."""

import numpy as np
import polars as pl
import pytest

from scoring import learners, reasons
from scoring.learners import LOGISTIC, Model
from scoring.words import Name
from tests.scoring.worlds import signal

WORDS = {"features.load": Name("Days since the last order", "days"), "attributes.plan": Name("Plan")}


@pytest.fixture(scope="module")
def model() -> Model:
    examples, _, _ = signal(1500, 2.0)
    return learners.fit(examples.frame, examples.labels(), 0, learners={LOGISTIC: {"C": 1.0}})


def test_contributions_add_up_to_the_log_odds(model: Model) -> None:
    frame = signal(200, 1.0, seed=8)[0].frame
    odds = model.fitted[LOGISTIC].decision_function(model.reading.matrix(frame))
    total = (
        reasons.contributions(model, frame).sum(axis=1) + model.fitted[LOGISTIC].named_steps["logistic"].intercept_[0]
    )
    assert np.allclose(odds, total)


def test_the_weightiest_reasons_come_first_in_plain_words(model: Model) -> None:
    frame = signal(1500, 2.0)[0].frame.with_columns(
        pl.lit(3.5).alias("features.load"), pl.lit("month").alias("attributes.plan")
    )
    said = reasons.explain(model, frame.head(1), WORDS)["reasons"].to_list()[0]
    usual = next(column.usual for column in model.reading.columns if column.name == "features.load")
    assert said[:2] == [f"3.5 days since the last order, usually {usual:.2f}", "Plan is month"]
    assert 2 <= len(said) <= 3


def test_a_low_score_is_explained_by_what_lowers_it(model: Model) -> None:
    frame = signal(1500, 2.0)[0].frame.with_columns(
        pl.lit(-3.0).alias("features.load"), pl.lit("month").alias("attributes.plan")
    )
    said = reasons.explain(model, frame.head(1), WORDS)["reasons"].to_list()[0]
    assert said[0].startswith("-3 days since the last order")
    assert "Plan is month" not in said


def test_no_value_is_said_and_nobody_gets_no_row(model: Model) -> None:
    frame = signal(1500, 2.0)[0].frame.with_columns(pl.lit(None, dtype=pl.Float64).alias("features.load"))
    found = reasons.explain(model, frame, WORDS)
    assert found.height == 1500
    assert found["reasons"].list.len().max() <= 3  # type: ignore[operator]
    assert reasons.explain(model, frame.head(0), WORDS).height == 0
