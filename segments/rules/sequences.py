"""Events one after the other: for every customer the last time that all steps were done in their order."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from customers.rows import Floats, Ints, Mask
from segments.rules.windows import LENGTHS, TICK, Last

NONE = -1


class Moments(NamedTuple):
    """When some customers did what a step asks, or, with `is_not`, what they must not do there."""

    who: Ints
    at: Ints
    is_not: bool


def last_of(steps: Sequence[Moments], gap: Last | None, customers: int) -> Floats:
    """Give the last time of the last step for each customer who did all in their order, NaN for the others.

    A step is strictly later than the one before, and what must not happen between two is strictly between them. The
    later a step was done, the better for the next: it suffices to look at the last time before.
    """
    who, at, flags = _merged(steps)
    begins = np.searchsorted(who, who)  # the first moment of the same customer
    longest = (gap.number * LENGTHS[gap.unit]) // TICK if gap else None
    reached: Mask | None = None
    barred = begins - 1  # the last moment before each at which something happened that must not
    for step, flag in zip(steps, flags, strict=True):
        if step.is_not:
            barred = np.maximum(barred, _last_before(flag, begins))
            continue
        if reached is None:
            reached = flag & (barred < begins)
        else:
            before = _last_before(reached, begins)
            is_next = flag & (before >= begins) & (barred <= before)
            if longest is not None:
                is_next &= at - at[np.maximum(before, 0)] <= longest
            reached = is_next
        barred = begins - 1
    assert reached is not None
    return _finished(who, at, reached, _never_after(steps, flags, who), customers)


def _merged(steps: Sequence[Moments]) -> tuple[Ints, Ints, list[Mask]]:
    """Give the moments at which a customer did anything, in order, and for each step at which of them she did it."""
    who, at = (np.concatenate([getattr(step, name) for step in steps]) for name in ("who", "at"))
    step = np.repeat(np.arange(len(steps)), [len(one.who) for one in steps])
    order = np.lexsort((at, who))
    who, at, step = who[order], at[order], step[order]
    is_new = np.ones(len(who), dtype=bool)
    is_new[1:] = (who[1:] != who[:-1]) | (at[1:] != at[:-1])
    moment = np.cumsum(is_new) - 1
    flags = []
    for number in range(len(steps)):
        flag = np.zeros(int(is_new.sum()), dtype=bool)
        flag[moment[step == number]] = True
        flags.append(flag)
    return who[is_new], at[is_new], flags


def _last_before(flag: Mask, begins: Ints) -> Ints:
    """Give for each moment the last earlier one of the same customer that is flagged, or one before her first."""
    index = np.where(flag, np.arange(len(flag)), NONE)
    last: Ints = np.full(len(flag), NONE)
    last[1:] = np.maximum.accumulate(index)[:-1]
    np.maximum(last, begins - 1, out=last)
    return last


def _never_after(steps: Sequence[Moments], flags: Sequence[Mask], who: Ints) -> Mask:
    """Say after which moments nothing happened that must not follow the last step."""
    last = max(number for number, step in enumerate(steps) if not step.is_not)
    is_clear = np.ones(len(who), dtype=bool)
    for flag in flags[last + 1 :]:
        times = np.where(flag, np.arange(len(flag)), NONE)
        latest = np.full(int(who.max(initial=0)) + 1, NONE)
        np.maximum.at(latest, who, times)
        is_clear &= latest[who] <= np.arange(len(flag))
    return is_clear


def _finished(who: Ints, at: Ints, reached: Mask, is_clear: Mask, customers: int) -> Floats:
    done = reached & is_clear
    found = np.full(customers, np.nan)
    found[who[done]] = at[done]  # in the order of time: the last one stays
    return found
