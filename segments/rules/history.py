"""What a field was: conditions on the history of attributes and of score bands.

A history is rows of one field: customer_id, value and known_at. It knows values only: a time without a value is left
out, so a change is from one value to another. Who never had a value is neither `ever` nor `never` something.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import polars as pl

from segments.rules import arguments
from segments.rules.arguments import Argument, expects, keys_of
from segments.rules.nodes import Field, History, RuleError, Type
from segments.rules.operators import OPERATORS
from segments.rules.subjects import Subject
from segments.rules.texts import FOLDED, folded_columns
from segments.rules.windows import Last, Moment, Window

ENTRIES = "\x1f"  # between the entries of a list, to compare it as a whole
SAME = {Type.TEXT: "is", Type.NUMBER: "=", Type.DATE: "on", Type.LIST: "contains"}


@dataclass(frozen=True)
class Change:
    """From one value to another, where they are said, within a window."""

    window: Window
    before: Any = None
    after: Any = None


class Row(NamedTuple):
    """`read` parses; `outcome` is over one customer's rows; `test` asks it, null for who has no history."""

    read: Callable[[Field, object, str], Any]
    outcome: Callable[[History, Moment, bool], pl.Expr]
    test: Callable[[History, pl.Expr, Subject, Moment], pl.Expr]
    words: Callable[[History], str]
    is_negative: bool = False
    window: Callable[[Any], Window] | None = None


def read(field: Field, data: Mapping[str, object], path: str) -> History:
    """Give what is asked about a field's history: `{"field": "attributes.plan", "ever": "gold"}`."""
    kind = next(kind for kind in HISTORIES if kind in data)
    keys_of(data, path, {"field", kind, "missing", "exact", "zone"}, set())
    if not field.told_as:
        raise RuleError(path, f"'{field.name}' has no history; attributes and score bands have")
    return History(field, kind, HISTORIES[kind].read(field, data[kind], f"{path}.{kind}"))


def runs(rows: pl.DataFrame, node: History) -> pl.DataFrame:
    """Give one row for each time a customer's value became another, with the value `before`, null for the first."""
    ordered = rows.sort("customer_id", "known_at", maintain_order=True)
    is_last = pl.struct("customer_id", "known_at").ne_missing(pl.struct("customer_id", "known_at").shift(-1))
    ordered = ordered.filter(is_last & pl.col("value").is_not_null())
    if node.field.type in (Type.TEXT, Type.LIST):
        ordered = ordered.hstack(folded_columns(ordered, ["value"]))
    ordered = ordered.with_columns(key=_key(node))
    is_same = pl.col("customer_id") == pl.col("customer_id").shift(1)
    before = pl.when(is_same).then(pl.col("key").shift(1))
    return ordered.with_columns(before=before).filter(pl.col("key").ne_missing(pl.col("before")))


def outcome(node: History, rows: pl.DataFrame, moment: Moment) -> pl.DataFrame:
    """Give customer_id and what is asked of it, for the customers with a history."""
    is_day = rows.schema["value"] == pl.Date
    return (
        runs(rows, node).group_by("customer_id").agg(HISTORIES[node.kind].outcome(node, moment, is_day).alias("found"))
    )


def holds(node: History, found: pl.Expr, now: Subject, moment: Moment) -> pl.Expr:
    """Give where it holds; null for who has neither a history nor a value now."""
    test = HISTORIES[node.kind].test(node, found, now, moment)
    return pl.when(found.is_not_null() | now.column.is_not_null()).then(test)


def equals(node: History, value: Any, subject: Subject, moment: Moment) -> pl.Expr:
    """Give where a column is a value, or as a list contains it."""
    if node.field.type == Type.YES_NO:
        return subject.column if value else ~subject.column
    row = OPERATORS[node.field.type, SAME[node.field.type]]
    return row.meaning(subject, row.fold(value) if row.fold and not node.is_exact else value, moment)


