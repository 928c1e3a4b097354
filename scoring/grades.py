"""One number for how well a model sorts customers, on the scale that marketers know from other products.

Lift quality is the lift averaged over all sizes of an audience, from 0 (chance) to 100 (perfect): 100 * (2 AUC - 1),
the accuracy ratio of Engelmann, Hayden and Tasche 2003. The words are those that Braze gives (Prediction Quality).
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

ZONES = ((0.0, "poor", "bad"), (20.0, "fair", "wait"), (40.0, "good", "good"), (60.0, "excellent", "main"))


class Grade(NamedTuple):
    """A quality of 0 to 100 with its 95 % interval, its word, and the colour of the word."""

    value: float
    low: float
    high: float
    word: str
    kind: str


def grade(auc: Mapping[str, Any]) -> Grade | None:
    """Give the grade of an AUC with its interval; none where there is no figure."""
    if not auc or auc.get("value") is None:
        return None
    value, low, high = (quality(float(auc.get(name, auc["value"]))) for name in ("value", "low", "high"))
    _, word, kind = [zone for zone in ZONES if round(value) >= zone[0]][-1]
    return Grade(value, low, high, word, kind)


def quality(auc: float) -> float:
    """Give the lift quality of an AUC, not below 0."""
    return max(0.0, 100 * (2 * auc - 1))
