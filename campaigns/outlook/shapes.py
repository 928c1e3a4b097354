"""What a launch can be told about what is to come: frozen values, ready for a page and for REST."""

from dataclasses import dataclass

from campaigns.stats import Interval


@dataclass(frozen=True)
class Base:
    """How many of comparable customers reached the goal by themselves within its days, and what that was worth each.

    `rate` and `worth` are None where history tells nothing; `basis` says what they rest on, or why there are none.
    """

    customers: int
    rate: float | None
    worth: float | None
    basis: str


@dataclass(frozen=True)
class Detectable:
    """What can be shown after so many weeks: of `customers` with their goal's time over, `control` are left alone.

    `points` is the smallest change of the share that converts, `relative` the same as a part of the base rate; None
    while too few are there.
    """

    weeks: int
    customers: int
    control: int
    points: float | None
    relative: float | None
    sentence: str


@dataclass(frozen=True)
class Power:
    """What the campaign's size can show. `headline` is one sentence: "You can detect +12 % in 3 weeks."

    `weeks_needed` is how long +10 % takes with the campaign's control share, None where it is never shown;
    `control_share` the share that is suggested, and `advice` the sentence about it.
    """

    weeks: tuple[Detectable, ...]
    headline: str
    weeks_needed: int | None
    control_share: float
    advice: str


@dataclass(frozen=True)
class Missing:
    """A number that is not known: what it is, and where it is typed in."""

    what: str
    where: str


@dataclass(frozen=True)
class Cut:
    """What acting from a line up is expected to earn, per 1,000 customers; `share` of them are acted on."""

    line: float
    share: float
    profit: Interval


@dataclass(frozen=True)
class Pays:
    """The smallest line of the score that pays; None where no line does, or where numbers are `missing`.

    `interval` is what the measured share won leaves open about the line; `profit` what acting from it up is expected
    to earn per 1,000 customers. `cuts` is the whole curve. `sentence` says it in words.
    """

    line: float | None
    interval: Interval | None
    profit: Interval | None
    cuts: tuple[Cut, ...]
    missing: tuple[Missing, ...]
    sentence: str


@dataclass(frozen=True)
class Outlook:
    """What the campaign's size can show, and, of one that a score triggers, where its line should be."""

    base: Base
    power: Power
    pays: Pays | None
