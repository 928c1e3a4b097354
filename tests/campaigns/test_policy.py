"""The first check that fails decides, and the arm comes before all others."""

from dataclasses import replace

import polars as pl
import pytest

from campaigns.policy import Terms, choose

TERMS = Terms("email", "newsletter", "vip", 0.05, 0.1, 0.25, 24, cap_messages=2, cap_days=7)
FINE = {
    "arm": "treated",
    "is_late": False,
    "is_consented": True,
    "has_address": True,
    "is_suppressed": False,
    "is_in_audience": True,
    "messages": 0,
    "why": "Entered the segment vip.",
}


def outcome(**changes: object) -> tuple[str, str]:
    row = choose(pl.DataFrame([FINE | changes]), TERMS).row(0, named=True)
    return row["outcome"], row["reason"]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, ("deliver", "Entered the segment vip.")),
        ({"messages": 1}, ("deliver", "Entered the segment vip.")),
        ({"arm": "holdout"}, ("held_out", "Among the 5% whom all campaigns leave alone.")),
        ({"arm": "control"}, ("control", "Drawn into the control group of 10%.")),
        ({"arm": "outside"}, ("ineligible", "Outside the pilot of 25%.")),
        ({"is_late": True}, ("ineligible", "It happened more than 24 hours ago.")),
        ({"is_consented": False}, ("suppressed", "No consent for e-mail about newsletter.")),
        ({"has_address": False}, ("suppressed", "No address for e-mail.")),
        ({"is_suppressed": True}, ("suppressed", "The address for e-mail is suppressed.")),
        ({"is_in_audience": False}, ("ineligible", "Not in the segment vip.")),
        ({"messages": 2}, ("capped", "2 messages in 7 days, planned ones included; the cap is 2.")),
    ],
)
def test_each_check_gives_its_outcome_and_reason(changes: dict[str, object], expected: tuple[str, str]) -> None:
    assert outcome(**changes) == expected


def test_checks_go_in_order() -> None:
    everything = {
        "messages": 9,
        "is_in_audience": False,
        "is_suppressed": True,
        "has_address": False,
        "is_consented": False,
    }
    found = [outcome(arm=arm, **everything)[0] for arm in ("holdout", "control", "treated")]
    assert found == ["held_out", "control", "suppressed"]
    assert outcome(messages=9, is_in_audience=False)[0] == "ineligible"


def test_no_message_is_no_message() -> None:
    frame = pl.DataFrame([FINE | {"messages": None}], schema_overrides={"messages": pl.Int64})
    assert choose(frame, TERMS)["outcome"].to_list() == ["deliver"]
    phone = choose(pl.DataFrame([FINE | {"is_consented": False}]), replace(TERMS, channel="phone"))
    assert phone["reason"].to_list() == ["No consent for phone about newsletter."]
