"""The meaning of a rule equals a naive reading, customer by customer, on random trees, customers and events."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.segments.slow.rows import Happened, Person, World
from tests.segments.slow.rules import holds
from tests.segments.world import matching, person

TICK = timedelta(microseconds=1)
ZONES = ["UTC", "Europe/Berlin", "America/Sao_Paulo", "Pacific/Auckland", "Africa/Cairo"]
# Clocks change in Berlin on 2026-03-29 and 2026-10-25, in Cairo at midnight of 2026-04-24; leap day, year end.
DAYS = [
    date(2024, 2, 29),
    date(2025, 12, 31),
    date(2026, 1, 1),
    date(2026, 3, 29),
    date(2026, 3, 31),
    date(2026, 4, 24),
    date(2026, 10, 25),
]
NOWS = [datetime(d.year, d.month, d.day, h, 30, tzinfo=UTC) for d in DAYS for h in (0, 1, 22)]
TEXTS = ["DE", "de", "Straße", "STRASSE", "ΟΔΟΣ", "οδός", "A\u0308rzte", "ärzte", "x"]
AMOUNTS = [0.0, 1.0, 2.0, 2.5, 10.0, -3.0]
EVENTS = ["Order Completed", "Page Viewed"]


@st.composite
def windows(draw: st.DrawFn) -> Any:
    form = draw(st.sampled_from(["last", "range", "this", "previous", "ever"]))
    if form == "last":
        unit = draw(st.sampled_from(["minutes", "hours", "days", "weeks", "months", "years", "calendar_days"]))
        return {"last": draw(st.sampled_from([1, 2, 3, 30])), "unit": unit}
    if form == "range":
        start, end = sorted(draw(st.lists(st.sampled_from(DAYS), min_size=2, max_size=2, unique=True)))
        both = {"from": start.isoformat(), "to": end.isoformat()}
        dropped = draw(st.sampled_from(["", "from", "to"]))
        return {key: value for key, value in both.items() if key != dropped}
    if form == "ever":
        return None
    return {form: draw(st.sampled_from(["day", "week", "month", "quarter", "year"]))}


def comparisons(numbers: list[Any]) -> st.SearchStrategy[Any]:
    one = st.tuples(st.sampled_from(["=", "!=", ">", ">=", "<", "<="]), st.sampled_from(numbers)).map(
        lambda p: {p[0]: p[1]}
    )
    pair = st.lists(st.sampled_from(numbers), min_size=2, max_size=2).map(lambda p: {"between": sorted(p)})
    return one | pair


@st.composite
def event_nodes(draw: st.DrawFn) -> Any:
    kind = draw(st.sampled_from(["count", "sum", "avg", "min", "max", "first_ever", "stopped"]))
    node: dict[str, Any] = {"event": draw(st.sampled_from(EVENTS))}
    if draw(st.booleans()):
        node["zone"] = draw(st.sampled_from(ZONES))
    if kind == "stopped":
        return {
            **node,
            "stopped": {
                "for": {
                    "last": draw(st.sampled_from([1, 30])),
                    "unit": draw(st.sampled_from(["days", "months", "calendar_days"])),
                }
            },
        }
    if (window := draw(windows())) is not None:
        node["within"] = window
    if kind == "count":
        return {**node, "count": draw(comparisons([0, 1, 2]))}
    if kind == "first_ever":
        return {**node, "first_ever": True}
    return {**node, kind: "value", "compare": draw(comparisons(AMOUNTS))}


@st.composite
def text_nodes(draw: st.DrawFn) -> Any:
    node: dict[str, Any] = {"field": draw(st.sampled_from(["country", "attributes.plan", "attributes.tags"]))}
    texts = st.lists(st.sampled_from(TEXTS), min_size=1, max_size=3)
    if node["field"] == "attributes.tags":
        op = draw(st.sampled_from(["contains", "not_contains", "any_of", "all_of", "none_of"]))
    else:
        op = draw(st.sampled_from(["is", "is_not", "any_of", "none_of", "contains", "not_contains", "starts", "ends"]))
    node |= {"op": op, "value": draw(texts) if op.endswith("_of") else draw(st.sampled_from(TEXTS))}
    return {**node, "exact": True} if draw(st.booleans()) else node


@st.composite
def number_nodes(draw: st.DrawFn) -> Any:
    node: dict[str, Any] = {
        "field": draw(st.sampled_from(["features.orders_90d", "features.spend_90d", "scores.lapse"]))
    }
    op = draw(
        st.sampled_from(["plain", "any_of", "top_percent", "bottom_percent", "percentile_between", "top_n", "bottom_n"])
    )
    if op == "plain":
        ((op, value),) = draw(comparisons(AMOUNTS)).items()
        return {**node, "op": op, "value": value}
    values: dict[str, st.SearchStrategy[Any]] = {
        "any_of": st.lists(st.sampled_from(AMOUNTS), min_size=1, max_size=3),
        "top_percent": st.sampled_from([1, 12.5, 25, 50, 100]),
        "bottom_percent": st.sampled_from([1, 12.5, 25, 50, 100]),
        "percentile_between": st.sampled_from([[0, 100], [0, 25], [20, 40], [50, 100], [33, 34]]),
        "top_n": st.integers(1, 9),
        "bottom_n": st.integers(1, 9),
    }
    return {**node, "op": op, "value": draw(values[op])}


@st.composite
def date_nodes(draw: st.DrawFn) -> Any:
    node: dict[str, Any] = {"field": draw(st.sampled_from(["attributes.since", "birth_date"]))}
    if draw(st.booleans()):
        node["zone"] = draw(st.sampled_from(ZONES))
    op = draw(st.sampled_from(["on", "before", "after", "between", "in_last", "not_in_last", "more_than_ago"]))
    if op == "between":
        start, end = sorted(draw(st.lists(st.sampled_from(DAYS), min_size=2, max_size=2, unique=True)))
        return {**node, "op": op, "value": [start.isoformat(), end.isoformat()]}
    if op in ("on", "before", "after"):
        return {**node, "op": op, "value": draw(st.sampled_from(DAYS)).isoformat()}
    unit = draw(st.sampled_from(["minutes", "hours", "days", "weeks", "months", "years", "calendar_days"]))
    return {**node, "op": op, "value": {"n": draw(st.sampled_from([1, 2, 30])), "unit": unit}}


FIELDS = ["country", "features.spend_90d", "consent.email.news", "attributes.since", "birth_date", "attributes.tags"]
VALUED = st.builds(
    lambda f, op: {"field": f, "op": op}, st.sampled_from(FIELDS), st.sampled_from(["has_value", "no_value"])
)
YES_NO = st.sampled_from([{"field": "consent.email.news", "op": op} for op in ("is_true", "is_false")])
COMPARED = st.one_of(text_nodes(), number_nodes(), date_nodes(), YES_NO)
CONDITIONS = st.builds(lambda node, has: {**node, "missing": "include"} if has else node, COMPARED, st.booleans())
OTHERS = st.sampled_from(
    [
        {"segment": "vip", "op": "in"},
        {"segment": "loyal", "op": "not_in"},
        {"sample": 50, "salt": "a"},
        {"sample": 12.5, "salt": "b"},
        {"ids": ["c-1", "c-3"]},
    ]
)
LEAVES = st.one_of(CONDITIONS, event_nodes(), VALUED, OTHERS)


def grown(children: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    some = st.lists(children, min_size=1, max_size=3)
    groups = st.builds(lambda kind, nodes: {kind: nodes}, st.sampled_from(["all", "any", "none"]), some)
    least = some.flatmap(lambda nodes: st.integers(1, len(nodes)).map(lambda n: {"at_least": n, "of": nodes}))
    return st.one_of(groups, least, children.map(lambda node: {"not": node}))


TREES = st.recursive(LEAVES, grown, max_leaves=6)


@st.composite
def instants(draw: st.DrawFn, as_of: datetime) -> datetime:
    """Draw times that lie on, just before and just after what windows end at."""
    midnights = [datetime(d.year, d.month, d.day, tzinfo=UTC) for d in DAYS]
    ago = [as_of - timedelta(**{unit: n}) for unit in ("minutes", "hours", "days", "weeks") for n in (0, 1, 2, 3, 30)]
    hours = timedelta(hours=draw(st.sampled_from([0, 0, 1, -1, 2, -2, 3, -12, 24])))
    return draw(st.sampled_from(midnights + ago)) + hours + draw(st.sampled_from([0, 1, -1])) * TICK


@st.composite
def worlds(draw: st.DrawFn) -> World:
    as_of = draw(st.sampled_from(NOWS))
    people = [draw(customers(number, as_of)) for number in range(1, draw(st.integers(1, 6)) + 1)]
    segments = {
        "vip": draw(LEAVES.filter(lambda node: "segment" not in node)),
        "loyal": {"not": {"segment": "vip", "op": "in"}},
    }
    return World(people, as_of, draw(st.sampled_from(ZONES)), segments)


@st.composite
def customers(draw: st.DrawFn, number: int, as_of: datetime) -> Person:
    def perhaps(values: st.SearchStrategy[Any]) -> Any:
        return draw(st.none() | values)

    happened = [
        Happened(
            draw(st.sampled_from(EVENTS)),
            at,
            draw(st.sampled_from([at, as_of, as_of + TICK])),
            perhaps(st.sampled_from(AMOUNTS)),
        )
        for at in draw(st.lists(instants(as_of), max_size=4))
    ]
    return person(
        number,
        *happened,
        country=perhaps(st.sampled_from(TEXTS)),
        attributes__plan=perhaps(st.sampled_from(TEXTS)),
        features__orders_90d=perhaps(st.integers(0, 3)),
        features__spend_90d=perhaps(st.sampled_from(AMOUNTS)),
        scores__lapse=perhaps(st.sampled_from([0.25, 0.5, 1.0])),
        consent__email__news=perhaps(st.booleans()),
        attributes__since=perhaps(instants(as_of)),
        birth_date=perhaps(st.sampled_from(DAYS) | instants(as_of).map(datetime.date)),
        attributes__tags=perhaps(st.lists(st.sampled_from(TEXTS), max_size=3)),
    )


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(TREES, worlds())
@example({"not": {"event": "Page Viewed", "count": {"=": 0}}}, World([person(1)], NOWS[0], segments={}))
def test_a_mask_equals_the_slow_reading(node: Any, world: World) -> None:
    assert matching(node, world) == [one.number for one in world.people if holds(node, one, world)]
