"""Whether so much time lies between an event and the one before."""

from datetime import timedelta

import polars as pl

from customers.rows import Ints, Mask
from segments.rules.windows import LENGTHS, MONTHS, TICK, Last, Moment

A_DAY = timedelta(days=1)


def is_after_silence(age: Ints, gap: Ints, length: Last, moment: Moment) -> Mask:
    """Say which events have none in the length of time before: `age` and `gap`, to the one before, in microseconds."""
    if length.unit in LENGTHS:
        return gap >= (length.number * LENGTHS[length.unit]) // TICK
    at = pl.DataFrame({"age": age}).select(at=pl.lit(moment.as_of) - pl.duration(microseconds="age"))["at"]
    begins = _begins(at, length, moment.zone.key)
    return (at - begins).dt.total_microseconds().to_numpy() <= gap


def _begins(at: pl.Series, length: Last, zone: str) -> pl.Series:
    """Give the last instant before a length of calendar days, months or years that ends with each time."""
    wall = at.dt.convert_time_zone(zone).dt.replace_time_zone(None)
    if length.unit in MONTHS:
        return _instants(wall.dt.offset_by(f"-{length.number * MONTHS[length.unit]}mo"), zone)
    midnight = wall.dt.truncate("1d").dt.offset_by(f"-{length.number - 1}d")
    return _instants(midnight, zone) - TICK


def _instants(wall: pl.Series, zone: str) -> pl.Series:
    """Give the instants of times on the wall; of two the earlier. What the clock skips is as on the day before."""
    frame = pl.DataFrame({"wall": wall})
    at, before = (
        column.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null").dt.convert_time_zone("UTC")
        for column in (pl.col("wall"), pl.col("wall") - A_DAY)
    )
    return frame.select(pl.coalesce(at, before + A_DAY)).to_series()
