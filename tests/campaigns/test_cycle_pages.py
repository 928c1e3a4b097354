"""An operator sees how far a cycle is, cancels it, begins one, and sees what is scheduled."""

from datetime import timedelta

import pytest
from celery import current_app
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from kombu.exceptions import OperationalError
from pytest_django import Settings

from campaigns import cycle, schedule
from campaigns.models import Cycle, CycleTask, Schedule
from customers.models import AuditEntry

pytestmark = [pytest.mark.door, pytest.mark.django_db]
State = Cycle.State


@pytest.fixture(autouse=True)
def woken(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Give the cycles that workers were woken for."""
    found: list[int] = []
    monkeypatch.setattr(current_app, "send_task", lambda name, arguments, retry: found.extend(arguments))
    return found


@pytest.fixture
def boss(client: Client) -> Client:
    client.force_login(User.objects.create_superuser("boss"))
    return client


def onlooker(client: Client) -> Client:
    """Log somebody in who may see cycles and schedules, and change nothing."""
    user = User.objects.create_user("onlooker", is_staff=True)
    names = ("view_cycle", "view_schedule")
    user.user_permissions.set(Permission.objects.filter(codename__in=names, content_type__app_label="campaigns"))
    client.force_login(user)
    return client


def running() -> Cycle:
    begun = cycle.begin(timezone.now())
    cycle.work(begun)
    return begun


def page(client: Client, name: str, *args: object) -> str:
    return client.get(reverse(f"admin:{name}", args=args)).content.decode()


def test_a_running_cycle_shows_a_bar_that_can_be_heard(boss: Client) -> None:
    begun = running()
    for text in (
        page(boss, "campaigns_cycle_change", begun.pk),
        page(boss, "index"),
        page(boss, "campaigns_cycle_changelist"),
    ):
        assert 'role="progressbar"' in text
        assert 'aria-valuemin="0" aria-valuemax="13" aria-valuenow="1"' in text
        assert 'aria-valuetext="Reading new events: 1 of 13 pieces done' in text
        assert f'data-refresh="/admin/campaigns/cycle/{begun.pk}/progress/"' in text


def test_the_bar_is_asked_for_alone_until_the_cycle_has_ended(boss: Client) -> None:
    begun = running()
    url = reverse("admin:campaigns_cycle_progress", args=[begun.pk])
    answer = boss.get(url)
    assert answer.status_code == 200
    assert b"<html" not in answer.content
    assert b"Reading new events: 1 of 13 pieces done" in answer.content
    cycle.cancel(begun, None, timezone.now())
    assert boss.get(url).status_code == 204
    assert boss.get(reverse("admin:campaigns_cycle_progress", args=[9_999])).status_code == 404


def test_a_running_cycle_is_cancelled_by_a_button_that_asks_first(boss: Client) -> None:
    begun = running()
    text = page(boss, "campaigns_cycle_change", begun.pk)
    assert 'data-confirm="Cancel this cycle?' in text
    url = reverse("admin:campaigns_cycle_do", args=[begun.pk, "cancel"])
    assert boss.get(url).status_code == 405
    said = boss.post(url, follow=True).content.decode()
    assert "is cancelled. Workers finish the piece in hand" in said
    assert "Cancel this cycle" not in said
    assert "Ended by boss." in said
    assert Cycle.objects.get().state == State.CANCELLED
    entry = AuditEntry.objects.get()
    assert (entry.what, entry.by.username if entry.by else "") == ("cycle cancelled", "boss")
    assert "This cannot be done now." in boss.post(url, follow=True).content.decode()


def test_who_may_only_look_neither_cancels_nor_begins_a_cycle(client: Client) -> None:
    onlooker(client)
    begun = running()
    assert "Cancel this cycle" not in page(client, "campaigns_cycle_change", begun.pk)
    client.post(reverse("admin:campaigns_cycle_do", args=[begun.pk, "cancel"]))
    assert Cycle.objects.get().state == State.RUNNING
    Cycle.objects.update(state=State.DONE)
    for name in ("index", "campaigns_cycle_changelist"):
        assert "Run a cycle now" not in page(client, name)
    assert client.post(reverse("admin:campaigns_cycle_run")).status_code == 403
    assert Cycle.objects.count() == 1


def test_strangers_see_no_progress(client: Client) -> None:
    begun = running()
    url = reverse("admin:campaigns_cycle_progress", args=[begun.pk])
    assert client.get(url).status_code == 302
    client.force_login(User.objects.create_user("new", is_staff=True))
    assert client.get(url).status_code == 403


def test_a_full_cycle_is_begun_by_hand_and_a_worker_woken(boss: Client, woken: list[int]) -> None:
    schedule.ensure(timezone.now() + timedelta(minutes=30))
    assert "Run a cycle now" in page(boss, "index")
    assert "Run a cycle now" in page(boss, "campaigns_cycle_changelist")
    row = Schedule.objects.get(key=schedule.FULL_CYCLE)
    assert "Run a cycle now" in page(boss, "campaigns_schedule_change", row.pk)
    url = reverse("admin:campaigns_cycle_run")
    assert boss.get(url).status_code == 405
    assert "has begun." in boss.post(url, follow=True).content.decode()
    begun = Cycle.objects.get()
    assert (begun.kind, begun.state) == (Cycle.Kind.FULL, State.RUNNING)
    assert woken == [begun.pk]
    assert AuditEntry.objects.get().what == "cycle begun"
    row.refresh_from_db()
    assert row.last_at == begun.as_of
    assert row.next_at > begun.as_of, "its slots stay"
    assert "Run a cycle now" not in page(boss, "index")


def test_a_second_cycle_by_hand_is_refused_plainly(boss: Client, woken: list[int]) -> None:
    running()
    said = boss.post(reverse("admin:campaigns_cycle_run"), follow=True).content.decode()
    assert "has not ended; the next one can begin after it." in said
    assert Cycle.objects.count() == 1
    assert not AuditEntry.objects.exists()
    assert woken == []


def test_a_cycle_begun_by_hand_needs_no_broker(boss: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def silent(name: str, arguments: tuple[int], retry: bool) -> None:
        raise OperationalError("connection refused")

    monkeypatch.setattr(current_app, "send_task", silent)
    assert "has begun." in boss.post(reverse("admin:campaigns_cycle_run"), follow=True).content.decode()
    assert cycle.unattended() == [Cycle.objects.get().pk]


def test_what_was_set_aside_is_told_with_its_bucket_and_error(boss: Client) -> None:
    begun = running()
    CycleTask.objects.create(
        cycle=begun, stage="score", bucket=2, state="failed", attempts=3, error="OSError: the disk is full"
    )
    Cycle.objects.update(state=State.FAILED, finished_at=timezone.now(), error="Features and scores, bucket 2: OSError")
    text = page(boss, "campaigns_cycle_change", begun.pk)
    assert "the next cycle does these again" in text
    for cell in ("<td>Features and scores</td>", "<td>2</td>", "<td>3</td>", "<td>OSError: the disk is full</td>"):
        assert cell in text, cell
    assert "Features and scores, bucket 2: OSError" in page(boss, "index")


def test_schedules_tell_the_last_and_the_next_time_and_how_it_went(boss: Client, settings: Settings) -> None:
    settings.CYCLE_EVERY = timedelta(minutes=30)
    schedule.tick(timezone.now())
    begun = Cycle.objects.get()
    finished = begun.started_at + timedelta(seconds=41.3)
    Cycle.objects.update(state=State.FAILED, finished_at=finished)
    Schedule.objects.filter(key=schedule.SWEEP).update(seconds=0.2, error="OSError: gone")
    text = page(boss, "campaigns_schedule_changelist")
    for said in ("Full cycle: everybody is rescored", "every 30 minutes", "41.3 s", "every 2 seconds", "0.2 s"):
        assert said in text, said
    assert text.count("Failed</span>") == 2
    sweep = Schedule.objects.get(key=schedule.SWEEP)
    assert "OSError: gone" in page(boss, "campaigns_schedule_change", sweep.pk)
    Schedule.objects.update(is_enabled=False)
    assert text.count("switched off") == 0
    assert page(boss, "campaigns_schedule_changelist").count("switched off") == len(schedule.periods())
