"""Frames into tables and out again, in sets: COPY and one statement on PostgreSQL, executemany on SQLite.

A frame's columns are the table's column names (`customer_id`, not `customer`). JSON travels as text. Every write gives
the number of rows that really changed. Nothing else in the program writes SQL by hand.
"""

import io
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast

import polars as pl
from django.core.exceptions import EmptyResultSet
from django.db import connection, models, transaction

from customers import wire, wire_columns
from customers.wire import UTC_MICROSECONDS as UTC_MICROSECONDS
from customers.wire import Schema as Schema

SAMPLED = 20  # of 300 rows each that PostgreSQL looks at in a new partition and in each of its parts
SHORT_LIVED = "autovacuum_vacuum_insert_threshold = -1"  # that rows are new is no reason to go through them all
CHUNK = 20_000  # rows of one SQLite transaction: well under 200 ms


def insert(
    model: type[models.Model], frame: pl.DataFrame, *, ignore: Sequence[str] = (), partition: int | None = None
) -> int:
    """Insert a frame; rows that conflict on the columns `ignore` are left out. Give how many were stored.

    With `partition`, all rows belong to that one (see `open_partition`). Raises IntegrityError for a conflict
    elsewhere; on SQLite every chunk of 20,000 rows is its own transaction.
    """
    if connection.vendor == "postgresql" and not ignore:
        return _copy_in_place(model, frame, _table(model, partition))
    conflict = f" ON CONFLICT ({_quoted(ignore)}) DO NOTHING" if ignore else ""
    return _write(model, frame, conflict)


def new_ids(model: type[models.Model], count: int) -> pl.Series:
    """Give that many ids for new rows of a table, which nobody else gets; in the transaction that stores the rows."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            # The sequence is looked up once, behind OFFSET 0: otherwise for each id, which takes most of the time.
            drawn = (
                "SELECT string_agg(nextval(ids)::text, ',') FROM generate_series(1, %s), "
                "(SELECT pg_get_serial_sequence(%s, 'id')::regclass AS ids OFFSET 0) AS found"
            )
            cursor.execute(drawn, [count, _table(model)])
            told = cast("tuple[str | None]", cursor.fetchone())[0]
            return pl.Series("id", [told or ""]).str.split(",").explode().cast(pl.Int64, strict=False).drop_nulls()
        cursor.execute("SELECT seq FROM sqlite_sequence WHERE name = %s", [model._meta.db_table])
        last = int((cursor.fetchone() or (0,))[0])
    return pl.int_range(last + 1, last + 1 + count, eager=True).alias("id")


def upsert(
    model: type[models.Model],
    frame: pl.DataFrame,
    *,
    key: Sequence[str],
    update: Sequence[str],
    newer: str | None = None,
    compare: Sequence[str] | None = None,
) -> int:
    """Insert rows, or update those with the same `key` where a compared column differs. Give how many changed.

    `update` names the columns to set, `compare` those that decide whether a row changed (default: `update`). With
    `newer`, a row is updated only if its value of that column is not older than the stored one.
    """
    table = _table(model)
    sets = ", ".join(f'"{name}" = excluded."{name}"' for name in update)
    differs = " IS DISTINCT FROM " if connection.vendor == "postgresql" else " IS NOT "
    where = " OR ".join(f'{table}."{name}"{differs}excluded."{name}"' for name in (compare or update))
    if newer:
        where = f'({where}) AND {table}."{newer}" <= excluded."{newer}"'
    return _write(model, frame, f" ON CONFLICT ({_quoted(key)}) DO UPDATE SET {sets} WHERE {where}")


def update(model: type[models.Model], frame: pl.DataFrame, *, key: Sequence[str], newer: str | None = None) -> int:
    """Set the frame's other columns on the rows that match `key`. Give how many rows were found.

    With `newer`, a row whose stored value of that column is later than the frame's is left alone.
    """
    others = [name for name in frame.columns if name not in key]
    table = _table(model)
    if connection.vendor == "postgresql":
        sets = ", ".join(f'"{name}" = stage."{name}"' for name in others)
        match = " AND ".join(f'{table}."{name}" = stage."{name}"' for name in key)
        guard = f' AND {table}."{newer}" <= stage."{newer}"' if newer else ""
        return _copy(model, frame, f"UPDATE {table} SET {sets} FROM stage WHERE {match}{guard}")
    sets = ", ".join(f'"{name}" = ?' for name in others)
    match = " AND ".join(f'"{name}" = ?' for name in key)
    guard = f' AND "{newer}" <= ?' if newer else ""
    order = [*others, *key, *([newer] if newer else [])]
    texts = _for_sqlite(frame)
    rows = zip(*(texts[name].to_list() for name in order), strict=True)
    return _executemany(f"UPDATE {table} SET {sets} WHERE {match}{guard}", rows)


def delete(model: type[models.Model], frame: pl.DataFrame, *, partition: int | None = None) -> int:
    """Delete the rows that equal the frame's rows in all its columns. Give how many went."""
    table = _table(model, partition)
    if connection.vendor == "postgresql":
        match = " AND ".join(f'{table}."{name}" = stage."{name}"' for name in frame.columns)
        return _copy(model, frame, f"DELETE FROM {table} USING stage WHERE {match}")
    match = " AND ".join(f'"{name}" = ?' for name in frame.columns)
    return _executemany(f"DELETE FROM {table} WHERE {match}", _for_sqlite(frame).iter_rows())


