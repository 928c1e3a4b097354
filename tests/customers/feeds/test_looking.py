"""Files that come in by themselves: each once, whole, from where it may be taken, or the inbox says why not."""

import os
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone
from pytest_django import Settings

from customers import calling, import_work, imports
from customers.feeds import keeping, looking, rhythm
from customers.models import Alert, Customer, Feed, FeedFile, Import
from tests.campaigns.webhooks.receivers import hanging, receiving, saying
from tests.customers.feeds.feeding import MINUTE, PEOPLE, T0, feed, imported, look, of_folder, taken

pytestmark = [pytest.mark.door, pytest.mark.django_db]
LATER = T0 + 10 * MINUTE


@pytest.fixture(autouse=True)
def dropped(settings: Settings, tmp_path: Path) -> Path:
    """Give the one folder that may be looked into."""
    folder = tmp_path.resolve() / "dropped"
    folder.mkdir()
    settings.UPLOADS, settings.IMPORT_FOLDERS = str(tmp_path / "uploads"), [str(folder)]
    settings.IMPORT_HOSTS = ["127.0.0.0/8"]
    return folder


def drop(folder: Path, name: str = "people.csv", text: str = PEOPLE, at: datetime = T0 - timedelta(days=1)) -> Path:
    path = folder / name
    path.write_text(text)
    os.utime(path, (at.timestamp(), at.timestamp()))
    return path


def alerts() -> list[tuple[str, str]]:
    return list(Alert.objects.values_list("state", "sentence"))


def test_a_file_in_a_folder_is_imported_once_however_often_it_is_looked_for(dropped: Path) -> None:
    of_folder(dropped)
    drop(dropped)
    drop(dropped, "notes.txt")
    assert look() == 1
    assert look(T0 + MINUTE) == 0
    assert look(LATER) == 1
    assert taken() == ["people.csv"]
    import_work.work(timezone.now)
    assert Customer.objects.count() == 2
    one = Feed.objects.get()
    assert (one.last_at, one.next_at) == (LATER, LATER + 10 * MINUTE)
    assert FeedFile.objects.get().of_import == Import.objects.get(state="done")


def test_the_same_bytes_under_another_name_are_not_imported_again(dropped: Path) -> None:
    of_folder(dropped)
    drop(dropped)
    look()
    drop(dropped, "again.csv")
    drop(dropped, "more.csv", PEOPLE + "3,cyd@example.test\n")
    look(LATER)
    assert taken() == ["people.csv", "more.csv"]


def test_a_file_that_is_being_written_waits_until_it_stays_the_same(dropped: Path) -> None:
    of_folder(dropped)
    drop(dropped, text="customer_id,em", at=T0)
    look()
    assert taken() == []
    drop(dropped, at=LATER)
    look(LATER)
    assert taken() == []
    look(LATER + 10 * MINUTE)
    assert taken() == ["people.csv"]
    assert import_work.work(timezone.now) is not None
    assert Customer.objects.count() == 2


def test_two_workers_take_a_file_once(dropped: Path) -> None:
    drop(dropped)
    of_folder(dropped)
    first = looking._claim(T0)
    assert first is not None
    assert look() == 0, "it is held"
    Feed.objects.update(lease_until=T0 - timedelta(days=36_500))  # the first worker was slow
    assert look() == 1
    with pytest.raises(looking.FeedLost):
        looking._look(first, T0, calling.fetch, 5)
    assert taken() == ["people.csv"]
    again = FeedFile.objects.get()
    with pytest.raises(IntegrityError), transaction.atomic():
        FeedFile.objects.create(feed=again.feed, sha256=again.sha256, name="x", taken_at=T0)


def test_a_paused_feed_is_not_looked_at(dropped: Path) -> None:
    drop(dropped)
    of_folder(dropped, is_paused=True)
    assert look() == 0
    assert taken() == []


@pytest.mark.parametrize("where", ["../secret", "link", "deep/../../secret", "../dropped-too", "none"])
def test_what_lies_outside_of_the_folders_that_are_named_is_refused(dropped: Path, where: str) -> None:
    for name in ("secret", "dropped-too"):
        (dropped.parent / name).mkdir()
        drop(dropped.parent / name)
    (dropped / "link").symlink_to(dropped.parent / "secret")
    outside = Path(f"{dropped}/{where}")
    with pytest.raises(keeping.FeedError):
        keeping.check(of_folder(outside))
    look()
    assert taken() == []
    assert alerts()[0][0] == "open"


