"""A fitted model unfolded into a formula of plain numbers, exactly: no learner is asked again to explain a score."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor, RandomForestClassifier
from sklearn.pipeline import Pipeline
from sklearn.tree import DecisionTreeClassifier

from scoring import number_rules, numbers, waiting
from scoring.encoding import Encoding
from scoring.formula import EDGE, Floats, Formula, Line, Part, Trees, logit
from scoring.learners import LOGISTIC, Model, layers_of, line_of, members


def unfold(model: Model | numbers.Model | waiting.Model | number_rules.Rule) -> Formula:
    """Give the formula of the learner that speaks, or of those it asks.

    Days are explained by the chance they are read from, amounts by the logarithm that the boosting adds up to. A simple
    rule of a number explains itself: nothing is to be unfolded.
    """
    if isinstance(model, number_rules.Rate | number_rules.Gap):
        return Formula(Encoding(()), ())
    if isinstance(model, waiting.Model):
        return unfold(model.chance)
    if isinstance(model, numbers.Model):
        return Formula(model.reading, (_boosting(model.fitted[numbers.BOOSTING]),))
    parts = tuple(_part(model.fitted[member], len(model.reading.sources())) for member in members(model.learner))
    return Formula(model.reading, parts, model.calibration.slope, model.calibration.shift)


def _part(fitted: Any, width: int) -> Part:
    if isinstance(fitted, Pipeline) and LOGISTIC in fitted.named_steps:
        return line_of(fitted)
    if isinstance(fitted, Pipeline):
        return layers_of(fitted)
    if isinstance(fitted, HistGradientBoostingClassifier):
        return _boosting(fitted)
    if isinstance(fitted, DecisionTreeClassifier):
        return _forest([fitted])
    if isinstance(fitted, RandomForestClassifier):
        return _forest(fitted.estimators_)
    if isinstance(fitted, DummyClassifier):
        return _constant(fitted, width)
    raise TypeError(f"There is no formula for {type(fitted).__name__}.")


def _boosting(fitted: HistGradientBoostingClassifier | HistGradientBoostingRegressor) -> Trees:
    """Unfold gradient boosting: a leaf adds its value to the log-odds, or to the logarithm of an amount."""
    nodes = [trees[0].nodes for trees in fitted._predictors]
    return _joined(
        float(fitted._baseline_prediction.ravel()[0]),
        True,
        [
            {
                "columns": tree["feature_idx"],
                "edges": tree["num_threshold"],
                "left": np.where(tree["is_leaf"], -1, tree["left"].astype(np.int64)),
                "right": np.where(tree["is_leaf"], -1, tree["right"].astype(np.int64)),
                "values": np.where(tree["is_leaf"], tree["value"], 0.0),
                "holes_left": tree["missing_go_to_left"].astype(bool),
            }
            for tree in nodes
        ],
    )


def _forest(fitted: Sequence[DecisionTreeClassifier]) -> Trees:
    """Unfold decision trees: a leaf has a share of yes, and the trees' shares are averaged."""
    yes = [list(one.classes_).index(1.0) if 1.0 in list(one.classes_) else None for one in fitted]
    return _joined(
        0.0,
        False,
        [
            {
                "columns": tree.feature,
                "edges": tree.threshold,
                "left": tree.children_left,
                "right": tree.children_right,
                "values": np.zeros(tree.node_count) if at is None else tree.value[:, 0, at],
                "holes_left": tree.missing_go_to_left.astype(bool),
            }
            for tree, at in zip((one.tree_ for one in fitted), yes, strict=True)
        ],
    )


def _joined(start: float, is_sum: bool, trees: list[dict[str, Any]]) -> Trees:
    """Put trees one after the other; a leaf leads to itself."""
    counts = [len(tree["values"]) for tree in trees]
    begins = np.cumsum([0, *counts[:-1]])
    own = [np.arange(count) + begin for count, begin in zip(counts, begins, strict=True)]

    def children(side: str) -> Any:
        found = [
            np.where(tree[side] < 0, at, tree[side] + begin) for tree, at, begin in zip(trees, own, begins, strict=True)
        ]
        return np.concatenate(found).astype(np.int64)

    def column(name: str) -> Any:
        return np.concatenate([tree[name] for tree in trees])

    return Trees(
        start,
        is_sum,
        begins.astype(np.int64),
        np.maximum(column("columns"), 0).astype(np.int64),
        column("edges").astype(np.float64),
        children("left"),
        children("right"),
        column("values").astype(np.float64),
        column("holes_left"),
    )


def _constant(fitted: DummyClassifier, width: int) -> Line:
    """Unfold the base rate."""
    rate = dict(zip(fitted.classes_.tolist(), fitted.class_prior_.tolist(), strict=True)).get(True, 0.0)
    nothing: Floats = np.zeros(width)
    return Line(float(logit(np.clip(np.array([rate]), EDGE, 1 - EDGE))[0]), nothing, nothing)
