"""Work that people asked for, as rows with a token and a lease: claimed by one worker, done, and let go. For any queue.

A worker that is lost leaves its row to the next one, once the lease is over by the database's clock.
"""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Generic, Protocol, TypeVar

from django.db.models import Model, QuerySet
from django.db.models.functions import Now

RUNNING = "running"
FREE: Mapping[str, Any] = {"token": "", "lease_until": None}


class Leased(Protocol):
    """A row that one worker holds."""

    pk: Any
    token: str

    def refresh_from_db(self) -> None:
        """Read the row again."""


Row = TypeVar("Row", bound=Leased)
Found = TypeVar("Found")
Asked = TypeVar("Asked", bound=Model)


@dataclass(frozen=True)
class Queue(Generic[Row, Found]):
    """How one is claimed, done, finished and failed; what refuses it, and what says that somebody else holds it."""

    claim: Callable[[], Row | None]
    act: Callable[[Row], Found]
    finish: Callable[[Row, Found, datetime], None]
    fail: Callable[[Row, str, datetime], None]
    refusals: tuple[type[Exception], ...]
    lost: type[Exception]


def work(queue: Queue[Row, Found], now: Callable[[], datetime]) -> Row | None:
    """Do what has waited longest; give it as it ended. None where there is nothing to do."""
    asked = queue.claim()
    if asked is None:
        return None
    try:
        found = queue.act(asked)
    except queue.refusals as refused:
        queue.fail(asked, str(refused), now())
    except queue.lost:
        pass
    except BaseException as error:
        if isinstance(error, Exception):  # whoever is told to stop leaves it to the next worker
            queue.fail(asked, f"It broke: {type(error).__name__}: {error}", now())
        raise
    else:
        queue.finish(asked, found, now())
    asked.refresh_from_db()
    return asked


def taken(lease: timedelta) -> dict[str, Any]:
    """Give what a row says once a worker has claimed it for a while."""
    return {"state": RUNNING, "token": secrets.token_hex(16), "lease_until": Now() + lease}


def held(asked: Asked) -> "QuerySet[Asked]":
    """Give the row as long as the worker that claimed it holds it."""
    rows: QuerySet[Asked] = type(asked)._default_manager.filter(
        pk=asked.pk,
        state=RUNNING,
        token=asked.token,  # type: ignore[attr-defined]
    )
    return rows
