"""What each due customer gets, and why: frames and numbers in, outcomes and reasons out."""

from dataclasses import dataclass

import polars as pl

from campaigns.assignment import CONTROL, HOLDOUT, OUTSIDE
from campaigns.models import Decision

REASON_LENGTH = 300
WORDS = {"email": "e-mail", "phone": "phone", "sms": "SMS", "push": "push"}


@dataclass(frozen=True)
class Terms:
    """What holds for one campaign when it decides."""

    channel: str
    topic: str
    audience: str
    holdout_share: float
    control_share: float
    pilot_share: float
    lateness_hours: int
    cap_messages: int
    cap_days: int


def choose(due: pl.DataFrame, terms: Terms) -> pl.DataFrame:
    """Add `outcome` and `reason` to the due customers of one campaign; the first check that fails decides.

    `due` has arm, is_consented, has_address, is_suppressed, is_in_audience, messages, and `why`, the sentence of those
    who are delivered to. The arm is looked at first, before anything that says whether a customer can be reached: a
    control customer is "control" even if no message could have reached her. Both arms then hold the same mix of
    reachable and unreachable customers, and are counted from the decision, everyone assigned, sent or not. If the
    unreachable were taken out before the draw was looked at in one arm only, the arms would differ before any message.
    """
    channel = WORDS.get(terms.channel, terms.channel)
    messages = pl.col("messages").fill_null(0)
    outcome = Decision.Outcome
    checks = [
        (
            pl.col("arm") == HOLDOUT,
            outcome.HELD_OUT,
            f"Among the {100 * terms.holdout_share:g}% whom all campaigns leave alone.",
        ),
        (pl.col("arm") == CONTROL, outcome.CONTROL, f"Drawn into the control group of {100 * terms.control_share:g}%."),
        (pl.col("arm") == OUTSIDE, outcome.INELIGIBLE, f"Outside the pilot of {100 * terms.pilot_share:g}%."),
        (pl.col("is_late"), outcome.INELIGIBLE, f"It happened more than {terms.lateness_hours} hours ago."),
        (~pl.col("is_consented"), outcome.SUPPRESSED, f"No consent for {channel} about {terms.topic}."),
        (~pl.col("has_address"), outcome.SUPPRESSED, f"No address for {channel}."),
        (pl.col("is_suppressed"), outcome.SUPPRESSED, f"The address for {channel} is suppressed."),
        (~pl.col("is_in_audience"), outcome.INELIGIBLE, f"Not in the segment {terms.audience}."),
    ]
    cap = f" messages in {terms.cap_days} days, planned ones included; the cap is {terms.cap_messages}."
    is_capped = messages >= terms.cap_messages
    chosen = pl.when(is_capped).then(pl.lit(outcome.CAPPED.value)).otherwise(pl.lit(outcome.DELIVER.value))
    reason = pl.when(is_capped).then(pl.format("{}" + cap, messages)).otherwise("why")
    for fails, result, sentence in reversed(checks):
        chosen = pl.when(fails).then(pl.lit(result.value)).otherwise(chosen)
        reason = pl.when(fails).then(pl.lit(sentence)).otherwise(reason)
    return due.with_columns(outcome=chosen, reason=reason.str.slice(0, REASON_LENGTH))
