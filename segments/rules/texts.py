"""The operators of texts. Texts are compared folded, unless the rule asks for them exactly as written."""

import functools
import unicodedata
from collections.abc import Sequence
from typing import Any

import polars as pl

from segments.rules.arguments import DOMAIN, LENGTH, PATTERN, TEXT, TEXTS, Argument
from segments.rules.comparisons import Comparison, holds
from segments.rules.nodes import Type
from segments.rules.subjects import Fold, Meaning, Operator, Subject, is_in, value_rows
from segments.rules.windows import Moment

FOLDED = "folded:"
# What stands between the user or scheme of an address and its path: jo@example.com, https://example.com/jo.
DOMAIN_OF = r"^(?:[A-Za-z][A-Za-z0-9+.-]*://)?(?:[^/?#]*@)?([^/?#:@]+)"


def folded(column: pl.Expr) -> pl.Expr:
    """Give texts as they are compared: NFC, and without case, so that STRASSE, Straße and STRAẞE are the same."""
    plain = column.str.normalize("NFC").str.to_lowercase().str.to_uppercase().str.to_lowercase()
    return plain.str.replace_all("ς", "σ", literal=True).str.normalize("NFC")


def folded_columns(frame: pl.DataFrame, names: Sequence[str]) -> list[pl.Series]:
    """Give `folded:<field>` of some columns. Each different text is folded once: a column has few of them."""
    texts = {
        name: frame.lazy().select(pl.col(name).drop_nulls().unique()) for name in names if not _is_list(frame, name)
    }
    plain = {part.columns[0]: part.to_series() for part in pl.collect_all(list(texts.values()))}
    found = [_folded(name, plain[name]) if name in plain else _each_folded(name) for name in names]
    return frame.lazy().select(found).collect().get_columns()


def _is_list(frame: pl.DataFrame, name: str) -> bool:
    return isinstance(frame.schema[name], pl.List)


def _folded(name: str, texts: pl.Series) -> pl.Expr:
    plain = texts.to_frame().select(folded(pl.col(name))).to_series()
    return pl.lit(plain).gather(pl.col(name).cast(pl.Enum(texts)).to_physical()).alias(f"{FOLDED}{name}")


def _each_folded(name: str) -> pl.Expr:
    return pl.col(name).list.eval(folded(pl.element())).alias(f"{FOLDED}{name}")


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
    return subject.column.str.extract(DOMAIN_OF, 1) == value


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
