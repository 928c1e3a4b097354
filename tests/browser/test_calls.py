"""An agent's hour at the screen, by keyboard; and the pages of the queue on a wide and on a narrow screen."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from campaigns.calls import queue, roles
from campaigns.models import CallTask
from customers import consent
from customers.models import Customer
from tests.browser.test_admin import WIDTHS, fits, log_in
from tests.config import world

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
QUEUE = "/admin/campaigns/calltask/queue/"


def fill() -> list[CallTask]:
    """Make some calls whose customers each have a number of their own, and may be called."""
    world.fill(12)
    tasks = list(CallTask.objects.select_related("customer").order_by("pk"))
    for number, task in enumerate(tasks):
        world.allow_calls(task.customer)
        Customer.objects.filter(pk=task.customer_id).update(phone=f"+49301234{number:03}")
    return tasks


def agent(name: str) -> User:
    user = User.objects.create_user(name)
    roles.enrol(user)
    return user


def press(page: Page, key: str, outcome: str) -> None:
    """Choose an outcome by its key."""
    page.keyboard.press(key)
    expect(page.get_by_role("radio", name=outcome)).to_be_checked()


def test_an_agent_works_for_an_hour_without_a_mouse(page: Page, live_server: LiveServer) -> None:
    assert len(fill()) > 4
    log_in(page, live_server, agent("ann"))
    page.goto(f"{live_server.url}{QUEUE}")
    page.keyboard.press("n")
    expect(page.get_by_text("is yours")).to_be_visible()
    expect(page.get_by_role("link", name="+4930")).to_be_visible()

    press(page, "3", "Call back")
    page.get_by_label("Call back at").focus()
    page.keyboard.type("tomorrow 15:00")
    page.keyboard.press("Tab")
    page.keyboard.type("Has guests.")
    page.keyboard.press("Control+Enter")  # writes it down and takes the next
    expect(page.get_by_text("Written down: Call back.")).to_be_visible()
    expect(page.get_by_text("15:00 by the customer’s clock")).to_be_visible()

    press(page, "4", "Refused")
    page.keyboard.press("Control+Enter")
    expect(page.get_by_text("Written down: Refused.")).to_be_visible()

    press(page, "5", "Do not call again")
    page.keyboard.press("Control+Enter")
    expect(page.get_by_text("Written down: Do not call again.")).to_be_visible()

    assert CallTask.objects.filter(outcome="refused", state="done").count() == 1
    never = CallTask.objects.get(outcome="do_not_call")
    assert consent.is_suppressed("phone", str(never.customer.phone))
    again = CallTask.objects.get(tries=1, state="open")
    assert again.note == "Has guests."

    left = CallTask.objects.get(state="claimed")
    queue.abandoned(timezone.now() + 2 * queue.LEASE)  # she goes home; somebody else takes it over
    log_in(page, live_server, agent("bob"))
    page.goto(f"{live_server.url}{QUEUE}")
    page.keyboard.press("n")
    expect(page.get_by_text("is yours")).to_be_visible()
    left.refresh_from_db()
    assert left.agent == User.objects.get(username="bob")


def test_a_page_that_stays_open_keeps_its_call_and_says_when_it_is_lost(page: Page, live_server: LiveServer) -> None:
    task = fill()[0]
    ann = agent("ann")
    queue.claim(task, ann, timezone.now())
    soon = timezone.now() + timedelta(minutes=1)
    CallTask.objects.filter(pk=task.pk).update(lease_until=soon)
    page.clock.install()
    log_in(page, live_server, ann)
    page.goto(f"{live_server.url}{QUEUE}")
    with page.expect_response("**/keep/") as kept:
        page.clock.run_for(61_000)
    assert kept.value.status == 204
    task.refresh_from_db()
    assert task.lease_until is not None
    assert task.lease_until > soon


@pytest.mark.parametrize("width", WIDTHS)
def test_the_pages_of_the_queue_fit_the_screen(page: Page, live_server: LiveServer, width: int) -> None:
    task = fill()[0]
    boss = User.objects.create_superuser("boss")
    queue.claim(task, boss, timezone.now())
    page.set_viewport_size({"width": width, "height": 900})
    log_in(page, live_server, boss)
    for address in (QUEUE, "/admin/campaigns/calltask/load/", "/admin/campaigns/calltask/do-not-call/"):
        page.goto(f"{live_server.url}{address}")
        assert fits(page), address
