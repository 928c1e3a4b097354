"""Triggers are parsed or refused with the place, and remember who is inside."""

from datetime import UTC, datetime, time
from typing import Any

import polars as pl
import pytest

from campaigns.triggers import (
    DateTrigger,
    HandTrigger,
    ScheduleTrigger,
    ScoreTrigger,
    SegmentTrigger,
    TriggerError,
    inside,
    needed,
    parse,
    why,
)
from segments.rules import Field, Fields, Type

NUMBER, DATE, TEXT = Type.NUMBER, Type.DATE, Type.TEXT
OF = (
    Field("scores.lapse", "Lapse", NUMBER, "Scores", "probability"),
    Field("scores.spend", "Spend", NUMBER, "Scores", "money"),
    Field("birth_date", "birth date", DATE, "Customer"),
    Field("attributes.renewal", "renewal", DATE, "Attributes"),
    Field("attributes.plan", "plan", TEXT, "Attributes"),
)
KNOWN = Fields(
    {one.name: one for one in OF},
    frozenset({"Order Completed"}),
    {"vip": frozenset()},
    {"Order Completed": {"coupon": "text"}},
)
SCORE = {"kind": "score", "score": "lapse", "direction": "above", "enter": 0.7, "leave": 0.6}
SEGMENT = {"kind": "segment", "segment": "vip", "edge": "entered"}
EVENT = {"kind": "event", "event": "Order Completed"}
BIRTHDAY = {"kind": "date", "field": "birth_date", "days": -7, "hour": 9, "yearly": True}
WEEKLY = {"kind": "schedule", "every": "week", "on": 1, "at": "09:00"}
T0 = datetime(2026, 3, 1, 12, tzinfo=UTC)


def insiders(trigger: ScoreTrigger, values: list[float | None], was: list[bool]) -> list[bool]:
    frame = pl.DataFrame({trigger.column: values}, schema={trigger.column: pl.Float64})
    return inside(frame, trigger, pl.Series(was, dtype=pl.Boolean)).to_list()


def test_both_forms_are_read_and_said_in_words() -> None:
    score, segment = parse(SCORE, KNOWN), parse(SEGMENT, KNOWN)
    assert score == ScoreTrigger("lapse", "above", 0.7, 0.6)
    assert segment == SegmentTrigger("vip", "entered")
    assert score.sentence() == "When the score lapse rises to 0.7 or more; again only after it falls below 0.6."
    assert segment.sentence() == "When a customer enters the segment vip."


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (SEGMENT | {"edge": "stays", "days": 30}, "When a customer has been in the segment vip for 30 days."),
        (EVENT, "When this happens: Order Completed."),
        (
            EVENT | {"where": [{"field": "properties.coupon", "op": "is", "value": "SPRING"}]},
            "When this happens: Order Completed (with coupon is SPRING).",
        ),
        (BIRTHDAY, "Every year, 7 days before birth_date, at 9:00 in the customer's time zone."),
        (
            {"kind": "date", "field": "attributes.renewal", "days": 1, "hour": 0},
            "1 day after renewal, at 0:00 in the customer's time zone.",
        ),
        (BIRTHDAY | {"days": 0}, "Every year, on the day of birth_date, at 9:00 in the customer's time zone."),
        (WEEKLY, "Every Monday at 09:00, for everybody in the audience."),
        (WEEKLY | {"every": "month", "on": 28}, "Every month on day 28 at 09:00, for everybody in the audience."),
        (
            {"kind": "schedule", "every": "day", "at": "23:59"},
            "Every day at 23:59, for everybody in the audience.",
        ),
        ({"kind": "hand"}, "When somebody starts it by hand, for everybody in the audience."),
    ],
)
def test_every_kind_is_said_in_words(data: dict[str, Any], sentence: str) -> None:
    assert parse(data, KNOWN).sentence() == sentence


def test_what_is_read_is_what_was_written() -> None:
    assert parse(SEGMENT | {"edge": "stays", "days": 30}, KNOWN) == SegmentTrigger("vip", "stays", 30)
    assert parse(BIRTHDAY, KNOWN) == DateTrigger("birth_date", -7, 9, True)
    assert parse(WEEKLY, KNOWN) == ScheduleTrigger("week", 1, time(9))
    assert parse({"kind": "hand"}, KNOWN) == HandTrigger()


