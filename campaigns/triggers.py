"""What makes a customer due.

{"kind": "score", "score": "lapse", "direction": "above", "enter": 0.7, "leave": 0.6}
{"kind": "segment", "segment": "vip", "edge": "entered"}
{"kind": "segment", "segment": "vip", "edge": "stays", "days": 30}
{"kind": "event", "event": "Order Completed", "where": [{"field": "value", "op": ">=", "value": 50}]}
{"kind": "date", "field": "birth_date", "days": -7, "hour": 9, "yearly": true}
{"kind": "schedule", "every": "week", "on": 1, "at": "09:00"}
{"kind": "hand"}

With "of": "percentile" the lines of a score are from 0 to 100. The other direction is "below", the other edge "left".
`where` and `lines` are those of a rule's event conditions. A schedule is every "day", "week" (on 1, Monday, to 7) or
"month" (on 1 to 28), by the clock of TIME_ZONE.
"""

import logging
import math
import re
from collections.abc import Callable, Mapping
from datetime import time

import polars as pl

from campaigns.causes import START, WIDENED
from campaigns.trigger_kinds import (
    Dated,
    DateTrigger,
    EventTrigger,
    HandTrigger,
    ScheduleTrigger,
    ScoreTrigger,
    SegmentTrigger,
    Slotted,
    Standing,
    Trigger,
)
from segments.rules import Fields, RuleError, Type
from segments.rules.needs import named
from segments.rules.parser import happening

__all__ = [
    "DateTrigger",
    "Dated",
    "EventTrigger",
    "HandTrigger",
    "ScheduleTrigger",
    "ScoreTrigger",
    "SegmentTrigger",
    "Slotted",
    "Standing",
    "Trigger",
    "TriggerError",
    "inside",
    "needed",
    "parse",
    "readable",
    "why",
]

DIRECTIONS = ("above", "below")
EDGES = ("entered", "left", "stays")
PERIODS = {"day": 0, "week": 7, "month": 28}  # and how many of its days a schedule may name
SCORE_KEYS = {"kind", "score", "direction", "enter", "leave", "of"}
SEGMENT_KEYS = {"kind", "segment", "edge", "days"}
EVENT_KEYS = {"kind", "event", "where", "lines"}
DATE_KEYS = {"kind", "field", "days", "hour", "yearly"}
SCHEDULE_KEYS = {"kind", "every", "on", "at"}
MOST_DAYS = 3650
CLOCK = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")
CHANCE = "probability"  # the unit of scores that lie from 0 to 1
Json = Mapping[str, object]
log = logging.getLogger(__name__)


class TriggerError(ValueError):
    """A trigger that cannot be used; the message begins with the place."""

    def __init__(self, path: str, message: str) -> None:
        super().__init__(f"{path}: {message}")
        self.path = path


def parse(data: object, names: Fields) -> Trigger:
    """Give the trigger that `data` describes. Raises TriggerError with the place of the fault."""
    if not isinstance(data, dict):
        raise TriggerError("trigger", f"expects an object with a kind, got {_shown(data)}")
    kind = data.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        raise TriggerError("trigger.kind", f"expects {_listed(tuple(KINDS))}, got {_shown(kind)}")
    read, known = KINDS[kind]
    for key in sorted(str(key) for key in data if key not in known):
        raise TriggerError(f"trigger.{key}", f"is not known here; there are {', '.join(sorted(known))}")
    return read(data, names)


def readable(data: object, names: Fields) -> Trigger | None:
    """Give the trigger; none where it names what is gone since its launch: then its campaign stands still."""
    try:
        return parse(data, names)
    except TriggerError as error:
        log.error("A campaign stands still: %s", error)
        return None


def inside(frame: pl.DataFrame, trigger: Standing, was_inside: pl.Series) -> pl.Series:
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


def needed(trigger: Trigger, rules: Mapping[str, object]) -> tuple[set[str], set[str]]:
    """Give the keys of the segments and of the targets that a trigger depends on, through the rules of segments too.

    `rules` has every segment's stored rule by its key.
    """
    if isinstance(trigger, ScoreTrigger):
        return set(), {trigger.score}
    segments: set[str] = set()
    targets: set[str] = set()
    found = {trigger.segment} if isinstance(trigger, SegmentTrigger) else set()
    while found:
        key = found.pop()
        segments.add(key)
        rule = rules.get(key)
        targets |= {name.split(".")[1] for name in named(rule, "field") if name.startswith("scores.")}
        found |= named(rule, "segment") - segments
    return segments, targets


def why(trigger: Trigger) -> pl.Expr:
    """Give the sentence of a due customer, from `value`, `cause` and `happened_at`."""
    cause = pl.col("cause")
    return (
        pl.when(cause == START)
        .then(pl.lit("Matched already when the campaign began."))
        .when(cause == WIDENED)
        .then(pl.lit("Matched already when the pilot was widened."))
        .otherwise(_why(trigger))
    )


def _why(trigger: Trigger) -> pl.Expr:
    reason = trigger.reason
    at = pl.col("happened_at").dt.strftime("%Y-%m-%d %H:%M UTC").fill_null("a time that is not known")
    told = {"value": pl.col("value").round(4).cast(pl.String), "happened_at": at, "": pl.lit("")}[reason.told]
    return pl.concat_str(pl.lit(reason.before), told, pl.lit(reason.after))


