"""What a parsed rule is made of: frozen values, ready to be hashed, compared and read."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from segments.rules.comparisons import Comparison
from segments.rules.windows import Last, Window

ATTRIBUTE = "attributes."
CORE = frozenset({"country", "city", "language", "time_zone", "birth_date"})


class RuleError(ValueError):
    """A rule that cannot be read, with the path of the place: `rule.all[1].value: expects a number, got "abc"`."""

    def __init__(self, path: str, message: str) -> None:
        super().__init__(f"{path}: {message}")
        self.path = path
        self.message = message


class Type(StrEnum):
    """What kind of value a field has; the words are those of customers.models.Attribute.Type."""

    TEXT = "text"
    NUMBER = "number"
    YES_NO = "yes_no"
    DATE = "date"
    LIST = "list"


@dataclass(frozen=True)
class Field:
    """What a rule may ask about a customer: a column of the frame, by its name."""

    name: str
    label: str
    type: Type
    group: str
    unit: str = ""

    @property
    def told_as(self) -> str:
        """The name that its history is kept under; blank where there is none."""
        if self.name.startswith(ATTRIBUTE):
            return self.name.removeprefix(ATTRIBUTE)
        return self.name if self.name in CORE or self.is_band else ""

    @property
    def is_band(self) -> bool:
        return self.name.startswith("scores.") and self.name.endswith(".band")


@dataclass(frozen=True)
class Fields:
    """Everything a rule may name: fields, events, and segments with the keys of the segments each refers to.

    `properties` gives the properties of an event by its name, with their types.
    """

    fields: Mapping[str, Field]
    events: frozenset[str] = frozenset()
    segments: Mapping[str, frozenset[str]] = field(default_factory=dict)
    properties: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Group:
    """all, any, none, not, or at_least (then `number` of the nodes must hold)."""

    kind: str
    nodes: "tuple[Node, ...]"
    number: int = 0


@dataclass(frozen=True)
class Other:
    """Another field in place of a value; dates are so many days later."""

    field: Field
    offset_days: int = 0


@dataclass(frozen=True)
class Condition:
    """One field compared with a value, or with an Other; `zone` is blank where the default applies, or `customer`."""

    field: Field
    op: str
    value: Any = None
    is_missing_included: bool = False
    is_exact: bool = False
    zone: str = ""


@dataclass(frozen=True)
class History:
    """What a field ever was, or when it changed: one of the rows in segments.rules.history."""

    field: Field
    kind: str
    value: Any
    is_missing_included: bool = False
    is_exact: bool = False
    zone: str = ""


@dataclass(frozen=True)
class Lines:
    """Which orders: by any, all or none of their lines that meet the conditions, or by count or sum of these lines."""

    kind: str = "any"
    field: Field | None = None
    compare: Comparison | None = None


@dataclass(frozen=True)
class Happening:
    """Events of one name that meet all conditions, each event by itself."""

    event: str
    where: tuple[Condition, ...] = ()
    lines: Lines = Lines()


@dataclass(frozen=True)
class Habit:
    """In at least so many of the last `of` periods, the running one included."""

    at_least: int
    of: int
    period: str


@dataclass(frozen=True)
class EventCondition:
    """What a customer's events within a window amount to, compared; each measure uses what it needs."""

    of: Happening
    measure: str
    within: Window
    field: Field | None = None
    compare: Comparison | Condition | None = None
    length: Last | None = None
    habit: Habit | None = None
    times: float = 0.0
    zone: str = ""

    @property
    def event(self) -> str:
        """The name of the events."""
        return self.of.event


@dataclass(frozen=True)
class Step:
    """One event of a sequence; with `is_not` none may happen there."""

    of: Happening
    is_not: bool = False


@dataclass(frozen=True)
class Sequence:
    """Events one after the other within a window, each at most `gap` after the one before."""

    steps: tuple[Step, ...]
    within: Window
    gap: Last | None = None
    zone: str = ""


@dataclass(frozen=True)
class SegmentHistory:
    """Whether the customer `entered` or `left` another segment within a window, or is in it for so long: `in_for`."""

    key: str
    kind: str
    window: Window
    zone: str = ""


@dataclass(frozen=True)
class SegmentReference:
    """Whether the customer is in another segment."""

    key: str
    is_in: bool


@dataclass(frozen=True)
class Sample:
    """A stable share of all customers; another salt draws another share."""

    percent: float
    salt: str


@dataclass(frozen=True)
class Ids:
    """Customers listed by their external id."""

    ids: tuple[str, ...]


@dataclass(frozen=True)
class Listed:
    """Customers on the list of a segment; the key is the segment's own."""

    key: str


Happens = EventCondition | Sequence | SegmentHistory
Node = Group | Condition | History | Happens | SegmentReference | Sample | Ids | Listed


@dataclass(frozen=True)
class Rule:
    """A yes-or-no question about a customer."""

    root: Node


def walk(node: Node) -> Iterator[Node]:
    """Give a node and everything below it, top down."""
    yield node
    if isinstance(node, Group):
        for child in node.nodes:
            yield from walk(child)


def placed(node: Node, path: str = "rule") -> Iterator[tuple[str, Node]]:
    """Give a node and everything below it, top down, each with its path in the rule's JSON."""
    yield path, node
    if isinstance(node, Group):
        for place, child in steps(node, path):
            yield from placed(child, place)


def steps(group: Group, path: str) -> Iterator[tuple[str, Node]]:
    """Give a group's nodes with their paths, where the group has this one."""
    key = {"at_least": "of"}.get(group.kind, group.kind)
    for number, child in enumerate(group.nodes):
        yield f"{path}.{key}" if group.kind == "not" else f"{path}.{key}[{number}]", child
