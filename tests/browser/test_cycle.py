"""An operator at the screen: begins a cycle, watches how far it comes, cancels it."""

import pytest
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from campaigns import cycle
from campaigns.models import Cycle
from tests.browser.test_admin import WIDTHS, enter, fits

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.mark.parametrize("width", WIDTHS)
def test_a_cycle_is_watched_without_reloading_and_cancelled(page: Page, live_server: LiveServer, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    enter(page, live_server)
    begun = cycle.begin(timezone.now())
    page.goto(f"{live_server.url}{reverse('admin:campaigns_cycle_change', args=[begun.pk])}")
    bar = page.get_by_role("progressbar", name="Full cycle")
    expect(bar).to_have_attribute("aria-valuenow", "0")
    page.evaluate("document.title = 'the same page'")
    assert cycle.work(begun)
    expect(bar).to_have_attribute("aria-valuenow", "1")
    expect(page.get_by_text("Reading new events: 1 of 13 pieces done")).to_be_visible()
    assert page.title() == "the same page"
    assert fits(page)
    page.once("dialog", lambda dialog: dialog.dismiss())
    page.get_by_role("button", name="Cancel this cycle").click()
    assert Cycle.objects.get(pk=begun.pk).state == Cycle.State.RUNNING, "she said no"
    page.once("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Cancel this cycle").click()
    expect(page.get_by_text("Workers finish the piece in hand")).to_be_visible()
    expect(bar).to_have_count(0)
    assert Cycle.objects.get(pk=begun.pk).state == Cycle.State.CANCELLED


def test_the_page_shows_what_a_cycle_did_as_soon_as_it_has_ended(page: Page, live_server: LiveServer) -> None:
    enter(page, live_server)
    begun = cycle.begin(timezone.now())
    page.goto(f"{live_server.url}/admin/")
    expect(page.get_by_role("progressbar", name="Full cycle")).to_be_visible()
    for _ in cycle.turn(begun):
        pass
    expect(page.get_by_role("button", name="Run a cycle now")).to_be_visible()
    expect(page.get_by_role("progressbar")).to_have_count(0)
