"""Columns of a snapshot are read once, and never mixed with those of other files."""

from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from customers import columns, snapshot
from customers.history import LakeError

T = datetime(2026, 5, 1, tzinfo=UTC)
pytestmark = [pytest.mark.door, pytest.mark.django_db]


def store(frame: pl.DataFrame) -> None:
    for bucket in range(4):
        snapshot.store(frame.filter(pl.col("bucket") == bucket), T, bucket)


def people(count: int = 8) -> pl.DataFrame:
    ids = pl.Series("customer_id", range(1, count + 1), dtype=pl.Int64)
    return pl.DataFrame([ids, (ids % 4).alias("bucket"), ids.cast(pl.String).alias("name"), (ids * 10).alias("spend")])


def test_columns_are_those_of_the_snapshot_by_bucket_and_customer() -> None:
    store(people())
    found = columns.pin(T).columns(["customer_id", "spend", "nothing"])
    assert found.columns == ["customer_id", "spend"]
    assert found.rows() == [(4, 40), (8, 80), (1, 10), (5, 50), (2, 20), (6, 60), (3, 30), (7, 70)]


def test_a_column_that_some_files_lack_has_no_value_there() -> None:
    store(people())
    snapshot.store(people().filter(pl.col("bucket") == 0).drop("name"), T, 0)
    assert columns.pin(T).columns(["name"])["name"].to_list() == [None, None, "1", "5", "2", "6", "3", "7"]


def test_rows_are_found_by_their_places() -> None:
    store(people())
    assert columns.pin(T).rows([1, 2, 7], ["name"]).rows() == [("8",), ("1",), ("7",)]
    assert columns.pin(T).rows([], ["name"]).is_empty()


def test_a_column_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    store(people())
    pinned = columns.pin(T)
    pinned.columns(["customer_id", "spend"])
    monkeypatch.setattr(columns, "_read", None)
    assert columns.pin(T).columns(["spend"])["spend"].sum() == 360


def test_what_was_made_of_columns_is_made_once() -> None:
    store(people())
    made: list[str] = []

    def make(missing: list[str]) -> list[pl.Series]:
        made.extend(missing)
        return [pl.Series(key, [1, 2]) for key in missing]

    pinned = columns.pin(T)
    assert [one.name for one in pinned.derived(["x"], make)] == ["x"]
    assert [one.name for one in columns.pin(T).derived(["y", "x"], make)] == ["y", "x"]
    assert made == ["x", "y"]


def test_columns_of_replaced_files_are_never_mixed_with_others() -> None:
    store(people())
    pinned = columns.pin(T)
    pinned.columns(["spend"])
    store(people(4))
    with pytest.raises(columns.Replaced):
        pinned.columns(["name"])
    assert columns.pin(T).columns(["spend", "name"]).rows() == [(40, "4"), (10, "1"), (20, "2"), (30, "3")]


def test_a_snapshot_that_is_removed_while_it_is_read_is_told(lake: Path) -> None:
    store(people())
    pinned = columns.pin(T)
    for path in lake.glob("snapshots/*/*.parquet"):
        path.unlink()
    with pytest.raises(columns.Replaced):
        pinned.columns(["spend"])
    with pytest.raises(LakeError, match="no snapshot as of"):
        columns.pin(T)


def test_columns_asked_for_longest_ago_make_room(monkeypatch: pytest.MonkeyPatch) -> None:
    store(people())
    kept = columns._Kept(most_bytes=100)
    monkeypatch.setattr(columns, "KEPT", kept)
    pinned = columns.pin(T)
    pinned.columns(["spend"])
    pinned.columns(["customer_id"])
    assert [name for _, name in kept.columns] == ["customer_id"]
    assert pinned.columns(["spend", "customer_id"]).height == 8
    assert kept.bytes <= 100
