"""Random conditions on events: measures, what an event and its lines must meet, sequences, memberships."""

from typing import Any

from hypothesis import strategies as st

from tests.segments.random_conditions import VALUES, conditions
from tests.segments.random_values import (
    DATES,
    LAST,
    PERIODS,
    WIDE,
    WINDOW,
    WINDOWS,
    Node,
    comparisons,
    either,
    node,
    one,
    some,
)
from tests.segments.random_worlds import AMOUNTS, CATEGORIES, COUPONS, EVENTS, PRODUCTS, ZONES

ORDERED = EVENTS[0]
EVERYWHERE = one("customer", *ZONES)
ZONED = {"zone": EVERYWHERE}
PRESENT = one({">=": 1}, {"=": 0}, {">=": 2})
COMPARED_WITH_ALL = ("percent", "percentile_between", "_n", "mean_sd")
TEXTS: dict[str, list[str]] = {"product": PRODUCTS, "category": CATEGORIES, "properties.coupon": COUPONS}
NUMBERS: dict[str, list[Any]] = {
    "value": AMOUNTS,
    "hour": [0, 1, 5, 12, 23],
    "weekday": [1, 2, 4, 6, 7],
    "quantity": [1, 2, 3],
    "price": [5, 10.5],
    "amount": [5, 10, 21],
    "properties.total": [5, 10.5],
}


def _of_text(field: str, texts: list[str]) -> Node:
    plain = [conditions([field], "text", op, one(*texts)) for op in ("is", "is_not", "contains", "starts")]
    return st.one_of(
        *plain, conditions([field], "text", "any_of", some(texts)), conditions([field], "text", "no_value")
    )


def _of_number(field: str, numbers: list[Any]) -> Node:
    plain = [conditions([field], "number", op, one(*numbers)) for op in ("=", "!=", ">=", "<")]
    return st.one_of(*plain, conditions([field], "number", "has_value"))


def _of_type(field: str, type: str) -> Node:
    rows = {op: value for op, value in VALUES[type].items() if not op.endswith(COMPARED_WITH_ALL)}
    return st.one_of(*(conditions([field], type, op, value) for op, value in rows.items()))


# --- What the same event must meet. -----------------------------------------------------------------------------------
ABOUT_EVENT: dict[str, Node] = {
    **{field: _of_number(field, NUMBERS[field]) for field in ("value", "hour", "weekday", "properties.total")},
    "properties.coupon": _of_text("properties.coupon", COUPONS),
    "properties.is_gift": _of_type("properties.is_gift", "yes_no"),
    "properties.ship_on": _of_type("properties.ship_on", "date"),
    "properties.tags": _of_type("properties.tags", "list"),
}
ABOUT_LINE: dict[str, Node] = {
    **{field: _of_number(field, NUMBERS[field]) for field in ("quantity", "price", "amount")},
    **{field: _of_text(field, TEXTS[field]) for field in ("product", "category")},
}
ABOUT = {**ABOUT_EVENT, **ABOUT_LINE}
LINES: dict[str, Node] = {
    **{kind: st.just(kind) for kind in ("any", "all", "none")},
    "count": node(count=comparisons([0, 1, 2])),
    "sum": node(sum=one("quantity", "amount"), compare=comparisons([0, 2, 10, 21])),
}
SOME_LINES = st.lists(st.one_of(*ABOUT_LINE.values()), min_size=1, max_size=2)
ANY_WHERE = st.lists(st.one_of(*ABOUT.values()), min_size=1, max_size=2)


def events(*, window: bool = True, **parts: Any) -> Node:
    """Give conditions of one measure, now and then in a window, a zone, and with what the events must meet."""
    switches = {**ZONED, "within": WINDOW} if window else ZONED
    needed = {"event": ORDERED, **parts}
    return either(needed, switches) | either(needed, {}) | either(needed, {**switches, "where": ANY_WHERE})


def of_property(kind: str, names: dict[str, Node]) -> Node:
    parts: list[dict[str, Any]] = [{kind: name, "compare": compare} for name, compare in names.items()]
    return st.one_of(*(events(**part) for part in parts))


