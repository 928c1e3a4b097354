"""What a rule would give, before it is saved: the same evaluation as membership, on the latest snapshot."""

import time
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any, NamedTuple

import polars as pl

from segments import by_hand, facts, leaves, snapshot_reading
from segments.everybody import Everybody
from segments.everybody import NoSnapshot as NoSnapshot
from segments.fields import catalogue
from segments.leaves import Leaves
from segments.linter import Finding, lint
from segments.rules import Context, Fields, Rule, needs, parse, sentence

SAMPLE = 10
SAMPLED_FIRST = 20_000  # rows that are searched for members to show, before all are
REACH = ("email", "phone")
HELD_OUT = "is_held_out"
HIDDEN = {"external_id", "seed"}  # the one is shown in any case, the other means nothing to people


@dataclass(frozen=True)
class Preview:
    """How many customers match, of how many; how many of them can be reached, and are not held out; some of them.

    `missing_would_add` says by path how many more a condition would let in if it included those without a value.
    `after_holdout` is null where the snapshot does not say who is held out.
    """

    sentence: str
    as_of: datetime
    customers: int
    count: int
    share: float
    reachable: dict[str, int]
    after_holdout: int | None
    columns: list[str]
    sample: list[dict[str, Any]]
    missing_would_add: dict[str, int]
    lint: list[Finding] = field(default_factory=list)
    seconds: float = 0.0

    def as_json(self) -> dict[str, Any]:
        """Give it as REST and the admin answer it."""
        lint = [finding._asdict() for finding in self.lint]
        return {**asdict(self), "as_of": self.as_of.isoformat(), "lint": lint}


def preview(rule_json: object, as_of: datetime, key: str = "") -> Preview:
    """Give who would be in a segment with this rule, as of the latest snapshot, or of `as_of` where that is earlier.

    `key` is the segment's whose rule this is. Raises RuleError, and NoSnapshot before the first full cycle.
    """
    began = time.perf_counter()
    fields = catalogue()
    rule = parse(rule_json, fields, key)
    read, found = snapshot_reading.again(lambda: _told(rule, fields, as_of, key))
    known = facts.gather(rule, fields, key, time.perf_counter() - began)
    findings = lint(read.leaves, read.frame, read.context, known)
    return replace(found, lint=findings, seconds=round(time.perf_counter() - began, 3))


class _Answered(NamedTuple):
    """A rule answered for everybody."""

    frame: pl.DataFrame
    context: Context
    leaves: Leaves


def _told(rule: Rule, fields: Fields, as_of: datetime, key: str) -> tuple[_Answered, Preview]:
    read = snapshot_reading.read(rule, fields, as_of, [*(f"reachable.{channel}" for channel in REACH), HELD_OUT])
    people, frame, context = read.people, read.frame, read.context
    found = leaves.read(rule, frame, context)
    inside = by_hand.pinned(found.whole(), frame["customer_id"], context.pins.get(key))
    shown = [name for name in sorted(needs(rule).columns) if name in frame.columns and name not in HIDDEN]
    count = int(inside.sum())
    told = Preview(
        sentence=sentence(rule, context.moment("")),
        as_of=context.as_of,
        customers=frame.height,
        count=count,
        share=count / frame.height if frame.height else 0.0,
        reachable={channel: _both(inside, frame.get_column(f"reachable.{channel}", default=None)) for channel in REACH},
        after_holdout=count - _both(inside, frame[HELD_OUT]) if HELD_OUT in frame.columns else None,
        columns=shown,
        sample=_sample(people, frame, inside, shown),
        missing_would_add=_would_add(found, inside),
    )
    return _Answered(frame, context, found), told


def _both(inside: pl.Series, other: pl.Series | None) -> int:
    return 0 if other is None else int((inside & other).sum())


def _sample(people: Everybody, frame: pl.DataFrame, inside: pl.Series, columns: list[str]) -> list[dict[str, Any]]:
    """Give some members with the values that the rule asks for."""
    first = inside.head(SAMPLED_FIRST).arg_true()
    places = first if len(first) >= SAMPLE else inside.arg_true()
    few = frame.select("customer_id", *columns)[places.head(SAMPLE)]
    return people.named(few["customer_id"]).hstack(few.drop("customer_id")).to_dicts()


def _would_add(found: Leaves, inside: pl.Series) -> dict[str, int]:
    """Give by path how many more would match if a condition included those without a value; only where some would."""
    added = {
        column.name: int((found.whole({column.name: column}) & ~inside).sum())
        for column in found.included.iter_columns()
    }
    return {path: count for path, count in added.items() if count}
