"""What a rule would give, before it is saved: the same evaluation as membership, on the latest snapshot."""

from dataclasses import dataclass, replace
from datetime import datetime

import polars as pl

from customers import history, snapshot
from scoring import ranking
from segments import cuts, rulebook
from segments.fields import catalogue
from segments.rules import mask, needs, parse, sentence
from segments.rules.meaning import missing_cuts

SAMPLE = 10


class NoSnapshot(Exception):
    """There is nothing to preview on before the first full cycle."""

    def __init__(self) -> None:
        super().__init__("There is no snapshot of the customers yet: run a full cycle first.")


@dataclass(frozen=True)
class Preview:
    """How many customers match, of how many, and how many of them can be reached; some of them as rows."""

    as_of: datetime
    sentence: str
    customers: int
    count: int
    reachable: dict[str, int]
    rows: pl.DataFrame

    @property
    def share(self) -> float:
        """The share of all customers that match, 0 to 1."""
        return self.count / self.customers if self.customers else 0.0


def preview(rule_json: object, as_of: datetime) -> Preview:
    """Give who would be in a segment with this rule, as of the latest snapshot, or of `as_of` where that is earlier.

    Raises RuleError, and NoSnapshot before the first full cycle.
    """
    rule = parse(rule_json, catalogue())
    taken_at = snapshot.latest()
    if taken_at is None:
        raise NoSnapshot
    frame = ranking.attach(snapshot.load(taken_at))
    book = rulebook.read()
    lake = history.pin()
    context = book.context(min(as_of, taken_at), lake.events(history.Scope()))
    absent = missing_cuts(rule, context)
    context = replace(context, cuts={**context.cuts, **cuts.take([frame], absent)})
    matching = frame.filter(mask(rule, frame, context))
    columns = [name for name in sorted(needs(rule).columns) if name in frame.columns and name != "external_id"]
    return Preview(
        context.as_of,
        sentence(rule),
        frame.height,
        matching.height,
        {channel: _reached(matching, channel) for channel in ("email", "phone")},
        matching.sort("customer_id").head(SAMPLE).select("external_id", *columns),
    )


def _reached(frame: pl.DataFrame, channel: str) -> int:
    name = f"reachable.{channel}"
    return int(frame[name].sum()) if name in frame.columns else 0
