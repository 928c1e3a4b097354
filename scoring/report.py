"""What a training saw and did, as a model version keeps it and pages and REST tell it.

Figures are `{"value", "low", "high"}` with a 95 % interval. Fields are columns of the frame: `features.orders`.
"""

from typing import TypedDict


class Figures(TypedDict):
    """A figure with its interval."""

    value: float
    low: float
    high: float


class Prepared(TypedDict):
    """What was done to one field: how many rows had no value, were pulled in, or had a rare level."""

    field: str
    label: str
    kind: str
    missing: int
    outliers: int
    rare: int
    done: str


class Preparation(TypedDict):
    """What was done to the data: `left_out` tells why a field is not read."""

    rows: int
    customers: int
    duplicates: int
    fields: list[Prepared]
    left_out: dict[str, str]


TIME_ONLY = "time_only"


class Suspect(TypedDict):
    """A field the leakage guard blocked or warns of; `why` is a sentence that names it."""

    field: str
    kind: str
    why: str
    figure: float


class Guarded(TypedDict):
    """What the leakage guard found. What it blocks is not read."""

    blocked: list[Suspect]
    warned: list[Suspect]


class Tried(TypedDict):
    """One learner beside the others: how it did where the choice was made, and what serving it costs."""

    learner: str
    is_baseline: bool
    auc: Figures
    log_loss: float
    microseconds: float
    settings: dict[str, float | int | str]
    is_chosen: bool


class Check(TypedDict):
    """One condition of the gate, told in a sentence."""

    name: str
    passed: bool
    sentence: str


class Gate(TypedDict):
    """Whether the version may go live, and every condition."""

    passed: bool
    baseline: str
    checks: list[Check]


class Season(TypedDict):
    """How the level was set: the share foreseen before and after, and whether the season is known."""

    known: bool
    before: float
    after: float
    sentence: str


class Dependence(TypedDict, total=False):
    """The average chance, or amount, that is foreseen if everybody had this value."""

    value: str
    chance: float
    amount: float


class Driver(TypedDict):
    """One field's weight: what AUC loses without it out of time, and its odds ratio in a plain regression.

    Of a number it is the normalised Gini that is lost, and there is no odds ratio.
    """

    field: str
    label: str
    importance: Figures
    odds_ratio: Figures | None
    sentence: str
    dependence: list[Dependence]


class Cut(TypedDict):
    """What contacting everybody from a threshold up is expected to earn, per 1,000 customers."""

    threshold: float
    share: float
    profit: Figures


class Money(TypedDict):
    """The line that pays: None where no line does."""

    line: float | None
    profit: Figures | None
    cuts: list[Cut]
    sentence: str


class Spread(TypedDict):
    """How a field's values lay in training: shares between edges, or of levels; the last share is of no value."""

    edges: list[float]
    levels: list[str]
    shares: list[float]
    rows: int


class Report(TypedDict, total=False):
    """All of it; a part that does not apply is missing."""

    customers: int
    positives: int
    rows: int
    base_rate: float
    times: list[str]
    seconds: float
    preparation: Preparation
    guard: Guarded
    learners: list[Tried]
    gate: Gate
    season: Season
    drivers: list[Driver]
    money: Money
    spreads: dict[str, Spread]
    changes: list[str]
    notes: list[str]
    value: dict[str, float]
    spend_line: float
