"""What a line earns, of the curves that an evaluation keeps, is what the tested rows earn."""

import numpy as np
import pytest

from scoring import evaluation, money, profit
from scoring.evaluation import Outcome
from scoring.models import Evaluation
from scoring.terms import Terms, break_even

TERMS = Terms(value=60.0, contact_cost=1.0, offer_cost=5.0, save_rate=0.3)


@pytest.fixture(scope="module")
def outcome() -> Outcome:
    chance = np.random.default_rng(3)
    chances = np.round(chance.beta(1.0, 3.0, 4_000), 3)
    labels = chance.random(4_000) < chances
    return Outcome(labels, chances, chances > 0.5, np.arange(4_000))


def kept(outcome: Outcome) -> Evaluation:
    return Evaluation(
        customers=len(outcome.labels), positives=int(outcome.labels.sum()), curves=evaluation.curves(outcome)
    )


def test_each_line_earns_what_its_rows_do(outcome: Outcome) -> None:
    won = TERMS.save_rate * (TERMS.value - TERMS.offer_cost) if TERMS.save_rate else 0.0
    drawn = profit.curve(kept(outcome), TERMS)
    assert len(drawn) == evaluation.POINTS
    for one in drawn:
        chosen = outcome.chances >= one.threshold - 5e-7
        earned = np.where(outcome.labels[chosen], won, -TERMS.offer_cost) - TERMS.contact_cost
        assert one.share == pytest.approx(chosen.mean(), abs=1e-4)
        assert one.value == pytest.approx(1000 * earned.sum() / len(chosen), abs=2.0)


def test_its_interval_is_as_wide_as_the_bootstrap_makes_it(outcome: Outcome) -> None:
    line = break_even(TERMS)
    assert line is not None
    cut, one = money.cut(outcome, TERMS, 1), profit.at(line, profit.curve(kept(outcome), TERMS))
    assert cut["profit"] is not None
    assert one is not None
    assert one.value == pytest.approx(cut["profit"]["value"], rel=0.02)
    assert one.high - one.low == pytest.approx(cut["profit"]["high"] - cut["profit"]["low"], rel=0.2)


def test_without_a_share_won_or_without_curves_nothing_is_drawn(outcome: Outcome) -> None:
    assert profit.curve(kept(outcome), Terms(60.0)) == []
    assert profit.curve(Evaluation(customers=9, positives=3), TERMS) == []
    assert profit.at(1.1, profit.curve(kept(outcome), TERMS)) is None
