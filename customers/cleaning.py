"""What came from outside, made plain: one kind of no value, tidy text, real numbers, times, addresses. Pure."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import email_validator
import phonenumbers
import polars as pl

from customers.bulk import UTC_MICROSECONDS, Schema

EARLIEST = datetime(1900, 1, 1, tzinfo=UTC)
ALLOWANCE = timedelta(days=1)  # clocks of senders run ahead, and dates without a time mean some time that day
NO_VALUE = ("", "NaN", "nan", "NULL", "null")
NO_NUMBER = ("inf", "-inf", "+inf", "infinity", "-infinity", "+infinity", "nan", "-nan")
NUL = "\x00"
REFUSED: Schema = {"line": pl.Int64, "column": pl.String, "kind": pl.String, "value": pl.String, "record": pl.String}
EMAIL_WORD = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
EMAIL_HOST = r"([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z]{2,63}"
PLAIN_EMAIL = rf"^{EMAIL_WORD}(\.{EMAIL_WORD})*@{EMAIL_HOST}$"
ISO = ("%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d", "%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S%.f%#z", "%Y-%m-%d %H:%M%#z")
OTHER_DATES = ("%Y%m%d", "%Y/%m/%d", "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%d/%m/%y", "%m/%d/%y")
CLOCKS = ("", " %H:%M:%S", " %H:%M", " %I:%M %p")
SAMPLE = 2_000


class Check(NamedTuple):
    """A fault that refuses a record: where it is, when it holds, what to call it, and the offending text."""

    column: str | pl.Expr
    fault: pl.Expr
    kind: str
    value: pl.Expr


class Sifted(NamedTuple):
    """What passed, and what did not (line, column, kind, value)."""

    accepted: pl.DataFrame
    refused: pl.DataFrame


def sift(frame: pl.DataFrame, checks: Sequence[Check]) -> Sifted:
    """Part a frame with a `line` column by the first check that each row fails."""
    which = pl.coalesce(pl.when(check.fault).then(pl.lit(i, pl.Int32)) for i, check in enumerate(checks))
    failed = frame.select(_failed=which).to_series()
    if failed.null_count() == len(frame):
        return Sifted(frame, pl.DataFrame(schema={name: REFUSED[name] for name in ("line", "column", "kind", "value")}))
    marked = frame.with_columns(failed)
    columns = [pl.lit(check.column) if isinstance(check.column, str) else check.column for check in checks]
    refused = marked.filter(pl.col("_failed").is_not_null()).select(
        pl.col("line").cast(pl.Int64),
        column=_of_failed(columns),
        kind=_of_failed([pl.lit(check.kind) for check in checks]),
        value=_of_failed([check.value.cast(pl.String) for check in checks]),
    )
    return Sifted(marked.filter(pl.col("_failed").is_null()).drop("_failed"), refused)


def _of_failed(choices: Sequence[pl.Expr]) -> pl.Expr:
    return pl.coalesce(pl.when(pl.col("_failed") == i).then(choice) for i, choice in enumerate(choices))


def missing(column: str, name: str) -> Check:
    """Give the check that a column of the frame, called `name` by the sender, has a value."""
    return Check(name, pl.col(column).is_null(), "has no value", pl.lit(None, pl.String))


def too_long(column: str, name: str, limit: int) -> Check:
    """Give the check that a text has at most `limit` characters."""
    shown = pl.col(column).str.slice(0, 40) + "…"
    return Check(name, pl.col(column).str.len_chars() > limit, f"is longer than {limit} characters", shown)


def unstorable(column: str, name: str) -> Check:
    """Give the check that a text holds no NUL character, which no JSON column takes."""
    fault = pl.col(column).str.contains(NUL, literal=True)
    return Check(name, fault, "contains a NUL character", pl.lit(None, pl.String))


def implausible(column: str, name: str, received: datetime) -> list[Check]:
    """Give the checks that a time is from 1900 to a day after it was received."""
    shown = pl.col(column).dt.strftime("%Y-%m-%d")
    return [
        Check(name, pl.col(column) < EARLIEST, "is before 1900", shown),
        Check(name, pl.col(column) > received + ALLOWANCE, "is in the future", shown),
    ]


def text(column: pl.Expr) -> pl.Expr:
    """Give text in NFC without blanks around it; blank, NaN and null are no value."""
    cleaned = column.cast(pl.String).str.strip_chars().str.normalize("NFC")
    return pl.when(~cleaned.is_in(NO_VALUE)).then(cleaned)


def text_of(column: pl.Series) -> pl.Series:
    """Give `text` of a column of any type; letters are looked at one by one only where some are not of ASCII."""
    cleaned = column.cast(pl.String).str.strip_chars()
    if (cleaned.str.len_bytes() != cleaned.str.len_chars()).any():
        cleaned = cleaned.str.normalize("NFC")
    return cleaned.set(cleaned.is_in(NO_VALUE), None)


def identifiers(column: pl.Series) -> pl.Series:
    """Give ids as text; whole numbers that travelled as fractions (17850.0) are written whole."""
    cleaned = text_of(column)
    if cleaned.str.contains(r"^-?\d+\.0$").all():
        cleaned = cleaned.str.strip_suffix(".0")
    return cleaned


def finite(column: pl.Expr) -> pl.Expr:
    """Give a Float64 column whose NaN and infinities are no value."""
    number = column.cast(pl.Float64)
    return pl.when(number.is_finite()).then(number)


def number(column: pl.Expr) -> pl.Expr:
    """Give what a text column says as Float64; whatever is no finite number is no value."""
    return finite(column.str.strip_chars().cast(pl.Float64, strict=False))


def is_no_number(said: pl.Expr, number: pl.Expr) -> pl.Expr:
    """Say where a text, read as a number, is none; NaN and infinity are no value."""
    return said.is_not_null() & number.is_null() & ~said.str.to_lowercase().is_in(NO_NUMBER)


def json_text(column: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """Give every value of a column as JSON text; no value stays null."""
    if dtype.is_float():
        whole = (column == column.floor()) & (column.abs() < 1e15)
        shown = (
            pl.when(whole).then(column.cast(pl.Int64, strict=False).cast(pl.String)).otherwise(column.cast(pl.String))
        )
        return pl.when(column.is_finite()).then(shown)
    if isinstance(dtype, pl.Datetime | pl.Date):
        pattern = "%Y-%m-%d" if isinstance(dtype, pl.Date) else "%Y-%m-%dT%H:%M:%S%.6fZ"
        return pl.format('"{}"', column.dt.strftime(pattern))
    wrapped = pl.struct(v=column).struct.json_encode()
    return pl.when(column.is_not_null()).then(wrapped.str.slice(5).str.strip_suffix("}"))


class Times(NamedTuple):
    """Parsed times in UTC, and the format they were read by."""

    values: pl.Series
    format: str


def times(column: pl.Series, zone: str) -> Times:
    """Give the UTC times that a column says, by the format that reads most of it; the rest is no value.

    Times without an offset are of `zone`. Between day/month and month/day the day comes first unless that reads less.
    """
    if column.dtype.is_temporal():
        return Times(_typed_times(column, zone).rename(column.name), "typed")
    said = text_of(column).rename("t")
    unique = said.drop_nulls().unique(maintain_order=True)
    if unique.is_empty():
        return Times(pl.Series(column.name, [None] * len(column), dtype=UTC_MICROSECONDS), "none")
    parse, name = _best_reader(unique.head(SAMPLE), zone)
    parsed = pl.DataFrame({"t": unique, "time": parse(unique)}, schema_overrides={"time": UTC_MICROSECONDS})
    joined = said.to_frame("t").join(parsed, on="t", how="left", maintain_order="left")
    return Times(joined["time"].rename(column.name), name)


def _best_reader(sample: pl.Series, zone: str) -> tuple[Callable[[pl.Series], pl.Series], str]:
    """Give the first reader, ISO 8601 before others, that reads the most of a sample."""
    readers: list[tuple[Callable[[pl.Series], pl.Series], str]] = [(lambda column: _iso(column, zone), "ISO 8601")]
    if sample.str.contains(r"^\d{10}$|^\d{13}$").all():
        readers.append((_epoch, "seconds since 1970"))
    patterns = (date + clock for date in OTHER_DATES for clock in CLOCKS)
    readers.extend((_reader(pattern, zone), pattern) for pattern in patterns)
    best, most = readers[0], -1
    for reader in readers:
        found = len(sample) - reader[0](sample).null_count()
        if found > most:
            best, most = reader, found
        if found == len(sample):
            break
    return best


def _reader(pattern: str, zone: str) -> Callable[[pl.Series], pl.Series]:
    return lambda column: _strptime(column, pattern, zone)


def _iso(column: pl.Series, zone: str) -> pl.Series:
    spaced = column.str.replace(r"^(\d{4}-\d\d-\d\d)[Tt]", "${1} ").str.replace(r"[Zz]$", "+00:00")
    found = _strptime(spaced, ISO[0], zone)
    for pattern in ISO[1:]:
        if found.null_count() == 0:
            break
        found = found.fill_null(_strptime(spaced, pattern, zone))
    return found


def _epoch(column: pl.Series) -> pl.Series:
    number = column.cast(pl.Int64, strict=False).to_frame("n")
    micros = pl.when(pl.col("n") >= 10**12).then(pl.col("n") * 1_000).otherwise(pl.col("n") * 1_000_000)
    return number.select(pl.from_epoch(micros, time_unit="us").dt.replace_time_zone("UTC"))["n"]


def _strptime(column: pl.Series, pattern: str, zone: str) -> pl.Series:
    return _typed_times(column.str.to_datetime(pattern, time_unit="us", strict=False), zone)


def _typed_times(column: pl.Series, zone: str) -> pl.Series:
    moments = column.cast(pl.Datetime("us", getattr(column.dtype, "time_zone", None)))
    if moments.dtype == pl.Datetime("us"):
        moments = moments.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null")
    return moments.dt.convert_time_zone("UTC")


def emails(column: pl.Series) -> pl.Series:
    """Give addresses with their domain in lower case; whatever is no e-mail address is no value."""
    frame = text_of(column).to_frame("email")
    plain = pl.col("email").str.contains(PLAIN_EMAIL) & (pl.col("email").str.len_bytes() <= 254)
    parts = pl.col("email").str.splitn("@", 2)
    lowered = parts.struct.field("field_0") + "@" + parts.struct.field("field_1").str.to_lowercase()
    result = frame.select("email", tidy=pl.when(plain).then(lowered))
    rare = result.filter(pl.col("tidy").is_null())["email"].drop_nulls().unique()
    international = {address: _email(address) for address in rare if not address.isascii()}
    return result.select(
        pl.coalesce("tidy", pl.col("email").replace_strict(international, default=None, return_dtype=pl.String))
    )["tidy"].rename(column.name)


def _email(address: str) -> str | None:
    try:
        checked = email_validator.validate_email(address, check_deliverability=False)
    except email_validator.EmailNotValidError:
        return None
    return str(checked.normalized)


def phones(column: pl.Series, region: pl.Series) -> pl.Series:
    """Give numbers in E.164; `region` is the two-letter country of numbers without a leading +."""
    said = pl.DataFrame({"phone": column, "region": region}).select(text(pl.col("phone")), text(pl.col("region")))
    unique = said.filter(pl.col("phone").is_not_null()).unique()
    tidy = pl.Series([_phone(phone, place) for phone, place in unique.iter_rows()], dtype=pl.String)
    found = said.join(
        unique.with_columns(tidy=tidy), on=["phone", "region"], how="left", nulls_equal=True, maintain_order="left"
    )
    return found["tidy"].rename(column.name)


def _phone(said: str, region: str | None) -> str | None:
    place = region.upper() if region and len(region) == 2 else None
    try:
        parsed = phonenumbers.parse(said, place)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_possible_number(parsed):
        return None
    return str(phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164))
