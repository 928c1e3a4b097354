"""The rule language: one parser, one meaning, one sentence, and what a rule needs."""

from segments.rules.meaning import Context, NeedsFullCycle, mask, masks
from segments.rules.needs import Needs, needs
from segments.rules.nodes import Field, Fields, Rule, RuleError, Type
from segments.rules.parser import parse
from segments.rules.sentence import sentence

__all__ = [
    "Context",
    "Field",
    "Fields",
    "Needs",
    "NeedsFullCycle",
    "Rule",
    "RuleError",
    "Type",
    "mask",
    "masks",
    "needs",
    "parse",
    "sentence",
]