def read(rows: "models.QuerySet[Any, Any]", schema: Schema) -> pl.DataFrame:
    """Give the rows of `queryset.values_list(...)` as a frame with the columns and types of `schema`, in that order.

    Times come as UTC microseconds, JSON columns as text.
    """
    with _asked(rows, schema) as answer:
        if answer is None:
            return _from_sqlite([], schema)
        if connection.vendor == "postgresql":
            return wire.whole(answer, schema)
        return _from_sqlite(answer.fetchall(), schema)


def read_columns(rows: "models.QuerySet[Any, Any]", schema: Schema, absent: Collection[str] = ()) -> pl.DataFrame:
    """Give what `read` gives, a column in one piece, which may have a gigabyte; those in `absent` may lack values.

    Otherwise PostgreSQL sends one row at a time, and to take a million of them in costs a second. Raises ValueError
    where another column lacks one.
    """
    if connection.vendor != "postgresql":
        return read(rows, schema)
    try:
        statement = wire_columns.statement(written(rows), schema, absent)
    except EmptyResultSet:
        return _from_sqlite([], schema)
    with connection.wrap_database_errors:
        sent = wire_columns.answer(connection.connection, statement)
    return wire_columns.Columns(sent, schema, absent).frame()


def written(rows: "models.QuerySet[Any, Any]") -> str:
    """Give a query as PostgreSQL is asked it, with its values in it, over a connection that is open then.

    Raises EmptyResultSet where the database need not be asked: id__in=[].
    """
    sql, params = rows.query.sql_with_params()
    with connection.cursor() as cursor:
        return str(cast("Any", cursor).mogrify(sql, params)) if params else sql


@contextmanager
def _asked(rows: "models.QuerySet[Any, Any]", schema: Schema) -> Iterator[Any]:
    """Give the running COPY of a query, or SQLite's cursor; None where the database need not be asked: id__in=[]."""
    try:
        sql, params = rows.query.sql_with_params()
    except EmptyResultSet:
        yield None
        return
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            with cast("Any", cursor).copy(_copy_out(written(rows), schema)) as copy:
                yield copy
        else:
            cursor.execute(_without_converters(sql, schema), params)
            yield cursor


def open_partition(model: type[models.Model], number: int, parts: Iterable[int]) -> None:
    """Make room for the rows whose first key column is `number`: on PostgreSQL tables of their own, without indexes.

    There is one for each of `parts`, the numbers of the last key column. Nobody finds the rows through the model before
    `publish_partition`. On SQLite rows stand in the model's one table.
    """
    if connection.vendor != "postgresql":
        return
    name, (first, *_, last) = _table(model, number), (field.column for field in model._meta.pk_fields)
    like = f'(LIKE {_table(model)} INCLUDING DEFAULTS, CHECK ("{first}" = {number:d}))'
    _execute(f'CREATE TABLE IF NOT EXISTS {name} {like} PARTITION BY LIST ("{last}")')
    for part in parts:
        own = f'"{model._meta.db_table}_{number:d}_{part:d}"'
        _execute(f"CREATE TABLE IF NOT EXISTS {own} PARTITION OF {name} FOR VALUES IN ({part:d}) WITH ({SHORT_LIVED})")


def publish_partition(model: type[models.Model], number: int) -> None:
    """Let a partition's rows be found through the model; its indexes are built now, at once. Twice changes nothing."""
    if connection.vendor != "postgresql":
        return
    name = _table(model, number)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT relispartition FROM pg_class WHERE oid = to_regclass(%s)", [name])
        if cursor.fetchone() == (False,):
            cursor.execute(f"ALTER TABLE {_table(model)} ATTACH PARTITION {name} FOR VALUES IN ({number:d})")
            cursor.execute(f"SET LOCAL default_statistics_target = {SAMPLED}")
            cursor.execute(f"ANALYZE {name}")
            cursor.execute("RESET default_statistics_target")


