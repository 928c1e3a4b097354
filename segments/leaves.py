"""A rule answered for everybody, leaf by leaf: what another answer of one leaf would make of the whole follows."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import polars as pl

from segments.rules import Context, Rule
from segments.rules.groups import GROUPS
from segments.rules.meaning import answers
from segments.rules.nodes import Condition, Group, Node, placed, steps
from segments.rules.operators import operator


@dataclass(frozen=True)
class Leaves:
    """`holds` has a Boolean column a leaf, under its path; `included` those of conditions if no value would match too.

    The latter only where a condition leaves somebody out for having no value.
    """

    rule: Rule
    holds: pl.DataFrame
    included: pl.DataFrame

    def whole(self, changed: Mapping[str, pl.Series] | None = None) -> pl.Series:
        """Give for whom the rule holds; with other answers of some leaves, by their paths."""
        return self.at(self.rule.root, "rule", changed)

    def at(self, node: Node, path: str, changed: Mapping[str, pl.Series] | None = None) -> pl.Series:
        """Give for whom the node at the path holds."""
        others = changed or {}
        if not isinstance(node, Group):
            return others[path] if path in others else self.holds[path]
        frame = self.holds
        if others:
            frame = frame.with_columns(column.alias(place) for place, column in others.items())
        return frame.select(_joined(node, path).alias("")).to_series()


def read(rule: Rule, frame: pl.DataFrame, context: Context) -> Leaves:
    """Answer the leaves of a rule for the customers of a frame, in their order. Raises NeedsFullCycle."""
    leaves = {path: node for path, node in placed(rule.root) if not isinstance(node, Group)}
    wider = {
        path: replace(node, is_missing_included=True)
        for path, node in leaves.items()
        if isinstance(node, Condition) and _leaves_out(node, frame)
    }
    found = answers([*leaves.values(), *wider.values()], frame, context).holds
    return Leaves(
        rule,
        pl.DataFrame([found[node].alias(path) for path, node in leaves.items()]),
        pl.DataFrame([found[node].alias(path) for path, node in wider.items()]),
    )


def _leaves_out(node: Condition, frame: pl.DataFrame) -> bool:
    if node.is_missing_included or operator(node).asks_for_value:
        return False
    return node.field.name not in frame.columns or frame[node.field.name].null_count() > 0


def _joined(node: Node, path: str) -> pl.Expr:
    if not isinstance(node, Group):
        return pl.col(path)
    return GROUPS[node.kind].meaning([_joined(child, place) for place, child in steps(node, path)], node.number)