def test_the_score_of_a_number_is_compared_with_any_number() -> None:
    trigger = parse(SCORE | {"score": "spend", "enter": 250, "leave": -3.5}, KNOWN)
    assert trigger == ScoreTrigger("spend", "above", 250.0, -3.5)
    assert trigger.sentence() == "When the score spend rises to 250 or more; again only after it falls below -3.5."
    with pytest.raises(TriggerError, match=r"trigger\.enter: expects a finite number, got inf"):
        parse(SCORE | {"score": "spend", "enter": float("inf")}, KNOWN)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (SCORE, "The score lapse rose to 0.75; the line is 0.7."),
        (SEGMENT, "Entered the segment vip."),
        (SEGMENT | {"edge": "stays", "days": 1}, "Has been in the segment vip for 1 day."),
        (EVENT, "Order Completed happened at 2026-03-01 12:00 UTC."),
        (BIRTHDAY, "It was 7 days before birth_date, 9:00 on her clock, at 2026-03-01 12:00 UTC."),
        (WEEKLY, "In the audience when the schedule said 2026-03-01 12:00 UTC."),
        ({"kind": "hand"}, "In the audience when it was started by hand at 2026-03-01 12:00 UTC."),
    ],
)
def test_a_due_customer_is_told_why(data: dict[str, Any], reason: str) -> None:
    rows = {"value": [0.75] * 3, "cause": ["data", "start", "widened"], "happened_at": [T0] * 3}
    told = pl.DataFrame(rows).select(why=why(parse(data, KNOWN)))["why"].to_list()
    began, widened = (f"Matched already when the {what}." for what in ("campaign began", "pilot was widened"))
    assert told == [reason, began, widened]


