"""An operator's tools learn whether the process lives, and whether it can work."""

from datetime import timedelta

import pytest
from django.db import OperationalError
from django.db.migrations.executor import MigrationExecutor
from django.test import Client
from django.utils import timezone

from campaigns.models import Cycle

pytestmark = [pytest.mark.door, pytest.mark.django_db]


def test_the_process_lives(client: Client) -> None:
    answer = client.get("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"status": "alive"})


def test_a_process_without_a_cycle_yet_is_ready(client: Client) -> None:
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ready", "last_cycle": None})


def test_readiness_tells_how_old_the_last_cycle_is(client: Client) -> None:
    ended = timezone.now() - timedelta(hours=3)
    Cycle.objects.create(kind="full", state="done", as_of=ended, started_at=ended, finished_at=ended)
    last = client.get("/readyz").json()["last_cycle"]
    assert last["state"] == "done"
    assert 3 * 3600 <= last["age_seconds"] < 3 * 3600 + 60
    assert last["is_late"]


def test_a_database_without_its_migrations_is_not_ready(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MigrationExecutor, "migration_plan", lambda self, targets: [("one", False), ("two", False)])
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["reason"] == "2 migrations are not applied. Run `manage.py migrate`."


def test_a_database_that_does_not_answer_is_said(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: MigrationExecutor, targets: object) -> None:
        raise OperationalError("connection refused")

    monkeypatch.setattr(MigrationExecutor, "migration_plan", refuse)
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json() == {"status": "not ready", "reason": "The database does not answer: connection refused"}
    assert client.get("/healthz").status_code == 200
