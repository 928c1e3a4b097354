"""The first check that fails decides, and the arm comes before all others."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import polars as pl
import pytest

from campaigns.caps import FULL, MESSAGES, Cap, room
from campaigns.policy import Patience, Terms, choose
from customers.bulk import UTC_MICROSECONDS
from tests.campaigns.people import T0

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
DROPS = Patience(T0, may_wait=False, hours=48)
TERMS = Terms("email", "newsletter", "vip", 0.05, 0.1, 0.25, 24, is_budgeted=False, patience=DROPS)
WAITS = replace(TERMS, patience=replace(DROPS, may_wait=True))
CAP = "2 messages in 7 days, planned ones included; the cap is 2, with room from 2026-03-02 12:00 UTC."
WHY = "Entered the segment vip."
FINE = {
    "arm": "treated",
    "is_late": False,
    "happened_at": T0 - 30 * HOUR,
    "is_consented": True,
    "has_address": True,
    "is_suppressed": False,
    "is_in_audience": True,
    "barred": None,
    "cap": None,
    "allowed_at": T0,
    "why": WHY,
}
FULL_CAP: dict[str, Any] = {"cap": CAP, "allowed_at": T0 + DAY}
MORNING: dict[str, Any] = {"allowed_at": T0 + 19 * HOUR}
LATE: dict[str, Any] = {"is_late": True}


def judged(terms: Terms = TERMS, **changes: Any) -> dict[str, Any]:
    times = dict.fromkeys(("allowed_at", "happened_at"), UTC_MICROSECONDS)
    due = pl.DataFrame([FINE | changes], schema_overrides={**times, "cap": pl.String, "barred": pl.String})
    return choose(due, terms).row(0, named=True)


@pytest.mark.parametrize(
    ("changes", "outcome", "reason"),
    [
        ({}, "deliver", WHY),
        ({"arm": "holdout"}, "held_out", "Among the 5% whom all campaigns leave alone."),
        ({"arm": "outside"}, "ineligible", "Outside the pilot of 25%."),
        ({"arm": "control"}, "control", "Drawn into the control group of 10%."),
        (LATE, "ineligible", "It happened at 2026-02-28 06:00 UTC, more than 24 hours before this."),
        ({"is_consented": False}, "suppressed", "No consent for e-mail about newsletter."),
        ({"has_address": False}, "suppressed", "No address for e-mail."),
        ({"is_suppressed": True}, "suppressed", "The address for e-mail is suppressed."),
        ({"is_in_audience": False}, "ineligible", "Not in the segment vip."),
        ({"barred": "The offer has ended."}, "ineligible", "The offer has ended."),
        (FULL_CAP, "capped", CAP),
        (MORNING, "ineligible", "Quiet hours where the customer is, or may be, until 2026-03-02 07:00 UTC."),
        ({"allowed_at": None}, "ineligible", "No hour is outside the quiet hours wherever the customer may be."),
    ],
)
def test_each_check_gives_its_outcome_and_reason(changes: dict[str, Any], outcome: str, reason: str) -> None:
    found = judged(**changes)
    assert (found["outcome"], found["reason"], found["due_at"], found["expires_at"]) == (outcome, reason, T0, None)


def test_checks_go_in_order() -> None:
    failing: list[dict[str, Any]] = [
        FULL_CAP,
        {"is_in_audience": False},
        {"is_suppressed": True},
        {"has_address": False},
        {"is_consented": False},
        LATE,
        {"arm": "control"},
        {"arm": "outside"},
        {"arm": "holdout"},
    ]
    so_far: dict[str, Any] = dict(MORNING)
    for one in failing:
        so_far |= one
        alone, together = judged(**one), judged(**so_far)
        assert (together["outcome"], together["reason"]) == (alone["outcome"], alone["reason"])


@pytest.mark.parametrize("limit", [FULL_CAP, MORNING])
def test_a_campaign_that_waits_has_what_is_limited_deferred_until_it_may_go(limit: dict[str, Any]) -> None:
    found = judged(WAITS, **limit)
    assert (found["outcome"], found["due_at"], found["expires_at"]) == ("deferred", limit["allowed_at"], T0 + 48 * HOUR)
    why = limit.get("cap") or "Quiet hours where the customer is, or may be."
    assert found["reason"] == f"{WHY} Waits until {limit['allowed_at']:%Y-%m-%d %H:%M} UTC: {why}"


def test_nobody_waits_for_what_comes_too_late() -> None:
    found = judged(WAITS, cap=CAP, allowed_at=T0 + 48 * HOUR)
    assert (found["outcome"], found["reason"]) == ("capped", f"{CAP} That is later than it waits: 48 hours.")
    assert judged(WAITS, allowed_at=None)["outcome"] == "ineligible"


def test_only_those_whom_the_treatment_is_for_wait() -> None:
    for arm, outcome in (("control", "control"), ("holdout", "held_out"), ("outside", "ineligible")):
        found = judged(WAITS, arm=arm, **FULL_CAP)
        assert (found["outcome"], found["due_at"], found["expires_at"]) == (outcome, T0, None)


def test_a_campaign_with_a_budget_holds_its_candidates() -> None:
    found = judged(replace(TERMS, is_budgeted=True))
    assert (found["outcome"], found["due_at"]) == ("deferred", T0)
    assert found["reason"] == f"{WHY} Waits for its turn: the campaign's budget is shared out."
    assert judged(replace(TERMS, is_budgeted=True), **FULL_CAP)["outcome"] == "capped"


def test_of_another_channel_the_reason_names_it() -> None:
    assert judged(replace(TERMS, channel="phone"), is_consented=False)["reason"] == (
        "No consent for phone about newsletter."
    )


def told(*rows: tuple[int, datetime, str, str, int, str]) -> pl.DataFrame:
    """Give messages: customer, time, channel, topic, priority, state; their ids are their places."""
    names = ("customer_id", "at", "channel", "topic", "priority", "state", "delivery_id")
    found = [dict(zip(names, (*row, n), strict=True)) for n, row in enumerate(rows)]
    return pl.DataFrame(found, schema=MESSAGES)


SENT = ("email", "news", 100, "sent")
PLANNED = ("email", "news", 100, "planned")


def test_a_message_counts_until_its_window_has_passed_to_the_second() -> None:
    cap, week = Cap(1, 7), 7 * DAY
    rows = told((1, T0 - week, *SENT), (2, T0 - week + timedelta(seconds=1), *SENT))
    full = room(rows, [cap], T0, 100).full
    assert full["customer_id"].to_list() == [2]
    assert full["free_at"].to_list() == [T0 + timedelta(seconds=1)]


def test_there_is_room_when_as_many_have_left_the_window_as_are_over_the_cap() -> None:
    rows = told(*((1, T0 - n * DAY, *SENT) for n in (1, 5, 3)))
    full = room(rows, [Cap(2, 7)], T0, 100).full
    assert full["free_at"].to_list() == [T0 + 4 * DAY]
    assert full["reason"].to_list() == [
        "3 messages in 7 days, planned ones included; the cap is 2, with room from 2026-03-05 12:00 UTC."
    ]


def test_a_cap_counts_its_own_channel_and_topic_and_the_last_to_be_free_decides() -> None:
    calls = Cap(1, 30, "phone", "news")
    rows = told(
        (1, T0 - DAY, "phone", "news", 100, "sent"),
        (2, T0 - DAY, "email", "news", 100, "sent"),
        (3, T0 - DAY, "phone", "bills", 100, "sent"),
    )
    assert room(rows, [calls], T0, 100).full.rows() == [
        (
            1,
            "1 call about news in 30 days, planned ones included; the cap is 1, with room from 2026-03-30 12:00 UTC.",
            T0 + 29 * DAY,
        )
    ]
    both = room(rows, [Cap(1, 7), calls], T0, 100).full.sort("customer_id")
    assert both["free_at"].to_list() == [T0 + 29 * DAY, T0 + 6 * DAY, T0 + 6 * DAY]


def test_what_a_later_campaign_has_planned_gives_way_the_last_one_first() -> None:
    later = ("email", "news", 200, "planned")
    last = ("email", "news", 300, "planned")
    begun = ("email", "news", 300, "claimed")
    rows = told((1, T0, *SENT), (1, T0, *last), (2, T0, *later), (2, T0, *last), (3, T0, *SENT), (3, T0, *begun))
    found = room(rows, [Cap(2, 7)], T0, 100)
    assert found.gives_way.sort("customer_id").rows() == [(1, 1), (2, 3)]
    assert found.full["customer_id"].to_list() == [3]
    assert room(rows, [Cap(2, 7)], T0, 300).gives_way.is_empty()
    assert room(rows, [Cap(3, 7)], T0, 100).gives_way.is_empty()


def test_nobody_gives_way_to_a_customer_whom_another_cap_stops() -> None:
    rows = told((1, T0 - DAY, "phone", "news", 1, "sent"), (1, T0, "email", "news", 200, "planned"))
    found = room(rows, [Cap(2, 7), Cap(1, 7, "phone")], T0, 100)
    assert found.gives_way.is_empty()
    assert found.full.schema == FULL


def test_a_cap_says_the_same_of_one_customer_and_of_all() -> None:
    for cap in (Cap(1, 1), Cap(2, 7, "email"), Cap(3, 30, "sms", "news")):
        for count in (1, 2, 4):
            times = [T0 - n * HOUR for n in range(count)]
            free_at = cap.free_at(times)
            rows = told(*((1, at, cap.channel or "email", cap.topic, 1, "sent") for at in times))
            full = room(rows, [cap], T0, 1).full
            assert full["free_at"].to_list() == ([free_at] if free_at else [])
            assert full["reason"].to_list() == ([cap.sentence(count, free_at)] if free_at else [])
