"""An integrator brings a file in by three steps, by keyboard, and sees what became of it."""

from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from playwright.sync_api import Page, expect
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from customers import import_work
from customers.models import Customer
from tests.browser.test_admin import WIDTHS, fits, log_in

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
PEOPLE = b"customer_id;E-mail;plan;ok\n1;ann@example.test;pro;yes\n2;bob@example;basic;no\n3;cyd@example.test;pro;\n"


def test_a_file_is_imported_in_three_steps(
    page: Page, live_server: LiveServer, settings: Settings, tmp_path: Path
) -> None:
    settings.UPLOADS = str(tmp_path / "uploads")
    log_in(page, live_server, User.objects.create_superuser("integrator"))
    page.goto(f"{live_server.url}/admin/customers/import/add/")
    page.get_by_label("File", exact=True).set_input_files(
        {"name": "people.csv", "mimeType": "text/csv", "buffer": PEOPLE}
    )
    page.get_by_role("button", name="Upload").press("Enter")
    expect(page.get_by_label("What E-mail is")).to_have_value("email")
    page.get_by_role("button", name="Check it: a dry run").press("Enter")
    expect(page.get_by_role("region", name="Refused lines, table")).to_contain_text("is not an e-mail address")
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        assert fits(page)
    page.get_by_role("button", name="Store it").press("Enter")
    expect(page.get_by_role("progressbar", name="Import of people.csv")).to_be_visible()
    import_work.work(timezone.now)
    expect(page.get_by_role("button", name="Download refused rows")).to_be_visible()
    assert set(Customer.objects.values_list("external_id", flat=True)) == {"1", "3"}
    with page.expect_download() as taken:
        page.get_by_role("button", name="Download refused rows").press("Enter")
    assert "3,E-mail,bob@example is not an e-mail address" in Path(taken.value.path()).read_text()
