"""The lake follows the database: nothing twice, nothing lost, and a reader keeps what it pinned."""

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.db.models import F
from pytest_django import Settings

from customers import followed, history
from customers import ids as customer_ids
from customers.history import Lake, LakeError, Scope
from customers.models import Event, OrderLine
from tests.customers.histories import TIME, add_customers, add_event, add_events, add_line, random_history, tell

pytestmark = [pytest.mark.door, pytest.mark.django_db]
T = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
EVENT_TIMES = {"occurred_at": TIME, "known_at": TIME}
TABLES = ("events", "lines", "properties", "attributes")


def content(lake: Lake, table: str, scope: Scope = Scope()) -> pl.DataFrame:  # noqa: B008  a frozen value
    frame: pl.DataFrame = getattr(lake, table)(scope).collect()
    return frame.sort(frame.columns)


def files(lake: Path) -> set[Path]:
    return {path for table in TABLES for path in (lake / table).rglob("*.parquet")}


def fill(seed: int, ids: list[int], run: str) -> None:
    """Store a random past of the customers, with lines and attributes."""
    events = random_history(seed, len(ids) + 4).events.filter(pl.col("customer_id") <= len(ids))
    real = pl.DataFrame({"customer_id": range(1, len(ids) + 1), "real": ids})
    add_events(events.join(real, on="customer_id").drop("customer_id").rename({"real": "customer_id"}), run=run)
    add_line(Event.objects.latest("pk").pk, "tea", 2, 1.5, 0.5)
    tell(ids[0], "plan", f'"{run}"', T)


def test_events_arrive_with_their_columns() -> None:
    anna, ben = add_customers("anna", "ben")
    order = add_event(anna, "Order Completed", T, value=12.5)
    add_line(order, "tea", 2, 6.25, 0.5)
    tell(ben, "plan", '"gold"', T)
    assert history.sync() == 1
    lake = history.pin()
    assert lake.events(Scope()).collect().rows() == [(anna, order, "Order Completed", T, T, 12.5, False, None)]
    assert lake.events(Scope()).collect_schema()["occurred_at"] == TIME
    line = lake.lines(Scope()).collect().to_dicts()[0]
    assert (line["customer_id"], line["event_id"], line["quantity"], line["price"]) == (anna, order, 2.0, 6.25)
    assert lake.properties(Scope()).collect().is_empty()
    assert lake.attributes(Scope()).select("customer_id", "name", "value", "known_at").collect().rows() == [
        (ben, "plan", '"gold"', T)
    ]


def test_only_events_with_properties_have_a_row_of_them() -> None:
    (anna,) = add_customers("anna")
    late = T + timedelta(days=3, microseconds=7)
    page = {"customer_id": anna, "name": "Page Viewed", "occurred_at": T, "known_at": late}
    told = ["{}", '{"path": "/tea"}']
    add_events(pl.DataFrame([{**page, "properties": text} for text in told], schema_overrides=EVENT_TIMES))
    history.sync()
    row = history.pin().properties(Scope()).collect().to_dicts()
    assert [(one["name"], one["occurred_at"], one["known_at"]) for one in row] == [("Page Viewed", T, late)]
    assert json.loads(row[0]["properties"]) == {"path": "/tea"}
    assert history.pin().events(Scope()).collect()["known_at"].to_list() == [late, late]


@pytest.mark.parametrize("form", [None, 1, 99])
def test_files_of_another_form_are_refused_until_the_lake_is_rebuilt(lake: Path, form: int | None) -> None:
    fill(3, add_customers("anna", "ben"), "a")
    history.sync()
    before = content(history.pin(), "events")
    manifest = json.loads((lake / "manifest.json").read_text())
    manifest.pop("form")
    (lake / "manifest.json").write_text(json.dumps(manifest if form is None else {**manifest, "form": form}))
    for refused in (history.pin, history.sync):
        with pytest.raises(LakeError, match=f"form {form or 1};.*manage.py lake rebuild"):
            refused()
    history.rebuild()
    assert content(history.pin(), "events").equals(before)


