"""What serving costs is reckoned from the model's size, and counts where learners are as good as each other."""

import numpy as np
import polars as pl
import pytest
from scipy.special import logit

from scoring import learners, serving
from scoring.learners import AVERAGE, BASE_RATE, BOOSTING, FOREST, LOGISTIC, TREE, Model
from scoring.tables import BLOCK, tables_of
from tests.scoring.worlds import signal

LOSSES = {LOGISTIC: 0.4150, BOOSTING: 0.4120, AVERAGE: 0.4118, FOREST: 0.4119}
COSTS = {LOGISTIC: 1.0, BOOSTING: 3.0, AVERAGE: 4.0, FOREST: 15.0}


@pytest.fixture(scope="module")
def model() -> Model:
    examples, _, _ = signal(600, 1.0)
    return learners.fit(examples.frame, examples.labels(), 0)


def test_within_one_standard_error_the_cheapest_learner_is_chosen() -> None:
    errors = {LOGISTIC: 0.001, BOOSTING: 0.0004, AVERAGE: 0.0, FOREST: 0.0004}
    assert serving.choose(LOSSES, errors, COSTS) == BOOSTING
    assert serving.choose(LOSSES, errors | {LOGISTIC: 0.004}, COSTS) == LOGISTIC


def test_beyond_one_standard_error_the_best_learner_is_chosen_whatever_it_costs() -> None:
    assert serving.choose(LOSSES, dict.fromkeys(LOSSES, 0.00001), COSTS) == AVERAGE


def test_cheaper_learners_cost_less_and_an_average_what_it_asks(model: Model) -> None:
    costs = {name: serving.cost(model, name) for name in model.raw(signal(600, 1.0)[0].frame)}
    reading = serving.INPUT * len(model.reading.sources())
    assert costs[LOGISTIC] < costs[TREE] < costs[FOREST]
    assert costs[LOGISTIC] < costs[BOOSTING] < costs[FOREST]
    assert costs[AVERAGE] == pytest.approx(costs[LOGISTIC] + costs[BOOSTING] - reading, abs=0.002)
    nothing = learners.fit_only(signal(600, 1.0)[0].frame, signal(600, 1.0)[0].labels(), ())
    assert serving.cost(nothing, LOGISTIC) == 0.0


def test_tables_answer_bit_for_bit_what_the_boosting_does(model: Model) -> None:
    rng = np.random.default_rng(3)
    boosting = model.fitted[BOOSTING]
    matrix = np.asfortranarray(rng.normal(size=(BLOCK + 500, len(model.reading.sources()))))
    matrix[rng.random(matrix.shape) < 0.2] = np.nan
    raw = tables_of(boosting)(matrix)
    assert np.array_equal(raw, boosting.decision_function(matrix))
    assert np.array_equal(model.reckon(matrix, [BOOSTING])[BOOSTING], boosting.predict_proba(matrix)[:, 1])
    assert len(tables_of(boosting)(matrix[:0])) == 0


def test_a_boosting_that_learnt_from_holes_asks_about_them_too() -> None:
    examples, chances, _ = signal(800, 1.5)
    hidden = pl.Series(examples.labels()) & (pl.Series(chances) > 0.5)
    frame = examples.frame.with_columns(
        pl.when(hidden).then(None).otherwise(pl.col("features.noise")).alias("features.noise")
    )
    model = learners.fit(frame, examples.labels(), 0, learners={BOOSTING: {"trees": 40, "leaves": 8}})
    matrix, tables = model.reading.matrix(frame), tables_of(model.fitted[BOOSTING])
    assert {question.is_yes_missing for question in tables.questions} == {True, False}
    assert np.array_equal(tables(matrix), model.fitted[BOOSTING].decision_function(matrix))


def test_too_many_leaves_are_refused() -> None:
    examples, _, _ = signal(900, 1.5)
    model = learners.fit(examples.frame, examples.labels(), 0, learners={BOOSTING: {"trees": 2, "leaves": 16}})
    with pytest.raises(ValueError, match="place for 8"):
        model.chances(examples.frame)


def test_where_there_is_nothing_to_learn_from_every_learner_says_the_base_rate() -> None:
    examples, _, _ = signal(600, 1.0)
    frame, labels = examples.frame, examples.labels()
    empty = frame.select("customer_id", "as_of")
    for one, outcome in ((empty, labels), (frame, np.ones(600, dtype=bool)), (frame, np.zeros(600, dtype=bool))):
        model = learners.fit(one, outcome, 0, learners=learners.MODELS | {BASE_RATE: {}})
        raw = model.raw(one)
        assert set(raw) == {*learners.MODELS, BASE_RATE}
        for chances in raw.values():
            assert np.allclose(chances, outcome.mean())
        assert np.isfinite(logit(model.chances(one))).all()