def _key(node: History) -> pl.Expr:
    """Give values in one spelling."""
    value = pl.col("value")
    if node.field.type == Type.TEXT:
        return value if node.is_exact else pl.col(f"{FOLDED}value")
    if node.field.type == Type.LIST:
        return _plain(node).list.unique().list.sort().list.join(ENTRIES)
    return value


def _plain(node: History) -> pl.Expr:
    """Give the column that is compared with a value."""
    if node.field.type == Type.LIST:
        return pl.col("value" if node.is_exact else f"{FOLDED}value")
    return pl.col("key")


# --- ever, never. -----------------------------------------------------------------------------------------------------
def _argument(field: Field) -> Argument:
    if field.type == Type.YES_NO:
        return YES_NO
    return OPERATORS[field.type, SAME[field.type]].argument


def _read_value(field: Field, given: object, path: str) -> Any:
    return _argument(field).parse(given, path)


def _was(node: History, moment: Moment, is_day: bool) -> pl.Expr:
    return equals(node, node.value, Subject(_plain(node), is_day), moment).any()


def _ever(node: History, found: pl.Expr, now: Subject, moment: Moment) -> pl.Expr:
    return found.fill_null(False) | equals(node, node.value, now, moment).fill_null(False)


def _value_words(node: History, value: Any) -> str:
    return _argument(node.field).words(value)


# --- changed. ---------------------------------------------------------------------------------------------------------
def _read_change(field: Field, given: object, path: str) -> Change:
    if not isinstance(given, dict) or "within" not in given:
        return Change(arguments.window(given, path))
    keys_of(given, path, {"from", "to", "within"}, set())
    if field.type == Type.LIST:
        raise RuleError(path, "a list changes as a whole: leave out what it was and became")
    before, after = (_read_value(field, given[k], f"{path}.{k}") if k in given else None for k in ("from", "to"))
    return Change(arguments.window(given["within"], f"{path}.within"), before, after)


def _changed(node: History, moment: Moment, is_day: bool) -> pl.Expr:
    change: Change = node.value
    span = change.window.span(moment)
    within = pl.col("before").is_not_null() & (pl.col("known_at") < span.end)
    if span.start is not None:
        within &= pl.col("known_at") >= span.start
    for value, column in ((change.before, "before"), (change.after, "key")):
        within &= pl.lit(True) if value is None else equals(node, value, Subject(pl.col(column), is_day), moment)
    return within.any()


def _change_words(node: History) -> str:
    change: Change = node.value
    said = "".join(
        f" {word} {_value_words(node, value)}"
        for word, value in (("from", change.before), ("to", change.after))
        if value is not None
    )
    return f"changed{said} {change.window.words()}"


# --- unchanged_for. ---------------------------------------------------------------------------------------------------
def _is_old(node: History, found: pl.Expr, now: Subject, moment: Moment) -> pl.Expr:
    length: Last = node.value
    return pl.when(now.column.is_not_null()).then(found.is_null() | (found < length.span(moment).start))


def _yes_or_no(value: object, path: str) -> bool:
    if not isinstance(value, bool):
        raise expects(path, "true or false", value)
    return value


YES_NO = Argument("yes_no", _yes_or_no, lambda value: "true" if value else "false")
HISTORIES: dict[str, Row] = {
    "ever": Row(_read_value, _was, _ever, lambda node: f"was {_value_words(node, node.value)} at some time"),
    "never": Row(
        _read_value,
        _was,
        lambda node, found, now, moment: ~_ever(node, found, now, moment),
        lambda node: f"was never {_value_words(node, node.value)}",
        is_negative=True,
    ),
    "changed": Row(
        _read_change,
        _changed,
        lambda node, found, now, moment: found.fill_null(False),
        _change_words,
        window=lambda change: change.window,
    ),
    "unchanged_for": Row(
        lambda field, given, path: arguments.duration(given, path),
        lambda node, moment, is_day: pl.col("known_at").max(),
        _is_old,
        lambda node: f"has been the same for {node.value.amount_in_words()}",
    ),
}
