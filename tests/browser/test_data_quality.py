"""A steward finds the field with odd values, looks at it, and begins a segment with the customers concerned."""

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from customers import quality_days
from customers.models import FieldQuality
from tests.browser.test_admin import WIDTHS, fits, log_in
from tests.segments.test_data_quality import DAY, asking, count_people, model

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_the_customers_with_odd_values_become_a_segment(page: Page, live_server: LiveServer) -> None:
    count_people()
    asking("Adults")
    model("Churn")
    before = list(FieldQuality.objects.all())
    for row in before:
        row.pk, row.day, row.as_of = None, row.day - DAY, row.as_of - DAY
    FieldQuality.objects.bulk_create(before)
    assert not quality_days.count(timezone.now())
    log_in(page, live_server, User.objects.create_superuser("steward"))
    page.goto(f"{live_server.url}/admin/customers/fieldquality/")
    expect(page.get_by_role("region", name="Fields, table")).to_contain_text("12 of 120 lie in the future.")
    page.set_viewport_size({"width": 390, "height": 900})
    said = page.locator(".cusp-narrow").get_by_text("12 of 120 lie in the future.")
    expect(said).to_be_visible()
    assert said.bounding_box()["x"] + said.bounding_box()["width"] < 390  # type: ignore[index]
    page.set_viewport_size({"width": 1440, "height": 900})
    expect(said).to_be_hidden()
    page.get_by_role("link", name="Age", exact=True).press("Enter")
    expect(page.get_by_role("heading", name="How its values lie")).to_be_visible()
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        assert fits(page)
    page.get_by_role("link", name="Customers far outside of the rest").press("Enter")
    expect(page.get_by_label("Name")).to_have_value("Age: customers far outside of the rest")
