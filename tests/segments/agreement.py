"""The three readings of a rule held against each other: the mask, the explanation, and the naive one."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from segments.explanation import explain
from segments.rules import masks
from tests.segments.random_rules import ALONE, KINDS, LEAF_KINDS, TREES, below, kinds_of
from tests.segments.random_worlds import worlds
from tests.segments.slow.rows import Person, World
from tests.segments.slow.rules import holds
from tests.segments.world import context_of, frame_of, rule_of

KINDS_AT_ONCE = 20
TREES_A_WORLD = 3
ENOUGH = 300  # trees, for every kind of node to tell some customers from others
FURTHER = (2, 6)  # times as many worlds


class Tally:
    """For every kind of node: how often it was asked, and how often it held for some customers but not for all."""

    def __init__(self) -> None:
        self.trees = self.leaves = self.worlds = self.customers = 0
        self.differences: list[str] = []
        self.cases: dict[str, int] = defaultdict(int)
        self.telling: dict[str, int] = defaultdict(int)

    def count(self, node: Any, found: Sequence[bool]) -> None:
        for kind in kinds_of(node):
            self.cases[kind] += 1
            self.telling[kind] += any(found) and not all(found)

    def differ(self, what: str, node: Any, person: Person, world: World) -> None:
        """Note a difference, with what is needed to see it again."""
        values = {name: value for name, value in person.values.items() if value is not None}
        self.differences.append(f"{what} for {node} as of {world.as_of} in {world.zone}: {values} {person.events}")

    def rows(self) -> list[tuple[str, int, int]]:
        """Give a row a kind: its name, the cases, and those that matched some but not all."""
        return [(kind, self.cases[kind], self.telling[kind]) for kind in KINDS]

    def silent(self) -> list[str]:
        """Name the kinds that never told one customer from another."""
        return [kind for kind in KINDS if not self.telling[kind]]


def agree(trees: int) -> Tally:
    """Hold the readings against each other on so many random trees, and note where they differ.

    Hypothesis likes to repeat itself: so every kind of leaf has its turn, beside trees of all kinds; and another where
    it told nobody from anybody.
    """
    tally = Tally()
    turns = [list(LEAF_KINDS)[start : start + KINDS_AT_ONCE] for start in range(0, len(LEAF_KINDS), KINDS_AT_ONCE)]
    worlds_a_turn = -(-trees // (TREES_A_WORLD * len(turns)))
    for kinds in turns:
        _take_turn(kinds, worlds_a_turn, tally)
    for further in FURTHER if trees >= ENOUGH else ():
        if silent := [kind for kind in tally.silent() if kind in LEAF_KINDS]:
            _take_turn(silent, further * worlds_a_turn, tally)
    return tally


def _take_turn(kinds: Sequence[str], worlds_drawn: int, tally: Tally) -> None:
    @settings(
        max_examples=worlds_drawn,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],  # a difference is told for one node and one customer: there is nothing to shrink
        suppress_health_check=list(HealthCheck),
    )
    @given(worlds(ALONE), st.tuples(*[TREES] * TREES_A_WORLD), st.tuples(*(LEAF_KINDS[kind] for kind in kinds)))
    def run(world: World, drawn: tuple[Any, ...], leaves: tuple[Any, ...]) -> None:
        hold(world, drawn, leaves, tally)

    run()


def hold(world: World, trees: Sequence[Any], leaves: Sequence[Any], tally: Tally) -> None:
    """Hold trees and leaves against the naive reading for everybody, and one explanation for one customer."""
    nodes = [*trees, *leaves]
    frame, context = frame_of(world.people), context_of(world, *nodes)
    found = masks({str(i): rule_of(node) for i, node in enumerate(nodes)}, frame, context)
    for i, node in enumerate(nodes):
        expected = [holds(node, person, world) for person in world.people]
        for person, is_in, was_found in zip(world.people, expected, found[str(i)].to_list(), strict=True):
            if is_in != was_found:
                tally.differ(f"the mask says {was_found}", node, person, world)
        for part in below(node):
            tally.count(part, [holds(part, person, world) for person in world.people])
    tally.trees, tally.leaves, tally.worlds = tally.trees + len(trees), tally.leaves + len(leaves), tally.worlds + 1
    tally.customers += frame.height
    row = tally.worlds % frame.height
    explained = explain(rule_of(trees[0]), frame[row : row + 1], context)
    if explained.root.holds != found["0"][row]:
        tally.differ(f"the explanation says {explained.root.holds}", trees[0], world.people[row], world)
