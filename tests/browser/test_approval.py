"""Two people: one asks, the other looks at exactly this plan, answers, and it is put back to what it was."""

import pytest
from django.contrib.auth.models import Group, User
from django.utils import timezone
from playwright.sync_api import Browser, Page, expect
from pytest_django.live_server_helper import LiveServer

from campaigns import launch, versions
from campaigns.models import Campaign, Programme
from config import roles
from tests.browser.test_admin import log_in
from tests.browser.test_launch import shoot
from tests.config import world

pytestmark = [pytest.mark.browser, pytest.mark.long, pytest.mark.django_db(transaction=True)]


def somebody(page: Page, live_server: LiveServer, name: str, role: str) -> None:
    """Let somebody of a role log in, who says yes to every question."""
    user = User.objects.create_user(name, is_staff=True)
    user.groups.add(Group.objects.get(name=role))
    log_in(page, live_server, user)
    page.on("dialog", lambda dialog: dialog.accept())


def test_one_asks_the_other_approves_and_a_change_makes_it_void(
    browser: Browser, page: Page, live_server: LiveServer
) -> None:
    world.fill()
    roles.make()
    Programme.objects.update(approval_customers=0)
    plan = Campaign.objects.get(key="win-back")
    address = f"{live_server.url}/admin/campaigns/campaign/{plan.pk}"
    versions.note(plan, None, timezone.now(), [versions.LAUNCHED])
    launch.pause(plan, None, timezone.now())
    somebody(page, live_server, "mia", "marketer")
    page.goto(f"{address}/change/")
    page.get_by_role("button", name="Ask for approval").click()
    expect(page.get_by_text("Approval is asked for").first).to_be_visible()
    expect(page.get_by_role("button", name="Approve", exact=True)).to_have_count(0)
    shoot(page, "approval-asked")

    other = browser.new_context(viewport={"width": 1440, "height": 900}, reduced_motion="reduce").new_page()
    somebody(other, live_server, "amy", "approver")
    other.goto(f"{live_server.url}/admin/customers/alert/")
    expect(other.get_by_text("mia asks a second person to approve").first).to_be_visible()
    other.goto(f"{address}/change/")
    shoot(other, "approval-answer")
    other.get_by_role("button", name="Approve", exact=True).click()
    expect(other.get_by_text("It is approved as it stands.")).to_be_visible()

    page.goto(f"{address}/launch/")
    page.get_by_label("Budget").fill("250")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("The approval by amy is void").first).to_be_visible()
    other.goto(f"{address}/change/")
    other.get_by_role("button", name="Resume").click()
    expect(other.get_by_text("is void, since the plan").first).to_be_visible()

    page.goto(f"{address}/versions/")
    expect(page.get_by_text("The budget: none became 250.00.")).to_be_visible()
    shoot(page, "versions")
    page.get_by_role("link", name="Look at version").last.click()
    expect(page.get_by_text("From it to the present plan")).to_be_visible()
    shoot(page, "version")
    page.get_by_role("button", name="Put version").click()
    expect(page.get_by_text("holds again, as version")).to_be_visible()
    assert Campaign.objects.get(pk=plan.pk).budget is None
    other.context.close()
