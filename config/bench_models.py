"""Made-up customers with forty columns of every kind, and the averaged model that reads them all."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import numpy as np
import polars as pl

from scoring import learners
from scoring.learners import AVERAGE, Flags, Model

AS_OF = datetime(2026, 6, 1, tzinfo=UTC)
PART = 62_500  # customers at a time, as in a bucket of a million
LEARNT_FROM = 20_000
NUMBERS, YES_NO, TEXTS, DATES = 31, 4, 4, 1


def model(seed: int) -> Model:
    """Fit the average of a logistic regression and a boosting."""
    frame, labels = _people(LEARNT_FROM, np.random.default_rng(seed))
    return learners.fit(frame, labels, seed, learners={AVERAGE: {}})


def people(count: int, seed: int) -> list[pl.DataFrame]:
    """Give customers who are not those that the model learnt from, in parts."""
    chance = np.random.default_rng([seed, 1])
    return [_people(size, chance)[0] for size in _sizes(count)]


def score(by: Model, parts: list[pl.DataFrame], workers: int) -> list[learners.Floats]:
    """Give everybody's chance, part by part, with so many parts in work at a time."""
    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(by.chances, parts))


def _sizes(count: int) -> Iterator[int]:
    for first in range(0, count, PART):
        yield min(PART, count - first)


def _people(count: int, chance: np.random.Generator) -> tuple[pl.DataFrame, Flags]:
    """Give customers, and of whom something came true that three of the columns foretell."""
    drive = chance.normal(size=count)
    columns: dict[str, pl.Series] = {}
    for n in range(NUMBERS):
        values = pl.Series(chance.lognormal(sigma=1.5, size=count) * np.exp(0.5 * drive * (n < 3))).round(2)
        is_hole = pl.Series(chance.random(count) < (0.2 if n % 5 == 0 else 0.0))
        columns[f"features.number_{n}"] = values.set(is_hole, None)
    columns |= {f"attributes.yes_no_{n}": pl.Series(chance.random(count) < 0.3) for n in range(YES_NO)}
    levels = pl.Series([f"level {n}" for n in range(6)])
    columns |= {f"attributes.text_{n}": levels.gather(chance.integers(0, 6, count)) for n in range(TEXTS)}
    for n in range(DATES):
        days = chance.integers(6_000, 25_000, count).astype("timedelta64[D]")
        columns[f"attributes.date_{n}"] = pl.Series(np.datetime64(AS_OF.date()) - days)
    frame = pl.DataFrame(columns).with_columns(as_of=pl.lit(AS_OF).cast(pl.Datetime("us", "UTC")))
    return frame, chance.random(count) < 1 / (1 + np.exp(1 - drive))