def test_a_link_to_a_file_is_refused_and_the_others_are_taken(dropped: Path) -> None:
    (dropped / "passwd.csv").symlink_to("/etc/passwd")
    drop(dropped)
    of_folder(dropped)
    look()
    assert taken() == ["people.csv"]
    assert "passwd.csv" in alerts()[0][1]
    (dropped / "passwd.csv").unlink()
    look(LATER)
    assert [state for state, _ in alerts()] == ["done"]


def test_no_folder_may_be_looked_into_unless_the_operator_names_it(dropped: Path, settings: Settings) -> None:
    settings.IMPORT_FOLDERS = []
    with pytest.raises(keeping.FeedError, match="IMPORT_FOLDERS"):
        keeping.check(of_folder(dropped))


@pytest.mark.parametrize(
    "url", ["http://169.254.169.254/latest", "https://10.0.0.1/a.csv", "https://[::1]/", "ftp://a.b/"]
)
def test_an_address_of_our_own_network_is_refused(url: str) -> None:
    one = feed(url=url)
    with pytest.raises(keeping.FeedError):
        keeping.check(one)
    look()
    assert taken() == []
    assert alerts()[0][0] == "open"


def test_an_address_is_fetched_and_what_did_not_change_is_not_taken_again() -> None:
    with receiving(saying(200, 304, headers='ETag: "one"\r\n', body=PEOPLE.encode())) as server:
        feed(url=server.url + "/people.csv?key=secret")
        look()
        look(LATER)
    assert taken() == ["people.csv"]
    assert [headers.get("if-none-match") for headers, _ in server.got] == [None, '"one"']
    assert alerts() == []
    assert import_work.work(timezone.now) is not None
    assert Customer.objects.count() == 2


def test_the_same_bytes_of_an_address_without_tags_are_taken_once() -> None:
    with receiving(saying(200, body=PEOPLE.encode())) as server:
        feed(url=server.url)
        look()
        look(LATER)
    assert len(server.got) == 2
    assert taken() == ["hook"]


def test_whatever_goes_wrong_at_an_address_is_one_alert_that_a_success_closes(settings: Settings) -> None:
    settings.UPLOAD_MOST_MB = 1
    large = b"x" * 1_000_001
    told = [(saying(500), "500"), (saying(302, headers="Location: http://127.0.0.1/\r\n"), "302")]
    told += [(saying(200, body=large), "larger than 1 MB"), (hanging, "in time")]
    told.append(
        (lambda connection, _: connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\na,b"), "Incomplete")
    )
    one, at = feed(url="https://example.test/"), T0
    for behave, said in told:
        with receiving(behave) as server:
            Feed.objects.update(url=server.url)
            look(at, seconds=0.3)
        [(state, sentence)] = alerts()
        assert (state, said in sentence) == ("open", True), sentence
        at += 10 * MINUTE
    assert taken() == []
    with receiving(saying(200, body=PEOPLE.encode())) as server:
        Feed.objects.update(url=server.url)
        look(at)
    assert [state for state, _ in alerts()] == ["done"]
    one.refresh_from_db()
    assert one.look_error == ""


def test_a_file_of_which_nothing_is_stored_is_told_and_taken_again_on_demand(dropped: Path) -> None:
    one = of_folder(dropped)
    drop(dropped, text="name,place\nAnn,Rome\n")
    look()
    import_work.work(timezone.now)
    assert look(T0 + MINUTE) == 0
    [(state, sentence)] = alerts()
    assert (state, "people.csv" in sentence) == ("open", True)
    drop(dropped)
    look(LATER)
    import_work.work(timezone.now)
    look(LATER + MINUTE)
    assert [state for state, _ in alerts()] == ["done"]
    assert [file.of_import.state for file in one.files.order_by("pk") if file.of_import] == ["failed", "done"]
    keeping.run(one, None, LATER + MINUTE)
    assert one.files.count() == 1
    assert look(LATER + MINUTE) == 1


def test_what_was_not_imported_by_the_page_is_no_model() -> None:
    one = Feed()
    keeping.like(one, imported())
    assert one.source == imports.source_of("import-customers")
    for wrong in (imported(state="failed"), imported(stored=0), imported(mapping={"file": "x"})):
        with pytest.raises(keeping.FeedError):
            keeping.like(one, wrong)


def test_a_day_has_one_look_by_the_clock_of_the_installation() -> None:
    at = datetime(2026, 3, 28, 23, 30, tzinfo=UTC)  # the night in which the clocks of Berlin are put forward
    assert rhythm.following(None, time(6, 0), at, at, "Europe/Berlin") == datetime(2026, 3, 29, 4, 0, tzinfo=UTC)
    assert rhythm.following(10, None, T0, T0 + 25 * MINUTE, "UTC") == T0 + 30 * MINUTE
