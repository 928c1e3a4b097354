"""What a target foresees, and of whom, in words."""

from customers.panels import number
from scoring import conditions
from scoring.conditions import ANY, Below, Condition, Did, Has, NotYet
from scoring.models import Target

Kind = Target.Kind
SAID = {
    Kind.EVENT: "{what} happens within {days} days",
    Kind.NO_EVENT: "{what} does not happen within {days} days",
    Kind.ATTRIBUTE: "{attribute} is {equals}",
    Kind.BECOMES: "{attribute} becomes {equals} within {days} days",
    Kind.HIGH_VALUE: "becomes one of the best customers by {what} within {days} days",
    Kind.SPEND: "how much is spent by {what} within {days} days",
    Kind.NEXT: "how many days until the next {what}, up to {days}",
}


def meaning(target: Target) -> str:
    """Give what a target foresees."""
    only = [f"{one.field.removeprefix('properties.')} {one.value}" for one in _where(target)]
    return SAID[Kind(target.kind)].format(
        what=f"{target.event} with {' and '.join(only)}" if only else target.event,
        days=number(target.horizon_days),
        attribute=target.attribute,
        equals=target.equals,
    )


def population(target: Target) -> str:
    """Give of whom it speaks."""
    found = [_said(one) for one in conditions.who(target)]
    if not found:
        return f"of everybody of whom {target.attribute} is known"
    return f"of those who {' and '.join(found)}"


def _where(target: Target) -> tuple[conditions.Where, ...]:
    events = conditions.foreseen(target)
    return events.where if events else ()


def _said(condition: Condition) -> str:
    if isinstance(condition, Has):
        return f"have {condition.attribute} {condition.equals}"
    if isinstance(condition, NotYet):
        return f"did not in the {condition.days} days before"
    if isinstance(condition, Below):
        return f"are not among the best {number(100 - condition.percentile)} % by spend"
    assert isinstance(condition, Did)
    what = "anything" if condition.events.name == ANY else condition.events.name
    return f"did {what} in the {condition.days} days before"
