"""Why a customer is or is not in a segment: every node of the rule with its answer and the value seen."""

from dataclasses import dataclass
from typing import Any

import polars as pl

from segments.rules import Context, Rule, mask
from segments.rules.nodes import Condition, Group, Node
from segments.rules.operators import operator
from segments.rules.sentence import in_words


@dataclass(frozen=True)
class Explained:
    """One node: `holds` is its part in the mask, `has_value` false where there was nothing to compare."""

    sentence: str
    holds: bool
    has_value: bool = True
    seen: Any = None
    parts: "tuple[Explained, ...]" = ()


def explain(rule: Rule, frame: pl.DataFrame, context: Context) -> Explained:
    """Give the answer of every node for the one customer of the frame; the root's is the mask."""
    if frame.height != 1:
        raise ValueError(f"an explanation is about one customer, not {frame.height}")
    return _explained(rule.root, frame, context)


def _explained(node: Node, frame: pl.DataFrame, context: Context) -> Explained:
    holds = bool(mask(Rule(node), frame, context)[0])
    if isinstance(node, Group):
        parts = tuple(_explained(child, frame, context) for child in node.nodes)
        return Explained(in_words(node), holds, parts=parts)
    if not isinstance(node, Condition):
        return Explained(in_words(node), holds)
    seen = frame[node.field.name].to_list()[0] if node.field.name in frame.columns else None
    return Explained(in_words(node), holds, seen is not None or operator(node).asks_for_value, seen)
