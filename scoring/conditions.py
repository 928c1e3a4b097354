"""What a target asks of customers and events, read from its columns: which events count, and whom it speaks of."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from customers.attributes import CORE
from scoring.models import Target

ANY = "*"  # in place of an event's name: anything that customers do themselves
YEAR_DAYS = 365
PRODUCT, CATEGORY, PROPERTY = "product", "category", "properties."


class TargetError(ValueError):
    """A target that cannot be: the message says why, `answer` names the answer that makes it so, if one does."""

    def __init__(self, message: str, answer: str = "") -> None:
        super().__init__(message)
        self.answer = answer


class Where(NamedTuple):
    """Only events with this value: of a property, or of the product or the category of one of their lines."""

    field: str
    value: str


class Events(NamedTuple):
    """Events of one name, or all that customers do themselves (`ANY`)."""

    name: str
    where: tuple[Where, ...] = ()


class Did(NamedTuple):
    """Who did it in so many days."""

    events: Events
    days: int


class Has(NamedTuple):
    """Whose attribute has this value."""

    attribute: str
    equals: str


class NotYet(NamedTuple):
    """Who did not do what is foreseen in so many days."""

    days: int


class Below(NamedTuple):
    """Of those who did what is foreseen in the year before, who spent least on it: so many in a hundred."""

    percentile: float


Condition = Did | Has | NotYet | Below


def foreseen(target: Target) -> Events | None:
    """Give the events that a target foresees; None where it foresees an attribute."""
    if target.kind in (Target.Kind.ATTRIBUTE, Target.Kind.BECOMES):
        return None
    return Events(target.event, tuple(_where(one) for one in _listed(target.where, "where")))


def who(target: Target) -> list[Condition]:
    """Give all that customers must be for a target to speak of them, besides having the attribute it foresees."""
    told = [_condition(one) for one in _listed(target.who, "who")]
    events = foreseen(target)
    return told or ([Did(events, YEAR_DAYS)] if events else [])


def asked(target: Target) -> list[Events]:
    """Give the events that a target must know of each customer, the foreseen ones first."""
    events = foreseen(target)
    did = [one.events for one in who(target) if isinstance(one, Did)]
    return list(dict.fromkeys([*([events] if events else []), *did]))


def column(attribute: str) -> str:
    """Give the frame's column of an attribute."""
    return attribute if attribute in CORE else f"attributes.{attribute}"


def _where(told: Mapping[str, Any]) -> Where:
    if told.keys() != {"field", "value"} or not isinstance(told["field"], str):
        raise TargetError('Each of `where` is an object such as {"field": "category", "value": "Shoes"}.', "where")
    value = told["value"]
    return Where(told["field"], str(value).lower() if isinstance(value, bool) else str(value))


def _condition(told: Mapping[str, Any]) -> Condition:
    if told.keys() == {"did", "days"}:
        return Did(Events(str(told["did"])), _days(told["days"]))
    if told.keys() == {"attribute", "equals"}:
        return Has(str(told["attribute"]), str(told["equals"]))
    if told.keys() == {"not_yet_days"}:
        return NotYet(_days(told["not_yet_days"]))
    if told.keys() == {"below_spend_percentile"}:
        return Below(_percentile(told["below_spend_percentile"]))
    forms = '{"did", "days"}, {"attribute", "equals"}, {"not_yet_days"} or {"below_spend_percentile"}'
    raise TargetError(f"Each of `who` is one of {forms}.", "who")


def _days(told: Any) -> int:
    if isinstance(told, bool) or not isinstance(told, int) or not 1 <= told <= YEAR_DAYS:
        raise TargetError(f"The days of `who` are a whole number of 1 to {YEAR_DAYS}, not {told!r}.", "who")
    return told


def _percentile(told: Any) -> float:
    if isinstance(told, bool) or not isinstance(told, int | float) or not 1 <= told <= 99:
        raise TargetError(f"A percentile is 1 to 99, not {told!r}.", "who")
    return float(told)


def _listed(told: Any, name: str) -> list[Mapping[str, Any]]:
    if not isinstance(told, list) or not all(isinstance(one, dict) for one in told):
        raise TargetError(f"`{name}` is a list of objects.", name)
    return told
