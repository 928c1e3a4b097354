"""A marketer sets up two mails against each other, is told which does better, and gives it to everybody at a press."""

from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from campaigns import experiments
from campaigns.models import Campaign, VariantShares
from segments.models import Segment
from tests.browser.test_actions import shoot
from tests.browser.test_admin import enter
from tests.campaigns.people import EMAIL_STEP, customers
from tests.campaigns.trials import let_b_do_better

pytestmark = [pytest.mark.browser, pytest.mark.long, pytest.mark.django_db(transaction=True)]


def test_variants_are_set_up_and_the_best_one_is_used_at_a_press(page: Page, live_server: LiveServer) -> None:
    enter(page, live_server, "/admin/campaigns/campaign/add/")
    page.locator("[name=name]").fill("Two mails")
    page.get_by_role("radio", name="When you press a button").check()
    page.get_by_label("Members of").select_option(str(Segment.objects.get(key="regulars").pk))
    page.get_by_role("radio", name="As plain text or MJML").check()
    page.locator("[name=subject]").fill("Hello")
    page.locator("[name=body]").fill("[Shop](https://shop.example.test/)")
    page.get_by_text("Try variants of it against each other").click()
    asked = page.get_by_label("Where one does best")
    expect(asked).to_be_hidden()
    page.get_by_role("button", name="Add a variant").click()
    page.locator("[name=variant_0_key]").fill("b")
    page.locator("[name=variant_0_share]").fill("50")
    expect(asked).to_be_visible()
    page.get_by_label("How they are shared out").select_option("adaptive")
    asked.select_option("suggest")
    page.get_by_label("Compared by").select_option("click")
    expect(page.get_by_text("Where one does best by clicks by people, you are told.")).to_be_visible()
    shoot(page, "variants-form")
    page.get_by_role("button", name="Save as a draft").click()
    expect(page.get_by_role("heading", name="Two mails")).to_be_visible()
    made = Campaign.objects.get(key="two-mails")
    assert (made.split, made.winner, made.winner_metric) == ("adaptive", "suggest", "click")

    it_ran(made)
    page.goto(f"{live_server.url}/admin/campaigns/campaign/{made.pk}/change/")
    expect(page.get_by_text("“b” does best.").first).to_be_visible()
    shoot(page, "variants-page")
    page.on("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Use b for everybody").click()
    expect(page.get_by_text("Everybody gets “b” from now on.")).to_be_visible()
    made.refresh_from_db()
    assert made.chosen_variant == "b"
    shoot(page, "variants-chosen")
    page.get_by_role("button", name="Take back that all get b").click()
    expect(page.get_by_text("No winner is looked for.")).to_be_visible()
    made.refresh_from_db()
    assert (made.chosen_variant, made.winner) == ("", "off")


def it_ran(of: Campaign) -> None:
    """Let the campaign have run for a month, b better than the plan's own mail."""
    now = timezone.now()
    at = now - timedelta(days=30)
    step = {**EMAIL_STEP, "body": "[Shop](https://shop.example.test/)"}
    Campaign.objects.filter(pk=of.pk).update(
        state="live",
        launched_at=at,
        steps=[step],
        variants=[{"key": "b", "share": 0.5, "step": step}],
        winner_metric="conversion",
        audience=Segment.objects.get(key="regulars"),
        planned_customers=300,
    )
    of.refresh_from_db()
    let_b_do_better(of, customers(300, first=5000), at)
    for days, share in enumerate((0.62, 0.81, 0.93, 0.97, 0.98), start=2):
        began = now - timedelta(days=12 - days)
        VariantShares.objects.create(
            campaign=of,
            at=began,
            shares={"main": 1 - share, "b": share},
            drawn_from={"main": {"customers": 20 * days}, "b": {"customers": 30 * days}},
        )
    experiments.look(now)
