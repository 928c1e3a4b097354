"""A marketer asks what a draft would have done, cancels, asks again, watches it, reads it and takes it out."""

from datetime import timedelta
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from campaigns.backtest import asking, work
from campaigns.models import Backtest, Campaign
from customers import history
from tests.browser.test_admin import WIDTHS, fits, log_in
from tests.campaigns.people import EMAIL_STEP, campaign, customers
from tests.customers.histories import add_event

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
DAY = timedelta(days=1)


def draft() -> Campaign:
    """Give a draft that mails on each order, and forty days in which eight customers ordered."""
    now = timezone.now()
    for n, one in enumerate(customers(8, channels=("email",))):
        add_event(one.pk, "Order Completed", now - (40 - n) * DAY)
        add_event(one.pk, "Order Completed", now - (20 - n) * DAY)
    history.sync()
    values = {"trigger": {"kind": "event", "event": "Order Completed"}, "entry": "every", "message_cost": 0.5}
    return campaign("thanks", **values, state="draft", launched_at=None, goal_days=2, steps=[EMAIL_STEP])


@pytest.mark.parametrize("width", WIDTHS)
def test_a_back_test_is_begun_cancelled_watched_read_and_taken_out(
    page: Page, live_server: LiveServer, lake: Path, width: int
) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    plan = draft()
    log_in(page, live_server, User.objects.create_superuser("marketer"))
    page.goto(f"{live_server.url}/admin/campaigns/campaign/{plan.pk}/change/")
    page.get_by_role("link", name="What would it have done?").click()
    expect(page.get_by_text("Nothing was tried yet.")).to_be_visible()
    assert fits(page)

    page.get_by_role("button", name="Try the last 30 days").click()
    bar = page.get_by_role("progressbar", name="Back-test")
    expect(bar).to_have_attribute("aria-valuenow", "0")
    page.get_by_role("button", name="Cancel the back-test").click()
    expect(page.get_by_text("It was cancelled; nothing of it is kept.")).to_be_visible()

    page.get_by_role("button", name="Try the last 30 days").click()
    expect(page.get_by_text("Waits for its turn")).to_be_visible()
    claimed = asking.claim()
    assert claimed is not None
    asking.tell(claimed, 12)
    expect(bar).to_have_attribute("aria-valuenow", "40")
    expect(page.get_by_text("12 of 30 days are acted out")).to_be_visible()
    assert fits(page)
    Backtest.objects.filter(pk=claimed.pk).update(state=Backtest.State.WAITING, token="", lease_until=None)
    assert work.work(timezone.now) is not None

    expect(page.get_by_role("heading", name="What “Thanks” would have done")).to_be_visible()
    expect(bar).to_have_count(0)
    expect(page.get_by_text("8 customers would have become due, 8 times")).to_be_visible()
    expect(page.get_by_role("img", name="Messages that would have gone out, each day")).to_be_visible()
    page.get_by_text("The numbers").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("region", name="Day by day, table")).to_be_visible()
    assert fits(page)
    page.get_by_role("button", name="All figures as CSV").focus()
    with page.expect_download() as file:
        page.keyboard.press("Enter")
    rows = Path(file.value.path()).read_text().splitlines()
    assert rows[0] == "section,of,figure,value,low,high,words"
    assert "totals,all,considered,8,,," in rows
