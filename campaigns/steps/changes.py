"""What ends in data and contacts nobody: a webhook, an attribute, a list, or nothing at all; parsed."""

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import ClassVar

from campaigns import render
from campaigns.json_fields import NAME
from campaigns.models import Delivery, Way
from campaigns.render import Values
from campaigns.steps import reading
from campaigns.steps.reading import LINE_LENGTH, Known, StepError
from customers.models import Attribute

MOST_BYTES = 20_000  # of a webhook's data (Standard Webhooks 1.0.0: "less than 20kb")
MOST_FIELDS = 50
NAMES = render.CUSTOMER_NAMES | {"customer.phone", "company", "today"}
OWN = ("email", "phone", "first_name", "last_name", "external_id", "birth_date", "country", "city", "language")
Type = Attribute.Type
Told = str | float | bool
NUMBER = re.compile(r"-?\d+(\.\d+)?")
WORDS = {"yes": True, "true": True, "no": False, "false": False}
EXPECTS = {
    Type.TEXT: "a text",
    Type.NUMBER: "a number",
    Type.YES_NO: "yes or no",
    Type.DATE: "a date, as 2026-12-24",
}


@dataclass(frozen=True)
class WebhookStep:
    """A message to another program, with texts by name."""

    webhook: str
    data: Mapping[str, str]
    action: ClassVar[Delivery.Action] = Delivery.Action.WEBHOOK
    channel: ClassVar[Way] = Way.DATA
    names: ClassVar[frozenset[str]] = NAMES

    def __hash__(self) -> int:
        return hash((self.webhook, tuple(self.data.items())))

    def texts(self) -> Iterator[tuple[str, str]]:
        """Give every text with its place that says something to a customer: none. No value is told as no text."""
        return iter(())

    def told(self, values: Values) -> dict[str, str]:
        """Give the data of one customer; raise TemplateRefused, also where it is too much."""
        said = {name: render.prose(text, values) for name, text in self.data.items()}
        if len(json.dumps(said).encode()) > MOST_BYTES:
            raise render.TemplateRefused(f"the data grows beyond {MOST_BYTES:,} bytes")
        return said


@dataclass(frozen=True)
class AttributeStep:
    """A new value of one attribute: as it stands, or as Liquid gives it for each customer."""

    name: str
    value: Told
    action: ClassVar[Delivery.Action] = Delivery.Action.ATTRIBUTE
    channel: ClassVar[Way] = Way.DATA
    names: ClassVar[frozenset[str]] = NAMES

    def texts(self) -> Iterator[tuple[str, str]]:
        """Give every text with its place in the step."""
        if isinstance(self.value, str):
            yield "value", self.value

    def told(self, values: Values, type_: str) -> Told:
        """Give one customer's value in the attribute's type; raise TemplateRefused where it does not fit."""
        value = render.line(self.value, values) if isinstance(self.value, str) else self.value
        fit = fitting(value, type_)
        if fit is None:
            said = EXPECTS.get(Type(type_), "something else")
            raise render.TemplateRefused(f"the attribute {self.name} takes {said}, and this is '{str(value)[:60]}'")
        return fit


@dataclass(frozen=True)
class ListStep:
    """A list that the customer comes on, or goes off."""

    list: str
    does: str
    action: ClassVar[Delivery.Action] = Delivery.Action.LIST
    channel: ClassVar[Way] = Way.DATA
    names: ClassVar[frozenset[str]] = frozenset()

    def texts(self) -> Iterator[tuple[str, str]]:
        """Give every text: there is none."""
        return iter(())


@dataclass(frozen=True)
class NothingStep:
    """Nothing: to see what happens anyway, or that nothing differs."""

    action: ClassVar[Delivery.Action] = Delivery.Action.NOTHING
    channel: ClassVar[Way] = Way.DATA
    names: ClassVar[frozenset[str]] = frozenset()

    def texts(self) -> Iterator[tuple[str, str]]:
        """Give every text: there is none."""
        return iter(())


ADD, REMOVE = "add", "remove"


