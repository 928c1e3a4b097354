"""The ways out: a channel is given what passed the gate, and answers with a receipt."""

from collections.abc import Callable, Iterator, Sequence
from enum import StrEnum
from typing import NamedTuple, TypeVar

Message = TypeVar("Message")


class Result(StrEnum):
    """What the other side said."""

    ACCEPTED = "accepted"
    REFUSED = "refused"  # for ever
    LATER = "later"  # refused for a time, and certainly not taken
    UNCERTAIN = "uncertain"  # it may have been taken


class Receipt(NamedTuple):
    result: Result
    answer: str
    is_address_dead: bool = False
    provider_id: str = ""
    dead: tuple[str, ...] = ()  # devices that take no more messages


def in_turn(
    send: Callable[[Message], Receipt | None], messages: Sequence[Message], is_over: Callable[[], bool]
) -> Iterator[Receipt]:
    """Hand messages over one by one and give the answers, until one has none; the first never goes back."""
    for n, message in enumerate(messages):
        receipt = None if n and is_over() else send(message)
        if receipt is None:
            return
        yield receipt
