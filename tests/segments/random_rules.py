"""Random rules: every kind of node, every operator, every form of a window."""

from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

from tests.segments.random_worlds import AMOUNTS, DAYS, EVENTS, TEXTS, ZONES
from tests.segments.world import FIELDS

Json = Any
Node = st.SearchStrategy[Json]
PERIODS = ["day", "week", "month", "quarter", "year"]
UNITS = ["minutes", "hours", "days", "weeks", "months", "years", "calendar_days"]
GROUPS = ("all", "any", "none")
MEASURES = ("count", "sum", "avg", "min", "max", "first_ever", "stopped")


def one(*values: Any) -> Node:
    return st.sampled_from(values)


def some(values: list[Any]) -> Node:
    return st.lists(st.sampled_from(values), min_size=1, max_size=3)


def node(**parts: Node | Any) -> Node:
    """Give nodes of these keys; a part that is no strategy stays as it is."""
    return st.fixed_dictionaries(
        {key: part if isinstance(part, st.SearchStrategy) else st.just(part) for key, part in parts.items()}
    )


DATES = [day.isoformat() for day in DAYS]
LENGTHS = node(n=one(1, 2, 3, 30), unit=one(*UNITS))
LAST = node(last=one(1, 2, 3, 30), unit=one(*UNITS))
FROM_TO = st.lists(one(*DATES), min_size=2, max_size=2, unique=True).map(sorted)
WINDOWS = st.one_of(
    LAST,
    FROM_TO.map(lambda ends: {"from": ends[0], "to": ends[1]}),
    node(**{"from": one(*DATES)}),
    node(to=one(*DATES)),
    node(this=one(*PERIODS)),
    node(previous=one(*PERIODS)),
)


def comparisons(numbers: list[Any]) -> Node:
    pairs = st.lists(one(*numbers), min_size=2, max_size=2).map(lambda ends: {"between": sorted(ends)})
    return st.one_of(*(node(**{op: one(*numbers)}) for op in ("=", "!=", ">", ">=", "<", "<=")), pairs)


TEXT_VALUES: dict[str, Node] = {
    **dict.fromkeys(["is", "is_not", "contains", "not_contains", "starts", "ends"], one(*TEXTS)),
    **dict.fromkeys(["any_of", "none_of", "contains_any"], some(TEXTS)),
    "matches": one("^d", "e$", "stra.*e", "^.{2}$", "ä", "^[a-z]+$", "ος|x"),
    "domain_is": one("shop.example", "SHOP.example", "mail.shop.example"),
    "length": comparisons([1, 2, 6, 7]),
}
NUMBER_VALUES: dict[str, Node] = {
    **dict.fromkeys(["=", "!=", ">", ">=", "<", "<="], one(*AMOUNTS)),
    **dict.fromkeys(["between", "not_between"], st.lists(one(*AMOUNTS), min_size=2, max_size=2).map(sorted)),
    "any_of": some(AMOUNTS),
    "top_percent": one(1, 12.5, 25, 50, 100),
    "bottom_percent": one(1, 12.5, 25, 50, 100),
    "percentile_between": one([0, 100], [0, 25], [20, 40], [50, 100], [33, 34]),
    "top_n": st.integers(1, 9),
    "bottom_n": st.integers(1, 9),
    **dict.fromkeys(["above_mean_sd", "below_mean_sd"], one(0, 0.5, 1)),
}
DATE_VALUES: dict[str, Node] = {
    **dict.fromkeys(["on", "before", "after"], one(*DATES)),
    "between": FROM_TO,
    **dict.fromkeys(["in_last", "not_in_last", "more_than_ago", "in_next"], LENGTHS),
    "exactly_ago": node(n=one(1, 2, 3, 30), unit=one("days", "days", "calendar_days", "weeks", "months", "years")),
    "between_ago": node(**{"from": one(0, 1, 2), "to": one(3, 5, 30)}, unit=one(*UNITS)),
    **dict.fromkeys(["this", "previous", "next"], one(*PERIODS)),
    "weekday": some([1, 2, 3, 4, 5, 6, 7]) | st.integers(1, 7),
    "month_is": some([1, 2, 3, 10, 12]) | st.integers(1, 12),
    "hour_between": one([0, 6], [10, 14], [22, 3], [23, 23]),
    "anniversary": st.just("today") | node(in_next=one(1, 7, 366)) | node(in_last=one(2, 60)),
}
LIST_VALUES: dict[str, Node] = {
    **dict.fromkeys(["contains", "not_contains"], one(*TEXTS)),
    **dict.fromkeys(["any_of", "all_of", "none_of", "exactly"], some(TEXTS)),
    "length": comparisons([0, 1, 2]),
}
NOTHING: dict[str, Node | None] = dict.fromkeys(["has_value", "no_value"])
VALUES: dict[str, dict[str, Node | None]] = {
    "text": {**TEXT_VALUES, **NOTHING},
    "number": {**NUMBER_VALUES, **NOTHING},
    "yes_no": {"is_true": None, "is_false": None, **NOTHING},
    "date": {**DATE_VALUES, **NOTHING},
    "list": {**LIST_VALUES, **NOTHING},
}
TEXT_COMPARED = ("is", "is_not", "contains", "not_contains", "starts", "ends")
NUMBER_COMPARED = ("=", "!=", ">", ">=", "<", "<=")
OTHER_DATES = st.fixed_dictionaries(
    {"field": one("attributes.renews", "attributes.since", "birth_date")},
    optional={"offset_days": one(0, 1, -1, 3, 365)},
)
OTHER_FIELDS: dict[str, Node] = {
    **{f"text {op}": node(field=one("country", "attributes.plan")) for op in TEXT_COMPARED},
    **{f"number {op}": node(field=one("features.spend_90d", "scores.lapse")) for op in NUMBER_COMPARED},
    **{f"date {op}": OTHER_DATES for op in ("on", "before", "after")},
    **{f"list {op}": node(field="attributes.plan") for op in ("contains", "not_contains")},
    **{f"list {op}": node(field="attributes.wishes") for op in ("any_of", "all_of", "none_of", "exactly")},
}
ASKED = {
    "text": ["country", "attributes.plan"],
    "number": ["features.orders_90d", "features.spend_90d", "scores.lapse"],
    "yes_no": ["consent.email.news"],
    "date": ["birth_date", "attributes.since"],
    "list": ["attributes.tags"],
}
MISSING = {"missing": one("include", "exclude")}
SWITCHES: dict[str, dict[str, Node]] = {
    "text": {"exact": one(True, False), **MISSING},
    "list": {"exact": one(True, False), **MISSING},
    "date": {"zone": one("customer", *ZONES), **MISSING},
    "number": MISSING,
    "yes_no": MISSING,
}


