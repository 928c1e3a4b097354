"""What is done to the data is told, and no column of an imported table needs to be configured."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from scoring import encoding, learners, preparation, training
from scoring.learners import BOOSTING, FOREST, LOGISTIC, MODELS, TREE
from scoring.report import Prepared
from scoring.training_set import TrainingRefused, TrainingSet
from tests.scoring.worlds import AS_OF, attribute_set, people

COUNT = 800
SMALL = MODELS | {FOREST: {"trees": 5, "least_rows": 20}, BOOSTING: {"trees": 20, "leaves": 8}}


def mixed(count: int = COUNT) -> TrainingSet:
    """Give a table as companies have it: every kind of column, some of them broken."""
    rng = np.random.default_rng(5)
    load = rng.normal(50, 10, count)
    days = rng.integers(1, 900, count)
    since = [AS_OF.replace(tzinfo=None) - timedelta(days=int(day)) for day in days]
    since[0] = datetime(2031, 1, 1)  # noqa: DTZ001  as a file tells it
    columns = {
        "attributes.load": pl.Series(load).set(pl.Series(np.arange(count) == 3), float("inf")).scatter([4, 5], 1e12),
        "attributes.text_number": [None if i < 100 else "inf" if i < 110 else str(i % 41) for i in range(count)],
        "attributes.is_old": days > 450,
        "attributes.since": pl.Series(since).dt.date(),
        "attributes.plan": ["rare" if i == 9 else ("basic", "gold")[i % 2] for i in range(count)],
        "attributes.street": [f"street {i}" for i in range(count)],
        "attributes.town": [f"town {i % 200}" for i in range(count)],
        "attributes.number": 70_000 + rng.permutation(count),
        "attributes.same": ["one"] * count,
        "attributes.empty": pl.Series([None] * count, dtype=pl.Float64),
        "attributes.tags": [["a"]] * count,
    }
    labels = rng.random(count) < 1 / (1 + np.exp(-(load - 50) / 8 - (days > 450) + 0.5))
    return attribute_set(people(count, 1, columns), labels)


@pytest.fixture(scope="module")
def examples() -> TrainingSet:
    return mixed()


@pytest.fixture(scope="module")
def told(examples: TrainingSet) -> dict[str, Prepared]:
    found = preparation.look(examples, encoding.learn(examples.frame), {})
    return {one["field"].removeprefix("attributes."): one for one in found["fields"]}


def test_every_kind_of_column_is_read_and_what_says_nothing_is_left_out_with_the_reason(
    examples: TrainingSet, told: dict[str, Prepared]
) -> None:
    found = preparation.look(examples.but({"attributes.load"}), encoding.learn(examples.frame), {})
    assert {name: one["kind"] for name, one in told.items()} == {
        "is_old": "yes_no",
        "load": "number",
        "plan": "text",
        "since": "date",
        "text_number": "number",
    }
    assert found["left_out"] == {
        "attributes.load": "no model of this target may read it",
        "attributes.empty": "hardly any values",
        "attributes.number": "a number of its own for everybody",
        "attributes.same": "the same for everybody",
        "attributes.street": "different for nearly everybody",
        "attributes.tags": "a list",
        "attributes.town": "too many different values",
    }


def test_what_was_filled_pulled_in_and_merged_is_counted_and_said(told: dict[str, Prepared]) -> None:
    assert (told["load"]["missing"], told["load"]["outliers"]) == (1, 2)
    assert "2 far outside of the rest are pulled in" in told["load"]["done"]
    assert told["text_number"]["missing"] == 110
    assert "10 are no number and count as no value" in told["text_number"]["done"]
    assert (told["plan"]["rare"], told["plan"]["missing"]) == (1, 0)
    assert "each of 2 levels and for the others together" in told["plan"]["done"]
    assert "1 lie after it and count as negative" in told["since"]["done"]
    assert told["is_old"]["done"] == "Yes is 1 and no is 0."


def test_rows_that_say_the_same_are_counted() -> None:
    rng = np.random.default_rng(1)
    frame = people(600, 1, {"attributes.x": rng.normal(size=600), "attributes.y": rng.normal(size=600)})
    twins = frame.with_columns(
        pl.when(pl.col("customer_id") > 590).then(0.5).otherwise("attributes.x").alias("attributes.x")
    )
    twins = twins.with_columns(
        pl.when(pl.col("customer_id") > 590).then(0.5).otherwise("attributes.y").alias("attributes.y")
    )
    labels = rng.random(600) < 0.5
    for made, count in ((frame, 0), (twins, 10)):
        examples = attribute_set(made, labels)
        assert preparation.look(examples, encoding.learn(examples.frame), {})["duplicates"] == count


def test_outliers_do_not_reach_the_learner_and_ordinary_values_are_left_alone(examples: TrainingSet) -> None:
    matrix = encoding.learn(examples.frame, only={"attributes.load"}).matrix(examples.frame)
    told = examples.frame["attributes.load"].to_numpy()
    usual = np.abs(told) < 1_000
    assert np.array_equal(matrix[usual, 0], told[usual])
    assert np.nanmax(matrix) < 200


def test_no_learner_stumbles_over_what_the_table_holds_later(examples: TrainingSet) -> None:
    model = learners.fit(examples.frame, examples.labels(), 0, learners=SMALL)
    strange = examples.frame.with_columns(
        pl.lit(float("-inf")).alias("attributes.load"),
        pl.lit("1e300").alias("attributes.text_number"),
        pl.lit("never seen").alias("attributes.plan"),
        pl.lit(datetime(9999, 12, 31, tzinfo=UTC)).dt.date().alias("attributes.since"),
        pl.lit(None, dtype=pl.Boolean).alias("attributes.is_old"),
    )
    for chances in model.raw(strange).values():
        assert ((chances >= 0) & (chances <= 1)).all()


def test_where_no_field_tells_customers_apart_training_is_refused_with_the_reasons() -> None:
    frame = people(COUNT, 1, {"attributes.same": ["one"] * COUNT, "attributes.id": [f"c{i}" for i in range(COUNT)]})
    examples = attribute_set(frame, np.arange(COUNT) % 2 == 0)
    with pytest.raises(TrainingRefused, match=r"attributes\.id is left out: different for nearly everybody; attr"):
        training.learn(examples, 0)


def test_a_number_is_a_customer_number_only_where_equal_ones_were_to_be_expected() -> None:
    rng = np.random.default_rng(2)
    numbers = {
        "attributes.row": np.arange(COUNT),
        "attributes.income": rng.integers(0, 10**9, COUNT),
        "attributes.visits": rng.integers(0, 5_000, COUNT),
        "attributes.share": rng.permutation(COUNT) / 7,
    }
    examples = attribute_set(people(COUNT, 1, numbers), np.arange(COUNT) % 2 == 0)
    assert encoding.learn(examples.frame).dropped == {"attributes.row": "a number of its own for everybody"}


@pytest.mark.long
def test_renaming_and_reordering_all_columns_changes_no_verdict(examples: TrainingSet) -> None:
    own = [name for name in examples.frame.columns if name.startswith("attributes.")]
    names = {name: f"attributes.c{len(own) - number}" for number, name in enumerate(own)}
    frame = examples.frame.rename(names)
    other = attribute_set(frame.select(sorted(frame.columns, reverse=True)), frame["label"])
    one, two = (training.learn(each, 0, names=(LOGISTIC, TREE)) for each in (examples, other))
    assert one.judged.learner == two.judged.learner
    assert one.passed == two.passed
    assert one.figures["auc"].value == pytest.approx(two.figures["auc"].value, abs=1e-9)
