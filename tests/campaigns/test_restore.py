"""After a backup was brought back sending starts paused; nothing else ever looks like that."""

import os
import shutil
import subprocess
import sys
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from campaigns import deliver, programme, restore, sending, whereabouts
from campaigns.models import DeliveryAttempt, Programme
from customers import history
from customers.models import Alert, AuditEntry, Customer
from tests.campaigns import people
from tests.campaigns.mailbox import planned_mails
from tests.campaigns.people import T0

pytestmark = [pytest.mark.door, pytest.mark.django_db]
LATER = T0 + timedelta(hours=1)
TABLE = DeliveryAttempt._meta.db_table


def begin(many: int) -> None:
    """Begin so many attempts, as the gate does."""
    campaign = people.campaign(f"c{Customer.objects.count()}")
    for one in people.customers(many, first=Customer.objects.count()):
        DeliveryAttempt.objects.create(delivery=people.planned(one, campaign), number=1, began_at=T0)


def bring_back_a_backup_of(begun: int) -> None:
    """Let the database be as it was when only so many attempts were begun, as an older copy of it would."""
    last = DeliveryAttempt.objects.order_by("pk").values_list("pk", flat=True)[begun]
    DeliveryAttempt.objects.filter(pk__gte=last).delete()
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SELECT setval(pg_get_serial_sequence(%s, 'id'), %s)", [TABLE, last - 1])
        else:
            cursor.execute("UPDATE sqlite_sequence SET seq = %s WHERE name = %s", [last - 1, TABLE])


def test_a_new_installation_may_send_and_knows_its_place() -> None:
    assert restore.check(T0)
    assert restore.check(LATER)
    assert Programme.objects.get().place == whereabouts.here()


def test_what_is_sent_day_by_day_is_no_restore() -> None:
    for _ in range(2):
        begin(2)
        restore.note(is_last=True)
        assert restore.check(T0)


def test_an_older_copy_of_the_database_starts_paused_and_says_why() -> None:
    begin(5)
    restore.note(is_last=True)
    assert restore.check(T0)
    bring_back_a_backup_of(3)
    assert not restore.check(LATER)
    why = sending.status().why
    assert why.startswith("This database is older than what was sent: it knows of")
    assert Alert.objects.get().sentence == f"All sending is stopped: {why}"
    assert not restore.check(LATER)
    assert AuditEntry.objects.count() == 1


def test_nothing_of_a_restored_database_is_delivered_and_what_is_delivered_is_noted() -> None:
    planned_mails(2)
    assert deliver.deliver(T0) == {"sent": 2}
    bring_back_a_backup_of(1)
    people.planned(Customer.objects.all()[0], people.campaign("other"))
    assert deliver.deliver(LATER) == {}
    assert sending.status().why.startswith("This database is older")


def test_once_somebody_looked_it_goes_on() -> None:
    begin(5)
    restore.note(is_last=True)
    bring_back_a_backup_of(3)
    restore.check(T0)
    sending.start(None, LATER)
    assert restore.check(LATER)
    begin(1)
    restore.note(is_last=True)
    assert restore.check(LATER)


def test_who_starts_sending_after_a_restore_is_told_of_it_first() -> None:
    begin(5)
    restore.note(is_last=True)
    sending.stop(None, "A wrong price.", T0)
    bring_back_a_backup_of(3)
    with pytest.raises(sending.SendingError, match="older than what was sent"):
        sending.start(None, LATER)
    assert sending.status().why.startswith("This database is older")
    sending.start(None, LATER)
    assert restore.check(LATER)


def test_customers_who_were_erased_with_all_they_got_are_no_restore() -> None:
    begin(3)
    restore.note(is_last=True)
    DeliveryAttempt.objects.all().delete()
    assert restore.check(T0)


def test_a_lake_that_was_moved_or_is_new_is_no_restore(settings: Any, tmp_path: Path) -> None:
    begin(3)
    restore.note(is_last=True)
    settings.LAKE_URL = str(shutil.copytree(settings.LAKE_URL, tmp_path / "elsewhere"))
    assert restore.check(T0)
    settings.LAKE_URL = str(tmp_path / "empty")
    assert restore.check(T0)


