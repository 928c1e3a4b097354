"""Whether a model still fits: its customers, its level, its ranking. Each line grows with chance where few are seen.

The population stability index is the sum of (found - known) * ln(found / known) over the parts of a field. Where
nothing changed, it is (1/n + 1/m) times a chi-square with one degree less than there are parts (Yurdakul, Statistical
Properties of Population Stability Index, 2018): a line of 0.1 or 0.25 for every size would be wrong at both ends.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import polars as pl
from scipy.stats import chi2

from customers.quality import psi as psi
from scoring import spreads
from scoring.report import Figures, Spread

NOTICEABLE = 0.05  # an index below it matters to nobody, however sure it is
ALPHA = 0.01  # of looks at all fields of an unchanged model, so many find a change
OFF = 0.2  # foreseen may lie so far from happened, as a share of the smaller
SURE = 2.576  # standard errors: 99 %, two-sided
KEPT_BESIDE = ("value.", "recency.")  # reckoned for the model alone: no snapshot has them


class Shift(NamedTuple):
    """A field's index, and the line above which it has changed."""

    psi: float
    line: float

    @property
    def is_drift(self) -> bool:
        return self.psi > self.line


class Level(NamedTuple):
    """The share foreseen and the share that happened, and whether they differ by more than a fifth and than chance."""

    foreseen: float
    happened: float
    is_off: bool


def fields(frame: pl.DataFrame, known: Mapping[str, Spread], customers: int) -> dict[str, Shift]:
    """Compare the frame's fields with their spreads among so many training customers. The frame has `as_of`."""
    compared = {name: spread for name, spread in known.items() if not name.startswith(KEPT_BESIDE)}
    found = {}
    for name, spread in compared.items():
        now = np.array(spreads.shares(frame, name, spread))
        then = np.array(spread["shares"])
        is_part = (now > 0) | (then > 0)
        line = line_of(int(is_part.sum()), frame.height, customers, len(compared))
        found[name] = Shift(round(psi(now[is_part], then[is_part], frame.height, customers), 6), round(line, 6))
    return found


def line_of(parts: int, seen: int, known: int, fields: int = 1) -> float:
    """Give the index that chance exceeds once in a hundred looks at so many fields, at least what is noticeable."""
    size = 1 / max(seen, 1) + 1 / max(known, 1)
    by_chance = chi2.isf(ALPHA / max(fields, 1), max(parts - 1, 1)) * size
    # Where a part has few customers, the logarithm stretches the tail: so much, by simulation from 200 customers up.
    by_chance *= 1 + parts * size
    return max(NOTICEABLE, float(by_chance))


def level(foreseen: float, happened: int, customers: int) -> Level:
    """Compare the mean chance with the share that came true."""
    share = happened / max(customers, 1)
    error = np.sqrt(max(foreseen * (1 - foreseen), 0.25 / max(customers, 1)) / max(customers, 1))
    is_far = max(foreseen, share) > (1 + OFF) * min(foreseen, share)
    return Level(foreseen, share, bool(is_far and abs(foreseen - share) > SURE * error))


def is_worse(now: Figures, tested: Figures) -> bool:
    """Tell whether a figure lies below the interval that was tested, by more than its own chance."""
    return now["value"] < tested["low"] and now["high"] < tested["value"]
