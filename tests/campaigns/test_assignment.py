"""Draws are uniform, stay the same, and do not know of each other."""

import numpy as np
import polars as pl
import pytest
from scipy.stats import chi2_contingency, kstest

from campaigns.assignment import Shares, assign
from customers.draws import draw

MANY = 100_000


def seeds(count: int = MANY) -> pl.Series:
    return pl.Series(np.random.default_rng(5).integers(-(2**63), 2**63 - 1, count, dtype=np.int64))


def slowly(seed: int, digest: int) -> float:
    """SplitMix64 in Python's own integers, as published."""
    whole = 2**64
    z = ((seed % whole ^ digest) + 0x9E3779B97F4A7C15) % whole
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) % whole
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) % whole
    return ((z ^ (z >> 31)) >> 11) / 2**53


def test_draws_never_change() -> None:
    some = pl.Series([0, 1, -1, 2**63 - 1, -(2**63)])
    assert draw(some, "holdout").to_list() == [
        0.8990239160544042,
        0.3051599844220252,
        0.7349945054660769,
        0.9822098115577402,
        0.6052561649369584,
    ]
    assert draw(some, "control:winback").to_list() == [
        0.9978702688669324,
        0.45826019056714495,
        0.567013554363316,
        0.6451077656965962,
        0.5488667922670776,
    ]


def test_draws_are_splitmix64_of_the_seed_and_the_salt() -> None:
    some = [0, 1, -1, 2**63 - 1, -(2**63), 1234567]
    assert draw(pl.Series(some), "").to_list() == [slowly(one, 0xE4A6A0577479B2B4) for one in some]


@pytest.mark.parametrize("numbers", [seeds(), pl.Series(range(MANY))], ids=["hashes", "counted"])
def test_draws_are_uniform(numbers: pl.Series) -> None:
    for salt in ("holdout", "control:a"):
        found = draw(numbers, salt).to_numpy()
        assert found.min() >= 0.0
        assert found.max() < 1.0
        assert kstest(found, "uniform").pvalue > 0.001


def test_draws_of_different_salts_are_independent() -> None:
    one, other = draw(seeds(), "control:a").to_numpy(), draw(seeds(), "control:b").to_numpy()
    table = np.histogram2d(one, other, bins=10, range=[[0, 1], [0, 1]])[0]
    assert chi2_contingency(table).pvalue > 0.001


def test_arms_have_their_shares_and_the_holdout_is_the_same_for_all_campaigns() -> None:
    one, other = (assign(seeds(), key, Shares(0.05, 0.10)) for key in ("a", "b"))
    shares = dict(one["arm"].value_counts(normalize=True).iter_rows())
    assert shares == pytest.approx({"holdout": 0.05, "control": 0.095, "treated": 0.855}, abs=0.003)
    assert ((one["arm"] == "holdout") == (other["arm"] == "holdout")).all()
    assert (one["arm"] != other["arm"]).mean() == pytest.approx(0.95 * 2 * 0.1 * 0.9, abs=0.005)


def test_the_probability_is_that_of_the_arm_drawn() -> None:
    drawn = assign(seeds(1000), "a", Shares(0.05, 0.10)).group_by("arm").agg(pl.col("probability").unique())
    assert {row["arm"]: row["probability"] for row in drawn.to_dicts()} == {
        "holdout": [0.05],
        "control": [0.10],
        "treated": [0.90],
    }


def test_without_shares_everybody_is_treated() -> None:
    assert assign(seeds(1000), "a", Shares())["arm"].unique().to_list() == ["treated"]