def test_the_lake_of_another_database_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    begin(5)
    restore.note(is_last=True)
    bring_back_a_backup_of(3)
    monkeypatch.setattr(history, "database", lambda: "another")
    assert restore.check(T0)


def test_a_mark_that_cannot_be_read_is_no_restore(settings: Any) -> None:
    (Path(settings.LAKE_URL)).mkdir()
    (Path(settings.LAKE_URL) / "begun.json").write_text("{")
    assert restore.check(T0)


def test_the_mark_is_written_once_in_a_while_and_at_the_end() -> None:
    begin(1)
    restore.note()
    first = whereabouts._read()
    begin(1)
    restore.note()
    assert whereabouts._read() == first
    restore.note(is_last=True)
    assert whereabouts._read() != first


def test_a_copied_database_starts_paused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The file stands for the database: a copy is another file, a rename is the same one."""
    if connection.vendor != "sqlite":
        pytest.skip("a file is SQLite's")
    file = tmp_path / "cusp.sqlite3"
    file.write_text("x")
    monkeypatch.setitem(connection.settings_dict, "NAME", str(file))
    assert restore.check(T0)
    renamed = file.rename(tmp_path / "renamed.sqlite3")
    monkeypatch.setitem(connection.settings_dict, "NAME", str(renamed))
    assert restore.check(T0)
    copied = shutil.copy(renamed, tmp_path / "copy.sqlite3")
    monkeypatch.setitem(connection.settings_dict, "NAME", str(copied))
    assert not restore.check(T0)
    assert "a copy, or was brought back from a backup" in sending.status().why
    sending.start(None, LATER)
    assert restore.check(LATER)


FILE_SAYS = """
import sys
import django
django.setup()
from campaigns import deliver, restore, sending
from tests.campaigns import people, test_restore
T0 = people.T0
if sys.argv[1] == "begin":
    assert restore.check(T0)
    test_restore.begin(int(sys.argv[2]))
    restore.note(is_last=True)
else:
    one = people.planned(people.customers(1, first=100)[0], people.campaign("late"))
    print(dict(deliver.deliver(T0)), sending.status().why)
"""


@pytest.mark.long
def test_an_old_copy_of_a_file_that_is_put_back_sends_nothing(tmp_path: Path) -> None:
    """A real file is copied, sending goes on, and the copy is put back in its place: by the operating system's copy."""
    if connection.vendor != "sqlite":
        pytest.skip("a file is SQLite's")
    file, copy = tmp_path / "cusp.sqlite3", tmp_path / "backup.sqlite3"
    file.write_bytes(connection.connection.serialize())

    def process(*words: str) -> str:
        own = {"DATABASE_URL": f"sqlite:///{file}", "LAKE_URL": str(tmp_path / "files"), "EMAIL_URL": "memorymail://"}
        command = [sys.executable, "-c", FILE_SAYS, *words]
        env = {**os.environ, **own, "DJANGO_SETTINGS_MODULE": "config.settings"}
        return subprocess.run(command, env=env, check=True, capture_output=True, text=True, timeout=60).stdout

    process("begin", "3")
    shutil.copy(file, copy)
    process("begin", "2")
    file.write_bytes(copy.read_bytes())
    for beside in ("-wal", "-shm"):
        Path(f"{file}{beside}").unlink(missing_ok=True)
    assert process("deliver").startswith("{} This database is older than what was sent: it knows of")


def test_a_dump_that_was_read_into_another_server_starts_paused() -> None:
    if connection.vendor != "postgresql":
        pytest.skip("a server is PostgreSQL's")
    assert restore.check(T0)
    system, _, database = whereabouts.here().removeprefix("postgresql ").partition(":")
    assert int(system) > 0
    Programme.objects.update(place=f"postgresql {int(system) + 1}:{database}")
    assert not restore.check(T0)


@pytest.mark.django_db(transaction=True)
def test_two_processes_that_start_at_once_stop_it_once() -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has one writer at a time")
    programme.current()
    Programme.objects.update(place="elsewhere")
    allowed: list[bool] = []

    def process() -> None:
        allowed.append(restore.check(T0))
        connection.close()

    both = [threading.Thread(target=process) for _ in range(2)]
    for one in both:
        one.start()
    for one in both:
        one.join(10)
    assert allowed == [False, False]
    assert AuditEntry.objects.count() == Alert.objects.count() == 1
