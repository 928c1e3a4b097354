"""Targets: what a model predicts, made and checked."""

from collections.abc import Iterable
from datetime import datetime

import polars as pl
from django.utils.text import slugify

from customers.models import Attribute, EventName
from scoring.models import Target

LONGEST_HORIZON_DAYS = 365
SHOWN = 12  # names listed in a refusal
YES = ("true", "yes", "1")
NO = ("false", "no", "0")


class TargetError(ValueError):
    """A target that cannot be: the message says why."""


def of_event(event: str, within_days: int, is_absent: bool, at: datetime) -> Target:
    """Give the stored target "does (not) do the event within so many days", made at `at` if there is none."""
    check_event(event, within_days)
    words = f"No {event}" if is_absent else event
    return _stored(
        Target(
            key=_key(f"{words} {within_days}d"),
            label=f"{words} within {within_days} days",
            kind=Target.Kind.NO_EVENT if is_absent else Target.Kind.EVENT,
            event=event,
            horizon_days=within_days,
            created_at=at,
        )
    )


def of_attribute(name: str, equals: str, at: datetime) -> Target:
    """Give the stored target "the attribute has this value", made at `at` if there is none."""
    check_attribute(name, equals)
    return _stored(
        Target(
            key=_key(f"{name} {equals}"),
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


def check(target: Target) -> None:
    """Raise TargetError where a target speaks of what does not exist."""
    if target.kind == Target.Kind.ATTRIBUTE:
        check_attribute(target.attribute, target.equals)
    else:
        check_event(target.event, target.horizon_days or 0)


def check_event(event: str, within_days: int) -> None:
    """Raise TargetError unless the event was seen and the horizon is one to 365 days."""
    if not 1 <= within_days <= LONGEST_HORIZON_DAYS:
        raise TargetError(f"The horizon must be 1 to {LONGEST_HORIZON_DAYS} days, not {within_days}.")
    names = EventName.objects.values_list("name", flat=True)
    if event not in names:
        raise TargetError(f'No event is named "{event}". {_there_are(names)}')


def check_attribute(name: str, equals: str) -> None:
    """Raise TargetError unless the attribute exists and can have the value."""
    attribute = Attribute.objects.filter(name=name).first()
    if attribute is None:
        names = Attribute.objects.values_list("name", flat=True)
        raise TargetError(f'No attribute is named "{name}". {_there_are(names)}')
    if attribute.type in (Attribute.Type.DATE, Attribute.Type.LIST):
        raise TargetError(
            f'The attribute "{name}" is a {attribute.type}; a target needs a text, a number or a yes or no.'
        )
    if attribute.type == Attribute.Type.NUMBER and _number(equals) is None:
        raise TargetError(f'The attribute "{name}" is a number, and "{equals}" is not.')
    if attribute.type == Attribute.Type.YES_NO and equals.strip().casefold() not in YES + NO:
        raise TargetError(f'The attribute "{name}" is yes or no, and "{equals}" is neither.')


def holds(column: pl.Series, equals: str) -> pl.Series:
    """Tell for each value whether it equals the target's value; no value stays no value. Text ignores case."""
    wanted = equals.strip().casefold()
    if column.dtype == pl.Boolean:
        return column == (wanted in YES)
    if column.dtype.is_numeric():
        return column == _number(equals)
    return column.str.strip_chars().str.to_lowercase() == wanted


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _key(words: str) -> str:
    return slugify(words).replace("-", "_")[:60]


def _stored(target: Target) -> Target:
    stored, _ = Target.objects.get_or_create(
        key=target.key,
        defaults={
            "label": target.label,
            "kind": target.kind,
            "event": target.event,
            "horizon_days": target.horizon_days,
            "attribute": target.attribute,
            "equals": target.equals,
            "created_at": target.created_at,
        },
    )
    for name in ("kind", "event", "horizon_days", "attribute", "equals"):
        if getattr(stored, name) != getattr(target, name):
            raise TargetError(
                f'The key "{stored.key}" belongs to the target "{stored.label}"; give that one another key.'
            )
    return stored


def _there_are(names: Iterable[str]) -> str:
    known = sorted(names)
    if not known:
        return "There are none yet."
    more = f" and {len(known) - SHOWN} more" if len(known) > SHOWN else ""
    return f"There are: {', '.join(known[:SHOWN])}{more}."
