"""Reasons are sentences whose parts add up to the model's own log-odds, whatever the learner."""

import numpy as np
import polars as pl
import pytest

from scoring import learners, reasons, spreads
from scoring.encoding import Column
from scoring.formula import Formula
from scoring.learners import AVERAGE, LOGISTIC, MODELS, Model, Sigmoid
from scoring.report import Spread
from scoring.unfolding import unfold
from scoring.words import Name
from tests.scoring.worlds import attribute_set, people, signal

CALLED = {"features.load": Name("Days since the last order", "days"), "attributes.plan": Name("Plan")}


def customers(count: int = 1500, seed: int = 1) -> pl.DataFrame:
    return signal(count, 2.0, seed)[0].frame


@pytest.fixture(scope="module")
def model() -> Model:
    frame = customers()
    return learners.fit(frame, frame["label"].to_numpy(), 0)


@pytest.fixture(scope="module")
def lay(model: Model) -> dict[str, Spread]:
    return spreads.spreads(customers(), model.reading.columns)


def spoken(model: Model, learner: str) -> Formula:
    return unfold(model.speaking(learner, Sigmoid(1.0, 0.2)))


def said(told: Formula, frame: pl.DataFrame, lay: dict[str, Spread]) -> tuple[list[str], list[str]]:
    found = reasons.explain(told, frame.head(1), lay, CALLED)
    ways = (found.filter(pl.col("part") > 0), found.filter(pl.col("part") < 0))
    return ways[0]["sentence"].to_list(), ways[1]["sentence"].to_list()


@pytest.mark.parametrize("learner", MODELS)
def test_the_parts_add_up_to_the_distance_from_the_typical(model: Model, lay: dict[str, Spread], learner: str) -> None:
    told, frame = spoken(model, learner), customers(40, seed=8)
    odds = told.odds(told.reading.matrix(frame))
    start = told.odds(reasons.typical_rows(told.reading, lay)).mean()
    assert np.allclose(odds - start, reasons.contributions(told, frame, lay).sum(axis=1))


def test_of_a_logistic_regression_a_part_is_the_coefficient_times_the_distance(
    model: Model, lay: dict[str, Spread]
) -> None:
    told, frame = spoken(model, LOGISTIC), customers(60, seed=8)
    parts = reasons.contributions(told, frame, lay)
    number = [column.name for column in told.reading.columns].index("features.load")
    slope, _ = np.polyfit(frame["features.load"].to_numpy(), parts[:, number], 1)
    line = learners.line_of(model.fitted[LOGISTIC])
    assert slope == pytest.approx(line.slopes[told.reading.places(number)[0]])
    assert np.corrcoef(frame["features.load"].to_numpy(), parts[:, number])[0, 1] == pytest.approx(1.0)


@pytest.mark.parametrize("learner", MODELS)
def test_up_and_down_are_told_apart_the_weightiest_first(model: Model, lay: dict[str, Spread], learner: str) -> None:
    frame = customers().with_columns(pl.lit(2.5).alias("features.load"), pl.lit("year").alias("attributes.plan"))
    up, down = said(spoken(model, learner), frame, lay)
    usual = next(column.usual for column in model.reading.columns if column.name == "features.load")
    assert up[0] == f"2.5 days since the last order, usually {float(usual or 0):.2f}".rstrip("0").rstrip(".")
    assert down[0].startswith("Plan is year, as for ")
    assert down[0].endswith("\u00a0% of the customers")


def test_two_fields_that_say_the_same_share_the_reason() -> None:
    rng = np.random.default_rng(3)
    load = rng.normal(size=1500)
    columns = {"features.load": load, "features.weight": load + rng.normal(size=1500) * 0.05}
    frame = attribute_set(people(1500, columns=columns), rng.random(1500) < 1 / (1 + np.exp(-2 * load))).frame
    model = learners.fit(
        frame, frame["label"].to_numpy(), 0, learners={learners.FOREST: {"trees": 30, "least_rows": 10}}
    )
    lay = spreads.spreads(frame, model.reading.columns)
    heavy = frame.with_columns(pl.lit(2.0).alias("features.load"), pl.lit(2.0).alias("features.weight")).head(1)
    parts = reasons.contributions(unfold(model), heavy, lay)[0]
    assert parts.min() > 0.25 * parts.max()


def test_no_value_is_said_and_nobody_gets_no_row(model: Model, lay: dict[str, Spread]) -> None:
    frame = customers().with_columns(pl.lit(None, dtype=pl.String).alias("attributes.plan"))
    told = spoken(model, AVERAGE)
    up, down = said(told, frame, lay)
    assert len(up) <= 3
    assert len(down) <= 3
    assert reasons.explain(told, frame.head(0), lay, CALLED).height == 0
    none = reasons.sentence(Name("Plan"), Column("attributes.plan", "text"), None, lay["attributes.plan"])
    assert none == "Plan: no value, as for fewer than 1\u00a0% of the customers"


def test_other_names_of_the_columns_give_the_same_parts(model: Model, lay: dict[str, Spread]) -> None:
    names = {"attributes.plan": "attributes.zzz", "features.noise": "features.aaa"}
    frame, other = customers(), customers().rename(names)
    renamed = learners.fit(other, other["label"].to_numpy(), 0)
    found = reasons.contributions(spoken(model, AVERAGE), frame.head(9), lay)
    again = spreads.spreads(other, renamed.reading.columns)
    others = reasons.contributions(spoken(renamed, AVERAGE), other.head(9), again)
    at, to = ([column.name for column in one.reading.columns] for one in (model, renamed))
    for number, name in enumerate(at):
        assert np.allclose(found[:, number], others[:, to.index(names.get(name, name))])


def test_a_rule_that_reads_nothing_has_no_reasons() -> None:
    frame = customers(700)
    rule = learners.fit_only(frame, frame["label"].to_numpy(), [])
    assert reasons.explain(unfold(rule), frame.head(3), {}, CALLED).height == 0


def test_a_value_is_coded_as_the_matrix_holds_it(model: Model) -> None:
    frame = customers(300, seed=8)
    frame = frame.with_columns(
        pl.when(pl.int_range(pl.len()) == 5).then(1e9).otherwise("features.load").alias("features.load")
    )
    reading = model.reading
    matrix = reading.matrix(frame)
    for number, column in enumerate(reading.columns):
        coded = [reading.coded(number, value) for value in frame[column.name].to_list()]
        np.testing.assert_array_equal(matrix[:, reading.places(number)], coded)
