"""How much there must be to learn from, and the sentence that says how much is missing."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

FEWEST_CUSTOMERS = 500
FEWEST = 200  # cases that came true, and that did not, to learn from
FEWEST_AT_ORIGIN = 20  # of both kinds, to be tested at one time
FEWEST_TESTED = 50  # cases that came true, to test on
MOST_ORIGINS = 3  # the latest times that judge


class Window(NamedTuple):
    """What a target has at one time: of how many customers it speaks, and of how many it came true."""

    t: datetime
    customers: int
    positives: int


def too_few(customers: int, positives: int, negatives: int | None) -> str:
    """Say how much is missing to learn from, or nothing; a number that is foreseen has no `negatives`."""
    if customers < FEWEST_CUSTOMERS:
        missing = FEWEST_CUSTOMERS - customers
        return f"Training takes {FEWEST_CUSTOMERS} customers; there are {customers}, {missing} too few."
    for cases, what in ((positives, "came true"), (negatives, "did not come true")):
        if cases is not None and cases < FEWEST:
            return f"Training takes {FEWEST} cases that {what}; there are {cases}, {FEWEST - cases} too few."
    return ""


def too_short(windows: Sequence[Window], horizon: timedelta) -> str:
    """Say what is missing to test on later times, or nothing: a window to test on begins after others closed."""
    tested = []
    for at in windows:
        closed = [one for one in windows if one.t + horizon <= at.t]
        if _rarer(closed) >= FEWEST and _rarer([at]) >= FEWEST_AT_ORIGIN:
            tested.append(at.positives)
    return untested(sum(tested[-MOST_ORIGINS:])) if tested else no_origin(horizon)


def untested(positives: int) -> str:
    """Say how many cases are missing to test on, or nothing."""
    if positives >= FEWEST_TESTED:
        return ""
    missing = FEWEST_TESTED - positives
    return f"Testing takes {FEWEST_TESTED} cases that came true; there are {positives}, {missing} too few."


def no_origin(horizon: timedelta) -> str:
    """Say that there is no time to test at."""
    return (
        f"No window of {horizon.days} days had closed with {FEWEST} cases of each kind when a later one began, so that "
        "the model could not be tested on later times. It takes a longer history, more customers, or a shorter horizon."
    )


def _rarer(windows: Sequence[Window]) -> int:
    """Give how many cases there are of the rarer kind."""
    positives = sum(one.positives for one in windows)
    return min(positives, sum(one.customers for one in windows) - positives)
