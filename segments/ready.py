"""Rules to start from: what a shop asks on its first day, each with the reason and with what it needs."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from customers.models import EventName
from scoring.models import ModelVersion, Target
from segments.rules import Fields, RuleError, parse
from segments.rules.needs import named

VERSION = 1
ORDER, CART, PRODUCT, PAGE = "Order Completed", "Product Added", "Product Viewed", "Page Viewed"
SCORES = "scores."


@dataclass(frozen=True)
class Ready:
    """A rule with its name and why one wants it. `lacks` says what it asks for and there is not, or not yet."""

    key: str
    name: str
    why: str
    rule: dict[str, Any]
    lacks: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Give it as REST and the admin answer it."""
        return asdict(self)


def rules(fields: Fields) -> list[Ready]:
    """Give all ready rules; a score is that of the live target with the event asked for, where there is one."""
    seen = set(EventName.objects.values_list("name", flat=True))
    live = ModelVersion.objects.filter(state=ModelVersion.State.LIVE, target__is_active=True)
    scores = {
        (kind, event): f"{SCORES}{key}"
        for kind, event, key in live.order_by("-target__key").values_list(
            "target__kind", "target__event", "target__key"
        )
    }
    found = _all(
        scores.get((Target.Kind.NO_EVENT, ORDER), f"{SCORES}leaving"),
        scores.get((Target.Kind.EVENT, ORDER), f"{SCORES}buying"),
    )
    return [
        Ready(one.key, one.name, one.why, one.rule, tuple(_lacking(one.rule, fields, seen, scores.values())))
        for one in found
    ]


def _lacking(rule: Mapping[str, Any], fields: Fields, seen: set[str], live: Iterable[str]) -> Iterator[str]:
    """Say what a rule asks for that there is not."""
    for name in sorted(named(rule, "field")):
        if name.startswith(SCORES) and ".".join(name.split(".")[:2]) not in live:
            what = "no order for some time" if name.startswith(f"{SCORES}leaving") else "an order soon"
            yield f"a live model of a target such as “{what}”"
    for event in sorted(named(rule, "event") - seen):
        yield f"events named {event}"
    try:
        parse(rule, fields)
    except RuleError as error:
        if not error.message.startswith(("no field named 'scores.", "no event named")):
            yield f"what the rule asks at {error.path}: {error.message}"


def _all(leaving: str, buying: str) -> list[Ready]:
    return [*_going(leaving), *_coming(buying), *_staying()]


def _going(leaving: str) -> list[Ready]:
    return [
        Ready(
            "valuable-leaving",
            "High value and likely to leave",
            "Those who bring the most and are about to go are worth a call or an offer first.",
            _every(_top("features.spend_365d", 20), _field(f"{leaving}.percentile", ">=", 80)),
        ),
        Ready(
            "abandoned-cart",
            "Abandoned cart",
            "They wanted it an hour ago: a reminder within a day brings many back.",
            _every(
                _event(CART, ">=", 1, 1, "days"),
                _event(CART, "=", 0, 1, "hours"),
                _event(ORDER, "=", 0, 1, "days"),
            ),
        ),
        Ready(
            "browsed-and-left",
            "Browsed and left",
            "They looked at products several times and bought nothing: show them what they looked at.",
            _every(
                _event(PRODUCT, ">=", 3, 7, "days"),
                _event(ORDER, "=", 0, 7, "days"),
                _event(CART, "=", 0, 7, "days"),
            ),
        ),
        Ready(
            "lapsed",
            "Lapsed",
            "They were customers and have not ordered for half a year: win them back, or stop paying for them.",
            _every({"event": ORDER, "stopped": {"for": {"last": 180, "unit": "days"}}}),
        ),
        Ready(
            "overdue",
            "Overdue by their own habit",
            "Twice their usual gap has passed: they may be leaving before they count as lapsed.",
            _every(_field("features.orders", ">=", 3), _field("features.gap_ratio", "between", [2, 6])),
        ),
    ]


def _coming(buying: str) -> list[Ready]:
    return [
        Ready(
            "new-and-promising",
            "New and promising",
            "First order in the last month, and likely to order again: welcome them well.",
            _every(
                {"event": ORDER, "first_ever": True, "within": {"last": 30, "unit": "days"}},
                _field(f"{buying}.percentile", ">=", 60),
            ),
        ),
        Ready(
            "one-order-only",
            "One order only",
            "The second order makes a customer: these had their first one to three months ago and no other.",
            _every(_field("features.orders", "=", 1), _field("features.recency_days", "between", [30, 90])),
        ),
        Ready(
            "discount-hunters",
            "Discount hunters",
            "A third of what they buy is discount: tell them of sales, and spare yourself other offers.",
            _every(_field("features.orders", ">=", 2), _field("features.discount_share", ">=", 0.3)),
        ),
    ]


def _staying() -> list[Ready]:
    return [
        Ready(
            "best-customers",
            "Best customers",
            "The top tenth by what they spent in a year, who ordered lately: thank them, ask them for reviews.",
            _every(_top("features.spend_365d", 10), _field("features.recency_days", "<=", 90)),
        ),
        Ready(
            "frequent-returners",
            "Send back much",
            "Half of the value they order comes back: leave them out of offers with free returns.",
            _every(_field("features.orders", ">=", 2), _field("features.return_share", ">=", 0.5)),
        ),
        Ready(
            "never-ordered",
            "Reachable and never ordered",
            "They gave their address and bought nothing yet: one good first offer is all there is to try.",
            _every(_field("reachable.email", "is_true"), _field("features.orders", "=", 0)),
        ),
        Ready(
            "silent-readers",
            "Never open our mails",
            "Five mails or more in three months and no click: mail them less, or ask whether they want to stay.",
            _every(_field("features.emails_sent_90d", ">=", 5), _field("features.email_clicks_90d", "=", 0)),
        ),
        Ready(
            "birthday-soon",
            "Birthday in the next week",
            "A greeting with a small present is opened more than any other mail.",
            _every(
                {"field": "birth_date", "op": "anniversary", "value": {"in_next": 7}},
                _field("reachable.email", "is_true"),
            ),
        ),
    ]


def _every(*nodes: dict[str, Any]) -> dict[str, Any]:
    return {"version": VERSION, "rule": {"all": list(nodes)}}


def _field(name: str, op: str, value: Any = None) -> dict[str, Any]:
    node = {"field": name, "op": op}
    return node if value is None else {**node, "value": value}


def _top(name: str, percent: int) -> dict[str, Any]:
    return _field(name, "top_percent", percent)


def _event(name: str, op: str, count: int, length: int, unit: str) -> dict[str, Any]:
    return {"event": name, "count": {op: count}, "within": {"last": length, "unit": unit}}
