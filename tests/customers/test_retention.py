"""Of many snapshots, the newest of each of the last 35 days and 24 months stay."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from pytest_django import Settings

from customers import snapshot
from customers.history import LakeError

pytestmark = [pytest.mark.door, pytest.mark.django_db]
T = datetime(2026, 5, 20, 12, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def buckets(settings: Settings) -> None:
    settings.BUCKETS = 2


def take(*times: datetime, buckets: int = 2) -> None:
    for time in times:
        for bucket in range(buckets):
            frame = pl.DataFrame({"customer_id": [bucket], "bucket": [bucket]})
            snapshot.store(frame, time, bucket)


def is_stored(time: datetime) -> bool:
    try:
        return not snapshot.load(time).is_empty()
    except LakeError:
        return False


def test_the_newest_of_each_of_35_days_stays() -> None:
    days = [T - n * DAY for n in range(36)]
    hours = [day - timedelta(hours=hour) for day in days for hour in (1, 11)]
    take(*days, *hours)
    assert snapshot.prune(T) == 72
    assert [is_stored(day) for day in days] == [True] * 35 + [False]
    assert [time for time in hours if is_stored(time)] == [T - timedelta(hours=1)]


def test_the_newest_of_each_of_24_months_stays() -> None:
    ends = [datetime(2024 + n // 12, n % 12 + 1, 28, tzinfo=UTC) for n in range(3, 28)]
    take(T, *ends, *(end - DAY for end in ends))
    snapshot.prune(T)
    kept = [end for end in ends if is_stored(end)]
    assert kept == [end for end in ends if datetime(2024, 6, 1, tzinfo=UTC) <= end < T]
    assert not is_stored(datetime(2025, 1, 27, tzinfo=UTC))


def test_the_newest_stay_however_old_they_are() -> None:
    old = [T - 4_000 * DAY, T - 3_001 * DAY, T - 3_000 * DAY]
    take(*old)
    assert snapshot.prune(T) == 1
    assert [is_stored(time) for time in old] == [False, True, True]
    assert snapshot.latest() == old[2]


def test_what_is_later_than_the_time_stays() -> None:
    later = [T + timedelta(hours=n) for n in range(4)]
    take(*later)
    assert snapshot.prune(T) == 0
    assert all(map(is_stored, later))


def test_a_snapshot_with_buckets_missing_stands_for_no_day() -> None:
    whole, broken = T - 3 * DAY - timedelta(hours=2), T - 3 * DAY
    take(whole, T - DAY, T - 2 * DAY)
    take(broken, T, buckets=1)
    assert snapshot.prune(T) == 1
    assert is_stored(whole)
    assert not is_stored(broken)
    assert is_stored(T)


def test_a_removal_that_was_cut_short_is_never_read_and_is_finished(lake: Path) -> None:
    take(T - 2 * DAY, T - DAY)
    folder = snapshot._folder(T - DAY)
    left = folder.rename(folder.with_name(snapshot.REMOVED + folder.name))
    assert snapshot.latest() == T - 2 * DAY
    with pytest.raises(LakeError, match="no snapshot as of"):
        snapshot.load(T - DAY)
    assert snapshot.prune(T) == 0
    assert not left.exists()


def test_a_snapshot_that_goes_while_it_is_read_is_said_to_be_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    take(T - 4_000 * DAY, T - DAY, T)
    real = pl.read_parquet

    def read(path: Path, **options: Any) -> pl.DataFrame:
        snapshot.prune(T)
        return real(path, **options)

    monkeypatch.setattr(pl, "read_parquet", read)
    with pytest.raises(LakeError, match="no snapshot as of"):
        snapshot.load(T - 4_000 * DAY)
