"""The line that pays comes from money: what a contact costs, and what it wins."""

import numpy as np
import pytest

from scoring import money
from scoring.evaluation import Outcome
from scoring.learners import Floats
from scoring.models import Target
from scoring.money import Terms
from scoring.report import Money

STAYING = Terms(value=200.0, contact_cost=1.0, offer_cost=10.0, save_rate=0.3)
BUYING = Terms(value=50.0, contact_cost=0.2, save_rate=0.1, is_loss=False)
COUNT = 6000


def foretold(chances: Floats, seed: int = 1) -> Outcome:
    """Give what comes of chances that mean what they say."""
    happened = np.random.default_rng(seed).random(len(chances)) < chances
    return Outcome(happened, chances, chances >= 0.5, np.arange(len(chances)))


def leavers() -> Outcome:
    return foretold(np.random.default_rng(0).beta(0.8, 2.2, COUNT).round(6))


def earned(found: Money, threshold: float) -> float:
    """Give what contacting from the nearest threshold up earned for each customer."""
    return min(found["cuts"], key=lambda one: abs(one["threshold"] - threshold))["profit"]["value"] / 1000


def test_the_line_is_where_what_a_contact_wins_equals_what_it_costs() -> None:
    line = money.break_even(STAYING)
    assert line == pytest.approx(11 / 67)  # 0.164
    assert line is not None
    assert 0.3 * line * (200 - 10) == pytest.approx((1 - line) * 10 + 1)
    assert money.break_even(BUYING) == pytest.approx(0.2 / 5)
    with_offer = Terms(value=50.0, contact_cost=0.2, offer_cost=3.0, save_rate=0.1, is_loss=False)
    assert money.break_even(with_offer) == pytest.approx(0.2 / (0.1 * 47 - 3))


def test_contacting_from_the_line_up_earns_more_than_from_a_half_or_everybody() -> None:
    outcome = leavers()
    found = money.cut(outcome, STAYING, 0)
    assert found["line"] == pytest.approx(11 / 67, abs=1e-6)
    assert found["profit"] is not None
    ours, best = found["profit"]["value"] / 1000, max(one["profit"]["value"] for one in found["cuts"]) / 1000
    everybody = earned(found, 0.0)
    assert found["cuts"][0]["share"] == 1.0
    assert ours > 1.15 * earned(found, 0.5)
    assert ours > 1.15 * everybody
    assert ours > 0.97 * best
    truth = np.where(outcome.chances >= 11 / 67, outcome.chances * 67 - 11, 0.0).mean()
    assert found["profit"]["low"] / 1000 < truth < found["profit"]["high"] / 1000
    assert "from a chance of 16.4 % up" in found["sentence"]
    assert "wins back 30 % of those who would be lost" in found["sentence"]


def test_intervals_are_by_customer_and_follow_the_seed() -> None:
    outcome = leavers()
    rows = np.tile(np.arange(COUNT), 2)
    doubled = Outcome(outcome.labels[rows], outcome.chances[rows], outcome.flagged[rows], rows)
    once, twice = money.cut(outcome, STAYING, 0), money.cut(doubled, STAYING, 0)
    assert once == money.cut(outcome, STAYING, 0) != money.cut(outcome, STAYING, 1)
    assert twice["profit"] == once["profit"]


@pytest.mark.parametrize(
    ("terms", "says"),
    [
        (Terms(value=12.0, contact_cost=1.0, offer_cost=10.0, save_rate=0.3), "a contact costs more than it wins"),
        (Terms(value=50.0, contact_cost=0.0, offer_cost=10.0, save_rate=0.1, is_loss=False), "10 % more than would"),
        (Terms(value=20.0, contact_cost=1.4, offer_cost=5.0, save_rate=0.5), "from there up too few come true"),
    ],
)
def test_no_line_pays_where_a_contact_wins_less_than_it_costs(terms: Terms, says: str) -> None:
    found = money.cut(foretold(np.linspace(0.01, 0.5, 2000)), terms, 0)
    assert (found["line"], found["profit"]) == (None, None)
    assert found["sentence"].startswith("No line pays")
    assert says in found["sentence"]
    assert len(found["cuts"]) == 20


def test_a_contact_without_cost_is_for_everybody() -> None:
    found = money.cut(leavers(), Terms(value=10.0, save_rate=0.2), 0)
    assert found["line"] == 0.0
    assert "100 % of the customers" in found["sentence"]


def test_what_a_contact_wins_must_be_given_or_measured() -> None:
    found = money.cut(leavers(), Terms(value=200.0), 0)
    assert (found["line"], found["cuts"]) == (None, [])
    assert "run a campaign with a control group" in found["sentence"]


@pytest.mark.parametrize(
    ("question", "kind", "is_loss"),
    [
        ("lapse", "no_event", True),
        ("unsubscribe", "event", True),
        ("upgrade", "becomes", False),
        ("", "attribute", True),
        ("", "event", False),
    ],
)
def test_the_question_tells_whether_it_is_a_loss_if_it_comes_true(question: str, kind: str, *, is_loss: bool) -> None:
    assert money.terms_of(Target(question=question, kind=kind)) is None
    assert money.terms_of(Target(question=question, kind=kind, value=5.0)) == Terms(5.0, is_loss=is_loss)
