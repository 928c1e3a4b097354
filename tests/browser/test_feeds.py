"""A marketer lets the files of a folder come in by themselves, sees what became of each, and stops it."""

import os
from datetime import timedelta
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from playwright.sync_api import Page, expect
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from customers import import_work
from customers.feeds import looking
from customers.models import Customer, Feed
from tests.browser.test_admin import WIDTHS, fits, log_in
from tests.customers.feeds.feeding import imported, of_folder

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
PEOPLE = "customer_id,email\n1,ann@example.test\n2,bob@example\n3,cyd@example.test\n"
BROKEN = "name,place\nAnn,Rome\n"


def drop(folder: Path, name: str, text: str) -> None:
    path = folder / name
    path.write_text(text)
    before = (timezone.now() - timedelta(hours=1)).timestamp()
    os.utime(path, (before, before))


def work() -> None:
    """Do what the workers do within seconds: look, store, and tell what became of it."""
    looking.look_due(timezone.now)
    import_work.work(timezone.now)
    looking.look_due(timezone.now)


def all_fit(page: Page) -> None:
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        assert fits(page), f"{page.url} at {width}"
    page.set_viewport_size({"width": 1440, "height": 900})


@pytest.fixture
def folder(settings: Settings, tmp_path: Path) -> Path:
    """Give the one folder that may be looked into."""
    found = tmp_path.resolve() / "dropped"
    found.mkdir()
    settings.UPLOADS, settings.IMPORT_FOLDERS = str(tmp_path / "uploads"), [str(found)]
    return found


def schedule(page: Page, live_server: LiveServer, folder: Path) -> None:
    """Make a scheduled import like one by hand, and go to its page."""
    page.goto(f"{live_server.url}/admin/customers/feed/")
    expect(page.get_by_text("Import a file by hand first")).to_be_visible()
    page.goto(f"{live_server.url}/admin/customers/import/{imported().pk}/change/")
    page.get_by_role("link", name="Schedule this import").press("Enter")
    page.locator("#id_name").fill("Customers of the shop")
    page.get_by_label("Folder").fill("/etc")
    page.get_by_label("Files like").fill("people-*.csv")
    page.get_by_label("Every so many minutes").fill("60")
    all_fit(page)
    page.get_by_role("button", name="Save", exact=True).press("Enter")
    expect(page.locator("form").get_by_text("IMPORT_FOLDERS", exact=False).first).to_be_visible()
    page.get_by_label("Folder").fill(str(folder))
    page.get_by_role("button", name="Save", exact=True).press("Enter")
    page.get_by_role("link", name="Customers of the shop").first.press("Enter")
    expect(page.get_by_text("No file was taken yet")).to_be_visible()
    all_fit(page)


def test_files_of_a_folder_come_in_by_themselves(page: Page, live_server: LiveServer, folder: Path) -> None:
    log_in(page, live_server, User.objects.create_superuser("integrator"))
    schedule(page, live_server, folder)
    drop(folder, "people-1.csv", PEOPLE)
    page.get_by_role("button", name="Run now").press("Enter")
    expect(page.get_by_text("It is looked at within seconds")).to_be_visible()
    work()
    page.reload()
    table = page.get_by_role("region", name="Its last files, table")
    expect(table).to_contain_text("people-1.csv")
    all_fit(page)
    table.get_by_role("link", name="people-1.csv").press("Enter")
    expect(page.get_by_role("region", name="Refused lines, table")).to_contain_text("bob@example is not an e-mail")
    assert set(Customer.objects.values_list("external_id", flat=True)) == {"1", "3"}


def test_a_broken_file_is_in_the_inbox_and_a_pause_keeps_files_out(
    page: Page, live_server: LiveServer, folder: Path
) -> None:
    of_folder(folder, name="Customers of the shop")
    drop(folder, "people-2.csv", BROKEN)
    Feed.objects.update(next_at=timezone.now())
    work()
    log_in(page, live_server, User.objects.create_superuser("integrator"))
    page.goto(f"{live_server.url}/admin/customers/alert/")
    expect(page.get_by_text("The scheduled import “Customers of the shop” brings nothing.")).to_be_visible()
    all_fit(page)
    page.goto(f"{live_server.url}/admin/customers/feed/")
    all_fit(page)
    page.get_by_role("link", name="Customers of the shop").first.press("Enter")
    expect(page.get_by_text("Fails", exact=True)).to_be_visible()
    expect(page.get_by_text("people-2.csv:")).to_be_visible()
    page.get_by_role("button", name="Pause").press("Enter")
    expect(page.get_by_text("It is paused.")).to_be_visible()
    drop(folder, "people-3.csv", PEOPLE)
    Feed.objects.update(next_at=timezone.now())
    work()
    assert not Customer.objects.exists()
    page.get_by_role("button", name="Let it go on").press("Enter")
    expect(page.get_by_text("It goes on")).to_be_visible()
    work()
    assert Customer.objects.count() == 2


def test_a_password_is_typed_once_and_never_shown(page: Page, live_server: LiveServer, settings: Settings) -> None:
    settings.IMPORT_HOSTS = ["127.0.0.0/8"]
    model = imported()
    log_in(page, live_server, User.objects.create_superuser("integrator"))
    page.goto(f"{live_server.url}/admin/customers/feed/add/?like={model.pk}")
    page.locator("#id_name").fill("Customers of the shop")
    page.get_by_label("Or an address").fill("http://127.0.0.1:9/people.csv")
    page.get_by_label("Login", exact=True).select_option("basic")
    page.get_by_label("Name of the user or header").fill("ann")
    page.get_by_label("Password or token").fill("s3cret-8843")
    page.get_by_label("Every so many minutes").fill("60")
    page.get_by_role("button", name="Save", exact=True).press("Enter")
    page.get_by_role("link", name="Customers of the shop").first.press("Enter")
    expect(page.get_by_text("One is kept")).to_be_visible()
    expect(page.get_by_label("Password or token")).to_have_value("")
    assert "s3cret-8843" not in page.content()
    all_fit(page)
