"""The simple rules that a model has to beat: each is a logistic regression on a few columns, kept and served as one."""

import polars as pl

from scoring import learners
from scoring.learners import BASE_RATE, Flags, Model
from scoring.training_set import RECENCY, TrainingSet

DAYS, RFM, VALUE, FIELD = "recency", "rfm", "value", "one field"
MONETARY = ("features.recency_days", "features.orders", "features.spend", "features.tenure_days")
CHANCE = "value.chance"  # of an order within the horizon (Fader, Hardie and Lee 2005)


def columns(examples: TrainingSet) -> dict[str, tuple[str, ...]]:
    """Give the columns that each simple rule reads, of those there are."""
    known = {name for name in examples.frame.columns if name not in examples.excluded}
    wanted = {
        BASE_RATE: (),
        DAYS if examples.baseline == RECENCY else FIELD: (examples.baseline,),
        RFM: MONETARY,
        VALUE: (CHANCE,),
    }
    return {name: read for name, read in wanted.items() if known.issuperset(read)}


def fit(read: tuple[str, ...], frame: pl.DataFrame, labels: Flags) -> Model:
    """Fit the simple rule that reads some columns; of no columns it is the base rate."""
    return learners.fit_only(frame, labels, read)


def words(name: str, examples: TrainingSet) -> str:
    """Name a simple rule in words."""
    told = {
        BASE_RATE: "the base rate",
        DAYS: "recency alone",
        RFM: "a rule of recency, frequency and spend",
        VALUE: "the chance of an order by BG/NBD alone",
    }
    return told.get(name) or f"{examples.baseline.removeprefix('attributes.').removeprefix('features.')} alone"