def conditions(type: str, op: str, value: Node | None = None) -> Node:
    """Give conditions of one operator, now and then with its switches."""
    asked = ["attributes.contact"] if op == "domain_is" else ASKED[type]
    needed = {"field": one(*asked), "op": st.just(op)} | ({} if value is None else {"value": value})
    switches = {} if op in NOTHING else SWITCHES[type]
    if op == "anniversary":
        switches = {**switches, "leap": one("mar1", "feb28")}
    return st.fixed_dictionaries(needed, optional=switches)


def events(**parts: Node | Any) -> Node:
    return st.fixed_dictionaries(
        {"event": one(*EVENTS), **{k: p if isinstance(p, st.SearchStrategy) else st.just(p) for k, p in parts.items()}},
        optional={"zone": one(*ZONES)},
    )


def within(event: Node) -> Node:
    return st.one_of(event, st.builds(lambda given, window: {**given, "within": window}, event, WINDOWS))


EVENT_NODES: dict[str, Node] = {
    "count": within(events(count=comparisons([0, 1, 2]))),
    **{kind: within(events(**{kind: "value"}, compare=comparisons(AMOUNTS))) for kind in ("sum", "avg", "min", "max")},
    "first_ever": within(events(first_ever=True)),
    "stopped": events(stopped=node(**{"for": LAST})),
}
OTHERS: dict[str, Node] = {
    "segment in": node(segment=one("vip", "loyal"), op="in"),
    "segment not_in": node(segment=one("vip", "loyal"), op="not_in"),
    "sample": node(sample=one(12.5, 50), salt=one("a", "b")),
    "ids": node(ids=some(["c-1", "c-2", "c-3", "C-3", "x"])),
}
LEAF_KINDS: dict[str, Node] = {
    **{f"{type} {op}": conditions(type, op, value) for type, row in VALUES.items() for op, value in row.items()},
    **{
        f"{kind} another field": conditions(kind.split()[0], kind.split()[1], value)
        for kind, value in OTHER_FIELDS.items()
    },
    **{f"event {kind}": strategy for kind, strategy in EVENT_NODES.items()},
    **OTHERS,
}
ALONE = st.one_of(*(strategy for kind, strategy in LEAF_KINDS.items() if not kind.startswith("segment")))


def grown(children: Node) -> Node:
    few = st.lists(children, min_size=1, max_size=3)
    groups = [node(**{kind: few}) for kind in GROUPS]
    least = few.flatmap(lambda nodes: st.integers(1, len(nodes)).map(lambda n: {"at_least": n, "of": nodes}))
    return st.one_of(*groups, least, node(**{"not": children}))


TREES = st.recursive(st.one_of(*LEAF_KINDS.values()), grown, max_leaves=6)
KINDS = [*GROUPS, "not", "at_least", *LEAF_KINDS]


def below(tree: Json) -> Iterator[Json]:
    """Give a node and all below it."""
    yield tree
    for key in (*GROUPS, "of"):
        for child in tree.get(key, []):
            yield from below(child)
    if "not" in tree:
        yield from below(tree["not"])


def kind_of(given: Json) -> str:
    """Name a node by its kind and operator, as in KINDS."""
    if "field" in given:
        has_other = isinstance(given.get("value"), dict) and "field" in given["value"]
        return f"{FIELDS.fields[given['field']].type} {given['op']}{' another field' if has_other else ''}"
    if "event" in given:
        return next(f"event {kind}" for kind in EVENT_NODES if kind in given)
    if "segment" in given:
        return f"segment {given['op']}"
    return next(kind for kind in (*GROUPS, "not", "at_least", "sample", "ids") if kind in given)
