"""What targets mean, said once more for one customer at a time: slow, and easy to check by reading."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from scoring.models import Target

DAY = timedelta(days=1)


@dataclass(frozen=True)
class Event:
    """One event of a customer."""

    name: str
    occurred_at: datetime
    known_at: datetime
    value: float


@dataclass
class Person:
    """One customer: events, and what was told of the plan with its time."""

    events: list[Event] = field(default_factory=list)
    plans: list[tuple[datetime, str]] = field(default_factory=list)

    def before(self, name: str, t: datetime, days: int) -> list[Event]:
        known = [one for one in self.events if one.name == name and one.known_at <= t]
        return [one for one in known if t - days * DAY < one.occurred_at <= t]

    def after(self, name: str, t: datetime, days: int) -> list[Event]:
        return [one for one in self.events if one.name == name and t < one.occurred_at <= t + days * DAY]

    def plan(self, t: datetime) -> str | None:
        told = [plan for at, plan in self.plans if at <= t]
        return told[-1] if told else None


def labels(target: Target, people: Mapping[int, Person], t: datetime) -> dict[int, bool | float | None]:
    """Give the label of everybody of whom the target speaks at a time."""
    return {
        number: _answer(target, person, people.values(), t)
        for number, person in people.items()
        if _is_open(target, person, t) and all(_meets(one, target, person, people.values(), t) for one in _who(target))
    }


def _who(target: Target) -> list[dict[str, object]]:
    return target.who or ([] if target.kind == "becomes" else [{"did": target.event, "days": 365}])


def _is_open(target: Target, person: Person, t: datetime) -> bool:
    return target.kind != "becomes" or person.plan(t) not in (None, target.equals)


def _meets(one: Mapping[str, object], target: Target, person: Person, everybody: Iterable[Person], t: datetime) -> bool:
    if "did" in one:
        return bool(person.before(str(one["did"]), t, int(str(one["days"]))))
    if "attribute" in one:
        return person.plan(t) == one["equals"]
    if "not_yet_days" in one:
        return not person.before(target.event, t, int(str(one["not_yet_days"])))
    spent = sorted(_spent(other.before(target.event, t, 365)) for other in _base(target, everybody, t))
    place = (len(spent) - 1) * float(str(one["below_spend_percentile"])) / 100
    low = int(place)
    high = min(low + 1, len(spent) - 1)
    mine = person.before(target.event, t, 365)
    return bool(mine) and _spent(mine) <= spent[low] + (spent[high] - spent[low]) * (place - low) + 1e-9


def _answer(target: Target, person: Person, everybody: Iterable[Person], t: datetime) -> bool | float | None:
    days = target.horizon_days or 0
    after = person.after(target.event, t, days)
    if target.kind == "becomes":
        return any(t < at <= t + days * DAY and plan == target.equals for at, plan in person.plans)
    if target.kind == "spend":
        return _spent(after)
    if target.kind == "next":
        return min(((one.occurred_at - t) / DAY for one in after), default=None)
    if target.kind == "high_value":
        spent = sorted(_spent(other.after(target.event, t, days)) for other in _base(target, everybody, t))
        return bool(spent) and _spent(after) > 0 and _spent(after) >= spent[-(-9 * (len(spent) - 1) // 10)]
    return bool(after) == (target.kind == "event")


def _base(target: Target, everybody: Iterable[Person], t: datetime) -> list[Person]:
    return [one for one in everybody if one.before(target.event, t, 365)]


def _spent(events: Iterable[Event]) -> float:
    return sum(one.value for one in events)
