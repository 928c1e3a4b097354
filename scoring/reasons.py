"""Reasons: which fields raise a customer's score, and which lower it, in plain sentences. For any learner.

A field's part is its Shapley value against typical customers (Lundberg and Lee 2017): the change of the log-odds when
the field takes the customer's value instead of a typical one, averaged over the orders in which fields may change
(Castro et al. 2009; every second order is the one before turned round). It is asked of the model's own formula, so
that the parts add up to the score. Of a logistic regression it is the coefficient times the distance from the usual.
Typical customers are made up from how each field lay in training: nobody's data is kept for it.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import polars as pl

from scoring import formula, words
from scoring.encoding import Column, Encoding, Matrix
from scoring.formula import Formula, Ints
from scoring.models import ModelVersion
from scoring.report import Spread
from scoring.words import Name, Words

MOST_REASONS = 3  # that raise the score, and as many that lower it
LEAST_PART = 0.05  # of log-odds: less is no reason
TYPICAL = 16  # customers to compare with
SCHEMA = {"customer_id": pl.Int64, "field": pl.String, "part": pl.Float64, "sentence": pl.String}


class NoReasons(ValueError):
    """A version whose scores cannot be explained: the message says why."""


class Reasons(NamedTuple):
    """Sentences on what raises a score and on what lowers it, the weightiest first."""

    up: list[str]
    down: list[str]


def reasons(version: ModelVersion, frame: pl.DataFrame) -> dict[int, Reasons]:
    """Give the reasons of some customers' scores, by customer id. Raises NoReasons, ArtifactError and FrameMismatch.

    The frame is one that could be scored, with a column `as_of`. It is meant for a few customers.
    """
    check(version)
    parts = explain(formula.of_version(version), frame, version.report["spreads"], words.known())
    found = {customer: Reasons([], []) for customer in frame["customer_id"].to_list()}
    for customer, part, sentence in parts.select("customer_id", "part", "sentence").iter_rows():
        said = found[customer].up if part > 0 else found[customer].down
        said.append(sentence)
    return found


def check(version: ModelVersion) -> None:
    """Raise NoReasons for a version that was stored without how its fields lay in training."""
    if "spreads" not in version.report:
        raise NoReasons(f"{version} was stored without how its fields lay in training. Train the target again.")


def explain(told: Formula, frame: pl.DataFrame, spreads: Mapping[str, Spread], called: Words) -> pl.DataFrame:
    """Give customer_id, field, part (of the log-odds) and sentence of the weightiest reasons, each way."""
    columns = told.reading.columns
    if not columns:
        return pl.DataFrame(schema=SCHEMA)
    parts = contributions(told, frame, spreads)
    values = frame.select(_value(column) for column in columns).rows()
    rows = []
    for customer, own, known in zip(frame["customer_id"].to_list(), parts, values, strict=True):
        order = np.argsort(-np.abs(own), kind="stable")
        for way in (1, -1):
            for at in [at for at in order if way * own[at] >= LEAST_PART][:MOST_REASONS]:
                name = words.name_of(columns[at].name, called)
                said = sentence(name, columns[at], known[at], spreads[columns[at].name])
                rows.append((customer, columns[at].name, float(own[at]), said))
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


def contributions(told: Formula, frame: pl.DataFrame, spreads: Mapping[str, Spread]) -> Matrix:
    """Give what each input adds to each row's log-odds, against the mean of the typical customers'."""
    typical = typical_rows(told.reading, spreads)
    ranks = _ranks(told.reading)
    owners, count = told.reading.sources(), len(told.reading.columns)
    steps = np.arange(count + 1)[None, :, None]
    changed = ranks[:, owners][:, None, :] < steps  # by typical customer, step and column: is it the customer's yet
    found = np.zeros((frame.height, count))
    for row, own in enumerate(told.reading.matrix(frame)):
        path = np.where(changed, own, typical[:, None, :])
        odds = told.odds(path.reshape(-1, path.shape[2])).reshape(TYPICAL, count + 1)
        found[row] = np.take_along_axis(np.diff(odds, axis=1), ranks, axis=1).mean(axis=0)
    return found


def typical_rows(reading: Encoding, spreads: Mapping[str, Spread]) -> Matrix:
    """Give rows of the matrix with the values that fields had in training, each field's as often as it had them."""
    found = np.empty((TYPICAL, len(reading.sources())))
    middles = (np.arange(TYPICAL) + 0.5) / TYPICAL
    for number, column in enumerate(reading.columns):
        spread, places = spreads[column.name], reading.places(number)
        parts = np.searchsorted(np.cumsum(spread["shares"]), middles * sum(spread["shares"]))
        coded = [reading.coded(number, _of_part(column, spread, int(part))) for part in parts]
        found[:, places] = np.random.default_rng(places.min()).permutation(np.array(coded))
    return found


def _ranks(reading: Encoding) -> Ints:
    """Give for each typical customer the order in which the inputs change: by chance, every second one turned round.

    Chance goes by where the inputs stand in the matrix, not by their names.
    """
    count = len(reading.columns)
    stands = np.argsort(np.argsort([reading.places(number).min() for number in range(count)]))
    generator = np.random.default_rng(0)
    drawn = np.array([generator.permutation(count) for _ in range(TYPICAL // 2)])
    return np.concatenate([drawn, count - 1 - drawn])[:, stands]


def _of_part(column: Column, spread: Spread, part: int) -> float | str | bool | None:
    """Give the value that stands for a part of a spread: the last part is no value."""
    if part >= len(spread["shares"]) - 1:
        return None
    if column.kind == "yes_no":
        return part == 1
    if column.kind == "text":
        return spread["levels"][part] if part < len(spread["levels"]) else ""
    return spread["edges"][min(part, len(spread["edges"]) - 1)]


def _value(column: Column) -> pl.Expr:
    value = pl.col(column.name) if column.kind in ("text", "yes_no") else column.value()
    return value.alias(column.name)


def sentence(name: Name, column: Column, value: float | str | bool | None, spread: Spread) -> str:
    """Give the sentence on one field: "62 days since the last order, usually 20"."""
    told = words.written(value, column)
    if column.kind in ("text", "yes_no") or value is None:
        verb = ": " if value is None or column.kind == "yes_no" else " is "
        return f"{name.label}{verb}{told}, as for {_share(column, value, spread)} of the customers"
    usual = words.written(column.usual, column)
    as_usual = "as usual" if told == usual else f"usually {usual.removesuffix(' days ago')}"
    if words.is_counted(name):
        return f"{told} {name.label[:1].lower() + name.label[1:]}, {as_usual}"
    return f"{name.label}: {told}, {as_usual}"


def _share(column: Column, value: float | str | bool | None, spread: Spread) -> str:
    """Give in how many of a hundred rows of the training a field had a value."""
    if value is None:
        part = -1
    elif column.kind == "yes_no":
        part = int(bool(value))
    else:
        part = spread["levels"].index(str(value)) if value in spread["levels"] else -2
    percent = spread["shares"][part] * 100
    return f"{percent:.0f}\u00a0%" if percent >= 1 else "fewer than 1\u00a0%"