def test_a_falling_percentile_is_said_in_words() -> None:
    trigger = parse(SCORE | {"of": "percentile", "direction": "below", "enter": 10, "leave": 20}, KNOWN)
    expected = "When the percentile of the score lapse falls to 10 or less; again only after it rises above 20."
    assert trigger.sentence() == expected
    assert isinstance(trigger, ScoreTrigger)
    assert trigger.column == "scores.lapse.percentile"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([], "trigger: expects an object with a kind, got []"),
        ({}, 'trigger.kind: expects "score", "segment", "event", "date", "schedule" or "hand", got nothing'),
        ({"kind": []}, 'trigger.kind: expects "score", "segment", "event", "date", "schedule" or "hand", got []'),
        (SCORE | {"enter": "high"}, 'trigger.enter: expects a number, got "high"'),
        (SCORE | {"enter": True}, "trigger.enter: expects a number, got True"),
        (SCORE | {"enter": float("nan")}, "trigger.enter: expects a number from 0 to 1, got nan"),
        (SCORE | {"enter": 70}, "trigger.enter: expects a number from 0 to 1, got 70"),
        (SCORE | {"of": "percentile", "enter": 101}, "trigger.enter: expects a number from 0 to 100, got 101"),
        (SCORE | {"leave": 0.8}, "trigger.leave: must not lie above enter (0.7), got 0.8"),
        (SCORE | {"direction": "below"}, "trigger.leave: must not lie below enter (0.7), got 0.6"),
        (SCORE | {"direction": "up"}, 'trigger.direction: expects "above" or "below", got "up"'),
        (SCORE | {"score": "laps"}, 'trigger.score: there is no score "laps"'),
        (SCORE | {"score": 3}, "trigger.score: expects the name of a score, got 3"),
        (
            SCORE | {"levae": 0.5},
            "trigger.levae: is not known here; there are direction, enter, kind, leave, of, score",
        ),
        (SEGMENT | {"segment": "vips"}, 'trigger.segment: there is no segment "vips"'),
        (SEGMENT | {"edge": "exited"}, 'trigger.edge: expects "entered", "left" or "stays", got "exited"'),
        (SEGMENT | {"days": 3}, 'trigger.days: is for the edge "stays" only'),
        (SEGMENT | {"edge": "stays"}, "trigger.days: expects a whole number from 1 to 3650, got nothing"),
        (SEGMENT | {"edge": "stays", "days": 0}, "trigger.days: expects a whole number from 1 to 3650, got 0"),
        (EVENT | {"event": "Order Compelted"}, 'trigger.event: there is no event "Order Compelted"'),
        (EVENT | {"event": None}, "trigger.event: expects the name of an event, got nothing"),
        (
            EVENT | {"where": [{"field": "valeu", "op": ">", "value": 1}]},
            "trigger.where[0]: no field named 'valeu'; did you mean 'value'?",
        ),
        (
            EVENT | {"where": [{"field": "value", "op": ">", "value": "x"}]},
            'trigger.where[0].value: expects a number, got "x"',
        ),
        (EVENT | {"where": []}, "trigger.where: expects a list of conditions on the event, got []"),
        (
            BIRTHDAY | {"field": "renewal"},
            'trigger.field: there is no date "renewal"; expects "birth_date" or "attributes.<name>"',
        ),
        (BIRTHDAY | {"field": "attributes.plan"}, 'trigger.field: "attributes.plan" is not a date'),
        (BIRTHDAY | {"hour": 24}, "trigger.hour: expects a whole number from 0 to 23, got 24"),
        (BIRTHDAY | {"days": 366}, "trigger.days: expects a whole number from -365 to 365, got 366"),
        (BIRTHDAY | {"yearly": 1}, "trigger.yearly: expects true or false, got 1"),
        (WEEKLY | {"on": 8}, "trigger.on: expects a whole number from 1 to 7, got 8"),
        (WEEKLY | {"every": "month", "on": 29}, "trigger.on: expects a whole number from 1 to 28, got 29"),
        (WEEKLY | {"every": "day"}, 'trigger.on: is for every "week" or "month" only'),
        (WEEKLY | {"every": "hour"}, 'trigger.every: expects "day", "week" or "month", got "hour"'),
        (WEEKLY | {"at": "24:00"}, 'trigger.at: expects a time of day such as "09:00", got "24:00"'),
        (WEEKLY | {"at": 9}, 'trigger.at: expects a time of day such as "09:00", got 9'),
        ({"kind": "hand", "at": "09:00"}, "trigger.at: is not known here; there are kind"),
        (
            {key: value for key, value in SCORE.items() if key != "leave"},
            "trigger.leave: expects a number, got nothing",
        ),
    ],
)
def test_a_faulty_trigger_is_refused_with_its_place(data: object, message: str) -> None:
    with pytest.raises(TriggerError) as refused:
        parse(data, KNOWN)
    assert str(refused.value) == message


def test_outsiders_are_tested_by_enter_and_insiders_by_leave() -> None:
    above = ScoreTrigger("lapse", "above", 0.7, 0.6)
    values: list[float | None] = [0.7, 0.65, 0.65, 0.59]
    assert insiders(above, values, [False, False, True, True]) == [True, False, True, False]
    below = ScoreTrigger("lapse", "below", 0.3, 0.4)
    values = [0.3, 0.35, 0.35, 0.41]
    assert insiders(below, values, [False, False, True, True]) == [True, False, True, False]


def test_a_customer_without_a_score_stays_where_she_was() -> None:
    trigger = ScoreTrigger("lapse", "above", 0.7, 0.6)
    assert insiders(trigger, [None, None], [False, True]) == [False, True]
    nothing = inside(pl.DataFrame({"customer_id": [1, 2]}), trigger, pl.Series([False, True]))
    assert nothing.to_list() == [False, True]


def test_a_segment_trigger_depends_on_what_its_rule_names() -> None:
    rules: dict[str, object] = {
        "vip": {"version": 1, "rule": {"all": [{"segment": "loyal", "op": "in"}, {"field": "country", "op": "is"}]}},
        "loyal": {"version": 1, "rule": {"not": {"field": "scores.lapse.percentile", "op": ">", "value": 3}}},
        "other": {"version": 1, "rule": {"field": "scores.repeat", "op": ">", "value": 3}},
    }
    assert needed(SegmentTrigger("vip", "left"), rules) == ({"vip", "loyal"}, {"lapse"})
    assert needed(ScoreTrigger("lapse", "above", 0.7, 0.6), rules) == (set(), {"lapse"})
