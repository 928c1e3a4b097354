"""What makes a customer due: a score that crosses a line, or a segment entered or left. Both are edges.

{"kind": "score", "score": "lapse", "direction": "above", "enter": 0.7, "leave": 0.6}
{"kind": "segment", "segment": "vip", "edge": "entered"}

With "of": "percentile" the lines are from 0 to 100. The other direction is "below", the other edge "left".
"""

from collections.abc import Container
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import polars as pl

from segments.rules.needs import named

DIRECTIONS = ("above", "below")
EDGES = ("entered", "left")
SCORE_KEYS = {"kind", "score", "direction", "enter", "leave", "of"}
SEGMENT_KEYS = {"kind", "segment", "edge"}


class Names(Protocol):
    """What a trigger may name; segments.rules' Fields is one, Known another."""

    @property
    def fields(self) -> Container[str]: ...

    @property
    def segments(self) -> Container[str]: ...


class Known(NamedTuple):
    """The names alone: fields such as "scores.lapse", and the keys of segments."""

    fields: frozenset[str]
    segments: frozenset[str]


class TriggerError(ValueError):
    """A trigger that cannot be used; the message begins with the place."""

    def __init__(self, path: str, message: str) -> None:
        super().__init__(f"{path}: {message}")
        self.path = path


@dataclass(frozen=True)
class ScoreTrigger:
    """Due when a score crosses `enter`; due again only after it came back across `leave` (hysteresis)."""

    score: str
    direction: str
    enter: float
    leave: float
    is_percentile: bool = False

    @property
    def column(self) -> str:
        """Give the frame's column that is compared."""
        return f"scores.{self.score}.percentile" if self.is_percentile else f"scores.{self.score}"

    @property
    def fires_inside(self) -> bool:
        """Say that the edge that fires is the one that leads inside."""
        return True

    def sentence(self) -> str:
        """Give the trigger in words."""
        what = f"the percentile of the score {self.score}" if self.is_percentile else f"the score {self.score}"
        if self.direction == "above":
            return f"When {what} rises to {self.enter:g} or more; again only after it falls below {self.leave:g}."
        return f"When {what} falls to {self.enter:g} or less; again only after it rises above {self.leave:g}."


@dataclass(frozen=True)
class SegmentTrigger:
    """Due on entering, or on leaving, a segment."""

    segment: str
    edge: str

    @property
    def column(self) -> str:
        """Give the frame's column that says who is a member."""
        return f"segments.{self.segment}"

    @property
    def fires_inside(self) -> bool:
        """Say whether the edge that fires is the one that leads inside."""
        return self.edge == "entered"

    def sentence(self) -> str:
        """Give the trigger in words."""
        return f"When a customer {'enters' if self.edge == 'entered' else 'leaves'} the segment {self.segment}."


Trigger = ScoreTrigger | SegmentTrigger


def parse(data: object, names: Names) -> Trigger:
    """Give the trigger that `data` describes. Raises TriggerError with the place of the fault."""
    if not isinstance(data, dict):
        raise TriggerError("trigger", f"expects an object with a kind, got {_shown(data)}")
    kind = data.get("kind")
    if kind == "score":
        _refuse_others(data, SCORE_KEYS)
        return _score(data, names)
    if kind == "segment":
        _refuse_others(data, SEGMENT_KEYS)
        segment = _name(data, "segment")
        if segment not in names.segments:
            raise TriggerError("trigger.segment", f'there is no segment "{segment}"')
        return SegmentTrigger(segment, _choice(data, "edge", EDGES))
    raise TriggerError("trigger.kind", f'expects "score" or "segment", got {_shown(kind)}')


def inside(frame: pl.DataFrame, trigger: Trigger, was_inside: pl.Series) -> pl.Series:
    """Say who is inside now: who was outside is tested by `enter`, who was inside by `leave`.

    A customer without a value stays where she was: no value crosses no line.
    """
    if isinstance(trigger, SegmentTrigger):
        return frame[trigger.column].fill_null(False).alias("is_inside")
    if trigger.column not in frame.columns:
        return was_inside.alias("is_inside")
    value = pl.col(trigger.column)
    is_above = trigger.direction == "above"
    enters = value >= trigger.enter if is_above else value <= trigger.enter
    stays = value >= trigger.leave if is_above else value <= trigger.leave
    was = pl.lit(was_inside)
    return frame.select(is_inside=pl.when(was).then(stays).otherwise(enters).fill_null(was))["is_inside"]


def needed(trigger: Trigger, rules: dict[str, object]) -> tuple[set[str], set[str]]:
    """Give the keys of the segments and of the targets that a trigger depends on, through the rules of segments too.

    `rules` has every segment's stored rule by its key.
    """
    if isinstance(trigger, ScoreTrigger):
        return set(), {trigger.score}
    segments: set[str] = set()
    targets: set[str] = set()
    found = {trigger.segment}
    while found:
        key = found.pop()
        segments.add(key)
        rule = rules.get(key)
        targets |= {name.split(".")[1] for name in named(rule, "field") if name.startswith("scores.")}
        found |= named(rule, "segment") - segments
    return segments, targets


def _score(data: dict[str, object], names: Names) -> ScoreTrigger:
    score = _name(data, "score")
    if f"scores.{score}" not in names.fields:
        raise TriggerError("trigger.score", f'there is no score "{score}"')
    direction = _choice(data, "direction", DIRECTIONS)
    is_percentile = "of" in data and _choice(data, "of", ("percentile",)) == "percentile"
    top = 100.0 if is_percentile else 1.0
    enter, leave = _number(data, "enter", top), _number(data, "leave", top)
    if direction == "above" and leave > enter:
        raise TriggerError("trigger.leave", f"must not lie above enter ({enter:g}), got {leave:g}")
    if direction == "below" and leave < enter:
        raise TriggerError("trigger.leave", f"must not lie below enter ({enter:g}), got {leave:g}")
    return ScoreTrigger(score, direction, enter, leave, is_percentile)


def _name(data: dict[str, object], key: str) -> str:
    name = data.get(key)
    if not isinstance(name, str) or not name:
        raise TriggerError(f"trigger.{key}", f"expects the key of a {key}, got {_shown(name)}")
    return name


def _choice(data: dict[str, object], key: str, choices: tuple[str, ...]) -> str:
    value = data.get(key)
    if not isinstance(value, str) or value not in choices:
        known = " or ".join(_shown(one) for one in choices)
        raise TriggerError(f"trigger.{key}", f"expects {known}, got {_shown(value)}")
    return value


def _number(data: dict[str, object], key: str, top: float) -> float:
    value = data.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TriggerError(f"trigger.{key}", f"expects a number, got {_shown(value)}")
    if not 0.0 <= value <= top:
        raise TriggerError(f"trigger.{key}", f"expects a number from 0 to {top:g}, got {value:g}")
    return float(value)


def _refuse_others(data: dict[str, object], known: set[str]) -> None:
    for key in sorted(str(key) for key in data if key not in known):
        raise TriggerError(f"trigger.{key}", f"is not known here; there are {', '.join(sorted(known))}")


def _shown(value: object) -> str:
    return "nothing" if value is None else f'"{value}"' if isinstance(value, str) else str(value)[:60]
