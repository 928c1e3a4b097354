"""What a report of a campaign or of the programme holds: values that pages, REST and tables read, and no database.

`campaigns.measure.measure(campaign, as_of)` gives one. Everyone assigned counts once, from her first decision, whether
anything was sent or not. Money is in the shop's currency, shares are between 0 and 1.
"""

from dataclasses import dataclass, field, fields
from datetime import date, datetime

from campaigns.stats import CovariateMean, Endless, Interval, Mean, Planned, Proportion, WeightedMean


@dataclass(frozen=True)
class Goal:
    """What is hoped for, and within how many days after a customer's first decision it counts."""

    event: str
    days: int

    def __str__(self) -> str:
        return f"{self.event} within {self.days} days after the first decision about a customer"


@dataclass(frozen=True)
class Figure:
    """One figure of an arm's customers: with what was known before (for CUPED), and weighted by their probabilities."""

    covariate: CovariateMean = field(default_factory=CovariateMean)
    weighted: WeightedMean = field(default_factory=WeightedMean)

    def __add__(self, other: "Figure") -> "Figure":
        return Figure(self.covariate + other.covariate, self.weighted + other.weighted)

    @property
    def mean(self) -> Mean:
        """Give the plain mean's sums."""
        return self.covariate.after


@dataclass(frozen=True)
class Arm:
    """Some customers who were assigned alike: treated, control, holdout, or of the treated one variant.

    `margin` is the margin on what they bought less what the campaign cost with them; `cost` that cost altogether: of
    messages and calls, and of offers redeemed. `delivered` to `complained` count customers, clicks by people only.
    """

    name: str
    converted: Figure = field(default_factory=Figure)
    valued: Figure = field(default_factory=Figure)
    earned: Figure = field(default_factory=Figure)
    cost: float = 0.0
    messages: int = 0
    eligible: int = 0
    delivered: int = 0
    clicked: int = 0
    delivered_and_converted: int = 0
    unsubscribed: int = 0
    complained: int = 0

    def __add__(self, other: "Arm") -> "Arm":
        added = {one.name: getattr(self, one.name) + getattr(other, one.name) for one in fields(self)[1:]}
        return Arm(self.name, **added)

    @property
    def customers(self) -> int:
        """Give how many customers were assigned to it."""
        return self.converted.mean.n

    @property
    def conversions(self) -> Proportion:
        """Give how many of them did what was hoped for within the window."""
        return Proportion(self.customers, round(self.converted.mean.total))

    @property
    def value(self) -> Mean:
        """Give what the goal's events were worth within the window: revenue."""
        return self.valued.mean

    @property
    def margin(self) -> Mean:
        """Give the margin on that, less the campaign's costs."""
        return self.earned.mean


@dataclass(frozen=True)
class Effect:
    """One arm minus another in one figure, each customer; or the sentence that says why there is no interval.

    The interval holds at every look at once, and so does `p_value`. `total` is the interval over all customers of the
    first arm. `cut` is which part of the variance the time before took away (CUPED), 0 where it was not used. `needed`
    is how many customers more it takes to show an effect as large as the one seen; None where one is shown, or none is
    seen.
    """

    interval: Interval | None
    message: str = ""
    p_value: float | None = None
    total: Interval | None = None
    cut: float = 0.0
    needed: int | None = None


@dataclass(frozen=True)
class Comparison:
    """One arm (`of`: treated, or the key of a variant) minus another (`against`)."""

    of: str
    against: str
    conversion: Effect
    value: Effect
    margin: Effect
    is_weighted: bool = False

    @property
    def earned(self) -> Interval | None:
        """Give what the campaign earned altogether: margin less costs, with its interval."""
        return self.margin.total


@dataclass(frozen=True)
class Looks:
    """By which rule the intervals hold at any look, and how many customers it has seen."""

    rule: Planned | Endless
    so_far: int

    @property
    def planned(self) -> int | None:
        """Give for how many customers the read-out was planned; None where it was not."""
        return self.rule.customers if isinstance(self.rule, Planned) else None

    @property
    def share_of_plan(self) -> float | None:
        """Give which part of the plan is there."""
        return self.so_far / self.planned if self.planned else None


@dataclass(frozen=True)
class Split:
    """Whether the arms are as large as the draws make them. Where not, no effect may be read until it is explained."""

    is_balanced: bool = True
    control: float = 1.0  # the chance of a control group as far off as this or further
    variants: float = 1.0  # and of variants


@dataclass(frozen=True)
class Stage:
    """One step of the funnel of the treated: how many customers came so far. Converted are of the delivered."""

    key: str
    label: str
    customers: int


@dataclass(frozen=True)
class Reason:
    """Why decisions were not to deliver, in the words of the decisions."""

    outcome: str
    reason: str
    decisions: int


@dataclass(frozen=True)
class Slice:
    """The same arms for a part of the customers: a week of first decisions, or a band of the score at the decision."""

    name: str
    treated: Arm
    control: Arm
    holdout: Arm
    against_control: Comparison


@dataclass(frozen=True)
class Point:
    """What could be read of the customers decided about up to a day: the cumulative effect against control."""

    until: date
    customers: int
    conversion: Effect
    value: Effect
    margin: Effect


@dataclass(frozen=True)
class Tag:
    """A content tag of the mails: who clicked a link of it, and how many of these converted: association, no effect."""

    tag: str
    clicked: int
    conversions: Proportion


@dataclass(frozen=True)
class Report:
    """A campaign as of a time. `words` says what may be said about it, and nothing more.

    `counted_at` is as of when its sums are: earlier than `as_of` where they are kept by the schedule.
    """

    campaign: str
    as_of: datetime
    counted_at: datetime
    goal: Goal
    treated: Arm
    control: Arm
    holdout: Arm
    variants: tuple[Arm, ...]
    against_control: Comparison
    against_holdout: Comparison
    of_variants: tuple[Comparison, ...]  # each variant against control
    looks: Looks
    split: Split
    ripe_share: float | None  # of those assigned, whose time for the goal has run out
    outcomes: dict[str, int]
    deliveries: dict[str, int]
    funnel: tuple[Stage, ...] = ()
    reasons: tuple[Reason, ...] = ()
    weeks: tuple[Slice, ...] = ()
    over_time: tuple[Point, ...] = ()
    bands: tuple[Slice, ...] = ()
    tags: tuple[Tag, ...] = ()
    words: tuple[str, ...] = ()

    @property
    def is_balanced(self) -> bool:
        """Say whether an effect may be read."""
        return self.split.is_balanced


@dataclass(frozen=True)
class Contacts:
    """How many messages and calls customers got within the window: how many customers got 0, 1, 2, ... of them."""

    customers: dict[int, int] = field(default_factory=dict)

    @property
    def mean(self) -> float | None:
        """Give the contacts per customer."""
        people = sum(self.customers.values())
        return sum(many * n for many, n in self.customers.items()) / people if people else None


@dataclass(frozen=True)
class Verdict:
    """All campaigns together, against the customers whom all of them leave alone: `campaigns.measure.programme`."""

    as_of: datetime
    counted_at: datetime
    goal: Goal
    reached: Arm
    holdout: Arm
    against_holdout: Comparison
    looks: Looks
    split: Split
    ripe_share: float | None
    contacts: Contacts
    over_time: tuple[Point, ...] = ()
    words: tuple[str, ...] = ()
