"""Files opened: csv, tsv, gz, xlsx, parquet and ndjson become one frame, or a sentence that says why not."""

import csv
import gzip
import io
import json
import re
import zipfile
import zlib
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import charset_normalizer
import fastexcel
import polars as pl

LINE = "line "  # the blank keeps it apart from every column of a file, whose names are stripped
SURPLUS = "surplus "
DELIMITERS = ",;\t|"
SAMPLE = 64_000
QUOTED = re.compile(r'"[^"]*"')
MAGIC = {
    b"%PDF": "a PDF",
    b"\x89PNG": "an image",
    b"\xff\xd8\xff": "an image",
    b"GIF8": "an image",
    b"\x7fELF": "a program",
    b"BZh": "a bzip2 archive",
    b"\x28\xb5\x2f\xfd": "a zstd archive",
    b"\xfd7zXZ": "an xz archive",
    b"7z\xbc\xaf": "a 7z archive",
    b"SQLite format 3": "a database",
}
MARKS = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
CONTROLS = bytes(set(range(32)) - set(b"\t\n\r\x0b\x0c\x1b"))


class Unreadable(Exception):
    """A file that cannot be read, with the reason in one sentence."""


@dataclass(frozen=True)
class Table:
    """The lines of a file: LINE says where each stood, the other columns what it held; csv values are text.

    `surplus` marks lines with more values than the header has names.
    """

    rows: pl.DataFrame
    surplus: pl.Series
    sha256: str
    notes: tuple[str, ...]

    @property
    def columns(self) -> list[str]:
        """Give the names of the columns of the file."""
        return [name for name in self.rows.columns if name != LINE]


def read(path: Path, called: str = "", most: int | None = None) -> Table:
    """Read a file whole; sentences name it as it is `called`, and unpacked it has `most` bytes. Raises Unreadable."""
    try:
        body = path.read_bytes()
    except OSError as error:
        raise Unreadable(f"{called or path}: {error.strerror or error}.") from error
    path = Path(called) if called else path
    digest = sha256(body).hexdigest()
    body, notes = _unzipped(path, body, most)
    if most is not None and _unpacked_size(body) > most:
        raise _too_large(path, most)
    if not body.strip(b" \t\r\n\x00\xef\xbb\xbf"):
        raise Unreadable(f"{path} is empty.")
    try:
        rows, more = _parse(path, body)
    except (pl.exceptions.PolarsError, fastexcel.FastExcelError, csv.Error) as error:
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise Unreadable(f"{path} cannot be read: {reason[:200]}.") from error
    return _table(path, rows, digest, (*notes, *more))


def _table(path: Path, rows: pl.DataFrame, digest: str, notes: tuple[str, ...]) -> Table:
    if LINE not in rows.columns:
        rows = rows.with_columns(pl.int_range(2, pl.len() + 2, dtype=pl.Int64).alias(LINE))
    surplus = rows[SURPLUS].is_not_null() if SURPLUS in rows.columns else pl.repeat(False, len(rows), eager=True)
    rows = rows.drop(SURPLUS, strict=False)
    is_told = rows.select(pl.any_horizontal(pl.exclude(LINE).is_not_null())).to_series()
    if not is_told.any():
        raise Unreadable(f"{path} has a header and no lines.")
    return Table(rows.filter(is_told), surplus.filter(is_told), digest, notes)


