"""A back-test in words."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from campaigns.models import Decision

Outcome = Decision.Outcome
Told = Mapping[str, Any]
OPTIMISTIC = "Optimistic: "


def sentences(result: Told) -> list[str]:
    """Say what a plan would have done."""
    return [*_entered(result), *_sent(result), *_limits(result), *_money(result), *_went_on(result), *_honest(result)]


def _entered(result: Told) -> Iterator[str]:
    days = len(result["days"])
    if not result["considered"]:
        yield f"Over {_days(days)} nobody would have become due."
        return
    a_day = result["considered"] / max(days, 1)
    often = f"{result['considered']:,} times" if result["considered"] != 1 else "once"
    yield f"Over {_days(days)} {_customers(result['customers'])} would have become due, {often}: {a_day:,.1f} a day."


def _sent(result: Told) -> Iterator[str]:
    what = "calls" if result["is_calls"] else "messages"
    if not result["sent"]:
        if result["considered"]:
            yield f"No {what[:-1]} would have gone out."
        return
    most = max(many for many, _ in result["messages_each"])
    busiest = max(result["days"], key=lambda day: day["sent"])
    each = "one each" if most == 1 else f"none of them more than {most}"
    told = f"{result['sent']:,} {what} would have gone to {_customers(result['reached'])}, {each}"
    yield f"{told}; {busiest['sent']:,} on the busiest day, {day_of(busiest['at'])}."


def _limits(result: Told) -> Iterator[str]:
    late = result["consents_later"]
    if late:
        yield (
            f"{late:,} times a customer was suppressed whose consent is on record only since a later day, as after an "
            "import: whoever had agreed by then but was not on record counts as not asked."
        )
    if result["caps_hit"]:
        yield f"Caps would have stopped or held up {result['caps_hit']:,}."
    over = result["outcomes"].get(Outcome.OVER_BUDGET, 0)
    if over:
        yield f"For {over:,} there was no budget, no room in the day, or no code left."
    capacity = result["calls_capacity"]
    if capacity is not None:
        above = sum(day["sent"] > capacity for day in result["days"])
        days = _days(len(result["days"]))
        yield f"The agents make {capacity:,} calls a day: on {above:,} of {days} that was too few."
    for offer in result["offers"]:
        stock = "as many as are wanted" if offer["stock"] is None else f"{offer['stock']:,}"
        yield f"{offer['needed']:,} codes of “{offer['name']}” would have been needed; there are {stock}."
    for one in result["overlaps"][:3]:
        yield f"{_customers(one['customers'])} had heard from “{one['name']}” in the {_days(one['days'])} before."


def _money(result: Told) -> Iterator[str]:
    cost = result["cost"]
    if cost["total"]:
        codes = f", {cost['codes']:,.2f} of it for codes if all are redeemed" if cost["codes"] else ""
        yield f"It would have cost {cost['total']:,.2f}{codes}."


def _went_on(result: Told) -> Iterator[str]:
    found = result["went_on"]
    entered, others = found["entered"], found["others"]
    goal = f"{found['goal']} within {_days(found['days'])}"
    if entered["share"] is None:
        if result["considered"]:
            yield f"Nobody's {_days(found['days'])} were over yet, so what they went on to do is not known."
        return
    beside = "" if others["share"] is None else f", beside {others['share']:.1%} of those who did not become due"
    yield f"Of those who became due {entered['share']:.1%} had {goal}{beside}: an association, not an effect."


def _honest(result: Told) -> Iterator[str]:
    many = result["optimistic_days"]
    if many:
        yield (
            f"{OPTIMISTIC}on {many:,} of {_days(len(result['days']))} no score was recorded and no model was live, so "
            "today's scored them, which has learned from what came after."
        )
    yield "Each day was looked at once, with the consents of then; addresses, lists, caps, rules and offers are of now."


def day_of(at: str) -> str:
    """Give the day of a time as people write it; it stays on one line."""
    return f"{datetime.fromisoformat(at):%-d\u00a0%b\u00a0%Y}"


def _days(many: int) -> str:
    return "1 day" if many == 1 else f"{many:,} days"


def _customers(many: int) -> str:
    return "1 customer" if many == 1 else f"{many:,} customers"
