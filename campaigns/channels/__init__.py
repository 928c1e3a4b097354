"""The ways out: a channel is given what passed the gate, and answers with a receipt."""

from enum import StrEnum
from typing import NamedTuple


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
