"""Targets: what a model predicts, made, checked and stored."""

import math
from collections.abc import Iterable, Iterator
from datetime import datetime

import polars as pl
from django.core.exceptions import ValidationError
from django.utils.text import slugify

from customers import history, property_types
from customers.attributes import CORE
from customers.models import Attribute, EventName, Product
from scoring import conditions
from scoring.conditions import ANY, CATEGORY, PRODUCT, PROPERTY, Below, Did, Has, NotYet
from scoring.conditions import TargetError as TargetError
from scoring.models import Target

LONGEST_HORIZON_DAYS = 365
RESERVED = ("count", "questions")  # what stands below targets/ in addresses
SHOWN = 12  # names listed in a refusal
YES = ("true", "yes", "1")
NO = ("false", "no", "0")
UNITS = {Target.Kind.SPEND: "money", Target.Kind.NEXT: "days"}
# What makes a target another one; the rest says how it is used.
MEANING = ("kind", "event", "where", "horizon_days", "attribute", "equals")
MONEY = ("value", "contact_cost", "offer_cost", "save_rate")
# Events that mail and campaigns tell of: a target may name them before the first of them is stored.
OUR_EVENTS = ("Email Sent", "Email Opened", "Email Link Clicked", "Unsubscribed", "Call Made")


def of_event(event: str, within_days: int, is_absent: bool, at: datetime) -> Target:
    """Give the stored target "does (not) do the event within so many days", made at `at` if there is none."""
    words = f"No {event}" if is_absent else event
    return store(
        Target(
            key=key_of(f"{words} {within_days}d"),
            label=f"{words} within {within_days} days",
            kind=Target.Kind.NO_EVENT if is_absent else Target.Kind.EVENT,
            event=event,
            horizon_days=within_days,
            created_at=at,
        )
    )


def of_attribute(name: str, equals: str, at: datetime) -> Target:
    """Give the stored target "the attribute has this value", made at `at` if there is none."""
    return store(
        Target(
            key=key_of(f"{name} {equals}"),
            label=f"{name} is {equals}",
            kind=Target.Kind.ATTRIBUTE,
            attribute=name,
            equals=equals,
            created_at=at,
        )
    )


def by_key(key: str) -> Target:
    """Give the target of that key, or raise TargetError with the keys there are."""
    target = Target.objects.filter(key=key).first()
    if target is None:
        raise TargetError(f'No target has the key "{key}". {_there_are(Target.objects.values_list("key", flat=True))}')
    return target


def store(target: Target) -> Target:
    """Store a new target, or give the stored one of this key that means the same. Raises TargetError."""
    check(target)
    stored = Target.objects.filter(key=target.key).first()
    if stored is None:
        target.save()
        return target
    if not means_the_same(stored, target):
        raise TargetError(
            f'The key "{stored.key}" belongs to the target "{stored.label}"; give that one another key.', "key"
        )
    return stored


def means_the_same(one: Target, other: Target) -> bool:
    """Tell whether two targets foresee the same of the same customers."""
    is_same = all(getattr(one, name) == getattr(other, name) for name in MEANING)
    return is_same and conditions.who(one) == conditions.who(other)


def key_of(words: str) -> str:
    """Give the key that words make."""
    return slugify(words).replace("-", "_")[:60].strip("_") or "target"


def free_key(words: str, target: Target) -> str:
    """Give the key that words make, with a number behind it where another target has that one."""
    first = key_of(words)
    taken = {one.key: one for one in Target.objects.filter(key__startswith=first[:56])}
    for key in _numbered(first):
        if key not in taken or means_the_same(taken[key], target):
            return key
    raise AssertionError("keys never end")


def unit(kind: str) -> str:
    """Give what the scores of a kind of target are: a probability, money or days."""
    return UNITS.get(Target.Kind(kind), "probability")


def is_number(target: Target) -> bool:
    """Tell whether a target foresees a number, and not a yes or no."""
    return target.kind in UNITS


def check(target: Target) -> None:
    """Raise TargetError where a target speaks of what does not exist, or says what cannot be."""
    _check_columns(target)
    if target.kind in (Target.Kind.ATTRIBUTE, Target.Kind.BECOMES):
        check_attribute(target.attribute, target.equals)
        if target.kind == Target.Kind.BECOMES:
            _check_horizon(target.horizon_days or 0)
            _check_becomes(target.attribute)
    else:
        check_event(target.event, target.horizon_days or 0)
    for where in (conditions.foreseen(target) or conditions.Events("")).where:
        _check_where(target.event, where)
    for condition in conditions.who(target):
        if isinstance(condition, Has):
            check_attribute(condition.attribute, condition.equals, "who_")
        elif isinstance(condition, Did) and condition.events.name not in (target.event, ANY):
            _check_name(condition.events.name, "who_event")
        elif isinstance(condition, NotYet | Below) and not target.event:
            raise TargetError("A target on an attribute foresees no event that could be spent on, or not done.", "who")


def check_event(event: str, within_days: int) -> None:
    """Raise TargetError unless the event was seen and the horizon is one to 365 days."""
    _check_horizon(within_days)
    _check_name(event, "event")


