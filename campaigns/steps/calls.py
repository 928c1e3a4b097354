"""Calls for our agents, parsed."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from campaigns import render
from campaigns.models import Delivery, Way
from campaigns.steps import reading
from campaigns.steps.reading import TEXT_LENGTH, Known, StepError


@dataclass(frozen=True)
class CallStep:
    """A task for an agent, who may tell a code."""

    title: str
    talking_points: str
    offer: str = ""
    action: ClassVar[Delivery.Action] = Delivery.Action.CALL
    channel: ClassVar[Way] = Way.PHONE
    names: ClassVar[frozenset[str]] = render.CALL_NAMES

    def texts(self) -> Iterator[tuple[str, str]]:
        """Give every text with its place in the step."""
        yield from (("title", self.title), ("talking_points", self.talking_points))


def call(path: str, data: dict[str, object], known: Known | None) -> CallStep:
    """Read a call."""
    reading.only(path, data, "title", "talking_points", "offer")
    title, talking_points = (reading.text(path, data, name) for name in ("title", "talking_points"))
    offer = reading.text(path, data, "offer") if "offer" in data else ""
    step = CallStep(title, talking_points, offer)
    reading.check_line(f"{path}.title", title)
    reading.check_length(f"{path}.talking_points", talking_points, TEXT_LENGTH)
    if offer:
        reading.existing(f"{path}.offer", "offer", offer, known.offers if known else None)
    for name, text in step.texts():
        used = reading.check_liquid(f"{path}.{name}", text, step.names, known)
        if not offer and any(one.startswith("offer.") for one in used):
            raise StepError(f"{path}.{name}", "speaks of an offer, and the step names none")
    return step
