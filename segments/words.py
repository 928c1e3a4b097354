"""A segment's rule in words, as pages show it."""

from segments.fields import catalogue
from segments.models import Segment
from segments.rules import RuleError, parse, sentence
from segments.rules.nodes import Fields


def told(words: str) -> str:
    """Give a rule's words as a sentence."""
    return f"{words[:1].upper()}{words[1:]}."


def sentence_of(segment: Segment, known: Fields | None = None) -> str:
    """Give a segment's rule in words, or why it cannot be read any more."""
    return sentence_of_rule(segment.rule, segment.key, known)


def sentence_of_rule(rule: object, key: str = "", known: Fields | None = None) -> str:
    """Give a stored rule in words, or why it cannot be read any more; `known` saves asking for the fields again."""
    try:
        return told(sentence(parse(rule, known or catalogue(), key)))
    except RuleError as error:
        return f"This rule cannot be read any more. {error}"
