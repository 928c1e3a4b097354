"""All customers as of the newest snapshot, with the columns that some rules ask for and no others."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

import polars as pl
from django.db.models import Q

from customers import columns, snapshot
from customers.columns import Pinned
from customers.tombstones import without_erased
from scoring import ranking
from scoring.models import ScoreRun
from segments.rules import Rule, needs
from segments.rules.meaning import FOLDED, folded_column, is_folded
from segments.rules.nodes import Condition, walk

SCORES = "scores."


class NoSnapshot(Exception):
    """There is nothing to look at before the first full cycle."""

    def __init__(self) -> None:
        super().__init__("There is no snapshot of the customers yet: run a full cycle first.")


@dataclass(frozen=True)
class Everybody:
    """The newest snapshot and the run its scores are of; what was read or made of it stays in memory."""

    pinned: Pinned
    run: ScoreRun | None

    def frame(self, rules: Iterable[Rule], also: Collection[str] = ()) -> pl.DataFrame:
        """Give one row a customer with what the rules need, and those of the columns `also` that there are.

        Rows are by bucket, then customer_id. Raises columns.Replaced.
        """
        asked = list(rules)
        names = {name for rule in asked for name in needs(rule).columns} | {*also}
        scores = {name for name in names if name.startswith(SCORES)}
        plain = self.pinned.columns(["customer_id", *sorted(names - scores)])
        frame = plain.hstack([column for name in sorted(scores) if (column := self._score(name)) is not None])
        nodes = [node for rule in asked for node in walk(rule.root)]
        texts = {node.field.name for node in nodes if isinstance(node, Condition) and is_folded(node)}
        frame = frame.hstack([self._folded(frame[name]) for name in sorted(texts & {*frame.columns})])
        return without_erased(frame, None, Q(rewritten_at=None))

    def named(self, customer_ids: pl.Series) -> pl.DataFrame:
        """Give the external ids of some customers, in their order. Raises columns.Replaced."""
        everyone = self.pinned.columns(["customer_id"]).to_series()
        places = [place for one in customer_ids if (place := everyone.index_of(one)) is not None]
        return self.pinned.rows(places, ["external_id"])

    def _folded(self, column: pl.Series) -> pl.Series:
        run = self.run.pk if self.run and column.name.startswith(SCORES) else 0
        return self.pinned.derived(f"{FOLDED}{column.name} {run}", lambda: folded_column(column))

    def _score(self, name: str) -> pl.Series | None:
        """Give a score, or where it stands among all: what the snapshot holds if it was scored in the same run."""
        key = name.split(".")[1]
        if self.run is not None and self.run.as_of == self.pinned.as_of and name in self.pinned.layout.names:
            return self.pinned.columns([name])[name]
        run = self.run.pk if self.run else 0
        absent = pl.Series(name, dtype=pl.Null)
        column = self.pinned.derived(f"{name} {run}", lambda: self._attached(key).get_column(name, default=absent))
        return column if len(column) else None

    def _attached(self, key: str) -> pl.DataFrame:
        """Give the columns of a target's scores."""
        score = f"{SCORES}{key}"
        people = self.pinned.columns(["customer_id", score])
        if self.run is not None and self.run.as_of == self.pinned.as_of and score in people.columns:
            return ranking.place(people, self.run)
        return ranking.attach(people, [key])


def latest() -> Everybody:
    """Give everybody as of the newest snapshot. Raises NoSnapshot, and columns.Replaced."""
    taken_at = snapshot.latest()
    if taken_at is None:
        raise NoSnapshot
    return Everybody(columns.pin(taken_at), ranking.published())
