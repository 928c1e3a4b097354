"""Statistics as small frozen values that add: the database sums, and these infer from a handful of numbers."""

from campaigns.stats.balance import ALARM, chance_of_control, chance_of_split, is_balanced
from campaigns.stats.best import WORTHWHILE, Verdict, best_of
from campaigns.stats.covariate import Adjusted, adjusted
from campaigns.stats.intervals import (
    at_one_look,
    contrast_of_means,
    contrast_of_proportions,
    contrast_of_weighted,
    difference_of_means,
    difference_of_proportions,
    difference_of_weighted,
    pooled_ratio,
    wilson,
)
from campaigns.stats.looks import Endless, Planned, at_any_look
from campaigns.stats.power import customers_needed, smallest_effect
from campaigns.stats.thompson import FLOOR, adaptive_shares
from campaigns.stats.values import (
    CONFIDENCE,
    ENOUGH,
    Contrast,
    CovariateMean,
    Difference,
    Interval,
    Mean,
    Proportion,
    WeightedMean,
)

__all__ = [
    "ALARM",
    "CONFIDENCE",
    "ENOUGH",
    "FLOOR",
    "WORTHWHILE",
    "Adjusted",
    "Contrast",
    "CovariateMean",
    "Difference",
    "Endless",
    "Interval",
    "Mean",
    "Planned",
    "Proportion",
    "Verdict",
    "WeightedMean",
    "adaptive_shares",
    "adjusted",
    "at_any_look",
    "at_one_look",
    "best_of",
    "chance_of_control",
    "chance_of_split",
    "contrast_of_means",
    "contrast_of_proportions",
    "contrast_of_weighted",
    "customers_needed",
    "difference_of_means",
    "difference_of_proportions",
    "difference_of_weighted",
    "is_balanced",
    "pooled_ratio",
    "smallest_effect",
    "wilson",
]