def drop_partition(model: type[models.Model], number: int) -> None:
    """Remove a partition with its rows."""
    if connection.vendor == "postgresql":
        _execute(f"DROP TABLE IF EXISTS {_table(model, number)}")
        return
    column, table = _partitioned_by(model), _table(model)
    chunk = f'SELECT rowid FROM {table} WHERE "{column}" = {number:d} LIMIT {CHUNK}'
    while _execute(f"DELETE FROM {table} WHERE rowid IN ({chunk})"):
        pass


def committed_below() -> int | None:
    """Give the transaction number below which every row's `stored_xact` is final; None on SQLite, where ids tell.

    No transaction that is still open can commit a row below it. What this connection's own open transaction wrote
    counts as final when no older transaction is open.
    """
    if connection.vendor != "postgresql":
        return None
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint, "
            "pg_current_xact_id_if_assigned()::text::bigint"
        )
        oldest, own = cast("tuple[int, int | None]", cursor.fetchone())
    return oldest + 1 if oldest == own else oldest


def _copy_out(sql: str, schema: Schema) -> str:
    """Wrap a query so that PostgreSQL sends its values in the types of `schema`, in binary form."""
    names = [f"c{i}" for i in range(len(schema))]
    picked = (f"{name}::{wire.sql_type(dtype)}" for name, dtype in zip(names, schema.values(), strict=True))
    return f"COPY (SELECT {', '.join(picked)} FROM ({sql}) AS rows({', '.join(names)})) TO STDOUT (FORMAT binary)"


def _without_converters(sql: str, schema: Schema) -> str:
    """Wrap a query so that sqlite3 sees expressions, not typed columns: its converters cost 10 times the query."""
    names = [f"c{i}" for i in range(len(schema))]
    picked = (
        f"{name} || ''" if _told_type(dtype) == pl.String else f"{name} + 0"
        for name, dtype in zip(names, schema.values(), strict=True)
    )
    return f"WITH rows({', '.join(names)}) AS ({sql}) SELECT {', '.join(picked)} FROM rows"


def _told_type(dtype: pl.DataType | type[pl.DataType]) -> Any:
    """Give the type in which SQLite tells values of a type."""
    if dtype == pl.Boolean:
        return pl.Int64
    return pl.String if _is_time(dtype) or dtype in (pl.Date, pl.Categorical) else dtype


def _from_sqlite(found: list[tuple[Any, ...]], schema: Schema) -> pl.DataFrame:
    """Give the frame of rows as SQLite tells them."""
    told = {name: _told_type(dtype) for name, dtype in schema.items()}
    return pl.DataFrame(found, schema=told, orient="row").select(_meant(*item) for item in schema.items())


def _meant(name: str, dtype: pl.DataType | type[pl.DataType]) -> pl.Expr:
    """Give the values of a column that SQLite told as text or numbers."""
    column = pl.col(name)
    if _is_time(dtype):
        return column.str.to_datetime("%Y-%m-%d %H:%M:%S%.f", time_unit="us", time_zone="UTC")
    return column.str.to_date("%Y-%m-%d") if dtype == pl.Date else column.cast(dtype)


def _is_time(dtype: pl.DataType | type[pl.DataType]) -> bool:
    return isinstance(dtype, pl.Datetime) or dtype == pl.Datetime


def _table(model: type[models.Model], partition: int | None = None) -> str:
    is_apart = partition is not None and connection.vendor == "postgresql"
    return f'"{model._meta.db_table}_{partition:d}"' if is_apart else f'"{model._meta.db_table}"'


def _partitioned_by(model: type[models.Model]) -> str:
    return str(model._meta.pk_fields[0].column)


def _execute(statement: str) -> int:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)
        return int(cursor.rowcount)


def _quoted(columns: Iterable[str]) -> str:
    return ", ".join(f'"{name}"' for name in columns)


def _write(model: type[models.Model], frame: pl.DataFrame, conflict: str) -> int:
    """Insert the frame; PostgreSQL notes the transaction in `stored_xact`, so that readers can follow the commits."""
    columns = _quoted(frame.columns)
    if connection.vendor == "postgresql":
        follows = any(field.name == "stored_xact" for field in model._meta.fields)
        extra, xact = (', "stored_xact"', ", pg_current_xact_id()::text::bigint") if follows else ("", "")
        head = f"INSERT INTO {_table(model)} ({columns}{extra})"
        return _copy(
            model, frame, f"{head} SELECT {columns}{xact} FROM stage{' WHERE true' if conflict else ''}{conflict}"
        )
    others = [field for field in model._meta.fields if field.name == "stored_xact"]
    extra, zero = (', "stored_xact"', ", 0") if others else ("", "")
    marks = ", ".join("?" for _ in frame.columns)
    head = f"INSERT INTO {_table(model)} ({columns}{extra})"
    return _executemany(f"{head} VALUES ({marks}{zero}){conflict}", _for_sqlite(frame).iter_rows())


