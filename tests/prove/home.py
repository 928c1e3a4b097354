"""What proofs share while they run one after another: a starter of processes, and an installation on servers."""

import contextlib
from collections.abc import Iterator
from functools import cached_property
from types import TracebackType
from typing import Self

from tests.prove.installation import Distributed, Embedded, distributed, embedded
from tests.prove.starter import Starter


class Home:
    """Begins each thing when it is first asked for, and ends all of them at its own end."""

    def __init__(self) -> None:
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    @cached_property
    def starter(self) -> Starter:
        return self._stack.enter_context(Starter())

    @cached_property
    def distributed(self) -> Distributed:
        return self._stack.enter_context(distributed(self.starter))

    @contextlib.contextmanager
    def embedded(self) -> "Iterator[Embedded]":
        """Give an empty embedded installation of the caller's own."""
        with embedded(self.starter) as ours:
            yield ours

    def servers(self) -> str:
        """Name the servers of the distributed installation with their versions."""
        postgres = self.distributed.ask("SHOW server_version")[0][0]
        return f"PostgreSQL {postgres}, {self.distributed.redis.version()}"
