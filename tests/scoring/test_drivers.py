"""Drivers say which fields matter on rows the model did not see, and what goes with them, in plain words."""

import numpy as np
import polars as pl
import pytest

from scoring import drivers, learners, odds
from scoring.drivers import Piece, Telling, influence
from scoring.encoding import Column
from scoring.report import Driver
from scoring.words import Name
from tests.scoring.worlds import attribute_set, people, signal

CALLED = {"features.load": Name("Days since the last order", "days")}
TELLING = Telling("Leaves", CALLED, {"features.noise": "It mostly tells the time."})


def pieces(count: int = 1600, strength: float = 1.5) -> list[Piece]:
    examples, _, _ = signal(count, strength)
    half = np.arange(count) < count // 2
    found = []
    for seen in (half, ~half):
        frame = examples.frame.filter(pl.Series(seen))
        model = learners.fit(frame, examples.labels()[seen], 0, learners={learners.AVERAGE: {}})
        found.append(Piece(model, examples.frame.filter(pl.Series(~seen)), examples.labels()[~seen]))
    return found


@pytest.fixture(scope="module")
def found() -> dict[str, Driver]:
    return {one["field"]: one for one in drivers.drivers(pieces(), TELLING, 0)}


def test_what_decides_comes_first_and_noise_last(found: dict[str, Driver]) -> None:
    assert list(found) == ["features.load", "attributes.plan", "features.noise"]
    assert found["attributes.plan"]["importance"]["low"] > 0.01
    assert found["features.noise"]["importance"]["low"] < 0.005
    assert found["features.noise"]["importance"]["high"] < 0.02


def test_the_chance_goes_with_the_field_as_it_was_planted(found: dict[str, Driver]) -> None:
    chances = [point["chance"] for point in found["features.load"]["dependence"]]
    assert chances == sorted(chances)
    assert chances[-1] - chances[0] > 0.4
    plan = {point["value"]: point["chance"] for point in found["attributes.plan"]["dependence"]}
    assert plan["month"] - plan["year"] > 0.15


def test_an_odds_ratio_is_what_was_planted_and_said_in_plain_words(found: dict[str, Driver]) -> None:
    plan = found["attributes.plan"]["odds_ratio"]
    assert plan is not None
    truth = np.exp(1.5)
    assert plan["low"] < max(truth, 1 / truth) < plan["high"] or plan["low"] < 1 / truth < plan["high"]
    said = found["features.load"]["sentence"]
    assert "days since the last order is associated with" in said
    assert "times the odds" in said
    assert "“Leaves”, other fields being equal." in said
    assert "rather than" in said


def test_what_the_guard_warns_of_is_said_with_the_field(found: dict[str, Driver]) -> None:
    assert found["features.noise"]["sentence"].endswith("It mostly tells the time.")
    assert "It mostly" not in found["features.load"]["sentence"]


def test_the_same_pieces_and_seed_give_the_same_drivers() -> None:
    some = pieces(600)
    assert drivers.drivers(some, TELLING, 3) == drivers.drivers(some, TELLING, 3)


def test_of_many_rows_a_share_of_the_customers_is_asked_about_with_all_their_rows() -> None:
    frame = pl.concat([people(3000), people(3000)])
    assert drivers.few(frame, 6000, 0).all()
    some = drivers.few(frame, 6 * drivers.MOST_ROWS, 0)
    assert some.mean() == pytest.approx(1 / 6, abs=0.03)
    assert (some[:3000] == some[3000:]).all()


def test_the_influence_of_rows_gives_the_known_error_of_an_auc() -> None:
    rng = np.random.default_rng(0)
    labels = rng.random(4000) < 0.3
    chances = rng.normal(size=4000) + labels
    found = influence(chances, labels)
    halves = [influence(chances[i::20], labels[i::20]).auc for i in range(20)]
    assert float(np.sqrt((found.parts**2).sum())) == pytest.approx(np.std(halves) / np.sqrt(20), rel=0.5)
    assert found.parts.sum() == pytest.approx(0.0, abs=1e-9)


def regression(**columns: np.ndarray) -> tuple[pl.DataFrame, np.ndarray, list[Column]]:
    rng = np.random.default_rng(7)
    count = len(next(iter(columns.values())))
    labels = rng.random(count) < 1 / (1 + np.exp(-columns["a"]))
    frame = attribute_set(people(count, columns={f"features.{n}": v for n, v in columns.items()}), labels).frame
    found = [Column(f"features.{name}", "text" if v.dtype.kind == "U" else "number") for name, v in columns.items()]
    return frame, frame["label"].to_numpy(), found


def test_fields_that_go_together_have_one_odds_ratio_and_the_other_names_it() -> None:
    a = np.random.default_rng(1).normal(size=1000)
    frame, labels, columns = regression(a=a, b=a * 3 + 1)
    found = odds.odds_ratios(frame, labels, columns)
    assert found["features.a"].ratio is not None
    said = found["features.b"].sentence(Name("B"), "Leaves", {"features.a": Name("The first")})
    assert said == "It goes so closely with “The first” that it has no odds ratio of its own."


def test_a_field_that_decides_alone_has_none_and_does_not_spoil_the_others() -> None:
    rng = np.random.default_rng(1)
    a = rng.normal(size=1000)
    frame, labels, columns = regression(a=a, b=rng.normal(size=1000))
    frame = frame.with_columns(pl.Series("features.c", labels * 2.0 + rng.random(1000)))
    found = odds.odds_ratios(frame, labels, [Column("features.c", "number"), *columns])
    assert found["features.c"].sentence(Name("C"), "Leaves", {}) == odds.DECIDES
    ratio = found["features.a"].ratio
    assert ratio is not None
    assert ratio["value"] > 1.5


def test_a_level_of_which_all_came_true_is_not_given_a_ratio_of_its_own() -> None:
    rng = np.random.default_rng(1)
    a = rng.normal(size=1000)
    frame, labels, columns = regression(a=a, t=np.array(["x", "y", "z"])[rng.integers(0, 3, 1000)])
    frame = frame.with_columns(
        pl.when(pl.Series(labels) & (pl.col("features.t") == "z"))
        .then(pl.lit("only"))
        .otherwise("features.t")
        .alias("features.t")
    )
    found = odds.odds_ratios(frame, labels, columns)["features.t"]
    assert found.value != "only"
    assert found.rather_than != "only"


def test_lower_odds_are_told_in_percent_and_a_doubtful_ratio_as_such() -> None:
    lower = odds.Odds({"value": 0.25, "low": 0.2, "high": 0.4}, "Two year", "Month-to-month")
    assert lower.sentence(Name("Contract"), "Churn is Yes", {}) == (
        "“Contract” Two year rather than Month-to-month is associated with 75\u00a0% lower odds (60\u00a0% to "
        "80\u00a0%) of “Churn is Yes”, other fields being equal."
    )
    doubtful = odds.Odds({"value": 1.1, "low": 0.9, "high": 1.4}, "yes", "no")
    assert "is not clearly associated with “Leaves” (0.9 to 1.4 times the odds)" in doubtful.sentence(
        Name("New"), "Leaves", {}
    )
