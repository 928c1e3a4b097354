"""Customers as plain rows: values, what happened, and what changed."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

Json = Any
PLACES = available_timezones()


@dataclass
class Line:
    """One product of an order."""

    product: str | None = None
    category: str | None = None
    quantity: float | None = None
    price: float | None = None


@dataclass
class Happened:
    """One event of one customer."""

    name: str
    at: datetime
    known_at: datetime
    value: float | None = None
    properties: dict[str, Any] = field(default_factory=dict)
    lines: list[Line] = field(default_factory=list)


@dataclass
class Told:
    """An attribute, or the band of a score, took a value; None is no value."""

    field: str
    value: Any
    known_at: datetime


@dataclass
class Moved:
    """A customer entered or left a segment."""

    segment: str
    kind: str
    as_of: datetime


@dataclass
class Person:
    """One customer: values by field, what happened, and the history of fields and memberships."""

    number: int
    seed: int
    values: dict[str, Any]
    events: list[Happened] = field(default_factory=list)
    told: list[Told] = field(default_factory=list)
    moves: list[Moved] = field(default_factory=list)

    @property
    def external_id(self) -> str:
        return f"c-{self.number}"


@dataclass
class World:
    """Everybody, the time, the zone, the other segments' rules, and the types of events' properties.

    `lists` has the numbers of who is on a segment's list, `included` and `excluded` of who was set by hand.
    """

    people: list[Person]
    as_of: datetime
    zone: str = "UTC"
    segments: Mapping[str, Json] = field(default_factory=dict)
    properties: Mapping[str, str] = field(default_factory=dict)
    lists: Mapping[str, Collection[int]] = field(default_factory=dict)
    included: Mapping[str, Collection[int]] = field(default_factory=dict)
    excluded: Mapping[str, Collection[int]] = field(default_factory=dict)

    def zone_of(self, node: Json, person: Person) -> ZoneInfo:
        """Give the zone of a condition's days: its own, the customer's, or the default."""
        asked = node.get("zone", self.zone)
        if asked == "customer":
            asked = person.values.get("time_zone") if person.values.get("time_zone") in PLACES else self.zone
        return ZoneInfo(asked)