def _score(data: Json, names: Fields) -> ScoreTrigger:
    score = _name(data, "score")
    field = names.fields.get(f"scores.{score}")
    if field is None:
        raise TriggerError("trigger.score", f'there is no score "{score}"')
    direction = _choice(data, "direction", DIRECTIONS)
    is_percentile = "of" in data and _choice(data, "of", ("percentile",)) == "percentile"
    top = 100.0 if is_percentile else 1.0 if field.unit == CHANCE else None
    enter, leave = _number(data, "enter", top), _number(data, "leave", top)
    if direction == "above" and leave > enter:
        raise TriggerError("trigger.leave", f"must not lie above enter ({enter:g}), got {leave:g}")
    if direction == "below" and leave < enter:
        raise TriggerError("trigger.leave", f"must not lie below enter ({enter:g}), got {leave:g}")
    return ScoreTrigger(score, direction, enter, leave, is_percentile)


def _segment(data: Json, names: Fields) -> SegmentTrigger:
    segment = _name(data, "segment")
    if segment not in names.segments:
        raise TriggerError("trigger.segment", f'there is no segment "{segment}"')
    edge = _choice(data, "edge", EDGES)
    if edge == "stays":
        return SegmentTrigger(segment, edge, _whole(data, "days", 1, MOST_DAYS))
    if "days" in data:
        raise TriggerError("trigger.days", 'is for the edge "stays" only')
    return SegmentTrigger(segment, edge)


def _event(data: Json, names: Fields) -> EventTrigger:
    event = _name(data, "event")
    if event not in names.events:
        raise TriggerError("trigger.event", f'there is no event "{event}"')
    try:
        return EventTrigger(happening({key: data[key] for key in data if key != "kind"}, names, "trigger"))
    except RuleError as refused:
        raise TriggerError(refused.path, refused.message) from refused


def _date(data: Json, names: Fields) -> DateTrigger:
    name = _name(data, "field")
    field = names.fields.get(name)
    if field is None or (name != "birth_date" and not name.startswith("attributes.")):
        raise TriggerError("trigger.field", f'there is no date "{name}"; expects "birth_date" or "attributes.<name>"')
    if field.type != Type.DATE:
        raise TriggerError("trigger.field", f'"{name}" is not a date')
    yearly = data.get("yearly", False)
    if not isinstance(yearly, bool):
        raise TriggerError("trigger.yearly", f"expects true or false, got {_shown(yearly)}")
    most = 365 if yearly else MOST_DAYS
    days = _whole(data, "days", -most, most) if "days" in data else 0
    return DateTrigger(name, days, _whole(data, "hour", 0, 23), yearly)


def _schedule(data: Json, names: Fields) -> ScheduleTrigger:
    every = _choice(data, "every", tuple(PERIODS))
    if every == "day" and "on" in data:
        raise TriggerError("trigger.on", 'is for every "week" or "month" only')
    on = 1 if every == "day" else _whole(data, "on", 1, PERIODS[every])
    at = data.get("at")
    clock = CLOCK.fullmatch(at) if isinstance(at, str) else None
    if clock is None:
        raise TriggerError("trigger.at", f'expects a time of day such as "09:00", got {_shown(at)}')
    return ScheduleTrigger(every, on, time(int(clock[1]), int(clock[2])))


def _hand(data: Json, names: Fields) -> HandTrigger:
    return HandTrigger()


KINDS: dict[str, tuple[Callable[[Json, Fields], Trigger], set[str]]] = {
    "score": (_score, SCORE_KEYS),
    "segment": (_segment, SEGMENT_KEYS),
    "event": (_event, EVENT_KEYS),
    "date": (_date, DATE_KEYS),
    "schedule": (_schedule, SCHEDULE_KEYS),
    "hand": (_hand, {"kind"}),
}


def _name(data: Json, key: str) -> str:
    name = data.get(key)
    if not isinstance(name, str) or not name:
        raise TriggerError(f"trigger.{key}", f"expects the name of {_an(key)}, got {_shown(name)}")
    return name


def _an(noun: str) -> str:
    return f"an {noun}" if noun[0] in "aeiou" else f"a {noun}"


def _choice(data: Json, key: str, choices: tuple[str, ...]) -> str:
    value = data.get(key)
    if not isinstance(value, str) or value not in choices:
        raise TriggerError(f"trigger.{key}", f"expects {_listed(choices)}, got {_shown(value)}")
    return value


def _listed(choices: tuple[str, ...]) -> str:
    *others, last = (_shown(one) for one in choices)
    return f"{', '.join(others)} or {last}" if others else last


def _number(data: Json, key: str, top: float | None) -> float:
    """Give a number from 0 to `top`, or any number there is."""
    value = data.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TriggerError(f"trigger.{key}", f"expects a number, got {_shown(value)}")
    if top is not None and not 0.0 <= value <= top:
        raise TriggerError(f"trigger.{key}", f"expects a number from 0 to {top:g}, got {value:g}")
    if not math.isfinite(value):
        raise TriggerError(f"trigger.{key}", f"expects a finite number, got {value:g}")
    return float(value)


def _whole(data: Json, key: str, least: int, most: int) -> int:
    value = data.get(key)
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise TriggerError(f"trigger.{key}", f"expects a whole number from {least} to {most}, got {_shown(value)}")
    return value


def _shown(value: object) -> str:
    return "nothing" if value is None else f'"{value[:60]}"' if isinstance(value, str) else str(value)[:60]