def _unzipped(path: Path, body: bytes, most: int | None) -> tuple[bytes, tuple[str, ...]]:
    if not body.startswith(b"\x1f\x8b"):
        return body, ()
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(body)) as packed:
            unpacked = packed.read() if most is None else packed.read(most + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise Unreadable(f"{path} is a damaged gzip file.") from error
    if most is not None and len(unpacked) > most:
        raise _too_large(path, most)
    return unpacked, ("gzip",)


def _unpacked_size(body: bytes) -> int:
    """Give how large a workbook says it is unpacked, and how many cells a Parquet file has; else its length."""
    if body.startswith(b"PK\x03\x04"):
        try:
            with zipfile.ZipFile(io.BytesIO(body)) as packed:
                return sum(part.file_size for part in packed.infolist())
        except (zipfile.BadZipFile, NotImplementedError):
            return len(body)
    if body.startswith(b"PAR1"):
        try:
            lazy = pl.scan_parquet(io.BytesIO(body))
            return int(lazy.select(pl.len()).collect().item()) * len(lazy.collect_schema())
        except pl.exceptions.PolarsError:
            return len(body)
    return len(body)


def _too_large(path: Path, most: int) -> Unreadable:
    return Unreadable(f"{path} is larger than {most // 1_000_000:,} MB once it is unpacked.")


def _parse(path: Path, body: bytes) -> tuple[pl.DataFrame, tuple[str, ...]]:
    """Give the rows by what the file is, whatever it is called."""
    if body.startswith(b"PAR1"):
        return _named(pl.read_parquet(io.BytesIO(body))), ("parquet",)
    if body.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        return _named(_sheet(path, body)), ("first sheet",)
    kind = next((kind for magic, kind in MAGIC.items() if body.startswith(magic)), None)
    if kind:
        raise Unreadable(f"{path} is {kind}, not a table.")
    text, encoding = _decoded(path, body)
    if text.lstrip()[:1] == "{":
        return _named(_objects(path, text)), ("ndjson", encoding)
    rows, delimiter = _delimited(text)
    return rows, (encoding, f"separated by {'tab' if delimiter == chr(9) else delimiter}")


def _objects(path: Path, text: str) -> pl.DataFrame:
    """Give the objects of lines. Raises Unreadable, which names the line that is none."""
    try:
        return pl.read_ndjson(io.StringIO(text), infer_schema_length=None)
    except pl.exceptions.PolarsError:
        for number, line in enumerate(_lines(text), start=1):
            try:
                json.loads(line or "{}")
            except json.JSONDecodeError as error:
                said = f"{path} cannot be read as JSON objects, one a line: line {number}: {error.msg}."
                raise Unreadable(said) from error
        raise


def _sheet(path: Path, body: bytes) -> pl.DataFrame:
    try:
        return pl.read_excel(io.BytesIO(body), engine="calamine", infer_schema_length=None)
    except pl.exceptions.NoDataError as error:
        raise Unreadable(f"{path} is empty.") from error


def _decoded(path: Path, body: bytes) -> tuple[str, str]:
    """Give the text of a file and the encoding it was found to have."""
    marked = next((name for mark, name in MARKS.items() if body.startswith(mark)), None)
    try:
        text, encoding = body.decode(marked or "utf-8"), marked or "utf-8"
    except UnicodeDecodeError as error:
        _refuse_binary(path, body[:SAMPLE])
        guess = charset_normalizer.from_bytes(body[:SAMPLE]).best()
        if guess is None:
            raise Unreadable(f"{path} is not a text file.") from error
        text, encoding = body.decode(guess.encoding, errors="replace"), guess.encoding
    if not marked:
        _refuse_binary(path, body[:SAMPLE])
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text, encoding


def _refuse_binary(path: Path, sample: bytes) -> None:
    controls = len(sample) - len(sample.translate(None, CONTROLS))
    if controls > 4 and controls > len(sample) * 0.02:
        raise Unreadable(f"{path} is a binary file, not a table.")


def _delimited(text: str) -> tuple[pl.DataFrame, str]:
    """Give the rows of separated values, all as text, each with the line it began on."""
    delimiter = _delimiter(text)
    first = next(line for line in text.split("\n", 1_000) if line.strip())
    skipped = text[: text.index(first)].count("\n")
    body = text[text.index(first) :]
    header_reader = csv.reader(_lines(body), delimiter=delimiter)
    try:
        names = _unique([" ".join(name.split()) for name in next(header_reader)])
    except csv.Error as error:
        raise csv.Error(f"line {skipped + header_reader.line_num}: {error}") from error
    header_lines = header_reader.line_num
    rest = body.split("\n", header_lines)[header_lines:]
    schema = dict.fromkeys([*names, SURPLUS], pl.String)
    if not rest or not rest[0].strip():
        return pl.DataFrame(schema=schema), delimiter
    rows = _cut(rest[0], schema, delimiter, header_lines + skipped)
    if rest[0].count("\n") > len(rows):  # values hold line breaks: make sure that no stray quote has swallowed lines
        _refuse_stray_quotes(rest[0], delimiter, header_lines + skipped)
    blank = [pl.when(pl.col(name).str.strip_chars() != "").then(pl.col(name)).alias(name) for name in schema]
    return rows.with_columns(_line_numbers(rows, rest[0], header_lines + skipped + 1)).with_columns(blank), delimiter


def _cut(text: str, schema: dict[str, type[pl.String]], delimiter: str, before: int) -> pl.DataFrame:
    """Give the values of lines `before` lines below the top. Raises csv.Error where its line can be named."""
    try:
        return pl.read_csv(
            io.BytesIO(text.encode()),
            has_header=False,
            schema=schema,
            separator=delimiter,
            truncate_ragged_lines=True,
            missing_columns="insert",
            extra_columns="ignore",
        )
    except pl.exceptions.PolarsError:
        _refuse_stray_quotes(text, delimiter, before)
        quoted = [(number, line) for number, line in enumerate(_lines(text), start=1) if '"' in line]
        if not quoted:
            raise
        first = next((number for number, line in quoted if line.count('"') % 2), quoted[0][0])
        raise csv.Error(f"line {before + first}: its quotation marks do not fit") from None


def _refuse_stray_quotes(text: str, delimiter: str, before: int) -> None:
    """Read strictly what stands `before` lines below the top. Raises csv.Error, which names the line."""
    reader = csv.reader(_lines(text), delimiter=delimiter, strict=True)
    try:
        deque(reader, maxlen=0)
    except csv.Error as error:
        raise csv.Error(f"line {before + reader.line_num}: {error}") from error


def _lines(text: str) -> Iterator[str]:
    """Give lines one by one, without cutting the whole text."""
    start = 0
    while start < len(text):
        end = text.find("\n", start)
        end = len(text) if end < 0 else end + 1
        yield text[start:end]
        start = end


def _line_numbers(rows: pl.DataFrame, text: str, first: int) -> pl.Expr:
    """Give the line every row began on; values may hold line breaks."""
    index = pl.int_range(pl.len(), dtype=pl.Int64)
    if text.count("\n") <= len(rows):
        return (index + first).alias(LINE)
    breaks = pl.sum_horizontal(pl.all().str.count_matches("\n", literal=True).fill_null(0)).cast(pl.Int64)
    return (index + first + breaks.cum_sum() - breaks).alias(LINE)


def _delimiter(text: str) -> str:
    """Give the separator the first lines agree on; a comma where there is one column."""
    sample = text[:SAMPLE]
    sample = sample[: sample.rfind("\n") + 1] or sample
    header = next((line for line in QUOTED.sub("", sample).split("\n") if line.strip()), "")
    present = "".join(mark for mark in DELIMITERS if mark in header)
    if len(present) <= 1:
        return present or ","
    try:
        return csv.Sniffer().sniff("\n".join(sample.split("\n")[:200]), delimiters=present).delimiter
    except csv.Error:
        return max(present, key=header.count)


def _named(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.rename(dict(zip(rows.columns, _unique([" ".join(name.split()) for name in rows.columns]), strict=True)))


def _unique(names: list[str]) -> list[str]:
    """Give every column a name of its own: nameless ones by their place, repeated ones with a number."""
    seen: dict[str, int] = {}
    unique = []
    for place, name in enumerate(names, start=1):
        called = name or f"column {place}"
        seen[called] = seen.get(called, 0) + 1
        unique.append(called if seen[called] == 1 else f"{called} {seen[called]}")
    return unique
