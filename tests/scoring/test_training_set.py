"""Training sets stand where their windows have closed, and hold what a model may read."""

import itertools

import polars as pl
import pytest

from scoring import encoding, labels, training_set
from scoring.models import Target
from scoring.training_set import TrainingRefused
from tests.scoring.worlds import AS_OF, DAY, people


def test_snapshots_stand_where_the_horizon_has_closed_and_some_past_is_known() -> None:
    stands = labels.times(AS_OF - 400 * DAY, AS_OF, 60 * DAY)
    assert stands[-1] == AS_OF - 60 * DAY
    assert {after - before for before, after in itertools.pairwise(stands)} == {30 * DAY}
    assert stands[0] >= AS_OF - 340 * DAY
    assert len(labels.times(AS_OF - 4000 * DAY, AS_OF, 60 * DAY)) == 12
    with pytest.raises(TrainingRefused, match="120 days of history are needed for one closed window; there are 100"):
        labels.times(AS_OF - 100 * DAY, AS_OF, 60 * DAY)


@pytest.mark.parametrize(
    ("values", "equals", "expected"),
    [
        (["Yes", "no", None, " yes"], "YES", [True, False, True]),
        ([1.0, 0.0, None, 1.0], "1", [True, False, True]),
        ([True, False, None, True], "yes", [True, False, True]),
        ([True, False, None, True], "no", [False, True, False]),
    ],
)
def test_an_attribute_is_compared_by_its_type_and_no_value_is_left_out(
    values: list[object], equals: str, expected: list[bool]
) -> None:
    frame = people(4, columns={"attributes.gone": values}).with_columns(seed=pl.col("customer_id"))
    target = Target(kind="attribute", attribute="gone", equals=equals)
    examples = training_set.of_attribute(frame, target, AS_OF)
    assert examples.frame["customer_id"].to_list() == [1, 2, 4]
    assert examples.labels().tolist() == expected
    assert examples.excluded == {"attributes.gone"}


def test_a_value_that_nobody_has_is_refused_with_the_values_there_are() -> None:
    target = Target(kind="attribute", attribute="plan", equals="gold")
    with pytest.raises(TrainingRefused, match="the values are: month, year"):
        training_set.of_attribute(people(2, columns={"attributes.plan": ["year", "month"]}), target, AS_OF)


def test_an_attribute_that_names_customers_is_refused() -> None:
    frame = people(40, columns={"attributes.code": [f"c{i}" for i in range(40)]})
    with pytest.raises(TrainingRefused, match="it names them"):
        training_set.of_attribute(frame, Target(kind="attribute", attribute="code", equals="c7"), AS_OF)


def test_what_names_a_customer_or_says_what_we_may_do_is_no_input() -> None:
    columns = {
        "consent.email.news": [True, False] * 50,
        "reachable.email": [True, False] * 50,
        "scores.x": [0.1, 0.2] * 50,
    }
    ids = {"external_id": [f"c{i}" for i in range(100)], "attributes.code": [f"x{i}" for i in range(100)]}
    frame = people(100, columns={**columns, **ids, "attributes.same": [1.0] * 100, "features.orders": list(range(100))})
    read = encoding.learn(frame.with_columns(pl.lit(AS_OF).alias("as_of")))
    assert [column.name for column in read.columns] == ["features.orders"]
    assert set(read.dropped) == {"attributes.code", "attributes.same"}


def test_rare_and_unknown_levels_are_one_and_no_value_is_none() -> None:
    plans = ["a"] * 150 + ["b"] * 149 + ["rare"]
    read = encoding.learn(people(300, columns={"attributes.plan": plans}).with_columns(pl.lit(AS_OF).alias("as_of")))
    assert read.columns[0].levels == ("a", "b")
    seen = read.matrix(
        people(3, columns={"attributes.plan": ["rare", "never seen", None]}).with_columns(as_of=pl.lit(AS_OF))
    )
    assert seen.sum(axis=1).tolist() == [1.0, 1.0, 0.0]
    assert (seen[0] == seen[1]).all()


def test_a_frame_without_a_column_that_the_model_reads_is_refused() -> None:
    frame = people(40, columns={"features.orders": list(range(40))}).with_columns(as_of=pl.lit(AS_OF))
    with pytest.raises(encoding.FrameMismatch, match="which the customers no longer have"):
        encoding.learn(frame).matrix(frame.drop("features.orders"))
