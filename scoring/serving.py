"""What a learner's answer costs, and how that counts in the choice.

The cost is reckoned from the fitted model's size, not timed, so that the same model always costs the same. The
constants are microseconds of one core of an AMD EPYC server, from a million rows of 64 inputs.
"""

from collections.abc import Mapping
from typing import Any

from sklearn.dummy import DummyClassifier
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.pipeline import Pipeline
from sklearn.tree import DecisionTreeClassifier

from scoring.learners import LOGISTIC, Model, members
from scoring.tables import tables_of

INPUT = 0.03  # to read one input
SLOPE = 0.006  # to add one input to a line
QUESTION = 0.0012  # to ask one question of a boosting's trees, in a table
WEIGHT = 0.0005  # to weigh one connection of a network
STEP = 0.012  # to go down one level of a tree
FOREST_TREE = 0.05  # to ask a tree at all


def cost(model: Model, learner: str) -> float:
    """Give the microseconds that a learner's answer takes a customer, with the reading of the inputs."""
    width = len(model.reading.sources())
    return round(INPUT * width + sum(_own(model.fitted[member], width) for member in members(learner)), 3)


def choose(losses: Mapping[str, float], errors: Mapping[str, float], costs: Mapping[str, float]) -> str:
    """Give the cheapest learner whose log loss is within one standard error of the least.

    `errors` are those of each learner's loss minus that of the best, on the same rows. (The one-standard-error rule:
    Breiman and others, Classification and Regression Trees, 1984, section 3.4.3.)
    """
    least = min(losses.values())
    as_good = [name for name, loss in losses.items() if loss - least <= errors[name] or loss == least]
    return min(as_good, key=lambda name: (costs[name], losses[name], name))


def _own(fitted: Any, width: int) -> float:
    if isinstance(fitted, DummyClassifier):
        return 0.0
    if isinstance(fitted, HistGradientBoostingClassifier):
        return QUESTION * float(sum(len(table.asked) for table in tables_of(fitted).tables))
    if isinstance(fitted, DecisionTreeClassifier):
        return _tree(fitted)
    if isinstance(fitted, RandomForestClassifier):
        return sum(_tree(one) for one in fitted.estimators_)
    if isinstance(fitted, Pipeline) and LOGISTIC in fitted.named_steps:
        return SLOPE * width
    return SLOPE * width + WEIGHT * float(sum(layer.size for layer in fitted[-1].coefs_))


def _tree(fitted: DecisionTreeClassifier) -> float:
    """Reckon the steps that the average training row took."""
    tree = fitted.tree_
    steps = tree.weighted_n_node_samples[tree.children_left >= 0].sum() / tree.weighted_n_node_samples[0]
    return FOREST_TREE + STEP * float(steps)
