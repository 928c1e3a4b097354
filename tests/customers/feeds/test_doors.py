"""Scheduled imports over REST and on their pages: made like an import that went well, changed, paused, run, deleted."""

import json
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from pytest_django import Settings

from customers.feeds import keeping
from customers.models import AuditEntry, Feed, FeedFile
from tests.customers.feeds.feeding import MAPPING, T0, imported, of_folder
from tests.customers.test_api import is_problem

pytestmark = [pytest.mark.door, pytest.mark.django_db]
ADD = "/admin/customers/feed/add/"


@pytest.fixture(autouse=True)
def folder(settings: Settings, tmp_path: Path) -> Path:
    settings.IMPORT_FOLDERS = [str(tmp_path)]
    return tmp_path


def send(client: Client, method: str, rest: str, body: Any, headers: dict[str, str]) -> Any:
    text = "" if body is None else json.dumps(body)
    return client.generic(method, f"/api/v1/feeds/{rest}", text, "application/json", headers=headers)


def told(where: Path, **changes: Any) -> dict[str, Any]:
    named = {"name": "nightly", "folder": str(where), "pattern": "*.csv", "every_minutes": 60}
    return {**named, "like": imported().public_id, **changes}


def test_an_import_is_scheduled_changed_run_and_deleted_over_rest(
    client: Client, headers: dict[str, str], folder: Path
) -> None:
    made = send(client, "POST", "", told(folder), headers)
    assert made.status_code == 201, made.json()
    one = Feed.objects.get()
    assert (one.mapping, one.source.key, one.kind) == (MAPPING, "import-customers", "customers")
    assert [row["id"] for row in send(client, "GET", "?kind=customers", None, headers).json()["results"]] == [
        one.public_id
    ]
    changed = send(client, "PATCH", f"{one.public_id}/", {"is_paused": True}, {**headers, "If-Match": made["ETag"]})
    assert (changed.status_code, changed.json()["is_paused"]) == (200, True)
    is_problem(send(client, "PATCH", f"{one.public_id}/", {"name": "x"}, {**headers, "If-Match": made["ETag"]}), 412)
    assert is_problem(send(client, "POST", f"{one.public_id}/run/", None, headers), 409)["code"] == "paused"
    daily = {"is_paused": False, "every_minutes": None, "daily_at": "06:00"}
    assert send(client, "PATCH", f"{one.public_id}/", daily, headers).json()["daily_at"] == "06:00:00"
    taken = FeedFile.objects.create(feed=one, sha256="1", name="a", taken_at=T0, of_import=imported(state="failed"))
    ran = send(client, "POST", f"{one.public_id}/run/", None, headers)
    assert (ran.status_code, FeedFile.objects.filter(pk=taken.pk).exists()) == (202, False)
    assert send(client, "DELETE", f"{one.public_id}/", None, headers).status_code == 204
    is_problem(send(client, "GET", f"{one.public_id}/", None, headers), 404)
    noted = AuditEntry.objects.order_by("pk").values_list("what", flat=True)
    verbs = ("added", "changed", "changed", "run", "deleted")
    assert list(noted) == [f"scheduled import {verb}" for verb in verbs]


@pytest.mark.parametrize(
    ("path", "changes"),
    [
        ("folder", {"folder": "/etc"}),
        ("folder", {"url": "https://example.com/a.csv"}),
        ("url", {"folder": "", "pattern": "", "url": "http://169.254.169.254/"}),
        ("pattern", {"pattern": "../*"}),
        ("every_minutes", {"daily_at": "06:00"}),
        ("like", {"like": "nobody"}),
    ],
)
def test_what_cannot_be_scheduled_is_refused_with_its_place(
    client: Client, headers: dict[str, str], folder: Path, path: str, changes: dict[str, Any]
) -> None:
    refused = is_problem(send(client, "POST", "", told(folder, **changes), headers), 400)
    assert (refused["code"], refused["errors"][0]["path"]) == ("bad_feed", path)
    assert not Feed.objects.exists()


def test_two_scheduled_imports_have_two_names(client: Client, headers: dict[str, str], folder: Path) -> None:
    send(client, "POST", "", told(folder), headers)
    assert is_problem(send(client, "POST", "", told(folder), headers), 409)["errors"][0]["path"] == "name"


def test_a_name_that_was_given_meanwhile_is_not_given_twice(
    client: Client, headers: dict[str, str], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def check(feed: Feed, **_: Any) -> None:
        other = of_folder(folder, name=feed.name)
        assert other.pk

    monkeypatch.setattr(keeping, "check", check)
    refused = is_problem(send(client, "POST", "", told(folder), headers), 409)
    assert (refused["code"], refused["errors"][0]["path"]) == ("taken", "name")


def test_an_import_that_went_well_is_scheduled_from_its_page(staff: Client, folder: Path) -> None:
    done = imported()
    link = f"{ADD}?like={done.pk}"
    assert link in staff.get(f"/admin/customers/import/{done.pk}/change/").content.decode()
    assert f'value="{done.pk}" selected' in staff.get(link).content.decode()
    asked = {"name": "nightly", "like": done.pk, "folder": str(folder), "pattern": "*.csv", "daily_at": "06:00"}
    wrong = staff.post(ADD, {**asked, "folder": "/etc"})
    assert list(wrong.context["adminform"].form.errors) == ["folder"]
    assert staff.post(ADD, asked).status_code == 302
    one = Feed.objects.get()
    assert (one.mapping, one.daily_at.hour if one.daily_at else None) == (MAPPING, 6)
    page = f"/admin/customers/feed/{one.pk}/"
    staff.post(f"{page}change/", {**asked, "like": "", "pattern": "people-*.csv"})
    one.refresh_from_db()
    assert (one.pattern, one.mapping) == ("people-*.csv", MAPPING)
    staff.post(f"{page}do/pause/")
    assert Feed.objects.get().is_paused
    assert "Paused" in staff.get(f"{page}change/").content.decode()
    staff.post(f"{page}do/resume/")
    staff.post(f"{page}delete/", {"post": "yes"})
    assert not Feed.objects.exists()


def test_the_page_shows_what_came_of_each_file_and_why_none_comes(staff: Client, folder: Path) -> None:
    one = of_folder(folder, look_error="The folder is gone.")
    FeedFile.objects.create(feed=one, sha256="1", name="people-1.csv", taken_at=T0, of_import=imported(stored=1234))
    shown = staff.get(f"/admin/customers/feed/{one.pk}/change/").content.decode()
    for said in ("The folder is gone.", "people-1.csv", "1,234", "Run now", "customer_id"):
        assert said in shown
    assert "nightly" in staff.get("/admin/customers/feed/").content.decode()
    keeping.remove(one, None, T0)
    assert "Import a file by hand first" in staff.get("/admin/customers/feed/").content.decode()
