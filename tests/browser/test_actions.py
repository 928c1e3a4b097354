"""A marketer chooses what a campaign does, and sees an SMS and a webhook as a customer would meet them."""

import os
import re

import pytest
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from campaigns.models import Campaign, Programme
from tests.browser.test_admin import enter, fits
from tests.campaigns.webhooks.receivers import webhook

pytestmark = [pytest.mark.browser, pytest.mark.long, pytest.mark.django_db(transaction=True)]


def test_every_action_is_chosen_by_keyboard_and_shown_before_it_is_saved(page: Page, live_server: LiveServer) -> None:
    webhook("crm")
    enter(page, live_server, "/admin/campaigns/campaign/add/")
    Programme.objects.update(sms_opt_out="Reply STOP to stop")
    page.locator("[name=name]").fill("Texts")
    page.get_by_role("radio", name=re.compile("Somebody enters")).check()
    page.get_by_label("Segment", exact=True).select_option("regulars")
    page.get_by_role("radio", name=re.compile("Send an SMS")).focus()
    page.keyboard.press("Space")
    page.locator("[name=sms_text]").fill("Hi {{ customer.first_name | default: 'you' }}, it is 20 % off today")
    side = page.get_by_role("region", name="Check")
    expect(side.get_by_text("Hi Ada, it is 20 % off today")).to_be_visible()
    expect(side.get_by_text("of 160 characters: one SMS.")).to_be_visible()
    shoot(page, "sms")
    page.get_by_role("radio", name=re.compile("Tell another program")).check()
    page.get_by_label("Webhook", exact=True).select_option("crm")
    page.locator("[name=data_0_name]").or_(page.get_by_role("button", name="Add a value")).last.click()
    page.locator("[name=data_0_name]").fill("email")
    page.locator("[name=data_0_text]").fill("{{ customer.email }}")
    expect(side.get_by_text('"email": "ada@example.test"')).to_be_visible()
    shoot(page, "webhook")
    page.get_by_role("radio", name=re.compile("Change an attribute")).check()
    page.get_by_label("Attribute", exact=True).select_option("plan")
    page.get_by_label("New value").fill("gold")
    words = page.get_by_role("complementary", name="The plan in words")
    expect(words.get_by_text("Then Ada's plan is set to gold", exact=False)).to_be_visible()
    shoot(page, "attribute")
    page.get_by_role("button", name="Save as a draft").click()
    expect(
        page.get_by_text("Set plan to gold").or_(page.get_by_text("plan is set to gold", exact=False)).first
    ).to_be_visible()
    assert Campaign.objects.get(key="texts").steps == [{"action": "attribute", "name": "plan", "value": "gold"}]
    shoot(page, "made")


def shoot(page: Page, name: str) -> None:
    """Look at the page wide and narrow, in the light and the dark; nothing sticks out."""
    folder = os.environ.get("SHOTS")
    for width in (1440, 390):
        page.set_viewport_size({"width": width, "height": 900})
        assert fits(page)
        if folder:
            for theme in ("light", "dark"):
                page.evaluate(f"document.documentElement.classList.toggle('dark', {str(theme == 'dark').lower()})")
                page.screenshot(path=f"{folder}/{name}-{width}-{theme}.png", full_page=True)
            page.evaluate("document.documentElement.classList.remove('dark')")
    page.set_viewport_size({"width": 1440, "height": 900})
