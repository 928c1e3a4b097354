"""Reasons: why a customer's score is what it is, in plain sentences from the logistic part of the model."""

import numpy as np
import polars as pl

from scoring import artifacts, words
from scoring.encoding import Column, Matrix
from scoring.learners import LOGISTIC, Model
from scoring.models import ModelVersion
from scoring.words import Words

MOST_REASONS = 3
LEAST_PART = 0.05  # of log-odds: less is no reason


def reasons(version: ModelVersion, frame: pl.DataFrame) -> pl.DataFrame:
    """Give customer_id and up to three sentences a customer, the weightiest first, that pull the way the score went.

    The frame is one that could be scored, with a column `as_of`, or of customers as of the version's time.
    """
    if "as_of" not in frame.columns:
        frame = frame.with_columns(pl.lit(version.as_of).cast(pl.Datetime("us", "UTC")).alias("as_of"))
    return explain(artifacts.read(version), frame, words.known())


def explain(model: Model, frame: pl.DataFrame, called: Words) -> pl.DataFrame:
    """Give customer_id and reasons; `called` has the label and the unit of columns."""
    columns = model.reading.columns
    if frame.is_empty() or not columns:
        return frame.select("customer_id").with_columns(pl.lit([], dtype=pl.List(pl.String)).alias("reasons"))
    parts = contributions(model, frame)
    towards = parts * np.sign(parts.sum(axis=1, keepdims=True))
    best = np.argsort(-towards, axis=1, kind="stable")[:, :MOST_REASONS]
    said = frame.select(
        _sentence(column, *words.name_of(column.name, called)).alias(str(i)) for i, column in enumerate(columns)
    ).to_numpy()
    chosen = np.take_along_axis(said, best, axis=1)
    chosen[np.take_along_axis(towards, best, axis=1) < LEAST_PART] = None
    places = [pl.Series(str(place), column.tolist(), dtype=pl.String) for place, column in enumerate(chosen.T)]
    sentences = pl.DataFrame(places).select(reasons=pl.concat_list(pl.all()).list.drop_nulls())
    return frame.select("customer_id").hstack(sentences)


def contributions(model: Model, frame: pl.DataFrame) -> Matrix:
    """Give what each input adds to each row's log-odds, against the average customer of the training set."""
    fill, scale, logistic = (model.fitted[LOGISTIC].named_steps[name] for name in ("fill", "scale", "logistic"))
    parts = scale.transform(fill.transform(model.reading.matrix(frame))) * logistic.coef_[0]
    sources = model.reading.sources()
    owners = np.concatenate([sources, sources[fill.indicator_.features_]])
    total = np.zeros((len(parts), len(model.reading.columns)))
    np.add.at(total.T, owners, parts.T)
    return total


def _sentence(column: Column, label: str, unit: str) -> pl.Expr:
    """Give the sentence on one input: "62 days since the last order, usually 20"."""
    lowered = label[:1].lower() + label[1:]
    none = pl.lit(f"{label}: no value")
    if column.kind == "text":
        return (
            pl.when(pl.col(column.name).is_null())
            .then(none)
            .otherwise(pl.format(label + " is {}", pl.col(column.name)))
        )
    if column.kind == "yes_no":
        yes = pl.col(column.name)
        usually = "yes" if column.usual else "no"
        return (
            pl.when(yes.is_null())
            .then(none)
            .when(yes)
            .then(pl.lit(f"{label}: yes, usually {usually}"))
            .otherwise(pl.lit(f"{label}: no, usually {usually}"))
        )
    number = column.value().round(2)
    text = (
        pl.when(number == number.round(0))
        .then(number.cast(pl.Int64, strict=False).cast(pl.String))
        .otherwise(number.cast(pl.String))
    )
    usual = f"{round(float(column.usual or 0.0), 2) + 0.0:.2f}".rstrip("0").rstrip(".")
    counted = lowered.split(" ")[0] == unit
    form = f"{{}} {lowered}, usually {usual}" if counted else f"{label}: {{}}, usually {usual}"
    form = f"{label}: {{}} days ago, usually {usual}" if column.kind == "date" else form
    return pl.when(number.is_null()).then(none).otherwise(pl.format(form, text))
