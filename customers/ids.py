"""Many ids as one parameter of a query: a query that names a thousand customers one by one takes longer to write down
than to answer.
"""

import json
from collections.abc import Collection, Iterable
from typing import Any

import polars as pl
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Field, ForeignKey, Lookup, Q
from django.db.models.sql.compiler import SQLCompiler

VERY_FEW = 12
FEW = 5_000  # up to here ids are asked for one by one
DENSE = 4  # of so many ids in a row, one at least is wanted


def among(column: str, ids: Iterable[int]) -> Q:
    """Give the condition that a column, named as in `filter`, is one of these ids. Nothing is one of none."""
    return Q(**{f"{column}__among": _Ids(ids)})


def near(column: str, ids: pl.Series) -> Q:
    """Give a condition that holds for these ids; where they are many and close together, for those between them too."""
    if len(ids) > FEW and int(ids.max()) - int(ids.min()) < DENSE * len(ids):  # type: ignore[arg-type]
        return Q(**{f"{column}__gte": ids.min(), f"{column}__lte": ids.max()})
    return among(column, ids)


def held(column: str, ids: Collection[int]) -> pl.Expr:
    """Give the same condition of a frame.

    Polars makes a comparison for each of up to a hundred ids: of very few, parts of files without any are left out by
    their bounds; of more, to plan the comparisons takes longer than to read the files of a lake.
    """
    wanted, own = pl.Series(list(ids), dtype=pl.Int64), pl.col(column)
    if len(wanted) <= VERY_FEW:
        return own.is_in(wanted.to_list())
    return own.is_between(wanted.min(), wanted.max()) & own.is_in(wanted.implode())


class _Ids:
    """Ids as a JSON list; no collection to Django, which would look at each."""

    def __init__(self, ids: Iterable[int]) -> None:
        if isinstance(ids, pl.Series):
            self.text = f"[{ids.cast(pl.Int64).cast(pl.String).str.join(',').item()}]"
        else:
            self.text = json.dumps([int(one) for one in ids], separators=(",", ":"))


@Field.register_lookup
@ForeignKey.register_lookup
class _Among(Lookup):
    lookup_name = "among"
    prepare_rhs = False

    def as_sql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper) -> tuple[str, tuple[Any, ...]]:
        column, params = self.process_lhs(compiler, connection)
        text = self.rhs.text
        if connection.vendor == "postgresql":
            return f"{column} = ANY(%s::bigint[])", (*params, "{" + text[1:-1] + "}")
        return f"{column} IN (SELECT value FROM json_each(%s))", (*params, text)  # noqa: S608  a column's name only
