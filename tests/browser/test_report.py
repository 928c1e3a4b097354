"""A marketer reads what a campaign did, takes the figures out as a file and a chart as a picture."""

import io
from datetime import timedelta
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from PIL import Image
from playwright.sync_api import Download, Page, expect
from pytest_django.live_server_helper import LiveServer

from campaigns.models import Campaign, Decision, Delivery
from customers.models import AuditEntry
from tests.browser.test_admin import WIDTHS, fits, log_in
from tests.config import world

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
PROGRAMME = "/admin/campaigns/programme/report/"


def opened(page: Page, live_server: LiveServer) -> Campaign:
    """Let 60 customers be decided about two days ago, and open the page of the campaign."""
    world.fill(60)
    then = timezone.now() - timedelta(days=2)
    Decision.objects.update(as_of=then, due_at=then)
    Delivery.objects.update(began_at=then, ended_at=then)
    campaign = Campaign.objects.get(key="win-back")
    Campaign.objects.filter(pk=campaign.pk).update(forecast=20.0)
    log_in(page, live_server, User.objects.create_superuser("marketer"))
    page.goto(f"{live_server.url}/admin/campaigns/campaign/{campaign.pk}/change/")
    return campaign


def kept(download: Download) -> bytes:
    path = download.path()
    return Path(path).read_bytes()


def test_a_report_is_read_and_taken_out_by_keyboard(page: Page, live_server: LiveServer) -> None:
    campaign = opened(page, live_server)
    page.get_by_role("link", name="The whole report").focus()
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{live_server.url}/admin/campaigns/campaign/{campaign.pk}/report/")
    expect(page.get_by_role("img", name="How many customers came to each step")).to_be_visible()
    expect(page.get_by_role("region", name="From considered to converted, table")).to_be_visible()

    page.get_by_role("button", name="Save as picture: From considered to converted").focus()
    with page.expect_download() as picture:
        page.keyboard.press("Enter")
    assert picture.value.suggested_filename.startswith("win-back-")
    assert "from-considered-to-converted" in picture.value.suggested_filename
    drawn = Image.open(io.BytesIO(kept(picture.value)))
    assert drawn.format == "PNG"
    colours = drawn.convert("RGB").getcolors(maxcolors=1 << 24) or []
    assert len(colours) > 20  # ground, words and bars

    page.get_by_role("button", name="Split by it").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("region", name="By “Regulars in DE and AT”, table")).to_be_visible()

    page.get_by_role("button", name="All figures as CSV").focus()
    with page.expect_download() as file:
        page.keyboard.press("Enter")
    table = kept(file.value).decode().splitlines()
    assert table[0] == "section,of,figure,value,low,high,words"
    assert any(line.startswith("treated,,customers,") for line in table)
    assert AuditEntry.objects.get(what="report exported").about == "win-back"


@pytest.mark.parametrize("width", WIDTHS)
def test_the_pages_of_reports_fit_the_screen(page: Page, live_server: LiveServer, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    campaign = opened(page, live_server)
    for address in (f"/admin/campaigns/campaign/{campaign.pk}/report/", PROGRAMME):
        page.goto(f"{live_server.url}{address}")
        assert fits(page), address
    expect(page.get_by_role("img", name="What goes out on which day")).to_be_visible()
