"""What a campaign's size can show, and how much of it should be left alone. Pure.

The interval is the one that holds at any look (stats.looks.Planned), planned for the customers of that week. The
customers who count are those with all their goal's days behind them, and each counts once.
"""

from dataclasses import dataclass
from math import ceil

from campaigns.outlook.shapes import Base, Detectable, Power
from campaigns.stats import ENOUGH, Planned, customers_needed, smallest_effect

WEEKS = (1, 2, 3, 4, 8)
WEEK = 7
WANTED = 0.10  # the effect that is worth waiting for: +10 %
LATEST = 8  # weeks that are worth waiting
MOST_WEEKS = 520
SHARES = (0.05, 0.10, 0.15, 0.20, 0.30, 0.50)
USUAL = 0.10
ALONE = "Nobody is left alone as its control, so no effect can be shown: 10 % is usual."


@dataclass(frozen=True)
class Size:
    """How many customers are in the two arms together: those who match already, and those who come each day."""

    at_once: int
    a_day: float
    goal_days: int
    control_share: float

    def after(self, weeks: int) -> int:
        """Give of how many the goal's days are over after so many weeks."""
        days = WEEK * weeks - self.goal_days
        return 0 if days < 0 else self.at_once + int(self.a_day * days)

    def weeks_for(self, customers: int) -> int | None:
        """Give after how many weeks so many have their goal's days behind them; None where that takes ten years."""
        missing = max(0, customers - self.at_once)
        if missing and self.a_day <= 0:
            return None
        weeks = ceil((self.goal_days + (missing / self.a_day if missing else 0)) / WEEK)
        return weeks if weeks <= MOST_WEEKS else None


def of(size: Size, base: Base) -> Power:
    """Give what so many can show of a base rate."""
    if base.rate is None:
        return Power((), f"What can be shown is not known. {base.basis}", None, size.control_share or USUAL, "")
    weeks = tuple(_after(each, size, base.rate) for each in WEEKS)
    needed = _needed(size, base.rate, size.control_share)
    share, advice = _advice(size, base.rate, needed)
    return Power(weeks, _headline(size, weeks), needed, share, advice)


def _after(weeks: int, size: Size, rate: float) -> Detectable:
    many = size.after(weeks)
    control = round(many * size.control_share)
    when = "1 week" if weeks == 1 else f"{weeks} weeks"
    if min(control, many - control) < ENOUGH:
        said = f"After {when} too few customers have their {size.goal_days} days behind them."
        return Detectable(weeks, many, control, None, None, said)
    variance = rate * (1 - rate)
    points = smallest_effect((variance, many - control), (variance, control), _times(many))
    assert points is not None  # both arms have customers
    relative = points / rate
    seen = f"an effect of {_percent(relative)} shows ({100 * points:.2g} points on {100 * rate:.3g} %)"
    said = f"After {when} {many:,} customers count, {control:,} of them left alone: {seen}."
    return Detectable(weeks, many, control, points, relative, said)


def _headline(size: Size, weeks: tuple[Detectable, ...]) -> str:
    """Say the first week that shows what is worth waiting for, or else what the last one shows."""
    if not size.control_share:
        return ALONE
    known = [one for one in weeks if one.relative is not None]
    if not known:
        return f"Within {LATEST} weeks too few customers come to show any effect."
    best = next((one for one in known if one.relative is not None and one.relative <= WANTED), known[-1])
    when = "1 week" if best.weeks == 1 else f"{best.weeks} weeks"
    return f"You can detect {_percent(best.relative or 0.0)} in {when}."


def _needed(size: Size, rate: float, share: float) -> int | None:
    """Give after how many weeks +10 % shows with a control share."""
    variance = rate * (1 - rate)
    many = customers_needed(WANTED * rate, (variance, variance), share, _times(1))
    return size.weeks_for(many) if many is not None else None


def _advice(size: Size, rate: float, needed: int | None) -> tuple[float, str]:
    """Give the smallest share with which +10 % shows within eight weeks, and the sentence about it."""
    if needed is not None and needed <= LATEST:
        return size.control_share, f"+10 % needs {needed} weeks with {_share(size.control_share)} left alone."
    own = f"needs {needed:,} weeks" if needed is not None else "is never shown"
    for share in SHARES:
        weeks = _needed(size, rate, share)
        if share > size.control_share and weeks is not None and weeks <= LATEST:
            said = f"With {_share(size.control_share)} left alone +10 % {own}; with {_share(share)} {weeks} weeks."
            return share, said
    half = _needed(size, rate, SHARES[-1])
    even = f"needs {half:,} weeks" if half is not None else "is not shown"
    said = f"+10 % {own}; even with half of the customers left alone it {even}. It shows larger effects only."
    return size.control_share or USUAL, said


def _times(customers: int) -> float:
    return Planned(customers).times(customers)


def _percent(part: float) -> str:
    return f"+{100 * part:.0f} %" if part >= 0.095 else f"+{100 * part:.1f} %"


def _share(part: float) -> str:
    return f"{100 * part:g} %" if part else "nobody"