def test_many_rows_come_in_parts_and_end_in_one_file_a_folder(lake: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = add_customers("anna", "ben", "cleo", "dora", "emil")
    for number in range(4):
        fill(number, ids, f"run {number}")
    history.sync()
    before = {table: content(history.pin(), table) for table in TABLES}
    for module, name, limit in ((followed, "FEW", 3), (followed, "ROUND", 7), (history, "HELD", 20)):
        monkeypatch.setattr(module, name, limit)
    assert history.rebuild() == len(before["events"])
    for table in TABLES:
        assert content(history.pin(), table).equals(before[table]), table
    assert max(size.files for size in history.pin().sizes()) == 4
    assert {path.name for path in lake.iterdir()} <= {*TABLES, "generations", "lock", "manifest.json"}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("apart", [1, 1_000_000])
def test_order_lines_come_with_the_pages_of_their_events(monkeypatch: pytest.MonkeyPatch, apart: int) -> None:
    """Lines of one event and of many, told at once and later, of events whose ids are close together and far apart."""
    anna, ben = add_customers("anna", "ben")
    for number in range(9):
        add_event((anna, ben)[number % 2], "Order Completed", T - timedelta(hours=number))
    Event.objects.update(id=F("id") * apart)
    events = list(Event.objects.order_by("pk").values_list("pk", flat=True))
    for number, event in enumerate([events[8], *events[:6], events[0], events[3]]):
        add_line(event, f"tea {number}", number, 1.5)
    OrderLine.objects.filter(quantity=4).update(price=None, discount=None)
    history.sync()
    before = {table: content(history.pin(), table) for table in TABLES}
    assert before["lines"].height == 9
    limits = ((followed, "FEW", 1), (followed, "ROUND", 2), (history, "HELD", 3), (customer_ids, "FEW", 0))
    for module, name, limit in limits:
        monkeypatch.setattr(module, name, limit)
    history.rebuild()
    assert all(content(history.pin(), table).equals(before[table]) for table in TABLES)
    for number in range(3):  # of events that are in the lake already, and of one that is not
        add_line(events[number], f"late tea {number}", number, 2.5)
    add_line(add_event(ben, "Order Completed", T), "new tea", 1, 2.5)
    assert history.sync() == 1
    late = content(history.pin(), "lines")
    assert late.height == 13
    history.rebuild()
    assert content(history.pin(), "lines").equals(late)


@pytest.mark.django_db(transaction=True)
def test_an_order_line_that_comes_while_the_events_are_read_is_left_for_the_next_sync(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (anna,) = add_customers("anna")
    orders = [add_event(anna, "Order Completed", T + timedelta(hours=hour)) for hour in range(4)]
    add_line(orders[0], "tea", 1, 1.5)
    for name, limit in (("FEW", 1), ("ROUND", 2)):
        monkeypatch.setattr(followed, name, limit)
    read = followed.many

    def interrupted(*asked: Any) -> Iterator[followed.Piece]:
        add_line(orders[3], "late tea", 2, 2.5)
        return read(*asked)

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(followed, "many", interrupted)
        history.sync()
    assert content(history.pin(), "lines")["quantity"].to_list() == [1]
    history.sync()
    assert content(history.pin(), "lines")["quantity"].to_list() == [1, 2]


def test_what_is_put_down_is_put_down_once(monkeypatch: pytest.MonkeyPatch) -> None:
    ids = add_customers("anna", "ben", "cleo")
    for number in range(6):
        fill(number, ids, f"run {number}")
    for module, name, limit in ((followed, "FEW", 1), (followed, "ROUND", 5), (history, "HELD", 10)):
        monkeypatch.setattr(module, name, limit)
    heights: list[int] = []
    write = pl.DataFrame.write_ipc

    def noted(frame: pl.DataFrame, path: Path) -> None:
        heights.append(frame.height)
        write(frame, path)

    monkeypatch.setattr(pl.DataFrame, "write_ipc", noted)
    history.sync()
    rows = sum(size.rows for size in history.pin().sizes())
    assert rows - 3 * 10 < sum(heights) <= rows


def test_a_second_sync_adds_nothing_and_publishes_nothing(lake: Path) -> None:
    fill(1, add_customers("anna", "ben"), "a")
    assert history.sync() > 0
    before, generation = files(lake), history.pin().generation
    assert history.sync() == 0
    assert (files(lake), history.pin().generation) == (before, generation)


def test_many_syncs_and_a_rebuild_hold_the_same_in_few_files(lake: Path) -> None:
    ids = add_customers("anna", "ben", "cleo", "dora", "emil")
    for number in range(12):
        fill(number, ids, f"run {number}")
        history.sync()
    synced = history.pin()
    before = {table: content(synced, table) for table in TABLES}
    assert all(size.files <= 8 * 4 for size in synced.sizes())
    assert history.rebuild() == Event.objects.count() == len(before["events"])
    rebuilt = history.pin()
    assert rebuilt.generation == synced.generation + 1
    for table in TABLES:
        assert content(rebuilt, table).equals(before[table]), table
    assert max(size.files for size in rebuilt.sizes()) <= 4
    assert history.sync() == 0


def test_a_scope_narrows_to_a_bucket_or_to_ids() -> None:
    ids = add_customers("anna", "ben", "cleo", "dora", "emil")
    for customer in ids:
        add_event(customer, "Page Viewed", T)
    history.sync()
    lake = history.pin()
    assert content(lake, "events", Scope(bucket=0))["customer_id"].to_list() == [ids[0], ids[4]]
    assert content(lake, "events", Scope(ids=(ids[1], ids[2])))["customer_id"].to_list() == ids[1:3]
    assert content(lake, "events", Scope(bucket=0, ids=tuple(ids[:2])))["customer_id"].to_list() == ids[:1]
    assert content(lake, "events", Scope(ids=())).is_empty()


def test_what_a_few_customers_have_is_read_once(lake: Path) -> None:
    anna, ben, cid = ids = add_customers("anna", "ben", "cid")
    fill(1, list(ids), "a")
    history.sync()
    everybody = history.pin()
    few = everybody.of([anna, ben])
    both, one = Scope(ids=(anna, ben)), Scope(ids=(anna, cid))
    expected = {table: content(everybody, table, both) for table in TABLES}
    assert all(content(few, table, both).equals(expected[table]) for table in TABLES)
    for path in files(lake):
        path.unlink()
    assert all(content(few, table).equals(expected[table]) for table in TABLES)
    assert set(content(few, "events", one)["customer_id"]) == {anna}


def test_only_the_files_of_a_few_customers_buckets_are_read(lake: Path) -> None:
    anna, ben = add_customers("anna", "ben")
    for customer in (anna, ben):
        add_event(customer, "Page Viewed", T)
    history.sync()
    few = history.pin().of([anna])
    for path in lake.glob("*/1/*.parquet"):
        path.unlink()
    assert content(few, "events")["customer_id"].to_list() == [anna]
    with pytest.raises(FileNotFoundError):
        content(history.pin(), "events")


def test_a_pinned_reader_keeps_its_generation_while_others_are_published(lake: Path) -> None:
    (anna,) = add_customers("anna")
    add_event(anna, "Page Viewed", T)
    history.sync()
    pinned = history.pin()
    first = content(pinned, "events")
    for _ in range(4):
        add_event(anna, "Page Viewed", T)
        history.rebuild()
        assert content(pinned, "events").equals(first)
    assert len(content(history.pin(), "events")) == 5
    old = set(files(lake))
    del pinned
    history.rebuild()
    assert len(files(lake)) < len(old)


def test_other_buckets_than_the_lake_was_made_with_are_refused(settings: Settings) -> None:
    add_customers("anna")
    history.sync()
    settings.BUCKETS = 8
    for refused in (history.pin, history.sync, history.rebuild):
        with pytest.raises(LakeError, match="has 4 buckets, but BUCKETS is 8"):
            refused()


def test_a_lake_of_another_database_is_refused_until_it_is_rebuilt(lake: Path) -> None:
    (anna,) = add_customers("anna")
    add_event(anna, "Page Viewed", T)
    history.sync()
    manifest = json.loads((lake / "manifest.json").read_text())
    (lake / "manifest.json").write_text(json.dumps({**manifest, "database": "2001-01-01T00:00:00+00:00"}))
    with pytest.raises(LakeError, match="another database"):
        history.sync()
    assert history.rebuild() == 1
    assert history.sync() == 0


def test_a_customer_outside_the_buckets_is_refused_and_nothing_is_published() -> None:
    (anna,) = add_customers("anna", buckets=1)
    history.sync()
    _, _, _, _, emil = add_customers("b", "c", "d", "e", "emil", buckets=9)
    add_event(anna, "Page Viewed", T)
    add_event(emil, "Page Viewed", T)
    with pytest.raises(LakeError, match="bucket 4"):
        history.sync()
    assert content(history.pin(), "events").is_empty()


@pytest.mark.parametrize("broken", ["{", "{}", "[]", '{"generation": 1}'])
def test_a_broken_manifest_is_said_and_a_rebuild_mends_it(lake: Path, broken: str) -> None:
    fill(3, add_customers("anna", "ben"), "a")
    history.sync()
    before = content(history.pin(), "events")
    for manifest in (lake / "manifest.json", lake / "generations" / "00000001.json"):
        manifest.write_text(broken)
    with pytest.raises(LakeError, match="lake rebuild"):
        history.sync()
    history.rebuild()
    assert content(history.pin(), "events").equals(before)


def test_what_a_crash_left_behind_is_removed(lake: Path) -> None:
    (anna,) = add_customers("anna")
    history.sync()
    left = lake / "events" / "0" / "00000002-0.parquet"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"half")
    orphan = left.with_name("00000002-9.parquet")
    orphan.write_bytes(b"half")
    add_event(anna, "Page Viewed", T)
    assert history.sync() == 1
    assert len(content(history.pin(), "events")) == 1
    assert not orphan.exists()


def test_an_empty_lake_gives_empty_frames() -> None:
    lake = history.pin()
    assert lake.generation == 0
    assert lake.events(Scope()).collect().is_empty()
    assert history.sync() == 0
    assert history.pin().generation == 1
    assert history.sync() == 0
    assert history.pin().generation == 1


def test_the_command_rebuilds_syncs_and_says_sizes(settings: Settings) -> None:
    (anna,) = add_customers("anna")
    add_event(anna, "Page Viewed", T)
    out = StringIO()
    call_command("lake", "sync", stdout=out)
    call_command("lake", "rebuild", stdout=out)
    call_command("lake", "size", stdout=out)
    assert "1 events in" in out.getvalue()
    assert "generation 2" in out.getvalue()
    assert "properties" in out.getvalue()
    settings.BUCKETS = 9
    with pytest.raises(CommandError, match="BUCKETS is 9"):
        call_command("lake", "sync")


@pytest.mark.django_db(transaction=True)
def test_two_writers_at_once_store_everything_once() -> None:
    (anna,) = add_customers("anna")
    for _ in range(20):
        add_event(anna, "Page Viewed", T)
    counts: list[int] = []

    def run() -> None:
        counts.append(history.sync())
        connection.close()

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(counts) == [0, 0, 0, 20]
    assert len(content(history.pin(), "events")) == 20


@pytest.mark.django_db(transaction=True)
def test_a_transaction_that_commits_late_is_not_lost() -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has one writer: ids are in the order of commits")
    anna, ben = add_customers("anna", "ben")
    add_event(ben, "Page Viewed", T)  # makes the source, which the two transactions share
    is_open, may_commit = threading.Event(), threading.Event()

    def write_slowly() -> None:
        with transaction.atomic():
            add_event(anna, "Order Completed", T)
            is_open.set()
            may_commit.wait(30)
        connection.close()

    slow = threading.Thread(target=write_slowly)
    slow.start()
    assert is_open.wait(30)
    add_event(ben, "Page Viewed", T)  # begins later, commits first
    early = history.sync()
    may_commit.set()
    slow.join()
    assert early + history.sync() == 3
    assert sorted(content(history.pin(), "events")["name"]) == ["Order Completed", "Page Viewed", "Page Viewed"]
