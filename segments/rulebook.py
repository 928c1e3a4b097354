"""All segments' rules as they stand now: parsed, in reach of each other, with the cut-points they compare with."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

import polars as pl
from django.conf import settings

from segments import cuts
from segments.fields import catalogue
from segments.models import Segment
from segments.rules import Context, Fields, Rule, RuleError, needs, parse
from segments.rules.needs import named
from segments.rules.operators import Cut, CutKey, cut_key

STORED = ("key", "pk", "rule")


@dataclass(frozen=True)
class Rulebook:
    """The segments that can be answered, by key, with their ids; and why the others cannot.

    Of these, `waiting` can be read and lack a cut-point, or refer to one that does.
    """

    rules: Mapping[str, Rule]
    waiting: Mapping[str, Rule]
    ids: Mapping[str, int]
    problems: Mapping[str, str]
    cuts: Mapping[CutKey, Cut]

    @property
    def readable(self) -> Mapping[str, Rule]:
        """The rules that can be read, those that wait for a cut-point too."""
        return {**self.rules, **self.waiting}

    def context(self, as_of: datetime, events: pl.LazyFrame | None) -> Context:
        """Give what these rules, or another that refers to them, are read against."""
        zone = ZoneInfo(settings.TIME_ZONE)
        if events is None:
            return Context(as_of, cuts=self.cuts, segments=self.readable, zone=zone)
        return Context(as_of, events, self.cuts, self.readable, zone)


def read() -> Rulebook:
    """Give the rulebook of the moment. A segment with a problem takes those that refer to it along."""
    segments = list(Segment.objects.order_by("pk").values_list(*STORED))
    consents = {name for _, _, rule in segments for name in named(rule, "field") if name.startswith("consent.")}
    return _read(segments, catalogue(consents))


def behind(rule: Rule, fields: Fields) -> Rulebook:
    """Give the rulebook of the segments that a rule refers to, directly or through others."""
    keys, waiting = set[str](), set(needs(rule).segments)
    while waiting:
        keys |= waiting
        waiting = {further for key in waiting for further in fields.segments.get(key, ())} - keys
    segments = Segment.objects.filter(key__in=keys) if keys else Segment.objects.none()
    return _read(list(segments.order_by("pk").values_list(*STORED)), fields)


def _read(segments: list[tuple[str, int, object]], fields: Fields) -> Rulebook:
    known = cuts.stored()
    rules: dict[str, Rule] = {}
    problems: dict[str, str] = {}
    for key, _, data in segments:
        try:
            rules[key] = parse(data, fields, key)
        except RuleError as error:
            problems[key] = str(error)
        else:
            if any(cut_key(node) not in known for node in needs(rules[key]).cuts):
                problems[key] = "needs a full cycle: it compares with all customers"
    _spread(problems, rules)
    ready = {key: rule for key, rule in rules.items() if key not in problems}
    waiting = {key: rule for key, rule in rules.items() if key in problems}
    return Rulebook(ready, waiting, {key: pk for key, pk, _ in segments}, problems, known)


def _spread(problems: dict[str, str], rules: Mapping[str, Rule]) -> None:
    """Add the segments that refer to one with a problem, until there are no more."""
    found = True
    while found:
        found = False
        for key, rule in rules.items():
            if key not in problems and (bad := sorted(needs(rule).segments & problems.keys())):
                problems[key] = f"refers to segment '{bad[0]}', which cannot be answered: {problems[bad[0]]}"
                found = True
