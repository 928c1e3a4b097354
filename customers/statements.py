"""Statements that are run again and again with other values: Django makes their SQL once, and it is kept.

A statement is a function of its values, which are texts, times, and lists of keys; a list has its own SQL for each
length. To make the SQL, the function is called with stand-ins, whose places the values take.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Any, Generic, NamedTuple, TypeVar

from django.db import connection
from django.db.models import Model, QuerySet
from django.db.models.query import ModelIterable, get_related_populators
from django.db.models.sql import UpdateQuery

Row = TypeVar("Row")
Value = str | datetime | Sequence[int] | Sequence[str]
Shape = tuple[str, tuple[int, ...]]
NEVER = datetime(1850, 1, 1, tzinfo=UTC)
LOWEST = -9_000_000_000_000_000


class _Text(NamedTuple):
    """SQL with its parameters: the places of values, by their stand-ins, and what never changes."""

    sql: str
    parameters: tuple[Any, ...]
    stand_ins: frozenset[Any]

    def run(self, cursor: Any, given: Sequence[Value]) -> None:
        values = dict(zip(_flat([_stand_in(i, one) for i, one in enumerate(given)]), _flat(given), strict=True))
        cursor.execute(self.sql, [values[one] if one in self.stand_ins else one for one in self.parameters])


class Reading(Generic[Row]):
    """A query: gives objects, or tuples where it is a `values_list`. Nothing is found by an empty list."""

    def __init__(self, query: Callable[..., "QuerySet[Any, Row]"]) -> None:
        self._query = query
        self._made: dict[Shape, tuple[_Text, Callable[[tuple[Any, ...]], Row]]] = {}

    def rows(self, *given: Value) -> list[Row]:
        """Give what is found with these values."""
        shape = _shape(given)
        if 0 in shape[1]:
            return []
        if shape not in self._made:
            self._made[shape] = self._make(given)
        text, row = self._made[shape]
        with connection.cursor() as cursor:
            text.run(cursor, given)
            return [row(one) for one in cursor.fetchall()]

    def _make(self, given: Sequence[Value]) -> tuple[_Text, Callable[[tuple[Any, ...]], Row]]:
        stand_ins = [_stand_in(i, one) for i, one in enumerate(given)]
        found: Any = self._query(*stand_ins)
        compiler = found.query.get_compiler(connection=connection)
        text = _text(compiler.as_sql(), stand_ins)
        converters = compiler.get_converters([one for one, *_ in compiler.select])

        def converted(row: tuple[Any, ...]) -> tuple[Any, ...]:
            values = list(row)
            for place, (functions, expression) in converters.items():
                for function in functions:
                    values[place] = function(values[place], expression, connection)
            return tuple(values)

        if not issubclass(found._iterable_class, ModelIterable):
            return text, converted if converters else tuple  # type: ignore[return-value]
        made = _objects(found.model, compiler)
        return text, lambda row: made(converted(row))


class Change:
    """An update of rows; none where a list is empty."""

    def __init__(self, rows: Callable[..., "QuerySet[Any]"], changes: Callable[..., dict[str, object]]) -> None:
        self._rows, self._changes = rows, changes
        self._made: dict[Shape, _Text] = {}

    def run(self, *given: Value) -> None:
        """Change the rows with these values."""
        shape = _shape(given)
        if 0 in shape[1]:
            return
        if shape not in self._made:
            self._made[shape] = self._make(given)
        with connection.cursor() as cursor:
            self._made[shape].run(cursor, given)

    def _make(self, given: Sequence[Value]) -> _Text:
        stand_ins = [_stand_in(i, one) for i, one in enumerate(given)]
        query: Any = self._rows(*stand_ins).query.chain(UpdateQuery)
        query.add_update_values(self._changes(*stand_ins))
        return _text(query.get_compiler(connection=connection).as_sql(), stand_ins)


def _shape(given: Sequence[Value]) -> Shape:
    return connection.vendor, tuple(-1 if isinstance(one, str | datetime) else len(one) for one in given)


def _stand_in(number: int, value: Value) -> Any:
    """Give a value of the same kind that nothing else is."""
    if isinstance(value, str):
        return f"\1{number}"
    if isinstance(value, datetime):
        return NEVER + timedelta(days=number)
    if isinstance(value[0], str):
        return [f"\1{number}:{i}" for i in range(len(value))]
    return [LOWEST + number * 1_000_000 + i for i in range(len(value))]


def _flat(values: Sequence[Any]) -> list[Any]:
    """Give the values one by one, as the database's driver takes them."""
    flat: list[Any] = []
    for value in values:
        if isinstance(value, datetime):
            flat.append(connection.ops.adapt_datetimefield_value(value))
        elif isinstance(value, str):
            flat.append(value.value if isinstance(value, Enum) else value)
        else:
            flat += value
    return flat


def _text(made: tuple[str, Sequence[Any]], stand_ins: Sequence[Any]) -> _Text:
    sql, parameters = made
    plain = tuple(one.value if isinstance(one, Enum) else one for one in parameters)
    return _Text(sql, plain, frozenset(_flat(stand_ins)))


def _objects(model: type[Model], compiler: Any) -> Callable[[tuple[Any, ...]], Any]:
    """Give what makes an object of a row, with those that `select_related` reads along."""
    fields = compiler.klass_info["select_fields"]
    begin, end = fields[0], fields[-1] + 1
    names = [one.target.attname for one, *_ in compiler.select[begin:end]]
    alias = connection.alias
    populators: Any = get_related_populators
    related = populators(compiler.klass_info, compiler.select, alias)

    def made(row: tuple[Any, ...]) -> Any:
        found = model.from_db(alias, names, row[begin:end])
        for one in related:
            one.populate(row, found)
        return found

    return made
