"""Why a customer is or is not in a segment: every node of the rule with its answer, and what would turn the whole."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import polars as pl

from segments.leaves import Leaves
from segments.moves import ZERO, Move
from segments.nearest import nearest
from segments.rules import Context, Rule, needs
from segments.rules.comparisons import Comparison
from segments.rules.comparisons import in_words as compared_in_words
from segments.rules.meaning import answers, with_made
from segments.rules.nodes import Condition, EventCondition, Group, History, Node, Other, placed, steps
from segments.rules.operators import operator
from segments.rules.sentence import in_words

WHO = ("customer_id", "external_id", "seed", "time_zone")


@dataclass(frozen=True)
class Explained:
    """One node: `holds` is its part in the mask, `has_value` false where there was nothing to compare.

    `seen` was compared with the `threshold`.
    """

    path: str
    sentence: str
    holds: bool
    has_value: bool = True
    seen: Any = None
    threshold: str = ""
    parts: "tuple[Explained, ...]" = ()

    def as_json(self) -> dict[str, Any]:
        """Give it and its parts as REST and the admin answer them."""
        answer = "no value" if not self.has_value and not self.holds else "true" if self.holds else "false"
        told = {"path": self.path, "sentence": self.sentence, "answer": answer}
        if self.parts:
            return {**told, "parts": [part.as_json() for part in self.parts]}
        return {**told, "seen": _plain(self.seen), "threshold": self.threshold}


@dataclass(frozen=True)
class Explanation:
    """A rule's answer for one customer. `nearest` together turn it; none are known where it is empty."""

    as_of: datetime
    root: Explained
    nearest: tuple[Move, ...]


def explain(rule: Rule, frame: pl.DataFrame, context: Context) -> Explanation:
    """Give the answer of every node for the one customer of the frame; the root's is the mask."""
    if frame.height != 1:
        raise ValueError(f"an explanation is about one customer, not {frame.height}")
    leaves = {path: node for path, node in placed(rule.root) if not isinstance(node, Group)}
    frame = _asked(rule, with_made(frame, leaves.values(), context))
    answered = answers(leaves.values(), frame, context)
    found = {node: column.to_list()[0] for node, column in answered.found.items()}
    holds = pl.DataFrame([answered.holds[node].alias(path) for path, node in leaves.items()])
    told = _Telling(frame, found, Leaves(rule, holds, pl.DataFrame()))
    return Explanation(context.as_of, told.node(rule.root, "rule"), nearest(told.leaves, frame, context, found))


def _asked(rule: Rule, row: pl.DataFrame) -> pl.DataFrame:
    """Give the row with the columns that a rule asks, which is much quicker to copy; all where it asks segments too."""
    asked = needs(rule)
    if asked.segments:
        return row
    return row.select(name for name in row.columns if name in asked.columns or name in WHO)


@dataclass(frozen=True)
class _Telling:
    """What is known of one customer: her row, what the leaves about other things found, and their answers."""

    row: pl.DataFrame
    found: dict[Node, Any]
    leaves: Leaves

    def node(self, node: Node, path: str) -> Explained:
        holds = bool(self.leaves.at(node, path)[0])
        if isinstance(node, Group):
            parts = tuple(self.node(child, place) for place, child in steps(node, path))
            return Explained(path, in_words(node), holds, parts=parts)
        seen, has_value = self.seen(node)
        return Explained(path, in_words(node), holds, has_value, seen, _threshold(node))

    def seen(self, node: Node) -> tuple[Any, bool]:
        """Give what was compared, and whether there was anything to compare."""
        if isinstance(node, Condition):
            seen = self.value(node.field.name)
            other = self.value(node.value.field.name) if isinstance(node.value, Other) else ""
            return seen, (seen is not None and other is not None) or operator(node).asks_for_value
        found = self.found.get(node)
        if isinstance(node, EventCondition) and node.measure in ZERO:
            return found or 0, True
        return found, found is not None or not isinstance(node, EventCondition | History)

    def value(self, name: str) -> Any:
        return self.row[name].to_list()[0] if name in self.row.columns else None


def _threshold(node: Node) -> str:
    """Say what a leaf compares with, without what it looks at."""
    if isinstance(node, EventCondition) and isinstance(node.compare, Comparison):
        return compared_in_words(node.compare)
    if isinstance(node, Condition):
        return in_words(node).removeprefix(f"{node.field.label} ")
    return ""


def _plain(seen: Any) -> Any:
    """Give a value as JSON takes it."""
    if isinstance(seen, date):
        return seen.isoformat()
    return seen if seen is None or isinstance(seen, str | int | float | list) else str(seen)
