"""How many calls a key may make in a minute, counted exactly: one statement a call, however many processes ask.

Told by `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers). The count is kept in the database, so
that a Redis that is lost or flushed gives nobody more.
"""

import math
from datetime import datetime
from typing import NamedTuple

from django.db import connection

from customers.models import ApiKey

SECONDS = 60
COUNT = """
INSERT INTO customers_allowance (key_id, began, used) VALUES (%s, %s, 1)
ON CONFLICT (key_id) DO UPDATE SET
    used = CASE WHEN customers_allowance.began <= %s THEN 1 ELSE customers_allowance.used + 1 END,
    began = CASE WHEN customers_allowance.began <= %s THEN excluded.began ELSE customers_allowance.began END
RETURNING began, used"""
# A count that is lost with the machine is no harm: nobody waits until it is on the disk.
WITHOUT_WAITING = ", set_config('synchronous_commit', 'off', true)"


class Allowed(NamedTuple):
    """Where a key stands with one call: how many it may make, how many it made, when the next minute begins."""

    most: int
    used: int
    seconds_left: int

    @property
    def is_over(self) -> bool:
        """Say whether this call was one too many."""
        return self.used > self.most

    def headers(self) -> dict[str, str]:
        """Give what every answer tells of it."""
        return {
            "RateLimit-Policy": f'"default";q={self.most};w={SECONDS}',
            "RateLimit": f'"default";r={max(0, self.most - self.used)};t={self.seconds_left}',
        }


def take(key: ApiKey, at: datetime) -> Allowed:
    """Count one call of a key. Its minute begins with the first call after the one before has passed."""
    now = at.timestamp()
    with connection.cursor() as cursor:
        over = now - SECONDS
        cursor.execute(
            COUNT + (WITHOUT_WAITING if connection.vendor == "postgresql" else ""), [key.pk, now, over, over]
        )
        began, used = cursor.fetchone()[:2]
    return Allowed(key.per_minute, used, min(SECONDS, max(1, math.ceil(began + SECONDS - now))))
