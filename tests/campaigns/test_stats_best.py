"""The best of several arms is named when it is, and not because somebody looked often."""

from collections.abc import Mapping

import numpy as np
import pytest

from campaigns.stats import Endless, Mean, Planned, WeightedMean, adaptive_shares, best_of

PLAN = Planned(4_000)


def arm(n: int, did: int, weight: float = 1.0) -> WeightedMean:
    w, w2 = weight, weight * weight
    return WeightedMean(n, w * n, w * did, w2 * n, w2 * did, w2 * did)


def test_a_clear_best_wins_over_all_others() -> None:
    found = best_of({"main": arm(2000, 100), "b": arm(2000, 180), "c": arm(2000, 110)}, Planned(6_000))
    assert (found.leader, found.winner, found.alike) == ("b", "b", ())
    ahead = found.ahead["main"].interval
    assert ahead is not None
    assert ahead.low > 0.0
    assert ahead.low < 0.04 < ahead.high


def test_who_is_better_than_one_and_not_than_the_other_has_not_won() -> None:
    found = best_of({"main": arm(2000, 60), "b": arm(2000, 180), "c": arm(2000, 170)}, Planned(6_000))
    assert (found.leader, found.winner, found.alike) == ("b", "", ())


def test_a_difference_that_is_not_worthwhile_ends_it_without_a_winner() -> None:
    found = best_of({"main": arm(40_000, 20_000), "b": arm(40_000, 20_040)}, Planned(80_000))
    assert (found.winner, found.alike) == ("", ("main",))
    assert found.worthwhile == pytest.approx(0.1 * 0.5005)
    few = best_of({"main": arm(200, 100), "b": arm(200, 101)}, Planned(400))
    assert (few.winner, few.alike) == ("", ())


def test_two_that_do_alike_end_it_where_the_third_is_worse() -> None:
    arms = {"main": arm(40_000, 20_000), "b": arm(40_000, 20_040), "c": arm(40_000, 12_000)}
    assert best_of(arms, Planned(120_000)).alike == ("main",)


def test_more_arms_need_more_to_win() -> None:
    two = best_of({"main": arm(2000, 100), "b": arm(2000, 140)}, PLAN)
    assert two.winner == "b"
    more = {"main": arm(2000, 100), "b": arm(2000, 140), "c": arm(2000, 100), "d": arm(2000, 100)}
    assert best_of(more, Planned(8_000)).winner == ""


def test_an_arm_in_which_nobody_did_it_yet_is_not_certain_to_be_the_worst() -> None:
    found = best_of({"main": arm(2000, 90), "b": arm(30, 0, 50.0)}, Planned(2_000))
    ahead = found.ahead["b"].interval
    assert ahead is not None
    assert ahead.low < 0.0


def test_few_customers_give_a_sentence_and_no_winner() -> None:
    found = best_of({"main": arm(1000, 10), "b": arm(9, 9)}, PLAN)
    assert found.winner == ""
    assert found.ahead["main"].message.startswith("Too few customers to compare")


@pytest.mark.parametrize("rates", [(0.1, 0.1), (0.1, 0.1, 0.1)])
def test_where_all_are_alike_hardly_any_look_names_a_winner(rates: tuple[float, ...]) -> None:
    """200 small worlds looked at 20 times: at most 6 %, and by what chance does to 200 (4 % more) not above 10 %."""
    rng = np.random.default_rng(3)
    won = 0
    for _ in range(200):
        did = np.cumsum(rng.binomial(100, rates, (20, len(rates))), axis=0)
        looks = (
            best_of({str(i): arm(100 * day, int(n)) for i, n in enumerate(row)}, Planned(2_000))
            for day, row in enumerate(did, 1)
        )
        won += any(found.winner for found in looks)
    assert won <= 20


def test_the_better_a_variant_does_the_more_it_gets() -> None:
    shares = adaptive_shares(means({"main": (1000, 50), "b": (1000, 70), "c": (1000, 30)}), 7, is_share=True)
    assert list(shares) == ["main", "b", "c"]
    assert sum(shares.values()) == pytest.approx(1.0)
    assert shares["b"] > 0.9
    assert shares["c"] == pytest.approx(0.02, abs=1e-3)
    assert min(shares.values()) >= 0.02


def test_the_same_seed_gives_the_same_shares_and_nothing_known_gives_equal_ones() -> None:
    known = means({"main": (50, 5), "b": (50, 6)})
    assert adaptive_shares(known, 7, is_share=True) == adaptive_shares(known, 7, is_share=True)
    assert adaptive_shares(known, 7, is_share=True) != adaptive_shares(known, 8, is_share=True)
    for is_share in (True, False):
        equal = adaptive_shares({"main": Mean(), "b": Mean()}, 7, is_share=is_share)
        assert equal["b"] == pytest.approx(0.5, abs=0.02)


def test_the_floor_is_an_argument_and_never_more_than_there_is() -> None:
    known = means({"main": (1000, 0), "b": (1000, 900)})
    assert adaptive_shares(known, 7, is_share=True, floor=0.1) == pytest.approx({"main": 0.1, "b": 0.9})
    assert adaptive_shares(known, 7, is_share=True, floor=0.9) == pytest.approx({"main": 0.5, "b": 0.5})


def test_what_brings_more_gets_more() -> None:
    rng = np.random.default_rng(1)
    known = {key: mean(rng.gamma(2.0, worth, 2000)) for key, worth in {"main": 10.0, "b": 12.0}.items()}
    assert adaptive_shares(known, 7, is_share=False)["b"] > 0.95


def means(told: Mapping[str, tuple[int, int]]) -> dict[str, Mean]:
    return {key: Mean(n, did, did) for key, (n, did) in told.items()}


def mean(values: "np.ndarray[tuple[int, ...], np.dtype[np.float64]]") -> Mean:
    return Mean(len(values), float(values.sum()), float((values * values).sum()))


def test_an_endless_comparison_has_a_winner_too() -> None:
    assert best_of({"main": arm(4000, 200), "b": arm(4000, 320)}, Endless(1_000)).winner == "b"
