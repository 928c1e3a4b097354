"""Lists over REST: what they may be narrowed and sorted by is written down, and nothing else is asked of a table."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

from django.db.models import Field, Model, Q, QuerySet
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request
from rest_framework.response import Response

from customers import paging
from customers.problems import Problem

Row = TypeVar("Row", bound=Model)
STORED = {"stored": "pk"}
NAMED = {"key": "key", "name": "name"}


class Narrowed(NamedTuple):
    """A query parameter that narrows a list: the column it asks, and the values it may have; none: any text."""

    column: str
    values: Sequence[str] = ()
    description: str = "Only those."


@dataclass(frozen=True)
class Listing:
    """A list: its name within cursors, what narrows it, and the columns it is sorted by, none of which is ever null.

    The first column is the one it is sorted by unless another is asked for; `is_newest_first` turns that round.
    """

    name: str
    sorts: Mapping[str, str] = field(default_factory=lambda: STORED)
    narrowed: Mapping[str, Narrowed] = field(default_factory=dict)
    is_newest_first: bool = False

    @property
    def parameters(self) -> set[str]:
        """Give the query parameters that the list takes."""
        return {*paging.PARAMETERS, "sort", *self.narrowed}

    @property
    def described(self) -> list[OpenApiParameter]:
        """Give the query parameters as the OpenAPI document shows them."""
        narrowing = [
            OpenApiParameter(name, OpenApiTypes.STR, enum=list(one.values) or None, description=one.description)
            for name, one in self.narrowed.items()
        ]
        sort = OpenApiParameter(
            "sort", OpenApiTypes.STR, enum=self._sorts, description=f"{self._sorts[0]}, if left out."
        )
        return [*paging.DESCRIBED, sort, *narrowing]

    def page(self, request: Request, rows: QuerySet[Row], told: Callable[[list[Row]], Iterable[Any]]) -> Response:
        """Answer with the page that a request asks for; `told` gives what is said of its rows, in their order."""
        sort, limit = self._sort(request), paging.limit_of(request)
        is_descending, column = sort.startswith("-"), self.sorts[sort.removeprefix("-")]
        rows = rows.filter(self._which(request))
        name = f"{self.name} {sort}"
        if (held := paging.held(request, name)) is not None:
            rows = rows.filter(_after(rows.model, column, held, is_descending=is_descending))
        turn = "-" if is_descending else ""
        order = [f"{turn}pk"] if column == "pk" else [f"{turn}{column}", f"{turn}pk"]
        found = list(rows.order_by(*order)[: limit + 1])
        shown = found[:limit]
        last = [_plain(shown[-1], column), shown[-1].pk] if len(found) > limit else None
        return paging.answer(list(told(shown)), paging.further(request, name, last) if last else None)

    @property
    def _sorts(self) -> list[str]:
        both = [(f"-{name}", name) if self.is_newest_first else (name, f"-{name}") for name in self.sorts]
        return [name for pair in both for name in pair]

    def _sort(self, request: Request) -> str:
        told = request.query_params.get("sort", self._sorts[0])
        if told not in self._sorts:
            raise refusal("sort", f"sort is one of {', '.join(self._sorts)}.")
        return told

    def _which(self, request: Request) -> Q:
        which = Q()
        for name, one in self.narrowed.items():
            if (told := request.query_params.get(name)) is None:
                continue
            if one.values and told not in one.values:
                raise refusal(name, f"{name} is one of {', '.join(one.values)}.")
            which &= Q(**{one.column: told.replace("\x00", "")})
        return which


def refusal(path: str, message: str) -> Problem:
    """Give the answer to a query parameter that cannot be so."""
    return Problem(400, f"bad_{path}", message, [{"path": path, "code": f"bad_{path}", "message": message}])


def _plain(row: Model, column: str) -> str | float:
    value = row.pk if column == "pk" else getattr(row, column)
    return value if isinstance(value, (str, int, float)) else str(value.isoformat())


def _after(model: type[Model], column: str, held: list[Any], *, is_descending: bool) -> Q:
    """Give the rows behind the one that a cursor holds."""
    value, pk = held
    side = "lt" if is_descending else "gt"
    if column == "pk":
        return Q(**{f"pk__{side}": pk})
    kind: Field[Any, Any] = model._meta.get_field(column)  # type: ignore[assignment]
    value = kind.to_python(value)
    return Q(**{f"{column}__{side}": value}) | Q(**{column: value, f"pk__{side}": pk})
