"""Files of codes as people have them: one a line, or a table with a header. Pure."""

import csv
import io
from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

MOST = 100_000  # lines
TOLD = 100  # faults that are told one by one
HEADERS = ("code", "codes", "coupon", "coupon code", "coupon_code", "voucher", "voucher code", "voucher_code")
MARKS = (",", ";", "\t")


class Fault(NamedTuple):
    """What is wrong with a line."""

    line: int
    message: str


class FileRefused(ValueError):
    """A file that cannot be taken: the message says why, `faults` at which lines."""

    def __init__(self, message: str, faults: Sequence[Fault] = ()) -> None:
        super().__init__(message)
        self.faults = list(faults[:TOLD])
        self.many = len(faults)


class Line(NamedTuple):
    """A line of a file by its number, and its cells by their names."""

    number: int
    cells: dict[str, str]


def lines(body: bytes, column: str = "") -> list[Line]:
    """Give the lines that are not blank, with their codes in the cell `code`. Raises FileRefused.

    `column` names the column that holds the codes where its header does not.
    """
    rows = list(_rows(_text(body)))
    if not rows:
        raise FileRefused("The file is empty.")
    head = [cell.strip().casefold() for cell in rows[0][1]]
    at = _column(head, column.strip().casefold())
    has_header = bool(column) or head[at] in HEADERS
    names = [name if has_header else "" for name in head]
    names[at] = "code"
    data = rows[1:] if has_header else rows
    if not data:
        raise FileRefused("The file holds a header and no codes.")
    if len(data) > MOST:
        raise FileRefused(f"The file has {len(data):,} lines; at most {MOST:,} are taken at a time.")
    return [Line(number, dict(zip(names, (one.strip() for one in cells), strict=False))) for number, cells in data]


def _text(body: bytes) -> str:
    if b"\x00" in body:
        raise FileRefused("This is no text file: save it as CSV, or with one code a line.")
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise FileRefused("The file is not in UTF-8: save it as CSV UTF-8.") from error


def _rows(text: str) -> Iterator[tuple[int, list[str]]]:
    """Give the rows that are not blank with the numbers of their lines."""
    first = next((line for line in text.splitlines() if line.strip()), "")
    mark = max(MARKS, key=first.count)
    reader = csv.reader(io.StringIO(text), delimiter=mark)
    try:
        for row in reader:
            if any(cell.strip() for cell in row):
                yield reader.line_num, row
    except csv.Error as error:
        raise FileRefused(f"Line {reader.line_num} cannot be read: {error}.") from error


def _column(head: Collection[str], wanted: str) -> int:
    names = list(head)
    if wanted:
        if wanted not in names:
            raise FileRefused(f"There is no column “{wanted}”; there are {', '.join(names[:20])}.")
        return names.index(wanted)
    for i, name in enumerate(names):
        if name in HEADERS:
            return i
    if len(names) > 1:
        raise FileRefused(f"There are {len(names)} columns; call the one with the codes “code”.")
    return 0