def _copy_in_place(model: type[models.Model], frame: pl.DataFrame, table: str) -> int:
    """Load the frame straight into a table, with this transaction's number where rows are followed."""
    if frame.is_empty():
        return 0
    with transaction.atomic(), connection.cursor() as cursor:
        if any(field.name == "stored_xact" for field in model._meta.fields):
            cursor.execute("SELECT pg_current_xact_id()::text::bigint")
            frame = frame.with_columns(stored_xact=pl.lit(cast("tuple[int]", cursor.fetchone())[0], pl.Int64))
        rows = wire.packed(frame, _types(model, frame.columns))
        statement = f"COPY {table} ({_quoted(frame.columns)}) FROM STDIN (FORMAT {'csv' if rows is None else 'binary'})"
        with connection.wrap_database_errors, cast("Any", cursor).copy(statement) as copy:
            copy.write(_csv(frame) if rows is None else rows)
    return frame.height


def _types(model: type[models.Model], columns: Sequence[str]) -> list[str]:
    """Give the types of a model's columns as the database names them."""
    types = {field.column: field.db_type(connection) for field in model._meta.fields if field.column}
    return [types[name] or "" for name in columns]


def _csv(frame: pl.DataFrame) -> bytes:
    """Give the frame as CSV, bytes as PostgreSQL reads them.

    A time that is the same in all rows is written once: that takes half of the rest.
    """
    written = "%Y-%m-%d %H:%M:%S%.6f+00"
    times = (column for column in frame if isinstance(column.dtype, pl.Datetime) and not column.null_count())
    same = [column for column in times if len(column) and column.min() == column.max()]
    frame = frame.with_columns(column[:1].dt.strftime(written).new_from_index(0, len(column)) for column in same)
    packed = [name for name, dtype in frame.schema.items() if dtype == pl.Binary]
    frame = frame.with_columns(pl.format("\\x{}", pl.col(name).bin.encode("hex")).alias(name) for name in packed)
    text = io.BytesIO()  # as a str it would be decoded here and encoded again
    frame.write_csv(text, include_header=False, datetime_format=written)
    return text.getvalue()


def _copy(model: type[models.Model], frame: pl.DataFrame, statement: str) -> int:
    """Load the frame into a temporary table that looks like the model's, and run one statement on it."""
    if frame.is_empty():
        return 0
    picked = f"SELECT {_quoted(frame.columns)} FROM {_table(model)}"
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"CREATE TEMP TABLE stage ON COMMIT DROP AS {picked} WITH NO DATA")
        with cast("Any", cursor).copy("COPY stage FROM STDIN (FORMAT csv)") as copy:
            copy.write(_csv(frame))
        cursor.execute(statement)
        changed = int(cursor.rowcount)
        cursor.execute("DROP TABLE stage")
        return changed


def _for_sqlite(frame: pl.DataFrame) -> pl.DataFrame:
    """Give the frame with times as Django writes them on SQLite: UTC text, no fraction where it is zero."""
    times = [
        pl.col(name).dt.strftime("%Y-%m-%d %H:%M:%S%.6f").str.replace(".000000", "", literal=True)
        for name, dtype in frame.schema.items()
        if isinstance(dtype, pl.Datetime)
    ]
    dates = [pl.col(name).dt.strftime("%Y-%m-%d") for name, dtype in frame.schema.items() if dtype == pl.Date]
    return frame.with_columns(*times, *dates)


def _executemany(statement: str, rows: Iterable[Sequence[Any]]) -> int:
    """Run a statement for every row, in transactions of CHUNK rows unless one is open already."""
    changed = 0
    iterator = iter(rows)
    while True:
        chunk = [row for _, row in zip(range(CHUNK), iterator, strict=False)]
        if not chunk:
            return changed
        with transaction.atomic(), connection.cursor() as cursor:
            # Straight to sqlite3: Django's wrapper rewrites the placeholders of every row.
            raw = cast("Any", cursor).cursor
            before = connection.connection.total_changes
            with connection.wrap_database_errors:
                super(type(raw), raw).executemany(statement, chunk)
            changed += connection.connection.total_changes - before
