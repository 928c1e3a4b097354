"""Random rules: trees of every kind of node, and the names under which they are counted."""

from collections.abc import Iterator

from hypothesis import strategies as st

from tests.segments.random_conditions import CONDITIONS
from tests.segments.random_events import EVENT_KINDS, LINES, MEASURES, MEMBERSHIPS
from tests.segments.random_values import Json, Node, name_of, node, one, some
from tests.segments.world import FIELDS

GROUPS = ("all", "any", "none")
LEAF_KINDS: dict[str, Node] = {
    **CONDITIONS,
    **EVENT_KINDS,
    **MEMBERSHIPS,
    "sample": node(sample=one(12.5, 50), salt=one("a", "b")),
    "ids": node(ids=some(["c-1", "c-2", "c-3", "C-3", "x"])),
}
ALONE = st.one_of(*(strategy for kind, strategy in LEAF_KINDS.items() if kind not in MEMBERSHIPS))


def grown(children: Node) -> Node:
    few = st.lists(children, min_size=1, max_size=3)
    groups = [node(**{kind: few}) for kind in GROUPS]
    least = few.flatmap(lambda nodes: st.integers(1, len(nodes)).map(lambda n: {"at_least": n, "of": nodes}))
    return st.one_of(*groups, least, node(**{"not": children}))


TREES = st.recursive(st.one_of(*LEAF_KINDS.values()), grown, max_leaves=6)
KINDS = [*GROUPS, "not", "at_least", *LEAF_KINDS, "missing include", "exact", "zone", "zone customer"]


def below(tree: Json) -> Iterator[Json]:
    """Give a node and all below it."""
    yield tree
    for key in (*GROUPS, "of"):
        for child in tree.get(key, []):
            yield from below(child)
    if "not" in tree:
        yield from below(tree["not"])


def kinds_of(given: Json) -> Iterator[str]:
    """Name a node by its kind and operator, and by its switches and window, as in KINDS."""
    yield from (kind for kind in (*GROUPS, "not", "at_least", "sample", "ids") if kind in given)
    if "field" in given and "op" not in given:
        kind = next(kind for kind in ("ever", "never", "changed", "unchanged_for") if kind in given)
        yield f"history {kind}{' from to' if kind == 'changed' and 'within' in given[kind] else ''}"
    elif "field" in given:
        has_other = isinstance(given.get("value"), dict) and "field" in given["value"]
        yield f"{FIELDS.fields[given['field']].type} {given['op']}{' another field' if has_other else ''}"
    elif "event" in given:
        yield from _of_event(given)
    elif "sequence" in given:
        is_plain = not any(step.get("not") for step in given["sequence"])
        yield "sequence gap" if "gap" in given else "sequence" if is_plain else "sequence not"
    elif "segment" in given:
        yield from ["listed"] if given["segment"] == "hand" and "op" in given else []
        yield (
            f"segment {given['op']}"
            if "op" in given
            else next(f"segment {kind}" for kind in ("entered", "left", "in_for") if kind in given)
        )
    yield from _switches_of(given)


def _of_event(given: Json) -> Iterator[str]:
    yield next(f"event {kind}" for kind in MEASURES if kind in given)
    yield from {f"where {condition['field']}" for condition in given.get("where", [])}
    if "lines" in given:
        yield next(f"lines {kind}" for kind in LINES if kind in given["lines"])


def _switches_of(given: Json) -> Iterator[str]:
    if given.get("missing") == "include":
        yield "missing include"
    if given.get("exact"):
        yield "exact"
    if "leap" in given:
        yield "leap"
    if "zone" in given:
        yield "zone customer" if given["zone"] == "customer" else "zone"
    window: Json = next((given[key] for key in ("within", "entered", "left", "changed") if key in given), {})
    if window := window.get("within", window):
        yield f"within {name_of(window)}"
