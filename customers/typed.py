"""Values told as JSON text, by their type: what does not fit its type is no value."""

import polars as pl

from customers.models import Attribute

# What a value told as JSON text must look like to be of the type; anything else is no value.
TEXT, NUMBER, YES_NO, LIST = r'^"', r"^-?\d", r"^(true|false)$", r"^\["
TIME_FORMATS = ("%Y-%m-%dT%H:%M:%S%.f%#z", "%Y-%m-%d %H:%M:%S%.f%#z")
LOCAL_FORMATS = ("%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f")
DAY_FORMAT = "%Y-%m-%d"


def typed(told: pl.Series, type_: Attribute.Type) -> pl.Series:
    """Give JSON text as a value of the type; what does not fit is no value."""
    if type_ == Attribute.Type.NUMBER:
        number = _fitting(told, NUMBER).cast(pl.Float64, strict=False)
        return number.set(~number.is_finite(), None)
    if type_ == Attribute.Type.YES_NO:
        return _fitting(told, YES_NO) == "true"
    if type_ == Attribute.Type.LIST:
        return _fitting(told, LIST).str.json_decode(pl.List(pl.String))
    text = _text(_fitting(told, TEXT))
    return _time(text) if type_ == Attribute.Type.DATE else text


def _text(told: pl.Series) -> pl.Series:
    """Give what JSON texts say: few have letters that are written in another way."""
    plain = told.str.strip_prefix('"').str.strip_suffix('"')
    is_escaped = plain.str.contains("\\", literal=True).fill_null(False)
    if not is_escaped.any():
        return plain
    return plain.scatter(is_escaped.arg_true(), told.filter(is_escaped).str.json_decode(pl.String))


def _fitting(told: pl.Series, pattern: str) -> pl.Series:
    return told.set(~told.str.contains(pattern), None)


def _time(text: pl.Series) -> pl.Series:
    """Give the time that an ISO 8601 text says; without a zone, in UTC. Most are days: the rest is read on its own."""
    day = text.str.to_datetime(DAY_FORMAT, time_unit="us", time_zone="UTC", strict=False)
    if day.null_count() == text.null_count():
        return day
    column = pl.col("text")
    zoned = [column.str.to_datetime(form, time_unit="us", strict=False) for form in TIME_FORMATS]
    local = [column.str.to_datetime(form, time_unit="us", time_zone="UTC", strict=False) for form in LOCAL_FORMATS]
    both = pl.DataFrame({"day": day, "text": text})
    return both.select(pl.coalesce("day", *zoned, *local).alias(text.name)).to_series()
