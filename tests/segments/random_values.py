"""What random conditions are made of: values, windows, comparisons."""

from typing import Any

from hypothesis import strategies as st

from tests.segments.random_worlds import DAYS

Json = Any
Node = st.SearchStrategy[Json]
PERIODS = ["day", "week", "month", "quarter", "year"]
UNITS = ["minutes", "hours", "days", "weeks", "months", "years", "calendar_days"]
DATES = [day.isoformat() for day in DAYS]


def one(*values: Any) -> Node:
    return st.sampled_from(values)


def some(values: list[Any]) -> Node:
    return st.lists(st.sampled_from(values), min_size=1, max_size=3)


def node(**parts: Node | Any) -> Node:
    """Give nodes of these keys; a part that is no strategy stays as it is."""
    return st.fixed_dictionaries({key: _drawn(part) for key, part in parts.items()})


def either(needed: dict[str, Node | Any], switches: dict[str, Node]) -> Node:
    """Give nodes of these keys, now and then with some of the switches."""
    return st.fixed_dictionaries({key: _drawn(part) for key, part in needed.items()}, optional=switches)


def _drawn(part: Node | Any) -> Node:
    return part if isinstance(part, st.SearchStrategy) else st.just(part)


def comparisons(numbers: list[Any]) -> Node:
    pairs = st.lists(one(*numbers), min_size=2, max_size=2).map(lambda ends: {"between": sorted(ends)})
    return st.one_of(*(node(**{op: one(*numbers)}) for op in ("=", "!=", ">", ">=", "<", "<=")), pairs)


LENGTHS = node(n=one(1, 2, 3, 30), unit=one(*UNITS))
LAST = node(last=one(1, 2, 3, 30), unit=one(*UNITS))
FROM_TO = st.lists(one(*DATES), min_size=2, max_size=2, unique=True).map(sorted)
WINDOWS: dict[str, Node] = {
    **{f"last {unit}": node(last=one(1, 2, 3, 30), unit=unit) for unit in UNITS},
    "from and to": FROM_TO.map(lambda ends: {"from": ends[0], "to": ends[1]}),
    "from": node(**{"from": one(*DATES)}),
    "to": node(to=one(*DATES)),
    **{f"this {period}": node(this=period) for period in PERIODS},
    **{f"previous {period}": node(previous=period) for period in PERIODS},
}
WIDE = node(last=30, unit=one("days", "weeks", "calendar_days"))
WINDOW = WIDE | st.one_of(*WINDOWS.values())


def name_of(window: Json) -> str:
    """Name a window as in WINDOWS."""
    if "last" in window:
        return f"last {window['unit']}"
    if "from" in window or "to" in window:
        return " and ".join(key for key in ("from", "to") if key in window)
    return next(f"{key} {window[key]}" for key in ("this", "previous") if key in window)
