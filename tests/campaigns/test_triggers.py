"""Triggers are parsed or refused with the place, and remember who is inside."""

import polars as pl
import pytest

from campaigns.triggers import Known, ScoreTrigger, SegmentTrigger, TriggerError, inside, needed, parse

KNOWN = Known(frozenset({"scores.lapse", "scores.lapse.percentile"}), frozenset({"vip"}))
SCORE = {"kind": "score", "score": "lapse", "direction": "above", "enter": 0.7, "leave": 0.6}
SEGMENT = {"kind": "segment", "segment": "vip", "edge": "entered"}


def insiders(trigger: ScoreTrigger, values: list[float | None], was: list[bool]) -> list[bool]:
    frame = pl.DataFrame({trigger.column: values}, schema={trigger.column: pl.Float64})
    return inside(frame, trigger, pl.Series(was, dtype=pl.Boolean)).to_list()


def test_both_forms_are_read_and_said_in_words() -> None:
    score, segment = parse(SCORE, KNOWN), parse(SEGMENT, KNOWN)
    assert score == ScoreTrigger("lapse", "above", 0.7, 0.6)
    assert segment == SegmentTrigger("vip", "entered")
    assert score.sentence() == "When the score lapse rises to 0.7 or more; again only after it falls below 0.6."
    assert segment.sentence() == "When a customer enters the segment vip."


def test_a_falling_percentile_is_said_in_words() -> None:
    trigger = parse(SCORE | {"of": "percentile", "direction": "below", "enter": 10, "leave": 20}, KNOWN)
    expected = "When the percentile of the score lapse falls to 10 or less; again only after it rises above 20."
    assert trigger.sentence() == expected
    assert trigger.column == "scores.lapse.percentile"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([], "trigger: expects an object with a kind, got []"),
        ({}, 'trigger.kind: expects "score" or "segment", got nothing'),
        (SCORE | {"enter": "high"}, 'trigger.enter: expects a number, got "high"'),
        (SCORE | {"enter": True}, "trigger.enter: expects a number, got True"),
        (SCORE | {"enter": float("nan")}, "trigger.enter: expects a number from 0 to 1, got nan"),
        (SCORE | {"enter": 70}, "trigger.enter: expects a number from 0 to 1, got 70"),
        (SCORE | {"of": "percentile", "enter": 101}, "trigger.enter: expects a number from 0 to 100, got 101"),
        (SCORE | {"leave": 0.8}, "trigger.leave: must not lie above enter (0.7), got 0.8"),
        (SCORE | {"direction": "below"}, "trigger.leave: must not lie below enter (0.7), got 0.6"),
        (SCORE | {"direction": "up"}, 'trigger.direction: expects "above" or "below", got "up"'),
        (SCORE | {"score": "laps"}, 'trigger.score: there is no score "laps"'),
        (SCORE | {"score": 3}, "trigger.score: expects the key of a score, got 3"),
        (
            SCORE | {"levae": 0.5},
            "trigger.levae: is not known here; there are direction, enter, kind, leave, of, score",
        ),
        (SEGMENT | {"segment": "vips"}, 'trigger.segment: there is no segment "vips"'),
        (SEGMENT | {"edge": "exited"}, 'trigger.edge: expects "entered" or "left", got "exited"'),
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
