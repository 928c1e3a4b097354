"""Draws are uniform, stay the same, and do not know of each other."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
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


SOME = seeds(2_000)
SHARES = st.floats(0.02, 0.6)


def arms(**shares: object) -> pl.DataFrame:
    return assign(SOME, "a", Shares(**shares))  # type: ignore[arg-type]


def test_the_pilot_is_drawn_between_the_holdout_and_control() -> None:
    drawn = assign(seeds(), "a", Shares(0.1, 0.2, 0.25))
    shares = dict(drawn["arm"].value_counts(normalize=True).iter_rows())
    expected = {"holdout": 0.1, "outside": 0.675, "control": 0.045, "treated": 0.18}
    assert shares == pytest.approx(expected, abs=0.005)
    outside = drawn.filter(pl.col("arm") == "outside")
    assert outside["probability"].unique().to_list() == [0.75]
    assert outside["draw"].min() >= 0.25  # type: ignore[operator]


@settings(max_examples=40, deadline=None)
@given(pilot=SHARES, more=st.floats(0.01, 0.4), control=SHARES)
def test_a_pilot_that_grows_moves_nobody_who_is_in_it(pilot: float, more: float, control: float) -> None:
    before, after = (
        arms(pilot=share, control=control, variants={"a": 0.5, "b": 0.5}) for share in (pilot, pilot + more)
    )
    was_in = before["arm"] != "outside"
    assert before.filter(was_in).equals(after.filter(was_in))
    joined = (after["arm"] != "outside").to_numpy().sum() - was_in.to_numpy().sum()
    assert joined == pytest.approx(more * SOME.len(), abs=160)


@settings(max_examples=40, deadline=None)
@given(control=SHARES, more=st.floats(0.01, 0.3))
def test_a_control_group_that_grows_takes_from_the_treated_alone(control: float, more: float) -> None:
    before, after = (arms(holdout=0.1, pilot=0.8, control=share) for share in (control, control + more))
    moved = before["arm"] != after["arm"]
    assert set(before.filter(moved)["arm"]) == {"treated"}
    assert set(after.filter(moved)["arm"]) == {"control"}


@settings(max_examples=40, deadline=None)
@given(a=SHARES, b=SHARES, c=SHARES, other=SHARES)
def test_a_variant_whose_share_changes_moves_nobody_between_the_others(
    a: float, b: float, c: float, other: float
) -> None:
    before = arms(variants={"a": a, "b": b, "c": c})["variant"]
    after = arms(variants={"a": other, "b": b, "c": c})["variant"]
    moved = pl.DataFrame({"before": before, "after": after}).filter(pl.col("before") != pl.col("after"))
    assert set(moved["after" if other > a else "before"]) <= {"a"}
    without = arms(variants={"c": c, "b": b})["variant"]
    assert (without == before).filter(before != "a").all()


def test_the_treated_are_shared_out_as_the_shares_say_and_the_probabilities_tell_it() -> None:
    drawn = assign(seeds(), "a", Shares(control=0.1, variants={"main": 0.5, "b": 0.3, "c": 0.2}))
    found = drawn.group_by("arm", "variant").agg(n=pl.len() / drawn.height, p=pl.col("probability").unique())
    rows = {(arm, variant): (n, p) for arm, variant, n, p in found.iter_rows()}
    expected = {("control", ""): 0.1, ("treated", "main"): 0.45, ("treated", "b"): 0.27, ("treated", "c"): 0.18}
    assert rows.keys() == expected.keys()
    for key, chance in expected.items():
        assert rows[key][0] == pytest.approx(chance, abs=0.005)
        assert rows[key][1] == [pytest.approx(chance)]


def test_the_variant_does_not_depend_on_the_arm_or_on_another_campaign() -> None:
    one, other = (assign(seeds(), key, Shares(variants={"a": 0.5, "b": 0.5})) for key in ("x", "y"))
    late = pl.Series(one["draw"] < 0.5)
    for by in (late, other["variant"]):
        table = (
            pl.DataFrame({"variant": one["variant"], "by": by}).group_by("variant", "by").len().sort("variant", "by")
        )
        assert chi2_contingency(table["len"].to_numpy().reshape(2, 2)).pvalue > 0.001
