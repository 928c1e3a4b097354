"""All segments' rules as they stand now: parsed, in reach of each other, with the cut-points they compare with."""

import json
import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from django.conf import settings

from segments import by_hand, cuts
from segments.fields import catalogue
from segments.models import Segment
from segments.rules import Context, Fields, Rule, RuleError, needs, parse
from segments.rules.needs import named
from segments.rules.operators import Cut, CutKey, cut_key

log = logging.getLogger(__name__)
STORED = ("key", "pk", "rule", "problem")
LONGEST = 300  # letters of a problem


class _Parsed:
    """Rules as this process parsed them last, by key, while all that they may name stays the same.

    What a rule asks about events may name properties, which are read from the lake: that is parsed each time.
    """

    def __init__(self) -> None:
        self.kept: tuple[Fields, dict[str, tuple[str, Rule]]] = (Fields({}), {})

    def rule(self, key: str, data: object, fields: Fields) -> Rule:
        """Give what `parse` gives. Raises RuleError."""
        text = json.dumps(data)
        if '"event"' in text:
            return parse(data, fields, key)
        rules = self._among(fields)
        before, rule = rules.get(key, ("", None))
        if rule is None or before != text:
            rule = parse(data, fields, key)
            rules[key] = text, rule
        return rule

    def _among(self, fields: Fields) -> dict[str, tuple[str, Rule]]:
        """Give the rules that were parsed with the same fields, events and segments."""
        known, rules = self.kept
        if known is not fields:
            same = all(getattr(known, one) == getattr(fields, one) for one in ("fields", "events", "segments"))
            rules = rules if same else {}
            self.kept = fields, rules
        return rules


PARSED = _Parsed()


@dataclass(frozen=True)
class Rulebook:
    """The segments that can be answered, by key, with their ids; and why the others cannot.

    Of these, `waiting` can be read and lack a cut-point, or refer to one that cannot be answered; `paused` are all that
    cannot be read any more, and who refers to them. `noted` is what was known of that before.
    """

    rules: Mapping[str, Rule]
    waiting: Mapping[str, Rule]
    ids: Mapping[str, int]
    problems: Mapping[str, str]
    cuts: Mapping[CutKey, Cut]
    paused: frozenset[str]
    noted: Mapping[str, str]

    @property
    def readable(self) -> Mapping[str, Rule]:
        """The rules that can be read, those that wait for a cut-point too."""
        return {**self.rules, **self.waiting}

    def context(self, as_of: datetime, buckets: Collection[int] | None = None) -> Context:
        """Give what these rules, or another that refers to them, are read against, for customers of some buckets."""
        zone, lists, pins = ZoneInfo(settings.TIME_ZONE), by_hand.reader(buckets), by_hand.pins()
        return Context(as_of, cuts=self.cuts, segments=self.readable, zone=zone, lists=lists, pins=pins)


def read() -> Rulebook:
    """Give the rulebook of the moment. A segment with a problem takes those that refer to it along."""
    segments = list(Segment.objects.order_by("pk").values_list(*STORED))
    consents = {name for _, _, rule, _ in segments for name in named(rule, "field") if name.startswith("consent.")}
    return _read(segments, catalogue(consents))


def behind(rule: Rule, fields: Fields) -> Rulebook:
    """Give the rulebook of the segments that a rule refers to, directly or through others."""
    keys, waiting = set[str](), set(needs(rule).segments)
    while waiting:
        keys |= waiting
        waiting = {further for key in waiting for further in fields.segments.get(key, ())} - keys
    if not keys and not needs(rule).cuts:
        return Rulebook({}, {}, {}, {}, {}, frozenset(), {})
    return _read(list(Segment.objects.filter(key__in=keys).order_by("pk").values_list(*STORED)), fields)


def _read(segments: list[tuple[str, int, object, str]], fields: Fields) -> Rulebook:
    known = cuts.stored()
    rules: dict[str, Rule] = {}
    problems: dict[str, str] = {}
    for key, _, data, _ in segments:
        try:
            rules[key] = PARSED.rule(key, data, fields)
        except RuleError as error:
            problems[key] = str(error)
    _spread(problems, rules)
    paused = frozenset(problems)
    for key in rules.keys() - problems.keys():
        if any(cut_key(node) not in known for node in needs(rules[key]).cuts):
            problems[key] = "needs a full cycle: it compares with all customers"
    _spread(problems, rules)
    ready = {key: rule for key, rule in rules.items() if key not in problems}
    waiting = {key: rule for key, rule in rules.items() if key in problems}
    noted = {key: problem for key, _, _, problem in segments}
    return Rulebook(ready, waiting, {key: pk for key, pk, _, _ in segments}, problems, known, paused, noted)


def note(book: Rulebook, problems: Mapping[str, str]) -> None:
    """Write down which segments cannot be answered, and so keep their members, and which can be again."""
    news = {key: problem[:LONGEST] for key, problem in problems.items() if book.noted[key] != problem[:LONGEST]}
    for key, problem in news.items():
        if Segment.objects.filter(pk=book.ids[key]).exclude(problem=problem).update(problem=problem):
            log.error("Segment %s keeps its members: %s", key, problem)
    mended = [book.ids[key] for key, problem in book.noted.items() if problem and key not in book.problems]
    if mended:
        Segment.objects.filter(pk__in=mended).update(problem="")


def _spread(problems: dict[str, str], rules: Mapping[str, Rule]) -> None:
    """Add the segments that refer to one with a problem, until there are no more."""
    found = True
    while found:
        found = False
        for key, rule in rules.items():
            if key not in problems and (bad := sorted(needs(rule).segments & problems.keys())):
                problems[key] = f"refers to segment '{bad[0]}', which cannot be answered: {problems[bad[0]]}"
                found = True
