"""The nearest change of one customer that turns a rule's answer: every proposal is tried on the rule itself."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import polars as pl

from segments import moves
from segments.leaves import Leaves
from segments.moves import Move
from segments.rules import Context, needs
from segments.rules.meaning import Pins, answers
from segments.rules.nodes import Condition, Group, Node, Other, placed, steps

WAYS = 8  # of making a group's answer another, that are kept
TOLD_OF = ("events", "properties", "lines", "attributes", "bands", "changes")  # frames of a Context
TRIED = 24  # combinations of moves


class Way(NamedTuple):
    """Leaves, by their paths, that would have to be answered otherwise, and how far that is."""

    cost: float
    paths: frozenset[str]


# How many of a group's nodes must be answered how, for the group to hold and for it not to: by its kind, of its nodes.
def _needed(group: Group, wanted: bool) -> tuple[bool, int]:
    every = len(group.nodes)
    number = {"all": every, "any": 1, "none": 1, "not": 1, "at_least": group.number}[group.kind]
    holds = wanted if group.kind not in ("none", "not") else not wanted
    return holds, number if holds else every - number + 1


def nearest(leaves: Leaves, row: pl.DataFrame, context: Context, found: dict[Node, object]) -> tuple[Move, ...]:
    """Give the smallest change found that turns the rule's answer for the customer of the row; none if there is none.

    `leaves` are answered for her; `found` says what those that look at events saw.
    """
    search = _Search(leaves, row, context, found)
    return search.single() or search.several()


class _Search:
    def __init__(self, known: Leaves, row: pl.DataFrame, context: Context, found: dict[Node, object]) -> None:
        rule = known.rule
        self.rule, self.row, self.context = rule, row, context
        self.leaves = {path: node for path, node in placed(rule.root) if not isinstance(node, Group)}
        self.customer = row["customer_id"][0]
        asked = needs(rule)
        of_the_past = TOLD_OF if asked.events or asked.told or asked.moves or asked.segments else ()
        is_hers = pl.col("customer_id") == self.customer
        self.told = {name: getattr(context, name).filter(is_hers).collect().lazy() for name in of_the_past}
        self.base = {path: bool(known.holds[path][0]) for path in self.leaves}
        self.is_inside = bool(known.whole()[0])
        self.moves = sorted(self._moves(found), key=lambda move: move.distance)
        self.tried = self.answered([[move] for move in self.moves])

    def _moves(self, found: dict[Node, object]) -> list[Move]:
        conditions = [node for node in self.leaves.values() if isinstance(node, Condition)]
        fields = {node.field.name: node.field for node in conditions}
        fields |= {node.value.field.name: node.value.field for node in conditions if isinstance(node.value, Other)}
        proposed: list[Move] = []
        for name, field in fields.items():
            own = [node for node in conditions if node.field.name == name]
            proposed += moves.of_field(field, self.row[name].to_list()[0], own, self.row, self.context)
        others = {node: path for path, node in self.leaves.items() if not isinstance(node, Condition)}
        for node, path in others.items():
            proposed += moves.of_leaf(node, self.base[path], found.get(node))
        return proposed

    def answered(self, combinations: Sequence[Sequence[Move]]) -> pl.DataFrame:
        """Answer every leaf for the customer as each combination of moves would make her, one row a combination."""
        count = len(combinations)
        changed: dict[str, list[Any]] = {}
        for number, combination in enumerate(combinations):
            for move in combination:
                if move.field is not None:
                    name = move.field.name
                    changed.setdefault(name, [self.row[name][0]] * count)[number] = move.value
        others = [pl.Series(name, values, self.row.schema[name]) for name, values in changed.items()]
        rows = self.row[[0] * count].with_columns(pl.Series("customer_id", range(count), pl.Int64), *others)
        holds = answers(self.leaves.values(), rows, self.told_of_copies(count)).holds
        turned = {
            node: [any(move.leaf == node for move in one) for one in combinations] for node in self.leaves.values()
        }
        return pl.DataFrame(
            [
                (holds[node] ^ pl.Series(turned[node], dtype=pl.Boolean)).alias(path)
                for path, node in self.leaves.items()
            ]
        )

    def told_of_copies(self, count: int) -> Context:
        """Give what is known of the customer as if it were known of so many like her, numbered from 0."""
        copies = pl.DataFrame({"copy": range(count)}, schema={"copy": pl.Int64}).lazy()
        frames = {
            name: told.join(copies, how="cross").with_columns(customer_id="copy").drop("copy").lazy()
            for name, told in self.told.items()
        }
        everyone, nobody = pl.Series(range(count), dtype=pl.Int64), pl.Series(dtype=pl.Int64)
        return replace(
            self.context,
            **frames,
            lists=lambda key: everyone if self.customer in self.context.lists(key) else nobody,
            pins={
                key: Pins(*(everyone if self.customer in ids else nobody for ids in pins))
                for key, pins in self.context.pins.items()
            },
        )

    def whole(self, answered: pl.DataFrame) -> list[bool]:
        """Give the rule's answers from those of its leaves."""
        return Leaves(self.rule, answered, pl.DataFrame()).whole().to_list()

    def single(self) -> tuple[Move, ...]:
        """Give the nearest single move that turns the answer."""
        turned = [is_in != self.is_inside for is_in in self.whole(self.tried)] if self.moves else []
        return next(((move,) for move, is_turned in zip(self.moves, turned, strict=True) if is_turned), ())

    def several(self) -> tuple[Move, ...]:
        """Give the nearest combination of moves that turns the answer: the cheapest leaves, each with its own move."""
        effects = [
            frozenset(path for path, was in self.base.items() if now[path] != was)
            for now in self.tried.iter_rows(named=True)
        ]
        best: dict[str, float] = {}
        for move, effect in zip(self.moves, effects, strict=True):
            for path in effect:
                best.setdefault(path, 1 + move.distance)
        ways = self.ways(self.rule.root, "rule", not self.is_inside, best)
        combinations = [found for way in ways if (found := self._combined(way, effects))][:TRIED]
        if not combinations:
            return ()
        turned = [is_in != self.is_inside for is_in in self.whole(self.answered(combinations))]
        return next((tuple(one) for one, is_turned in zip(combinations, turned, strict=True) if is_turned), ())

    def _combined(self, way: Way, effects: list[frozenset[str]]) -> list[Move]:
        """Give moves that together turn exactly the leaves of a way; none where some leaf has no such move."""
        left, chosen = set(way.paths), list[Move]()
        while left:
            fitting = [
                n for n, effect in enumerate(effects) if effect and effect <= left and not _clash(self.moves[n], chosen)
            ]
            if not fitting:
                return []
            number = min(fitting, key=lambda n: (1 + self.moves[n].distance) / len(effects[n]))
            chosen.append(self.moves[number])
            left -= effects[number]
        return chosen

    def ways(self, node: Node, path: str, wanted: bool, best: dict[str, float]) -> list[Way]:
        """Give the cheapest ways to have a node answered as wanted, the cheapest first."""
        if not isinstance(node, Group):
            if self.base[path] == wanted:
                return [Way(0.0, frozenset())]
            return [Way(best[path], frozenset({path}))] if path in best else []
        holds, number = _needed(node, wanted)
        counts: dict[int, list[Way]] = {0: [Way(0.0, frozenset())]}
        for place, child in steps(node, path):
            options = self.ways(child, place, holds, best)
            more = {
                count + 1: [Way(a.cost + b.cost, a.paths | b.paths) for a in found for b in options]
                for count, found in counts.items()
            }
            counts = {n: _cheapest([*counts.get(n, []), *more.get(n, [])]) for n in {*counts, *more}}
        return _cheapest([way for count, found in counts.items() if count >= number for way in found])


def _clash(move: Move, chosen: Iterable[Move]) -> bool:
    return any(move.field is not None and move.field == other.field for other in chosen)


def _cheapest(ways: Iterable[Way]) -> list[Way]:
    return sorted(dict.fromkeys(ways), key=lambda way: (way.cost, len(way.paths), sorted(way.paths)))[:WAYS]