def webhook(path: str, data: dict[str, object], known: Known | None) -> WebhookStep:
    """Read a webhook."""
    reading.only(path, data, "webhook", "data")
    key = reading.existing(
        f"{path}.webhook", "webhook", reading.text(path, data, "webhook"), known.webhooks if known else None
    )
    told = data.get("data", {})
    if not isinstance(told, dict):
        raise StepError(f"{path}.data", f"expects an object, got {type(told).__name__}")
    if len(told) > MOST_FIELDS:
        raise StepError(f"{path}.data", f"takes {MOST_FIELDS} fields at most, got {len(told)}")
    for name, text in told.items():
        if not NAME.fullmatch(str(name)):
            raise StepError(f"{path}.data.{name}", "takes letters, digits, - and _, 60 at most, as its name")
        if not isinstance(text, str):
            raise StepError(f"{path}.data.{name}", "expects a text")
        reading.check_liquid(f"{path}.data.{name}", text, NAMES, known)
    if len(json.dumps(told).encode()) > MOST_BYTES:
        raise StepError(f"{path}.data", f"is larger than {MOST_BYTES:,} bytes")
    return WebhookStep(key, told)


def attribute(path: str, data: dict[str, object], known: Known | None) -> AttributeStep:
    """Read a change of an attribute."""
    reading.only(path, data, "name", "value")
    name = reading.text(path, data, "name")
    if name in OWN:
        raise StepError(f"{path}.name", f"{name} is the customer's own; a campaign changes attributes only")
    reading.existing(f"{path}.name", "attribute", name, known.attributes if known else None)
    value = data.get("value")
    if value is None or value == "":
        raise StepError(f"{path}.value", "is missing")
    if not isinstance(value, str | int | float) or (isinstance(value, float) and not math.isfinite(value)):
        raise StepError(f"{path}.value", "expects a text, a number, yes or no, or a date")
    if isinstance(value, str):
        reading.check_line(f"{path}.value", value, LINE_LENGTH)
        reading.check_liquid(f"{path}.value", value, NAMES, known)
    type_ = known.types.get(name) if known and known.types else None
    return AttributeStep(name, _of_type(f"{path}.value", value, type_))


def listing(path: str, data: dict[str, object], known: Known | None) -> ListStep:
    """Read a change of a list."""
    reading.only(path, data, "list", "does")
    key = reading.existing(f"{path}.list", "list", reading.text(path, data, "list"), known.lists if known else None)
    return ListStep(key, reading.choice(path, data, "does", (ADD, REMOVE)))


def nothing(path: str, data: dict[str, object], _known: Known | None) -> NothingStep:
    """Read nothing."""
    reading.only(path, data)
    return NothingStep()


def fitting(value: object, type_: str) -> Told | None:
    """Give a value in an attribute's type, or nothing where it does not fit."""
    if isinstance(value, bool):
        return value if type_ == Type.YES_NO else None
    if isinstance(value, int | float):
        return value if type_ == Type.NUMBER else None
    return _read(value.strip(), type_) if isinstance(value, str) and value.strip() else None


def _read(text: str, type_: str) -> Told | None:
    match type_:
        case Type.TEXT:
            return text
        case Type.NUMBER:
            return float(text) if NUMBER.fullmatch(text) else None
        case Type.YES_NO:
            return WORDS.get(text.lower())
        case Type.DATE:
            return _day(text)
    return None


def _day(value: str) -> str | None:
    try:
        return date.fromisoformat(value).isoformat()
    except ValueError:
        return None


def _of_type(path: str, value: Told, type_: str | None) -> Told:
    """Give the value in its type; what Liquid gives is seen when it is given."""
    if type_ is None or (isinstance(value, str) and "{" in value):
        return value
    if type_ not in EXPECTS:
        raise StepError(path, "cannot be set: the attribute is a list")
    fit = fitting(value, type_)
    if fit is None:
        raise StepError(path, f"expects {EXPECTS[Type(type_)]}, got {value!r}")
    return fit
