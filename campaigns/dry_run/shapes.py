"""What a dry run tells: frozen values, ready for a page and for REST."""

from dataclasses import dataclass, field
from datetime import datetime

import polars as pl

from campaigns.forecast import Forecast

MOST_REASONS = 20
MESSAGES = 20


@dataclass(frozen=True)
class Counted:
    """So many customers of one name: an outcome, an arm or a variant."""

    name: str
    customers: int


@dataclass(frozen=True)
class Reasoned:
    """So many customers with one outcome and one reason; numbers and times of single customers are left out of it."""

    outcome: str
    reason: str
    customers: int


@dataclass(frozen=True)
class Rest:
    """The reasons that are not named one by one: how many there are, and of how many customers."""

    reasons: int = 0
    customers: int = 0


@dataclass(frozen=True)
class Warned:
    """A limit that the campaign would meet: `about` names it (budget, day, throughput, stock, calls, quiet, sending,
    nobody), `sentence` says what comes of it.
    """

    about: str
    sentence: str


@dataclass(frozen=True)
class Cost:
    """What acting on those who match would cost: messages at once, and codes as far as they are expected to be used.

    `offers` is None where nothing tells what a code costs; `total` leaves it out then. `sentence` says it in words.
    """

    messages: int
    calls: int
    codes: int
    a_message: float
    offers: float | None
    total: float
    sentence: str


@dataclass(frozen=True)
class Message:
    """What one customer would get, drawn by what draws the real one; links lead to examples, and codes are examples.

    Where it cannot be drawn, `problem` says why and the texts are empty.
    """

    customer: str
    variant: str
    action: str
    subject: str
    text: str
    html: str
    problem: str = ""


@dataclass(frozen=True)
class Overlap:
    """So many of those who would get it were contacted lately, or are about to be, by another campaign."""

    campaign: str
    name: str
    state: str
    customers: int


@dataclass(frozen=True)
class Overlaps:
    """How many of those who would get it were contacted in the last `days`, or are about to be, and by whom."""

    days: int
    customers: int
    campaigns: tuple[Overlap, ...]


@dataclass(frozen=True)
class DryRun:
    """What a campaign would do if it acted now on those who match it; nothing of it is written.

    `matching` counts who match, `considered` those of them whom it may consider again; `outcomes`, `arms` and
    `variants` share out the considered, `getting` get their message at once and `waiting` later. `means` says what
    "now" means for its trigger, `facts_as_of` how old the facts are. `a_day` is how many a day are foreseen besides.
    `decisions` has a row for each of the considered: customer_id, bucket, round, outcome, reason, due_at, expires_at,
    cause, score, arm, draw, probability, variant.
    """

    campaign: str
    as_of: datetime
    facts_as_of: datetime | None
    means: str
    matching: int
    considered: int
    outcomes: tuple[Counted, ...]
    reasons: tuple[Reasoned, ...]
    other_reasons: Rest
    arms: tuple[Counted, ...]
    variants: tuple[Counted, ...]
    getting: int
    waiting: int
    a_day: Forecast
    warnings: tuple[Warned, ...]
    cost: Cost
    messages: tuple[Message, ...]
    overlaps: Overlaps
    decisions: pl.DataFrame = field(repr=False, compare=False)