NUMBER_OF = {name: comparisons(NUMBERS[name]) for name in ("value", "properties.total")}
OF_LINES = {name: comparisons([1, 3, 10.5, 21]) for name in ("quantity", "amount")}
DATE_OF = {"properties.ship_on": st.one_of(*(node(**{op: one(*DATES)}) for op in ("=", "<", "<=", ">", ">=")))}
OTHERS_OF = {
    "properties.coupon": node(**{"=": one(*COUPONS)}) | node(**{"!=": one(*COUPONS)}),
    "properties.is_gift": node(**{"=": one(True, False)}) | node(**{"!=": one(True, False)}),
}
FEW = comparisons([0, 1, 2])
COUNTED = dict.fromkeys(("value", "total", "coupon", "product", "properties.is_gift", "hour"), FEW)
MEASURES: dict[str, Node] = {
    "count": events(count=FEW) | either({"event": one(*EVENTS), "count": FEW}, {"within": WINDOW}),
    "sum": of_property("sum", {**NUMBER_OF, **OF_LINES}),
    "avg": of_property("avg", {**NUMBER_OF, **OF_LINES}),
    "min": of_property("min", {**NUMBER_OF, **OF_LINES, **DATE_OF}),
    "max": of_property("max", {**NUMBER_OF, **OF_LINES, **DATE_OF}),
    "distinct": of_property("distinct", COUNTED),
    "first": of_property("first", {**NUMBER_OF, **DATE_OF, **OTHERS_OF}),
    "last": of_property("last", {**NUMBER_OF, **DATE_OF, **OTHERS_OF}),
    "first_ever": events(first_ever=True),
    "stopped": events(stopped=node(**{"for": WIDE | LAST}), window=False),
    "resumed": events(resumed=node(after=LAST | node(last=1, unit=one("days", "hours")))),
    "regularly": events(regularly=node(at_least=one(1, 2), of=one(2, 3, 40), period=one(*PERIODS)), window=False),
    "trend": events(
        trend=node(window=WIDE | LAST, ratio=one({"=": 0}, {"<": 1}, {"<=": 1}, {">=": 0.5}, {">": 1})), window=False
    ),
    "overdue": events(overdue=node(times_usual_gap=one(0.5, 1, 2)), window=False),
}
STEPS = either({"event": one(*EVENTS)}, {"not": one(True, False)}) | either(
    {"event": ORDERED, "where": st.lists(st.one_of(*ABOUT.values()), min_size=1, max_size=1)}, {"not": one(True, False)}
)
SEQUENCE = st.lists(STEPS, min_size=2, max_size=3).filter(lambda steps: not all(step.get("not") for step in steps))
SEQUENCE_SWITCHES = {"within": WIDE, **ZONED}
GAP = node(at_most=one(1, 2, 30), unit=one("hours", "days", "weeks"))
PLAIN_STEPS = st.lists(node(event=one(*EVENTS)), min_size=2, max_size=2) | st.lists(
    node(event=ORDERED), min_size=2, max_size=3
)
EVENT_KINDS: dict[str, Node] = {
    **{f"event {kind}": strategy for kind, strategy in MEASURES.items()},
    **{
        f"where {field}": either({"event": ORDERED, "count": PRESENT, "where": condition.map(lambda one: [one])}, ZONED)
        for field, condition in ABOUT.items()
    },
    **{
        f"lines {kind}": either({"event": ORDERED, "count": PRESENT, "where": SOME_LINES, "lines": lines}, ZONED)
        for kind, lines in LINES.items()
    },
    **{
        f"within {name}": either({"event": one(*EVENTS), "count": PRESENT, "within": window}, ZONED)
        for name, window in WINDOWS.items()
    },
    "sequence": either({"sequence": PLAIN_STEPS}, ZONED) | either({"sequence": PLAIN_STEPS}, SEQUENCE_SWITCHES),
    "sequence not": either(
        {"sequence": SEQUENCE.filter(lambda steps: any(step.get("not") for step in steps))}, SEQUENCE_SWITCHES
    ),
    "sequence gap": either({"sequence": PLAIN_STEPS, "gap": GAP}, SEQUENCE_SWITCHES),
}
MEMBERSHIPS: dict[str, Node] = {
    **{f"segment {op}": node(segment=one("vip", "loyal", "hand"), op=op) for op in ("in", "not_in")},
    "listed": node(segment="hand", op="in"),
    **{
        f"segment {kind}": either({"segment": one("vip", "loyal"), kind: WINDOW}, {"zone": EVERYWHERE})
        for kind in ("entered", "left")
    },
    "segment in_for": either(
        {"segment": one("vip", "loyal"), "in_for": node(n=one(1, 2, 30), unit=one("hours", "days", "calendar_days"))},
        {"zone": EVERYWHERE},
    ),
}
