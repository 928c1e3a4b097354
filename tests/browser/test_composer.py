"""A marketer writes a mail from a design, sees it as a customer, launches a pilot, and widens it."""

import re

import pytest
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from campaigns.models import Campaign, MailDesign
from tests.browser.test_admin import enter, fits
from tests.config.world import T

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
OURS = {
    "subject": "Ours",
    "preheader": "As ever",
    "blocks": [{"kind": "heading", "text": "What is new"}, {"kind": "text", "text": "So much."}, {"kind": "divider"}],
}


def checked(page: Page, said: str) -> None:
    """Wait until the check of what stands in the form says something, and nothing more is counted."""
    expect(page.locator("[data-slot=check]:not([aria-busy])").get_by_text(said)).to_be_visible()


def test_a_mail_is_written_from_a_design_and_a_pilot_of_it_is_launched_and_widened(
    page: Page, live_server: LiveServer
) -> None:
    MailDesign.objects.create(key="ours", name="Ours", content=OURS, created_at=T, changed_at=T)
    enter(page, live_server, "/admin/campaigns/campaign/add/")
    page.locator("[name=name]").fill("Spring letter")
    page.get_by_role("radio", name=re.compile("Somebody enters")).check()
    page.get_by_label("Segment", exact=True).select_option("regulars")
    page.get_by_role("radio", name=re.compile("In the composer")).check()
    expect(page.get_by_text("unless she is one of", exact=False)).to_be_visible()
    page.get_by_role("button", name="Save and write the mail").click()

    page.get_by_role("button", name="Use Ours").click()
    page.get_by_role("textbox", name="Subject").fill("Spring, {{ customer.first_name | default: 'friend' }}")
    page.get_by_role("region", name="Blocks").locator("summary", has_text="Add a block").last.click()
    page.get_by_role("group", name="Add a block").get_by_role("button", name="Button").click()
    expect(page.get_by_text("Where it leads is missing.").first).to_be_visible()
    added = page.locator(".cm-open")
    added.get_by_label("Words").fill("Come in")
    added.get_by_label("Leads to").fill("https://shop.invalid/spring")
    page.keyboard.press("Alt+ArrowUp")
    page.get_by_label("As customer").fill("c-0001")
    page.get_by_role("button", name="Show", exact=True).click()
    preview = page.get_by_role("region", name="Preview")
    expect(preview.get_by_text("Spring, Grace")).to_be_visible()
    expect(
        page.frame_locator("iframe[title='Preview of the mail']").get_by_role("link", name="Come in")
    ).to_be_visible()
    for width in (390, 1440):
        page.set_viewport_size({"width": width, "height": 900})
        assert fits(page)
    page.keyboard.press("Control+z")
    page.keyboard.press("Control+Shift+z")
    page.get_by_role("button", name="Save and close").click()

    page.get_by_role("link", name="Check and start it").click()
    page.get_by_role("radio", name=re.compile("first, as a pilot")).check()
    checked(page, "Nothing stands against it.")
    page.get_by_role("button", name="Start", exact=True).click()
    expect(page.get_by_text(re.compile("Spring letter is live for 5"))).to_be_visible()
    page.on("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Widen to everybody", exact=True).click()
    expect(page.get_by_text("Spring letter is for everybody now.")).to_be_visible()
    stored = Campaign.objects.get(key="spring-letter")
    assert (stored.state, stored.pilot_share, stored.version) == ("live", 1.0, 2)
    blocks = stored.steps[0]["content"]["blocks"]
    assert [one["kind"] for one in blocks] == ["heading", "text", "button", "divider"]
