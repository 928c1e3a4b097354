"""Segments by a score: above or below a line, in a band, or where customers stand among all."""

from collections.abc import Callable
from typing import Any

from segments.rules import RuleError
from segments.rules.arguments import expects, keys_of, nearest
from segments.rules.nodes import Fields
from segments.rules.parser import VERSION

Condition = dict[str, object]


def _is(op: str, suffix: str = "") -> Callable[[str, object], Condition]:
    return lambda score, value: {"field": f"scores.{score}{suffix}", "op": op, "value": value}


LINES: dict[str, Callable[[str, object], Condition]] = {
    "above": _is(">="),
    "below": _is("<="),
    "between": _is("between"),
    "band": lambda score, value: _is("any_of", ".band")(score, value if isinstance(value, list) else [value]),
    "top_percent": _is("top_percent"),
    "bottom_percent": _is("bottom_percent"),
    "percentile_between": _is("percentile_between"),
}


def rule_of(data: object, fields: Fields) -> dict[str, Any]:
    """Give the rule of `{"target": "lapse", "above": 0.7}`; it is parsed where it is saved. Raises RuleError."""
    asked = keys_of(data, "score", {"target", *LINES}, {"target"})
    target, lines = asked["target"], [name for name in LINES if name in asked]
    if not isinstance(target, str):
        raise expects("score.target", "the key of a target", target)
    if f"scores.{target}" not in fields.fields:
        keys = [name.removeprefix("scores.") for name in fields.fields if name.startswith("scores.")]
        raise RuleError("score.target", f"no score named '{target}'{nearest(target, keys)}")
    if len(lines) != 1:
        raise RuleError("score", f"needs exactly one of {', '.join(LINES)}")
    return {"version": VERSION, "rule": LINES[lines[0]](target, asked[lines[0]])}
