"""All customers as of the newest snapshot, with the columns that some rules ask for and no others."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

import polars as pl
from django.db.models import Q

from customers import columns, snapshot
from customers.columns import Pinned
from customers.tombstones import without_erased
from scoring import ranking
from scoring.models import ScoreRun
from segments.rules import Rule, needs
from segments.rules.meaning import folded_fields
from segments.rules.nodes import walk
from segments.rules.texts import FOLDED, folded_columns

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
        frame = self._columns({name for rule in asked for name in needs(rule).columns} | {*also})
        texts = folded_fields(node for rule in asked for node in walk(rule.root))
        frame = frame.hstack(self._folded(frame, [name for name in texts if name in frame.columns]))
        return without_erased(frame, None, Q(rewritten_at=None))

    def values(self, customer_ids: pl.Series, names: Collection[str]) -> pl.DataFrame:
        """Give columns for some customers, a row for each in their order; who has no value has none.

        Raises columns.Replaced.
        """
        frame = self._columns(names)
        nothing = pl.Series([None] * len(customer_ids), dtype=pl.Null)
        if frame.is_empty():
            return pl.DataFrame(dict.fromkeys(names, nothing))
        ids, rows = self.pinned.derived(
            ["in order:customer_id", "rows in order:customer_id"], lambda _: _ordered(frame)
        )
        at = ids.search_sorted(customer_ids).clip(0, len(ids) - 1)
        places = rows.gather(at).set(ids.gather(at) != customer_ids, None)
        return pl.DataFrame({name: frame[name].gather(places) if name in frame.columns else nothing for name in names})

    def _columns(self, names: Collection[str]) -> pl.DataFrame:
        scores = sorted(name for name in names if name.startswith(SCORES))
        plain = [name for name in scores if self._is_stored(name)]
        frame = self.pinned.columns(["customer_id", *sorted({*names} - {*scores}), *plain])
        return frame.hstack(self._ranked([name for name in scores if name not in plain]))

    def named(self, customer_ids: pl.Series) -> pl.DataFrame:
        """Give the external ids of some customers, in their order. Raises columns.Replaced."""
        everyone = self.pinned.columns(["customer_id"]).to_series()
        places = [place for one in customer_ids if (place := everyone.index_of(one)) is not None]
        return self.pinned.rows(places, ["external_id"])

    def ordered(self, column: pl.Series) -> pl.Series:
        """Give the values that a column of the frame has, in ascending order."""
        key = f"ordered:{column.name} {self._run} {len(column)}"
        return self.pinned.derived([key], lambda _: [column.cast(pl.Float64).drop_nulls().sort()])[0]

    @property
    def _run(self) -> int:
        return self.run.pk if self.run else 0

    def _is_stored(self, name: str) -> bool:
        """Say whether the snapshot holds a score, of the run that is read."""
        return self.run is not None and self.run.as_of == self.pinned.as_of and name in self.pinned.names

    def _folded(self, frame: pl.DataFrame, names: list[str]) -> list[pl.Series]:
        keys = {f"{FOLDED}{name} {self._run if name.startswith(SCORES) else 0}": name for name in names}
        return self.pinned.derived([*keys], lambda missing: folded_columns(frame, [keys[key] for key in missing]))

    def _ranked(self, names: list[str]) -> list[pl.Series]:
        """Give scores that the snapshot does not hold, and where scores stand among all; not those that nobody has."""
        keys = {f"{name} {self._run}": name for name in names}

        def make(missing: list[str]) -> Iterator[pl.Series]:
            found = self._attached(sorted({keys[key].split(".")[1] for key in missing}))
            return (found.get_column(keys[key], default=pl.Series(keys[key], dtype=pl.Null)) for key in missing)

        return [column for column in self.pinned.derived([*keys], make) if column.dtype != pl.Null]

    def _attached(self, targets: list[str]) -> pl.DataFrame:
        """Give everybody's scores of some targets with where they stand."""
        stored = [target for target in targets if self._is_stored(f"{SCORES}{target}")]
        people = self.pinned.columns(["customer_id", *(f"{SCORES}{target}" for target in stored)])
        placed = ranking.place(people, self.run)
        others = [target for target in targets if target not in stored]
        return placed.hstack(ranking.attach(people, others).drop("customer_id")) if others else placed


def latest() -> Everybody:
    """Give everybody as of the newest snapshot. Raises NoSnapshot, and columns.Replaced."""
    taken_at = snapshot.latest()
    if taken_at is None:
        raise NoSnapshot
    return Everybody(columns.pin(taken_at), ranking.published())


def _ordered(frame: pl.DataFrame) -> list[pl.Series]:
    """Give the ids of all customers in ascending order, and which row of the frame each is."""
    rows = frame["customer_id"].arg_sort()
    return [frame["customer_id"].gather(rows), rows]
