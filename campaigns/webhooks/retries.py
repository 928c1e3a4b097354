"""When a message is tried again: the schedule of Standard Webhooks 1.0.0, and what an answer says of the next time."""

import random
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

SCHEDULE = (
    timedelta(),
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=14),
    timedelta(hours=20),
    timedelta(hours=24),
)
JITTER = 0.1  # of a delay is added at most, so that what failed together does not come back together
OVERLOADED = (429, 502, 504)
REST = timedelta(seconds=30)  # of a receiver that has too much to do and does not say how long
LONGEST_REST = timedelta(days=1)


def next_try(attempts: int, at: datetime, seed: str) -> datetime | None:
    """Give when a message is tried again after so many attempts, the last one at a time; none after the last of all.

    The same seed gives the same time.
    """
    if attempts >= len(SCHEDULE):
        return None
    share = random.Random(f"{seed} {attempts}").random()
    return at + SCHEDULE[attempts] * (1 + JITTER * share)


def rest(status: int | None, retry_after: str, at: datetime) -> datetime | None:
    """Give until when a receiver asks to be left alone, by its status or its Retry-After (RFC 9110, 10.2.3)."""
    told = _told(retry_after, at)
    if told is None:
        return at + REST if status in OVERLOADED else None
    return min(max(told, at), at + LONGEST_REST)


def _told(retry_after: str, at: datetime) -> datetime | None:
    text = retry_after.strip()
    if text.isascii() and text.isdecimal():
        return at + timedelta(seconds=min(int(text[:9]), LONGEST_REST.total_seconds()))
    try:
        told = parsedate_to_datetime(text)
    except ValueError:
        return None
    return told if told.tzinfo else told.replace(tzinfo=UTC)