def check_attribute(name: str, equals: str, prefix: str = "") -> None:
    """Raise TargetError unless the attribute exists and can have the value; `prefix` begins the answers' names."""
    of_name, of_value = f"{prefix}attribute", f"{prefix}equals"
    if not equals.strip():
        raise TargetError(f'Which value of "{name}" counts must be said.', of_value)
    if name in CORE and name != "birth_date":
        return
    attribute = Attribute.objects.filter(name=name).first()
    if attribute is None:
        names = Attribute.objects.values_list("name", flat=True)
        raise TargetError(f'No attribute is named "{name}". {_there_are(names)}', of_name)
    if attribute.type in (Attribute.Type.DATE, Attribute.Type.LIST):
        raise TargetError(
            f'The attribute "{name}" is a {attribute.type}; a target needs a text, a number or a yes or no.', of_name
        )
    if not _fits(Attribute.Type(attribute.type), equals):
        called = "a number, and" if attribute.type == Attribute.Type.NUMBER else "yes or no, and"
        ending = "is not" if attribute.type == Attribute.Type.NUMBER else "is neither"
        raise TargetError(f'The attribute "{name}" is {called} "{equals}" {ending}.', of_value)


def holds(column: pl.Series, equals: str) -> pl.Series:
    """Tell for each value whether it equals the target's value; no value stays no value. Text ignores case."""
    wanted = equals.strip().casefold()
    if column.dtype == pl.Boolean:
        return column == (wanted in YES)
    if column.dtype.is_numeric():
        return column == _number(equals)
    return column.str.strip_chars().str.to_lowercase() == wanted


def _check_columns(target: Target) -> None:
    if target.key in RESERVED:
        raise TargetError(f'"{target.key}" cannot be a key: it is an address of its own.', "key")
    for name in MONEY:
        told = getattr(target, name)
        if told is not None and not math.isfinite(told):
            raise TargetError(f"{name} must be a number, not {told}.", name)
    try:
        target.clean_fields(exclude=["where", "who", "horizon_days", "event", "attribute", "owner"])
    except ValidationError as error:
        name, messages = next(iter(error.message_dict.items()))
        raise TargetError(f"{name}: {messages[0]}", name) from error
    if max(len(target.event), len(target.attribute) + 20) > 120:
        raise TargetError("A name is too long: events have 120 letters at most, attributes 100.")


def _check_horizon(within_days: int) -> None:
    if not 1 <= within_days <= LONGEST_HORIZON_DAYS:
        raise TargetError(f"The horizon must be 1 to {LONGEST_HORIZON_DAYS} days, not {within_days}.", "horizon_days")


def _check_name(event: str, answer: str) -> None:
    names = EventName.objects.values_list("name", flat=True)
    if event not in names and event not in OUR_EVENTS:
        raise TargetError(f'No event is named "{event}". {_there_are(names)}', answer)


def _check_becomes(name: str) -> None:
    if Attribute.objects.filter(name=name, is_timeless=True).exists():
        raise TargetError(
            f'"{name}" was imported as known always: nobody knows when it became what it is. Leave the days out to '
            "foresee who has the value.",
            "horizon_days",
        )


def _check_where(event: str, where: conditions.Where) -> None:
    field, value = where
    if field in (PRODUCT, CATEGORY):
        named = {"external_id": value} if field == PRODUCT else {"category__iexact": value}
        if not Product.objects.filter(**named).exists():
            column = "external_id" if field == PRODUCT else "category"
            names = Product.objects.exclude(**{column: ""}).order_by(column).values_list(column, flat=True).distinct()
            raise TargetError(f'No product has the {field} "{value}". {_there_are(names[:100])}', field)
        return
    types = property_types.types(history.pin(), event)
    type_ = types.get(field.removeprefix(PROPERTY)) if field.startswith(PROPERTY) else None
    if type_ is None:
        fields = [PRODUCT, CATEGORY, *(f"{PROPERTY}{name}" for name in types)]
        raise TargetError(f'"{event}" tells nothing named "{field}". {_there_are(fields)}', "where")
    if not _fits(type_, value):
        raise TargetError(f'"{field}" is of the type {type_}, and "{value}" is not, or cannot be compared.', "where")


def _fits(type_: Attribute.Type, equals: str) -> bool:
    """Tell whether a value of the type can equal what is told."""
    if type_ == Attribute.Type.NUMBER:
        return _number(equals) is not None
    if type_ == Attribute.Type.YES_NO:
        return equals.strip().casefold() in YES + NO
    return type_ == Attribute.Type.TEXT


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _numbered(key: str) -> Iterator[str]:
    yield key
    number = 2
    while True:
        yield f"{key[: 60 - len(str(number)) - 1]}_{number}"
        number += 1


def _there_are(names: Iterable[str]) -> str:
    known = sorted(names)
    if not known:
        return "There are none yet."
    more = f" and {len(known) - SHOWN} more" if len(known) > SHOWN else ""
    return f"There are: {', '.join(known[:SHOWN])}{more}."
