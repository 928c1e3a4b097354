"""Portions of a large store, each of transactions of its own, on several connections: a backend of PostgreSQL keeps one
core busy, and the next portion is made ready meanwhile.
"""

from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

from django.db import DEFAULT_DB_ALIAS, connection, connections
from django.db.backends.base.base import BaseDatabaseWrapper

CONNECTIONS = 3
Portion = TypeVar("Portion")
Stored = TypeVar("Stored")


def each(store: Callable[[Portion], Stored], portions: Sequence[Portion]) -> Generator[Stored, None, None]:
    """Give what `store` gives for each portion, in their order; what it raises, or to close this, ends the rest.

    They are stored one after the other on this connection where there is one portion, on SQLite, which has one writer,
    and in an open transaction, to which all of it belongs.
    """
    if connection.vendor != "postgresql" or connection.in_atomic_block or len(portions) < 2:
        yield from map(store, portions)
        return
    ahead: deque[Future[Stored]] = deque()
    with _pool() as pool:
        try:
            for portion in portions:
                ahead.append(pool.submit(store, portion))
                if len(ahead) > CONNECTIONS:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()
        finally:
            for future in ahead:
                future.cancel()


@contextmanager
def _pool() -> Iterator[ThreadPoolExecutor]:
    """Give threads, each with a connection of its own for all its portions; they are closed with it."""
    opened: list[BaseDatabaseWrapper] = []

    def begin() -> None:
        own = connections[DEFAULT_DB_ALIAS]
        own.inc_thread_sharing()  # it is closed from another thread
        opened.append(own)

    try:
        with ThreadPoolExecutor(CONNECTIONS, initializer=begin) as pool:
            yield pool
    finally:
        for own in opened:
            own.close()
