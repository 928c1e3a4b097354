"""Portions of a large store, each of transactions of its own, on several connections: a backend of PostgreSQL keeps one
core busy, and the next portion is made ready meanwhile.
"""

from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Barrier
from typing import TypeVar

from django.db import connection

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
    with ThreadPoolExecutor(CONNECTIONS) as pool:
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
            everyone = Barrier(CONNECTIONS)
            for _ in range(CONNECTIONS):
                pool.submit(_close, everyone)


def _close(everyone: Barrier) -> None:
    """Close this thread's connection; who is done waits for the others, so that each thread does it once."""
    everyone.wait()
    connection.close()
