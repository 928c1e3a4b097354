"""The threshold that pays: whom to contact, from what a contact costs and what it wins.

With the chance p, the value V of one who is won, the cost c of a contact, the cost d of an offer that is taken, and the
share s that a contact wins, contacting somebody is expected to earn

- where it is a loss if it comes true (she leaves): s p (V - d) - (1 - p) d - c. Of those who would leave, the share s
  takes the offer and stays; all who would have stayed take it too. This pays from p = (c + d) / (s (V - d) + d) up
  (Neslin, Gupta, Kamakura, Lu and Mason, Defection detection, J. of Marketing Research 43, 2006).
- where it is a gain (she buys): s p (V - d) - p d - c. A contact wins s for each who would do it anyway: it persuades
  those who are inclined. Those who would do it anyway take the offer too. This pays from p = c / (s (V - d) - d) up,
  and never where an offer costs more than it wins.

The line comes from the formula and not from the best cut of the data, which would flatter it (one cut is always
luckiest); the data tell what that line would have earned.
"""

import numpy as np

from scoring import evaluation
from scoring.evaluation import NORMAL_95, Outcome
from scoring.learners import Floats
from scoring.report import Cut, Figures, Money
from scoring.terms import Terms as Terms
from scoring.terms import break_even as break_even
from scoring.terms import speaks_of_loss as speaks_of_loss
from scoring.terms import terms_of as terms_of

PER = 1000
SHARES = np.arange(0.05, 1.001, 0.05)
UNKNOWN = (
    "How many a contact wins is not known, so no line can be drawn: give the share, or run a campaign with a control "
    "group, which measures it."
)


def cut(outcome: Outcome, terms: Terms, seed: int) -> Money:
    """Give what contacting from each threshold up would have earned per 1,000 customers, and the line to draw.

    Intervals of 95 % are by a bootstrap of customers; how sure the share won is, they do not tell.
    """
    if terms.save_rate is None:
        return Money(line=None, profit=None, cuts=[], sentence=UNKNOWN)
    line = break_even(terms)
    thresholds = np.unique(np.quantile(outcome.chances, 1 - SHARES, method="nearest"))
    drawn = thresholds if line is None else np.append(thresholds, line)
    shares, profits = _profits(outcome, drawn, terms, seed)
    cuts = [
        Cut(threshold=round(float(one), 6), share=round(share, 6), profit=profit)
        for one, share, profit in list(zip(drawn, shares, profits, strict=True))[: len(thresholds)]
    ]
    if line is None or shares[-1] == 0 or profits[-1]["value"] <= 0:
        return Money(line=None, profit=None, cuts=cuts, sentence=_none_pays(terms, line))
    return Money(
        line=round(line, 6), profit=profits[-1], cuts=cuts, sentence=_told(terms, line, shares[-1], profits[-1])
    )


def _profits(outcome: Outcome, thresholds: Floats, terms: Terms, seed: int) -> tuple[list[float], list[Figures]]:
    """Give the share of the rows from each threshold up, and what contacting them earns per 1,000 rows."""
    won = terms.won(terms.save_rate or 0.0)
    earned = np.where(outcome.labels, won, -terms.spent) - terms.contact_cost
    is_in = (outcome.chances[:, None] >= thresholds).astype(np.float64)
    each = PER * earned[:, None] * is_in
    draws = [w @ each / w.sum(axis=1, keepdims=True) for w in evaluation.resamples(outcome.customers, seed)]
    halves = NORMAL_95 * np.std(np.concatenate(draws), axis=0, ddof=1)
    figures = [
        Figures(value=round(float(v), 2), low=round(float(v - half), 2), high=round(float(v + half), 2))
        for v, half in zip(each.mean(axis=0), halves, strict=True)
    ]
    return is_in.mean(axis=0).tolist(), figures


def _told(terms: Terms, line: float, share: float, profit: Figures) -> str:
    earns = f"{profit['value']:,.0f} per 1,000 customers ({profit['low']:,.0f} to {profit['high']:,.0f})"
    unsure = " It may also lose: the interval reaches below nothing." if profit["low"] <= 0 else ""
    return (
        f"Contacting pays from a chance of {100 * line:.1f} % up: that is {100 * share:.0f} % of the customers and is "
        f"expected to earn {earns}, if a contact wins {_win(terms)}.{unsure}"
    )


def _none_pays(terms: Terms, line: float | None) -> str:
    if line is None:
        why = f"even with one who is sure to, a contact costs more than it wins ({_win(terms)})"
    else:
        why = f"it would pay from a chance of {100 * line:.1f} % up, and from there up too few come true"
    return f"No line pays: {why}. Make the contact or the offer cheaper, or contact nobody."


def _win(terms: Terms) -> str:
    share = f"{100 * (terms.save_rate or 0.0):.0f} %"
    if terms.is_loss:
        return f"back {share} of those who would be lost, and all who would have stayed take the offer too"
    return f"{share} more than would do it anyway, and those take the offer too"
