"""Which numbers a comparison allows: enough to see that two of them exclude each other, or leave nothing out."""

import math
from typing import NamedTuple

from segments.rules.comparisons import Comparison
from segments.rules.nodes import Condition, EventCondition, Node

SIMPLE = ("=", ">", ">=", "<", "<=", "between")


class Interval(NamedTuple):
    """From one number to another; an open end is not in."""

    low: float
    high: float
    is_low_open: bool = False
    is_high_open: bool = False

    @property
    def is_empty(self) -> bool:
        """Say whether no number is in it."""
        return self.low > self.high or (self.low == self.high and (self.is_low_open or self.is_high_open))

    def both(self, other: "Interval") -> "Interval":
        """Give the numbers that are in both."""
        low, is_low_open = max((self.low, self.is_low_open), (other.low, other.is_low_open))
        high, is_high_closed = min((self.high, not self.is_high_open), (other.high, not other.is_high_open))
        return Interval(low, high, is_low_open, not is_high_closed)


def subject(node: Node) -> object:
    """Give what a node compares, the same for nodes that compare the same number; None where it is no number."""
    if isinstance(node, EventCondition) and isinstance(node.compare, Comparison):
        return node.of, node.measure, node.field, node.within, node.zone
    return node.field.name if isinstance(node, Condition) and allowed(node) is not None else None


def allowed(node: Node) -> Interval | None:
    """Give the numbers for which a node holds; None where that is no interval."""
    if isinstance(node, EventCondition) and isinstance(node.compare, Comparison):
        return _interval(node.compare.op, node.compare.values)
    if isinstance(node, Condition) and not node.is_missing_included and _is_number(node.value):
        return _interval(node.op, node.value if isinstance(node.value, tuple) else (node.value,))
    return None


def of_range(condition: Condition) -> Interval:
    """Give the interval that a condition with two ends asks for."""
    return Interval(*condition.value)


def forbidden(node: Node) -> Interval | None:
    """Give the numbers for which a node does not hold; None where these are no interval."""
    found = allowed(node)
    if found is None or (found.low > -math.inf and found.high < math.inf):
        return None
    if found.low == -math.inf:
        return Interval(found.high, math.inf, not found.is_high_open, True)
    return Interval(-math.inf, found.low, True, not found.is_low_open)


def _is_number(value: object) -> bool:
    values = value if isinstance(value, tuple) and value else (value,)
    return all(isinstance(one, int | float) and not isinstance(one, bool) for one in values)


def _interval(op: str, values: tuple[float, ...]) -> Interval | None:
    if op not in SIMPLE:
        return None
    ends = {
        "=": Interval(values[0], values[0]),
        ">": Interval(values[0], math.inf, True, True),
        ">=": Interval(values[0], math.inf, False, True),
        "<": Interval(-math.inf, values[0], True, True),
        "<=": Interval(-math.inf, values[0], True, False),
        "between": Interval(values[0], values[-1]),
    }
    return ends[op]
