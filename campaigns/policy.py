"""What each due customer gets, and why: frames and numbers in, outcomes and reasons out.

The checks, in their order; the first that fails decides:

1. the arm: held out by all campaigns, outside the pilot, control of this one
2. late: what made her due is older than the campaign takes it
3. consent for the channel and topic, then an address, then no suppression
4. the audience
5. the offer: its time, its audience, one code a customer
6. caps: of the programme, of channels and of topics
7. quiet hours
8. the budget and the stock of the offer, which are shared out afterwards (campaigns.allocate)

Where a cap or the quiet hours say no, a campaign that waits has the message deferred, if it may go early enough.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl

from campaigns.assignment import CONTROL, HOLDOUT, OUTSIDE
from campaigns.caps import MOMENT
from campaigns.deferral import NEVER, QUIET, WAITS
from campaigns.models import Decision
from customers.bulk import UTC_MICROSECONDS

REASON_LENGTH = 300
WORDS = {"email": "e-mail", "phone": "phone", "sms": "SMS", "push": "push"}
HELD = " Waits for its turn: the campaign's budget is shared out."
Outcome = Decision.Outcome


@dataclass(frozen=True)
class Patience:
    """How long a campaign waits where something limits it now; not at all unless it `may_wait`."""

    as_of: datetime
    may_wait: bool
    hours: int


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
    is_budgeted: bool
    patience: Patience


def choose(due: pl.DataFrame, terms: Terms) -> pl.DataFrame:
    """Add `outcome`, `reason`, `due_at` and `expires_at` to the due customers of one campaign.

    `due` has arm, is_late, happened_at, is_consented, has_address, is_suppressed, is_in_audience, `barred` (why she may
    not have the offer, or no value), `cap` (what a cap says, or no value), `allowed_at` (from when on neither caps nor
    quiet hours are against it), and `why`, the sentence
    of those who are delivered to. The arm is looked at first, before anything that says whether a customer can be
    reached: a control customer is "control" even if no message could have reached her. Both arms then hold the same mix
    of reachable and unreachable customers, and are counted from the decision, everyone assigned, sent or not. If the
    unreachable were taken out before the draw was looked at in one arm only, the arms would differ before any message.
    The pilot is drawn before control, so that both arms are within it.
    """
    channel = WORDS.get(terms.channel, terms.channel)
    happened = pl.col("happened_at").dt.strftime(MOMENT)
    is_late = f", more than {terms.lateness_hours} hours before this."
    checks: list[tuple[pl.Expr, Decision.Outcome, str | pl.Expr]] = [
        (
            pl.col("arm") == HOLDOUT,
            Outcome.HELD_OUT,
            f"Among the {100 * terms.holdout_share:g}% whom all campaigns leave alone.",
        ),
        (pl.col("arm") == OUTSIDE, Outcome.INELIGIBLE, f"Outside the pilot of {100 * terms.pilot_share:g}%."),
        (pl.col("arm") == CONTROL, Outcome.CONTROL, f"Drawn into the control group of {100 * terms.control_share:g}%."),
        (pl.col("is_late"), Outcome.INELIGIBLE, pl.concat_str(pl.lit("It happened at "), happened, pl.lit(is_late))),
        (~pl.col("is_consented"), Outcome.SUPPRESSED, f"No consent for {channel} about {terms.topic}."),
        (~pl.col("has_address"), Outcome.SUPPRESSED, f"No address for {channel}."),
        (pl.col("is_suppressed"), Outcome.SUPPRESSED, f"The address for {channel} is suppressed."),
        (~pl.col("is_in_audience"), Outcome.INELIGIBLE, f"Not in the segment {terms.audience}."),
        (pl.col("barred").is_not_null(), Outcome.INELIGIBLE, pl.col("barred")),
    ]
    judged = limit(due, terms.patience, is_budgeted=terms.is_budgeted)
    chosen, reason = pl.col("outcome"), pl.col("reason")
    for fails, result, sentence in reversed(checks):
        chosen = pl.when(fails).then(pl.lit(result.value)).otherwise(chosen)
        reason = pl.when(fails).then(pl.lit(sentence) if isinstance(sentence, str) else sentence).otherwise(reason)
    now = pl.lit(terms.patience.as_of, UTC_MICROSECONDS)
    is_deferred = pl.col("outcome") == Outcome.DEFERRED
    return judged.with_columns(outcome=chosen, reason=reason.str.slice(0, REASON_LENGTH)).with_columns(
        due_at=pl.when(is_deferred).then("due_at").otherwise(now),
        expires_at=pl.when(is_deferred).then(now + timedelta(hours=terms.patience.hours)),
    )


def limit(due: pl.DataFrame, patience: Patience, *, is_budgeted: bool) -> pl.DataFrame:
    """Add `outcome`, `reason` and `due_at` by caps, quiet hours and the budget alone (`cap`, `allowed_at`, `why`).

    Without `expires_at` in `due`, what waits may do so for the hours of its campaign from now on.
    """
    now, lit = pl.lit(patience.as_of, UTC_MICROSECONDS), pl.lit
    end = pl.col("expires_at") if "expires_at" in due.columns else now + timedelta(hours=patience.hours)
    is_capped, at = pl.col("cap").is_not_null(), pl.col("allowed_at")
    is_quiet = (at > now).fill_null(True) & ~is_capped
    waits = lit(patience.may_wait) & (is_capped | is_quiet) & (at < end).fill_null(False)
    moment = at.dt.strftime(MOMENT)
    says = pl.coalesce("cap", lit(QUIET))
    late = lit(f" That is later than it waits: {patience.hours} hours." if patience.may_wait else "")
    quiet = (
        pl.when(at.is_null()).then(lit(NEVER)).otherwise(pl.concat_str(lit(f"{QUIET[:-1]}, until "), moment, lit(".")))
    )
    goes = Outcome.DEFERRED if is_budgeted else Outcome.DELIVER
    return due.with_columns(
        outcome=pl.when(waits)
        .then(lit(Outcome.DEFERRED.value))
        .when(is_capped)
        .then(lit(Outcome.CAPPED.value))
        .when(is_quiet)
        .then(lit(Outcome.INELIGIBLE.value))
        .otherwise(lit(goes.value)),
        reason=pl.when(waits)
        .then(pl.concat_str("why", lit(WAITS), moment, lit(": "), says))
        .when(is_capped)
        .then(pl.concat_str("cap", late))
        .when(is_quiet)
        .then(quiet)
        .otherwise(pl.concat_str("why", lit(HELD if is_budgeted else ""))),
        due_at=pl.when(waits).then(at).otherwise(now),
    )
