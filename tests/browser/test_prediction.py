"""A marketer foresees who will stop buying: four choices, a training that is watched, a grade."""

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from scoring import training_work
from scoring.models import Target, TrainingRun
from tests.browser.test_admin import WIDTHS, fits, log_in
from tests.scoring.worlds import few_times, light_learners, order_times, store_shop

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
ADD = "/admin/scoring/target/add/"
CUSTOMERS = 700
CHANGED = (
    "document.addEventListener('change', e => {"
    " const names = new Set(JSON.parse(sessionStorage.changed || '[]'));"
    " sessionStorage.changed = JSON.stringify([...names.add(e.target.name)]) }, true)"
)


def shop(page: Page, live_server: LiveServer, customers: int, address: str) -> None:
    """Open a page above a shop of so many customers with their orders."""
    store_shop(customers, order_times(customers))
    log_in(page, live_server, User.objects.create_superuser("marketer"))
    page.goto(f"{live_server.url}{address}")


def counted(page: Page, said: str) -> None:
    """Wait until the newest count is shown and no other is on its way."""
    expect(page.locator("[data-slot]:not([aria-busy])").get_by_text(said)).to_be_visible()


def test_four_choices_make_a_prediction_that_is_trained_and_graded(
    page: Page, live_server: LiveServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    few_times(monkeypatch, 6)
    light_learners(monkeypatch)
    page.add_init_script(CHANGED)
    shop(page, live_server, CUSTOMERS, ADD)
    page.get_by_role("radio", name="Who will stop buying?").check()
    page.get_by_label("Lost after so many days without").fill("45")
    page.get_by_label("What one is worth").fill("40")
    page.get_by_label("What contacting one costs").fill("1")
    counted(page, "There is enough to learn from")
    assert fits(page)
    page.get_by_role("button", name="Make and train").click()
    expect(page.get_by_role("progressbar", name="Training")).to_be_visible()
    assert len(page.evaluate("JSON.parse(sessionStorage.changed)")) == 4
    assert training_work.work() is not None
    assert TrainingRun.objects.get().state == "done", TrainingRun.objects.get().sentence
    page.get_by_role("link", name="v1").click()
    expect(page.get_by_text("of 100", exact=True)).to_be_visible()
    expect(page.get_by_role("img", name="of those who did (up)")).to_be_visible()
    target = Target.objects.get()
    assert (target.event, target.horizon_days, target.value) == ("Order Completed", 45, 40.0)


@pytest.mark.parametrize("width", WIDTHS)
def test_the_form_shows_what_the_question_asks_and_how_much_is_missing(
    page: Page, live_server: LiveServer, width: int
) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    shop(page, live_server, 60, ADD)
    page.get_by_role("radio", name="Who will move to a plan?").check()
    expect(page.locator("[name=lapse-event]")).to_be_hidden()
    page.locator("[name=upgrade-attribute]").select_option("plan")
    page.get_by_role("button", name="month 20").locator("visible=true").click()
    expect(page.locator("[name=upgrade-equals]")).to_have_value("month")
    counted(page, "too few")
    assert fits(page)


def test_everything_on_the_form_goes_by_keyboard(page: Page, live_server: LiveServer) -> None:
    shop(page, live_server, 60, ADD)
    page.get_by_role("radio", name="Who will stop buying?").focus()
    page.keyboard.press("Space")
    page.keyboard.press("Tab")
    expect(page.locator("[name=lapse-event]")).to_be_focused()
    page.get_by_label("Lost after so many days without").focus()
    page.keyboard.press("Control+a")
    page.keyboard.type("45")
    counted(page, "No Order Completed within 45 days")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Train now").or_(page.get_by_role("progressbar"))).to_be_visible()
    assert Target.objects.get().horizon_days == 45
