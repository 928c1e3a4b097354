"""A marketer starts a campaign from a list: every click, pick, toggle and typed field until it is live is counted."""

import os
import re

import pytest
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from campaigns.models import Campaign
from tests.browser.test_admin import enter, fits
from tests.config import world

pytestmark = [pytest.mark.browser, pytest.mark.long, pytest.mark.django_db(transaction=True)]
# Every press on something that can be pressed or chosen, and every field that was typed into; a label that presses its
# control counts once. What is picked from a list or written by script raises no click of its own: it is a change.
COUNTING = """
if (window === window.top) {
    const counted = JSON.parse(sessionStorage.counted || '{"choices": [], "typed": []}');
    const keep = () => { sessionStorage.counted = JSON.stringify(counted); };
    const isTyped = (control) => control.matches('textarea, input:not([type=radio]):not([type=checkbox])');
    addEventListener('click', (event) => {
        const control = event.target.closest('a, button, summary, input, select');
        if (!event.isTrusted || !control || isTyped(control) || control.matches('select')) return;
        counted.choices.push(control.name || control.textContent.trim());
        keep();
    }, true);
    addEventListener('change', (event) => {
        if (event.target.matches('select')) counted.choices.push(event.target.name);
        else if (isTyped(event.target)) counted.typed.push(event.target.name);
        keep();
    }, true);
}
"""


def checked(page: Page, said: str) -> None:
    """Wait until the check of what stands in the form says something, and nothing more is counted."""
    expect(page.locator("[data-slot=check]:not([aria-busy])").get_by_text(said).first).to_be_visible()


def counted(page: Page) -> tuple[int, int]:
    told = page.evaluate("JSON.parse(sessionStorage.counted)")
    return len(told["choices"]), len(told["typed"])


def at_list(page: Page, live_server: LiveServer, address: str) -> None:
    enter(page, live_server)
    world.take_snapshot()
    page.goto(f"{live_server.url}{address}")
    page.add_init_script(COUNTING)
    page.reload()


def test_from_the_list_of_segments_a_mail_is_live_within_eight_choices_and_one_field(
    page: Page, live_server: LiveServer
) -> None:
    at_list(page, live_server, "/admin/segments/segment/")
    page.get_by_role("link", name="Regulars in DE and AT").first.click()
    page.get_by_role("link", name="Use in a campaign").click()
    page.get_by_label("Subject").fill("A word to our regulars")
    page.get_by_role("radio", name="Those who match already, too").check()
    page.get_by_role("radio", name=re.compile("first, as a pilot")).check()
    checked(page, "Nothing stands against it.")
    shoot(page, "launch-segment")
    page.get_by_role("button", name="Start", exact=True).click()
    expect(page.get_by_text(re.compile(r"Those who enter Regulars in DE and AT is live for 5"))).to_be_visible()
    expect(page.get_by_text("Those who match already are decided about in")).to_be_visible()
    choices, typed = counted(page)
    assert (choices, typed) == (5, 1)
    stored = Campaign.objects.get(trigger__segment="regulars", steps__0__action="email")
    assert (stored.state, stored.pilot_share, stored.fires_on_start) == ("live", 0.05, True)
    assert stored.steps[0]["subject"] == "A word to our regulars"
    shoot(page, "launched")


def test_from_the_list_of_predictions_an_offer_is_live_within_eight_choices_and_one_field(
    page: Page, live_server: LiveServer
) -> None:
    at_list(page, live_server, "/admin/scoring/target/")
    page.get_by_role("link", name="No order within 60 days").first.click()
    page.get_by_role("link", name="Make a campaign of it").click()
    page.get_by_role("radio", name=re.compile("Send an offer")).check()
    page.get_by_label("Offer", exact=True).select_option("ten")
    page.get_by_label("Name", exact=True).fill("Ten off before they go")
    checked(page, "Nothing stands against it.")
    shoot(page, "launch-score")
    page.get_by_role("button", name="Start", exact=True).click()
    expect(page.get_by_text(re.compile("Ten off before they go is live"))).to_be_visible()
    choices, typed = counted(page)
    assert (choices, typed) == (5, 1)
    stored = Campaign.objects.get(key="ten-off-before-they-go")
    assert "{{ offer.code }}" in stored.steps[0]["body"]


def test_from_the_list_of_campaigns_a_mail_on_a_score_is_live_within_eight_choices_and_one_field(
    page: Page, live_server: LiveServer
) -> None:
    at_list(page, live_server, "/admin/campaigns/campaign/")
    page.locator("a[href$='/campaign/add/']:visible").first.click()
    page.get_by_label("Name", exact=True).fill("The highest tenth")
    page.get_by_role("radio", name=re.compile("A score crosses")).check()
    page.get_by_label("Score", exact=True).select_option("lapse")
    checked(page, "Nothing stands against it.")
    page.get_by_role("button", name="Start", exact=True).click()
    expect(page.get_by_text("The highest tenth is live.")).to_be_visible()
    choices, typed = counted(page)
    assert (choices, typed) == (4, 1)


def test_on_a_phone_and_by_keyboard_alone_a_problem_leads_to_its_field_and_the_campaign_starts(
    page: Page, live_server: LiveServer
) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    enter(page, live_server, "/admin/campaigns/campaign/add/?trigger_kind=segment&segment=regulars")
    expect(page.get_by_label("Name", exact=True)).to_have_value("Those who enter Regulars in DE and AT")
    control = page.get_by_label("Left alone as control, %")
    control.focus()
    page.keyboard.press("Control+a")
    page.keyboard.type("95")
    checked(page, "1 thing to mend before it can start.")
    shoot(page, "launch-fault")
    page.set_viewport_size({"width": 390, "height": 844})
    tab_to(page, "[data-to=control_share]")
    page.keyboard.press("Enter")
    expect(control).to_be_focused()
    page.keyboard.press("Control+a")
    page.keyboard.type("20")
    checked(page, "Nothing stands against it.")
    assert fits(page)
    tab_to(page, "button[name=_start]")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Those who enter Regulars in DE and AT is live.")).to_be_visible()
    assert Campaign.objects.get(control_share=0.2).state == "live"


def tab_to(page: Page, selector: str) -> None:
    """Press Tab until something is reached."""
    for _ in range(80):
        page.keyboard.press("Tab")
        if page.evaluate(f"document.activeElement.matches('{selector}')"):
            return
    raise AssertionError(f"{selector} is not reached by Tab")


def test_a_late_answer_is_never_shown(page: Page, live_server: LiveServer) -> None:
    """The first answer comes only after the second one."""
    enter(page, live_server, "/admin/campaigns/campaign/add/?trigger_kind=segment&segment=regulars")
    checked(page, "Nothing stands against it.")
    control = page.get_by_label("Left alone as control, %")
    slot = page.locator("[data-slot=check]")
    held = []
    page.route("**/campaign/check/", lambda route: held.append(route))
    control.fill("95")
    expect(slot).to_have_attribute("aria-busy", "true")
    expect(page.get_by_text("Counting …")).to_be_visible()
    expect(slot.get_by_text("Nothing stands against it.")).to_be_hidden()
    page.wait_for_function("() => true")
    page.unroute("**/campaign/check/")
    control.fill("30")
    checked(page, "Nothing stands against it.")
    for route in held:
        route.abort()
    expect(slot.get_by_text("Nothing stands against it.")).to_be_visible()


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
