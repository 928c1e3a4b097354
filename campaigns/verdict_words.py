"""A report in sentences: what may be said about a campaign, and nothing more.

An effect is named only against a control group that chance made. The holdout is a second control group, after Rosenbaum
(1987), The role of a second control group in an observational study: it takes an effect away where it contradicts, and
never gives one. The two are not pooled, for the holdout gets no other campaign either, which changes who of it comes to
be due.
"""

from campaigns.report import Arm, Comparison, Effect, Report, Split, Verdict
from campaigns.stats import Interval

BEYOND = 10_000_000  # customers: more are not asked for
UNEVEN = "The arms are not as large as the draws make them; until that is explained, no effect can be read."


def of_report(told: Report) -> tuple[str, ...]:
    """Give the result of a campaign in sentences."""
    if told.ripe_share is None:
        return ("Nothing has been decided yet.",)
    if told.treated.customers == 0:
        return ("Nobody was treated yet, so nothing can be said about what the campaign changed.",)
    if told.control.customers == 0:
        return ("There is no control group, so nothing can be said about what the campaign changed.",)
    if not told.is_balanced:
        return (_uneven(told.split),)
    is_final = told.ripe_share >= 1.0
    control, holdout = told.against_control, told.against_holdout
    said = [_conversion(control.conversion, holdout.conversion, is_final), _money(control, holdout, is_final)]
    said += [f"Variant {one.name} has no customers yet." for one in told.variants if not one.customers]
    return tuple(dict.fromkeys([*said, *_asides(told.treated), *_ripening(told.ripe_share)]))


def of_verdict(told: Verdict) -> tuple[str, ...]:
    """Give in sentences what all campaigns together did."""
    if told.ripe_share is None:
        return ("Nothing has been decided yet.",)
    if told.holdout.customers == 0:
        return ("Nobody is held out, so nothing can be said about what all campaigns changed.",)
    if not told.split.is_balanced:
        return ("The holdout is not as large as its draw makes it; until that is explained, no effect can be read.",)
    found, is_final = told.against_holdout.margin, told.ripe_share >= 1.0
    said = _earned(found, "All campaigns together", is_final) if found.total else found.message
    return tuple(dict.fromkeys([said, *_asides(told.reached), *_ripening(told.ripe_share)]))


def amount(found: Interval) -> str:
    """Say a sum of money and its range: 4,100 (1,200 to 7,000)."""
    digits = 0 if max(abs(found.low), abs(found.high)) >= 100 else 2
    value, low, high = (f"{one:,.{digits}f}" for one in (found.value, found.low, found.high))
    return f"{value} ({low} to {high})"


def _uneven(split: Split) -> str:
    if split.control >= split.variants:
        return UNEVEN.replace("arms", "variants", 1)
    return UNEVEN


def _conversion(found: Effect, holdout: Effect, is_final: bool) -> str:
    """Say what the campaign did to the share that converted; before the end only what was seen so far."""
    if found.interval is None:
        return found.message
    low, high = 100 * found.interval.low, 100 * found.interval.high
    runs = f"({low:+.2f} to {high:+.2f} points)"
    if not found.interval.excludes_zero:
        return f"No effect on conversion shown yet {runs}{_more(found)}."
    if doubt := _doubt(found.interval, holdout.interval):
        return f"No effect on conversion shown yet: {doubt}; against control {runs}."
    points = f"{abs(100 * found.interval.value):.2f} points {'more' if found.interval.value > 0 else 'fewer'}"
    if not is_final:
        return f"So far {points} of the treated than of the control group converted {runs}."
    return f"{points} of the treated converted because of the campaign {runs}."


def _money(control: Comparison, holdout: Comparison, is_final: bool) -> str:
    found = control.margin
    if found.interval is None or found.total is None:
        return found.message
    if found.interval.excludes_zero and (doubt := _doubt(found.interval, holdout.margin.interval)):
        return f"No effect on margin shown yet: {doubt}; against control {amount(found.total)}."
    return _earned(found, "The campaign", is_final)


def _earned(found: Effect, who: str, is_final: bool) -> str:
    total = found.total
    if total is None or not total.excludes_zero:
        return f"No effect on margin shown yet{f', {amount(total)}' if total else ''}{_more(found)}."
    sign = 1.0 if total.value > 0 else -1.0
    low, high = sorted((sign * total.low, sign * total.high))
    told = amount(Interval(abs(total.value), low, high))
    if not is_final:
        return f"So far the treated brought {told} {'more' if sign > 0 else 'less'} after costs."
    return f"{who} {'earned' if sign > 0 else 'lost'} {told} after costs."


def _more(found: Effect) -> str:
    if found.needed is None:
        return ""
    if found.needed > BEYOND:
        return f"; more than {BEYOND:,} more customers needed for so small an effect"
    return f"; about {_rounded(found.needed):,} more customers needed"


def _rounded(number: int) -> int:
    """Give a number to two digits: it is a rough one."""
    return int(float(f"{number:.1e}"))


def _asides(arm: Arm) -> list[str]:
    said = []
    if arm.cost:
        said.append(f"It cost {arm.cost:,.2f}.")
    if arm.unsubscribed or arm.complained:
        said.append(
            f"{arm.unsubscribed:,} unsubscribed and {arm.complained:,} complained, of {arm.delivered:,} reached."
        )
    return said


def _ripening(share: float) -> list[str]:
    if share >= 1.0:
        return []
    return [f"The goal's time has run out for {share:.0%} of the customers; judge when it has for all."]


def _doubt(control: Interval, holdout: Interval | None) -> str:
    """Say how the holdout contradicts what control shows; nothing where it does not, or has too few customers.

    It contradicts by an interval on the other side of zero, or by one that has zero in it and not as much as control
    shows: then it is large enough to show that, and does not.
    """
    if holdout is None:
        return ""
    sign = 1.0 if control.value > 0 else -1.0
    low, high = sorted((sign * holdout.low, sign * holdout.high))
    if high < 0.0:
        return "against the holdout the difference goes the other way"
    if low <= 0.0 and high < sign * control.value:
        return "against the holdout, which is large enough, there is none"
    return ""
