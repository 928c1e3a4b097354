"""Batches that come at the same time are stored together: one of their threads does it for all that wait.

A group commit, as databases write their logs (DeWitt and others 1984, Implementation techniques for main memory
database systems): to store a thousand events costs little more than to store a hundred. A batch is answered when its
items are stored; each is safe to send again.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from threading import Condition
from typing import NamedTuple

import polars as pl

from customers import batch_items, ingest, known_events
from customers.batch_items import Read
from customers.known_events import Taken
from customers.models import Source

MOST = 5_000  # items that are stored together
Reader = Callable[[Sequence[object], datetime, Read | None], Read]
READERS: dict[str, Reader] = {"events": batch_items.read_events, "customers": batch_items.read_customers}


class SourceTaken(Exception):
    """The name of a source of our own program, or of files."""


class Fault(NamedTuple):
    """Why an item was refused: its place in the batch, from 0, and the field in it."""

    item: int
    path: str
    message: str


class Outcome(NamedTuple):
    """What became of a batch's items; who is neither stored nor refused told nothing new."""

    received: int
    stored: int
    repeated: int
    faults: tuple[Fault, ...]


@dataclass
class _Ticket:
    kind: str
    source: str
    items: Sequence[object]
    received: datetime
    outcome: Outcome | None = None
    error: Exception | None = None

    @property
    def is_done(self) -> bool:
        return self.outcome is not None or self.error is not None


@dataclass
class _Counter:
    """Who waits, and whether somebody stores."""

    turn: Condition = field(default_factory=Condition)
    waiting: deque[_Ticket] = field(default_factory=deque)
    is_busy: bool = False

    def serve(self, ticket: _Ticket) -> None:
        """Come back when a ticket is done: by whoever stores for others, or by this thread for all that wait."""
        with self.turn:
            self.waiting.append(ticket)
            self.turn.wait_for(lambda: ticket.is_done or not self.is_busy)
            if ticket.is_done:
                return
            self.is_busy = True
            group = self._group(ticket)
        try:
            _store_together(group)
        finally:
            with self.turn:
                # Where this thread is ended meanwhile, another takes the rest over.
                self.waiting.extendleft(other for other in reversed(group[1:]) if not other.is_done)
                self.is_busy = False
                self.turn.notify_all()

    def _group(self, ticket: _Ticket) -> list[_Ticket]:
        """Take a ticket and those that can be stored with it, in the order in which they came, up to MOST items."""
        group, size = [ticket], len(ticket.items)
        self.waiting.remove(ticket)
        for other in list(self.waiting):
            alike = (other.kind, other.source) == (ticket.kind, ticket.source)
            if alike and size + len(other.items) <= MOST:
                self.waiting.remove(other)
                group.append(other)
                size += len(other.items)
        return group


_counter = _Counter()


def put(kind: str, items: Sequence[object], source: str, received: datetime) -> Outcome:
    """Store the items of a batch (`events` or `customers`) as told by a source; give what became of each.

    Raises SourceTaken, or what the database raises; then nothing is known, and the batch may be sent again.
    """
    ticket = _Ticket(kind, source, items, received)
    _counter.serve(ticket)
    if ticket.error:
        raise ticket.error
    assert ticket.outcome is not None
    return ticket.outcome


def _store_together(group: list[_Ticket]) -> None:
    """Store some batches at once; where that fails, one by one, so that none fails for another."""
    try:
        _store(group)
    except Exception as error:  # noqa: BLE001  handed to the thread whose batch it is
        if len(group) == 1:
            group[0].error = error
            return
        for ticket in group:
            _store_together([ticket])


def _store(group: list[_Ticket]) -> None:
    read, begins = Read(), []
    for ticket in group:
        begins.append(read.count)
        READERS[ticket.kind](ticket.items, ticket.received, read)
    received = max(ticket.received for ticket in group)
    key = group[0].source
    taken = known_events.store(read.rows.get("events", ()), read.with_lines(), key, received)
    rest = read.without(taken.lines)
    result = ingest.put(rest.records(), _source(key), received) if rest.holds_anything else None
    for ticket, begin in zip(group, begins, strict=True):
        ticket.outcome = _outcome(taken, result, begin, len(ticket.items))


def _outcome(taken: Taken, result: ingest.Result | None, begin: int, count: int) -> Outcome:
    """Give what became of the lines after `begin`."""
    stored = len(taken.news.intersection(range(begin + 1, begin + count + 1)))
    faults: tuple[Fault, ...] = ()
    if result is not None:
        own = result.refused.filter(pl.col("line") > begin, pl.col("line") <= begin + count).sort("line")
        stored += int(((result.news > begin) & (result.news <= begin + count)).sum())
        faults = tuple(
            Fault(line - begin - 1, column or "", f"{kind}: {value}." if value else f"{kind}.")
            for line, column, kind, value in own.select("line", "column", "kind", "value").iter_rows()
        )
    return Outcome(count, stored, count - stored - len(faults), faults)


def _source(key: str) -> Source:
    made, _ = Source.objects.get_or_create(key=key, defaults={"name": key, "kind": Source.Kind.API})
    if made.kind != Source.Kind.API:
        raise SourceTaken("This source is not one of applications; choose another name.")
    return made
