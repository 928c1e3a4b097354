"""What acting from a line of a score up would have earned, of the curves that a version's evaluation keeps.

scoring.money draws the same curve at the training, with the target's terms; here it is drawn for others. What one row
earns is one of three values: nothing below the line, `won` less the contact where it came true, and what is spent where
it did not. So mean and variance follow from the counts at each threshold, and the mean's error from the customers
tested (the central limit theorem); a customer who was tested at several times counts once.
"""

from math import sqrt
from typing import NamedTuple

from scoring.models import Evaluation, ModelVersion, Target
from scoring.terms import Terms

PER = 1000
NORMAL_95 = 1.96


class Earned(NamedTuple):
    """What acting from a threshold up earns per 1,000 customers, with its interval; `share` of them are acted on."""

    threshold: float
    share: float
    value: float
    low: float
    high: float


def tested(target: Target) -> Evaluation | None:
    """Give how the target's live version did on all its tests; None where it was not tested."""
    live = target.versions.filter(state=ModelVersion.State.LIVE).first()
    return live.evaluations.filter(origin=None, learner=live.learner).first() if live else None


def curve(evaluation: Evaluation, terms: Terms) -> list[Earned]:
    """Give what each threshold of an evaluation earns, the highest first; nothing where it keeps no curves."""
    thresholds = evaluation.curves.get("precision_recall", [])
    roc = evaluation.curves.get("roc", [])[1:]  # the first point is above all thresholds
    rows = sum(one["customers"] for one in evaluation.curves.get("reliability", []))
    if terms.save_rate is None or not rows or len(roc) != len(thresholds):
        return []
    won = terms.won(terms.save_rate) - terms.contact_cost
    lost = -terms.spent - terms.contact_cost
    found = []
    for at, place in zip(thresholds, roc, strict=True):
        hits = place["true_positives"] * evaluation.positives / rows
        false = place["false_positives"] * (rows - evaluation.positives) / rows
        mean = hits * won + false * lost
        variance = max(0.0, hits * won**2 + false * lost**2 - mean**2)
        half = NORMAL_95 * sqrt(variance / max(evaluation.customers, 1))
        found.append(Earned(at["threshold"], hits + false, PER * mean, PER * (mean - half), PER * (mean + half)))
    return found


def at(line: float, drawn: list[Earned]) -> Earned | None:
    """Give what the lowest threshold earns that is not below a line; None where none is."""
    above = [one for one in drawn if one.threshold >= line]
    return above[-1] if above else None
