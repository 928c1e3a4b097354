"""A report as a table with one row for each figure, of which no cell is taken for a formula.

Its rows are those of the report over REST, in the same words: a section, of what within it, and the figure.
"""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from django.http import HttpResponse

from customers.plain_cells import guarded

INTERVAL = {"value", "low", "high"}
NAMES = ("name", "until", "day", "key", "tag", "outcome", "of", "campaign", "contacts", "kind", "reason")


class Figure(NamedTuple):
    """One figure: where it stands, of what it is, its value with the interval it has, or words."""

    section: str
    of: str
    figure: str
    value: float | None = None
    low: float | None = None
    high: float | None = None
    words: str = ""


def figures(report: Mapping[str, Any]) -> list[Figure]:
    """Give every figure of a report as REST tells it; what there is nothing of is left out."""
    return [one for section, inner in report.items() for one in _within(inner, section, ())]


def answer(found: Sequence[Figure], name: str) -> HttpResponse:
    """Give the answer to a request for the file."""
    out = io.StringIO()
    table = csv.writer(out)
    table.writerow(Figure._fields)
    table.writerows([_cell(one) for one in figure] for figure in found)
    headers = {"Content-Disposition": f'attachment; filename="{name}.csv"', "Cache-Control": "no-store"}
    return HttpResponse(out.getvalue(), content_type="text/csv; charset=utf-8", headers=headers)


def _within(told: Any, section: str, way: tuple[str, ...]) -> Iterator[Figure]:
    if isinstance(told, Mapping) and set(told) == INTERVAL:
        yield Figure(section, " ".join(way[:-1]), way[-1] if way else section, **told)
    elif isinstance(told, Mapping):
        for name, inner in told.items():
            yield from _within(inner, section, (*way, name))
    elif isinstance(told, list):
        for inner in told:
            if isinstance(inner, Mapping):
                named = " ".join(str(inner[name]) for name in NAMES if name in inner)
                rest = {name: one for name, one in inner.items() if name not in NAMES or not isinstance(one, str)}
                yield from _within(rest, section, (*way, named))
            else:
                yield from _within(inner, section, way)
    elif told not in (None, ""):
        is_number = isinstance(told, int | float) and not isinstance(told, bool)
        yield Figure(
            section,
            " ".join(way[:-1]),
            way[-1] if way else section,
            **({"value": told} if is_number else {"words": str(told)}),
        )


def _cell(value: float | str | None) -> str:
    if not isinstance(value, str):
        return "" if value is None else str(value)
    return guarded(value)
