"""The operators of texts. Texts are compared folded, unless the rule asks for them exactly as written."""

import functools
import re
import unicodedata
from collections.abc import Callable, Sequence
from typing import Any

import polars as pl

from segments.rules.arguments import DOMAIN, LENGTH, PATTERN, TEXT, TEXTS, Argument
from segments.rules.comparisons import Comparison, holds
from segments.rules.nodes import Type
from segments.rules.subjects import Fold, Meaning, Operator, Subject, is_in, value_rows
from segments.rules.windows import Moment

FOLDED, ODD = "folded:", "odd:"
DOTLESS = "\uf131"  # a sign that no text has
# A domain stands between the scheme or user of an address and its port or path: jo@example.com, https://example.com/jo.
BEFORE_DOMAIN = r"^(?:[A-Za-z][A-Za-z0-9+.-]*://)?(?:[^/?#]*@)?"
AFTER_DOMAIN = r"(?::[^@/?#]*)?(?:[/?#]|$)"


def folded(column: pl.Expr) -> pl.Expr:
    """Give texts as they are compared: NFC, and without case, so that STRASSE, Straße and STRAẞE are the same."""
    # The dotless i is a letter of its own, though its capital is an I: another sign stands for it meanwhile.
    plain = column.str.normalize("NFC").str.replace_all("ı", DOTLESS, literal=True)
    plain = plain.str.to_lowercase().str.to_uppercase().str.to_lowercase()
    plain = plain.str.replace_all("ς", "σ", literal=True).str.replace_all(DOTLESS, "ı", literal=True)
    return plain.str.normalize("NFC")


def folded_columns(frame: pl.DataFrame, names: Sequence[str]) -> list[pl.Series]:
    """Give `folded:<field>` of some columns; texts of ASCII letters, which most are, take one step, all at once."""
    texts = [name for name in names if frame.schema[name] != pl.List]
    told = frame.select(pl.col(texts).str.to_lowercase(), _is_odd(pl.col(texts)).name.prefix(ODD))
    found = {name: _mended(frame[name], told[name], told[f"{ODD}{name}"]) for name in texts}
    found |= {name: _folded_lists(frame[name]) for name in names if name not in found}
    return [found[name].alias(f"{FOLDED}{name}") for name in names]


def each_once(column: pl.Series, make: Callable[[pl.Series], pl.Series]) -> pl.Series:
    """Give what is made of each text, made once for each different one where there are few of them."""
    different = column.to_frame("").select(pl.col("").approx_n_unique()).item()
    if different > len(column) / 2:
        return make(column)
    texts = column.drop_nulls().unique()
    return make(texts).gather(column.cast(pl.Enum(texts)).to_physical())


def _mended(column: pl.Series, plain: pl.Series, is_odd: pl.Series) -> pl.Series:
    """Give what was folded as ASCII, with those of other letters folded as they must be."""
    if not is_odd.any():
        return plain
    odd = each_once(column.filter(is_odd), lambda texts: texts.to_frame("").select(folded(pl.col(""))).to_series())
    return plain.scatter(is_odd.arg_true(), odd)


def _folded_lists(column: pl.Series) -> pl.Series:
    has_odd = column.explode().to_frame("").select(_is_odd(pl.col("")).any()).item()
    each = folded(pl.element()) if has_odd else pl.element().str.to_lowercase()
    return column.to_frame("").select(pl.col("").list.eval(each)).to_series()


def _is_odd(column: pl.Expr) -> pl.Expr:
    """Say which texts have letters beyond ASCII."""
    return (column.str.len_bytes() != column.str.len_chars()).fill_null(False)


@functools.lru_cache(maxsize=4096)
def fold(value: Any) -> Any:
    """Fold one text, or several, of which equal ones become one. Rules ask for the same ones again and again."""
    given = pl.Series("", [value] if isinstance(value, str) else value, dtype=pl.String)
    texts = given.to_frame().select(folded(pl.col(""))).to_series().to_list()
    return texts[0] if isinstance(value, str) else tuple(dict.fromkeys(texts))


def fold_pattern(pattern: str) -> str:
    """Fold the letters beyond ASCII, which mean nothing but themselves, and leave the case of all open."""
    plain = unicodedata.normalize("NFC", pattern)
    return "(?i)" + "".join(letter if letter.isascii() else fold(letter) for letter in plain)


def _row(name: str, argument: Argument, meaning: Meaning, words: str) -> Operator:
    """Give a row that looks at folded texts."""
    return Operator(Type.TEXT, name, argument, meaning, words, fold=fold)


def _with_other(row: Operator) -> Operator:
    """Let another field stand in place of the value."""

    def against(subject: Subject, other: Subject, moment: Moment) -> pl.Expr:
        return row.meaning(subject, other.column, moment)

    return row._replace(against=against, other=Type.TEXT)


def _slow(row: Operator, fold: Fold | None) -> Operator:
    return row._replace(is_slow=True, fold=fold)


def _contains_any(subject: Subject, values: tuple[str, ...], moment: Moment) -> pl.Expr:
    return subject.column.str.contains_any(list(values))


def _domain(subject: Subject, value: str, moment: Moment) -> pl.Expr:
    return subject.column.str.contains(f"{BEFORE_DOMAIN}{re.escape(value)}{AFTER_DOMAIN}")


def _length(subject: Subject, compare: Comparison, moment: Moment) -> pl.Expr:
    return holds(compare, subject.column.str.normalize("NFC").str.len_chars())


def _not(row: Operator) -> Operator:
    return row._replace(meaning=lambda s, v, m: ~row.meaning(s, v, m), is_negative=True)


def _is(subject: Subject, value: str | pl.Expr, moment: Moment) -> pl.Expr:
    return subject.column == value


def _contains(subject: Subject, value: str | pl.Expr, moment: Moment) -> pl.Expr:
    return subject.column.str.contains(value, literal=True)


ROWS = [
    _with_other(_row("is", TEXT, _is, "is {}")),
    _with_other(_not(_row("is_not", TEXT, _is, "is not {}"))),
    _row("any_of", TEXTS, lambda s, v, m: is_in(s.column, v), "is {}"),
    _not(_row("none_of", TEXTS, lambda s, v, m: is_in(s.column, v), "is not {}")),
    _with_other(_row("contains", TEXT, _contains, "contains {}")),
    _with_other(_not(_row("not_contains", TEXT, _contains, "does not contain {}"))),
    _row("contains_any", TEXTS, _contains_any, "contains any of {}"),
    _with_other(_row("starts", TEXT, lambda s, v, m: s.column.str.starts_with(v), "starts with {}")),
    _with_other(_row("ends", TEXT, lambda s, v, m: s.column.str.ends_with(v), "ends with {}")),
    _slow(_row("matches", PATTERN, lambda s, v, m: s.column.str.contains(v), "matches the pattern {}"), fold_pattern),
    _slow(_row("domain_is", DOMAIN, _domain, "has the domain {}"), fold),
    _slow(_row("length", LENGTH, _length, "has a length that {}"), None),
    *value_rows(Type.TEXT),
]
