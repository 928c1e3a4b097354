"""A marketer at the screen: logs in, reads the home page, takes a call."""

import re

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from campaigns.models import CallTask, Campaign, Cycle, Decision
from customers.models import Customer, Import
from scoring.models import Target
from segments.models import Segment
from tests.config import world

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
SECRET = "a long enough secret"
WIDTHS = (1440, 390)


def enter(page: Page, live_server: LiveServer, address: str = "/admin/") -> None:
    """Fill the database and open a page as somebody who has logged in."""
    log_in(page, live_server, marketer())
    page.goto(f"{live_server.url}{address}")
    expect(page).to_have_url(f"{live_server.url}{address}")


def log_in(page: Page, live_server: LiveServer, user: User) -> None:
    """Let the page's next answers be those for a person."""
    client = Client()
    client.force_login(user)
    session = client.cookies[settings.SESSION_COOKIE_NAME].value
    page.context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": session, "url": live_server.url}])


def marketer() -> User:
    world.fill(8)
    return User.objects.create_superuser("marketer", password=SECRET)


def fits(page: Page) -> bool:
    """Say whether nothing sticks out to the right of the screen."""
    return bool(page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"))


@pytest.mark.parametrize("width", WIDTHS)
def test_the_home_page_shows_the_loop_and_fits_the_screen(page: Page, live_server: LiveServer, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    marketer()
    page.goto(f"{live_server.url}/admin/login/?next=/admin/")
    page.get_by_label(re.compile("username", re.I)).fill("marketer")
    page.locator("[name=password]").fill(SECRET)
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{live_server.url}/admin/")
    expect(page.get_by_text("Sending is on")).to_be_visible()
    expect(page.get_by_role("region", name="Campaigns, table")).to_be_visible()
    assert fits(page)


def test_a_campaign_form_shows_the_fields_of_its_action(page: Page, live_server: LiveServer) -> None:
    enter(page, live_server, "/admin/campaigns/campaign/add/")
    page.get_by_label("As plain text or MJML, right here").check()
    expect(page.get_by_label("Subject")).to_be_visible()
    page.get_by_label("Make a call task").check()
    expect(page.get_by_label("Subject")).to_be_hidden()
    expect(page.get_by_label("Talking points")).to_be_visible()


def test_an_agent_works_a_call_with_the_keyboard(page: Page, live_server: LiveServer) -> None:
    enter(page, live_server)
    for task in CallTask.objects.select_related("customer"):
        world.allow_calls(task.customer)
    page.goto(f"{live_server.url}/admin/campaigns/calltask/queue/")
    page.get_by_role("button", name="Take this call").first.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("radio", name="Reached")).to_be_visible()
    page.keyboard.press("1")
    expect(page.get_by_role("radio", name="Reached")).to_be_checked()
    page.get_by_label("Note").fill("Was glad.")
    page.keyboard.press("Control+Enter")
    expect(page.get_by_text("Written down: Reached.")).to_be_visible()
    assert CallTask.objects.filter(outcome="reached", note="Was glad.").count() == 1


def test_a_campaign_shows_its_mail_as_the_customer_gets_it(page: Page, live_server: LiveServer) -> None:
    enter(page, live_server)
    page.goto(f"{live_server.url}/admin/campaigns/campaign/{Campaign.objects.get(key='win-back').pk}/change/")
    mail = page.frame_locator("iframe[title='Preview of the mail']")
    expect(mail.get_by_text("Hello Ada,")).to_be_visible()
    expect(mail.get_by_text("EXAMPLE-CODE")).to_be_visible()


@pytest.mark.parametrize("width", WIDTHS)
def test_every_page_of_a_row_fits_the_screen(page: Page, live_server: LiveServer, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    enter(page, live_server)
    for table in (Customer, Import, Segment, Target, Campaign, Decision, CallTask, Cycle):
        name = f"{table._meta.app_label}/{table._meta.model_name}"
        page.goto(f"{live_server.url}/admin/{name}/{table._default_manager.order_by('pk')[0].pk}/change/")
        assert fits(page), name


def test_the_pages_of_the_interface_open_without_the_internet(page: Page, live_server: LiveServer) -> None:
    page.goto(f"{live_server.url}/api/docs/")
    # Only what fits the screen is drawn, group by group.
    expect(page.get_by_role("heading", name="campaigns").first).to_be_visible()
    expect(page.get_by_text("/api/v1/call-tasks/").first).to_be_visible()
