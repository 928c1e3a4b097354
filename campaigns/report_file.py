"""The figures of a report as a table with one row for each, of which no cell is taken for a formula."""

import csv
import io
import re
from collections.abc import Iterable
from typing import NamedTuple

from django.http import HttpResponse

from segments.exports import FORMULA


class Figure(NamedTuple):
    """One figure: where it stands, of what it is, its value with the interval it has, and words where it has none."""

    section: str
    of: str
    figure: str
    value: float | str | None = None
    low: float | None = None
    high: float | None = None
    words: str = ""


def as_csv(figures: Iterable[Figure]) -> str:
    """Give figures as CSV; what there is no value of is empty."""
    out = io.StringIO()
    table = csv.writer(out)
    table.writerow(Figure._fields)
    table.writerows([_cell(one) for one in figure] for figure in figures)
    return out.getvalue()


def answer(figures: Iterable[Figure], name: str) -> HttpResponse:
    """Give the answer to a request for the file."""
    headers = {"Content-Disposition": f'attachment; filename="{name}.csv"', "Cache-Control": "no-store"}
    return HttpResponse(as_csv(figures), content_type="text/csv; charset=utf-8", headers=headers)


def _cell(value: float | str | None) -> str:
    if not isinstance(value, str):
        return "" if value is None else str(value)
    return f"'{value}" if re.match(FORMULA, value) else value
