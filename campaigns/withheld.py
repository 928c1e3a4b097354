"""Reports without their effects where the split is broken: whoever reads a number there would take it for true."""

from dataclasses import replace
from typing import TypeVar

from campaigns.report import Comparison, Effect, Point, Report, Slice, Split, Verdict

WHY = "The arms are not as large as the draws make them; until that is explained, no effect can be read."
UNTOLD = Effect(None, WHY)
Told = TypeVar("Told", Comparison, Point)


def of_report(told: Report) -> Report:
    """Give a campaign's report as it may be shown."""
    if told.split.is_balanced:
        return told
    return replace(
        told,
        against_control=_untold(told.against_control),
        against_holdout=_untold(told.against_holdout),
        of_variants=tuple(map(_untold, told.of_variants)),
        over_time=tuple(map(_untold, told.over_time)),
        weeks=of_slices(told.weeks, told.split),
        bands=of_slices(told.bands, told.split),
    )


def of_verdict(told: Verdict) -> Verdict:
    """Give the programme's verdict as it may be shown."""
    if told.split.is_balanced:
        return told
    over_time = tuple(map(_untold, told.over_time))
    return replace(told, against_holdout=_untold(told.against_holdout), over_time=over_time)


def of_slices(told: tuple[Slice, ...], split: Split) -> tuple[Slice, ...]:
    """Give parts of a report as they may be shown."""
    return told if split.is_balanced else tuple(map(_slice, told))


def _slice(told: Slice) -> Slice:
    return replace(told, against_control=_untold(told.against_control))


def _untold(told: Told) -> Told:
    return replace(told, conversion=UNTOLD, value=UNTOLD, margin=UNTOLD)
