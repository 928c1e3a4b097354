"""Random conditions on fields: every operator with the values it takes."""

from collections.abc import Sequence

from hypothesis import strategies as st

from tests.segments.random_values import (
    DATES,
    FROM_TO,
    LENGTHS,
    PERIODS,
    UNITS,
    WINDOW,
    Node,
    comparisons,
    either,
    node,
    one,
    some,
)
from tests.segments.random_worlds import AMOUNTS, BANDS, TEXTS, ZONES

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
    "exactly_ago": node(n=one(1, 2, 3), unit=one("days", "calendar_days", "weeks", "months", "years"))
    | node(n=one(1, 2, 3, 30), unit="days"),
    "between_ago": node(**{"from": one(0, 1, 2), "to": one(3, 5, 30)}, unit=one(*UNITS)),
    **dict.fromkeys(["this", "previous", "next"], one(*PERIODS)),
    "weekday": some([1, 2, 3, 4, 5, 6, 7]) | st.integers(1, 7),
    "month_is": some([1, 2, 3, 10, 12]) | st.integers(1, 12),
    "hour_between": one([0, 6], [10, 14], [22, 3], [23, 23]),
    "anniversary": st.just("today") | node(in_next=one(1, 7, 366)) | node(in_last=one(2, 60)),
}
LIST_VALUES: dict[str, Node] = {
    **dict.fromkeys(["contains", "not_contains"], one(*TEXTS[:4])),
    **dict.fromkeys(["any_of", "all_of", "none_of", "exactly"], some(TEXTS[:4])),
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
OTHER_FIELDS: dict[tuple[str, str], Node] = {
    **{("text", op): node(field=one("country", "attributes.plan")) for op in TEXT_COMPARED},
    **{("number", op): node(field=one("features.spend_90d", "scores.lapse")) for op in NUMBER_COMPARED},
    **{("date", op): OTHER_DATES for op in ("on", "before", "after")},
    **{("list", op): node(field="attributes.plan") for op in ("contains", "not_contains")},
    **{("list", op): node(field="attributes.wishes") for op in ("any_of", "all_of", "none_of", "exactly")},
}
ASKED = {
    "text": ["country", "attributes.plan"],
    "number": ["features.orders_90d", "features.spend_90d", "scores.lapse"],
    "yes_no": ["consent.email.news"],
    "date": ["birth_date", "attributes.since"],
    "list": ["attributes.tags"],
}
ABOUT_NOW = (
    "in_last",
    "not_in_last",
    "in_next",
    "exactly_ago",
    "between_ago",
    "this",
    "previous",
    "next",
    "hour_between",
)
MISSING = {"missing": one("include", "exclude")}
SWITCHES: dict[str, dict[str, Node]] = {
    "text": {"exact": one(True, False), **MISSING},
    "list": {"exact": one(True, False), **MISSING},
    "date": {"zone": one("customer", *ZONES), **MISSING},
    "number": MISSING,
    "yes_no": MISSING,
}


def conditions(fields: Sequence[str], type: str, op: str, value: Node | None = None) -> Node:
    """Give conditions of one operator, now and then with its switches."""
    needed = {"field": one(*fields), "op": op} | ({} if value is None else {"value": value})
    return either(needed, {} if op in NOTHING else SWITCHES[type])


def asked(type: str, op: str) -> list[str]:
    if op == "domain_is":
        return ["attributes.contact"]
    return ["attributes.since", "attributes.renews"] if op in ABOUT_NOW else ASKED[type]


# --- What a field was. ------------------------------------------------------------------------------------------------
WAS: dict[str, Node] = {
    "country": one(*TEXTS[:4]),
    "attributes.plan": one(*TEXTS[:4]),
    "attributes.tags": one(*TEXTS[:4]),
    "attributes.since": one(*DATES),
    "scores.lapse.band": one(*BANDS, "HIGH"),
}
HISTORY_SWITCHES = {"exact": one(True, False), "zone": one("customer", *ZONES), **MISSING}


HISTORIES: dict[str, Node] = {
    **{
        f"history {kind}": st.one_of(
            *(either({"field": name, kind: was}, HISTORY_SWITCHES) for name, was in WAS.items())
        )
        for kind in ("ever", "never")
    },
    "history changed": either({"field": one(*WAS), "changed": WINDOW}, HISTORY_SWITCHES),
    "history changed from to": st.one_of(
        *(
            either({"field": name, "changed": either({"within": WINDOW}, {"from": was, "to": was})}, HISTORY_SWITCHES)
            for name, was in WAS.items()
            if name != "attributes.tags"
        )
    ),
    "history unchanged_for": either({"field": one(*WAS), "unchanged_for": LENGTHS}, HISTORY_SWITCHES),
}
LEAP = either(
    {"field": "birth_date", "op": "anniversary", "value": DATE_VALUES["anniversary"], "leap": one("mar1", "feb28")},
    {"zone": one("customer", *ZONES)},
)
CONDITIONS: dict[str, Node] = {
    "leap": LEAP,
    **HISTORIES,
    **{
        f"{type} {op}": conditions(asked(type, op), type, op, value)
        for type, row in VALUES.items()
        for op, value in row.items()
    },
    **{
        f"{type} {op} another field": conditions(ASKED[type], type, op, value)
        for (type, op), value in OTHER_FIELDS.items()
    },
}
