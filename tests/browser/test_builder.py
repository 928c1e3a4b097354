"""A marketer builds rules, by pointer and by keyboard, three levels deep; sees the count; saves; comes back."""

import json
import re

import pytest
from playwright.sync_api import Locator, Page, expect
from pytest_django.live_server_helper import LiveServer

from customers.models import Customer
from segments.models import Segment
from tests.browser.test_admin import WIDTHS, enter, fits
from tests.config import world

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
ORDERS = r"Order Completed \d+ times"
SCORE = "No order within 60 days: score"
ADD = "/admin/segments/segment/add/"


class Clicks:
    """Counts every press of the pointer on a page."""

    def __init__(self, page: Page) -> None:
        self.page = page
        page.add_init_script(
            "window.addEventListener('click', e => {"
            " if (e.detail) sessionStorage.clicks = 1 + Number(sessionStorage.clicks || 0) }, true)"
        )

    def count(self) -> int:
        return int(self.page.evaluate("Number(sessionStorage.clicks || 0)"))


def counted(page: Page, live_server: LiveServer, address: str = ADD) -> None:
    """Open a page with a snapshot to count on."""
    enter(page, live_server, "/admin/")
    world.take_snapshot()
    page.goto(f"{live_server.url}{address}")


def condition(page: Page, number: str) -> Locator:
    return page.get_by_role("listitem", name=f"Condition {number}", exact=True)


def pick(row: Locator, what: str, typed: str = "") -> None:
    """Choose what a condition asks, from what is offered for some letters."""
    row.get_by_role("combobox", name="What").fill(typed or what)
    row.get_by_role("listbox", name="What").get_by_role("option", name=re.compile(f"^{what}")).first.click()


def written(page: Page) -> object:
    """Give the rule that the form would post."""
    return json.loads(page.locator("[name=rule_json]").input_value())["rule"]


def saved(page: Page) -> None:
    page.get_by_role("button", name="Save", exact=True).click()
    page.get_by_role("button", name="Save segment").click()
    expect(page.get_by_role("link", name="Edit the rule")).to_be_visible()


def test_a_first_segment_takes_five_choices_and_one_typed_field(page: Page, live_server: LiveServer) -> None:
    clicks = Clicks(page)
    counted(page, live_server, "/admin/segments/segment/")
    before = clicks.count()
    page.locator("a[href$='/segment/add/']").first.click()
    page.get_by_label("Name").fill("German speakers")
    row = condition(page, "1")
    row.get_by_role("option", name="country").click()
    row.get_by_role("listbox", name="Values").get_by_role("option", name="AT").click()
    expect(page.get_by_text("Country is AT.", exact=True)).to_be_visible()
    expect(page.locator("[data-slot=count]")).to_have_text("3")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("3 customers would enter")).to_be_visible()
    page.get_by_role("button", name="Save segment").click()
    expect(page.get_by_role("link", name="Edit the rule")).to_be_visible()
    assert clicks.count() - before == 5
    assert Segment.objects.get(key="german-speakers").rule["rule"] == {
        "all": [{"field": "country", "op": "any_of", "value": ["AT"]}]
    }


@pytest.mark.parametrize("width", WIDTHS)
def test_three_levels_with_a_negated_group_and_a_sequence_reopen_identical(
    page: Page, live_server: LiveServer, width: int
) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    counted(page, live_server)
    page.get_by_label("Name").fill("Deep")
    pick(condition(page, "1"), ORDERS, "order completed")
    condition(page, "1").get_by_role("textbox", name="Number").fill("2")
    page.get_by_role("button", name="Add a group", exact=True).click()
    pick(condition(page, "2.1"), "country")
    condition(page, "2.1").get_by_role("combobox", name="Values").press_sequentially("DE,ch,")
    page.get_by_role("button", name="Add a group to group 2", exact=True).click()
    pick(condition(page, "2.2.1"), "Regulars in DE and AT")
    page.get_by_role("button", name="Add a condition to group 2.2", exact=True).click()
    pick(condition(page, "2.2.2"), SCORE, "no order score")
    condition(page, "2.2.2").get_by_role("textbox", name="Value").fill("0.7")
    page.get_by_role("button", name="Add a condition to group 2.2", exact=True).click()
    pick(condition(page, "2.2.3"), "Events in this order")
    second = condition(page, "2.2.3").get_by_role("listitem", name="Step 2")
    second.get_by_role("combobox", name="Event 2").fill("email")
    second.get_by_role("option", name="Email Sent").click()
    second.get_by_label("not", exact=True).check()
    condition(page, "2.2.3").get_by_role("button", name="Then …").click()
    page.get_by_role("button", name="Negate Group 2.2", exact=True).click()
    expect(page.locator("[data-slot=sentence]")).to_contain_text("not (")
    expect(page.locator("[data-slot=count]")).not_to_have_text("–")
    assert fits(page)
    rule = written(page)
    assert rule == {
        "all": [
            {"event": "Order Completed", "count": {">=": 2}, "within": {"last": 30, "unit": "days"}},
            {
                "any": [
                    {"field": "country", "op": "any_of", "value": ["DE", "ch"]},
                    {
                        "not": {
                            "all": [
                                {"segment": "regulars", "op": "in"},
                                {"field": "scores.lapse", "op": ">=", "value": 0.7},
                                {
                                    "sequence": [
                                        {"event": "Call Made"},
                                        {"event": "Email Sent", "not": True},
                                        {"event": "Email Sent"},
                                    ],
                                    "within": {"last": 30, "unit": "days"},
                                },
                            ]
                        }
                    },
                ]
            },
        ]
    }
    saved(page)
    page.get_by_role("link", name="Edit the rule").click()
    expect(condition(page, "2.2.2").get_by_role("textbox", name="Value")).to_have_value("0.7")
    assert written(page) == rule == Segment.objects.get(key="deep").rule["rule"]


def test_everything_goes_by_keyboard(page: Page, live_server: LiveServer) -> None:
    clicks = Clicks(page)
    counted(page, live_server)
    keyboard = page.keyboard
    page.get_by_label("Name").focus()
    keyboard.type("By keys")
    condition(page, "1").get_by_role("combobox", name="What").focus()
    keyboard.type("coun")
    keyboard.press("Enter")
    expect(condition(page, "1").get_by_role("combobox", name="Values")).to_be_focused()
    keyboard.type("DE,")
    page.get_by_role("button", name="Add a condition", exact=True).focus()
    keyboard.press("Enter")
    expect(condition(page, "2").get_by_role("combobox", name="What")).to_be_focused()
    keyboard.type("city")
    keyboard.press("Enter")
    keyboard.type("Vienna,")
    keyboard.press("Alt+ArrowUp")
    country, city = (
        {"field": name, "op": "any_of", "value": [one]} for name, one in (("country", "DE"), ("city", "Vienna"))
    )
    assert written(page) == {"all": [city, country]}
    expect(condition(page, "1").get_by_role("combobox", name="Values")).to_be_focused()
    keyboard.press("Alt+ArrowRight")
    assert written(page) == {"all": [{"any": [city]}, country]}
    keyboard.press("Alt+ArrowLeft")
    keyboard.press("Control+z")
    keyboard.press("Control+z")
    assert written(page) == {"all": [city, country]}
    keyboard.press("Control+z")
    assert written(page) == {"all": [country, city]}
    keyboard.press("Control+Shift+z")
    assert written(page) == {"all": [city, country]}
    page.get_by_role("button", name="Save", exact=True).focus()
    keyboard.press("Enter")
    expect(page.get_by_role("button", name="Save segment")).to_be_focused()
    keyboard.press("Enter")
    expect(page.get_by_role("link", name="Edit the rule")).to_be_visible()
    assert clicks.count() == 0
    assert Segment.objects.get(key="by-keys").rule["rule"] == {"all": [city, country]}


def test_the_json_and_the_tree_are_the_same_rule(page: Page, live_server: LiveServer) -> None:
    counted(page, live_server)
    rule = {
        "at_least": 2,
        "of": [{"ids": ["c-0001", "c-0002"]}, {"sample": 50, "salt": "x"}, {"not": {"ids": ["c-0003"]}}],
    }
    page.get_by_role("tab", name="JSON").click()
    page.get_by_label("The rule as JSON").fill(json.dumps(rule))
    page.get_by_role("tab", name="Builder").click()
    expect(page.get_by_role("textbox", name="The rule asks for at least")).to_have_value("2")
    expect(condition(page, "1").get_by_role("textbox")).to_have_value(re.compile("c-0001"))
    expect(page.get_by_role("button", name="Negate Condition 3")).to_have_attribute("aria-pressed", "true")
    assert written(page) == rule
    condition(page, "2").get_by_role("textbox", name="Share").fill("25")
    page.get_by_role("tab", name="JSON").click()
    expect(page.get_by_label("The rule as JSON")).to_have_value(re.compile('"sample": 25'))


def test_a_rule_of_ten_thousand_conditions_is_answered_at_once_and_not_drawn(
    page: Page, live_server: LiveServer
) -> None:
    counted(page, live_server)
    page.get_by_role("tab", name="JSON").click()
    huge = {"all": [{"sample": 10, "salt": "x"}] * 10_000}
    page.get_by_label("The rule as JSON").fill(json.dumps(huge), timeout=5_000)
    expect(page.get_by_text("It has 10,000 conditions and groups; a rule has at most 200.")).to_be_visible()
    page.get_by_role("tab", name="Builder").click()
    expect(page.get_by_role("listitem", name=re.compile("^Condition"))).to_have_count(1)


def test_a_fault_is_told_at_its_row_and_keeps_the_rule_from_being_saved(page: Page, live_server: LiveServer) -> None:
    counted(page, live_server)
    page.get_by_label("Name").fill("Faulty")
    pick(condition(page, "1"), "country")
    condition(page, "1").get_by_role("combobox", name="Values").press_sequentially("DE,")
    page.get_by_role("button", name="Add a condition", exact=True).click()
    pick(condition(page, "2"), SCORE, "no order score")
    value = condition(page, "2").get_by_role("textbox", name="Value")
    value.fill("much")
    expect(condition(page, "2").get_by_text('Expects a number, got "much".')).to_be_visible()
    expect(condition(page, "1").locator(".cb-fault")).to_have_count(0)
    page.get_by_role("button", name="Save", exact=True).click()
    expect(value).to_be_focused()
    assert not Segment.objects.filter(key="faulty").exists()
    value.fill("0.5")
    expect(condition(page, "2").locator(".cb-fault")).to_have_count(0)


def test_a_fault_in_a_collapsed_group_is_told_there_and_saving_opens_it(page: Page, live_server: LiveServer) -> None:
    counted(page, live_server)
    page.get_by_label("Name").fill("Folded")
    pick(condition(page, "1"), "country")
    condition(page, "1").get_by_role("combobox", name="Values").press_sequentially("DE,")
    page.get_by_role("button", name="Add a group", exact=True).click()
    pick(condition(page, "2.1"), SCORE, "no order score")
    condition(page, "2.1").get_by_role("textbox", name="Value").fill("much")
    page.get_by_role("button", name="Collapse Group 2", exact=True).click()
    expect(page.get_by_text('Expects a number, got "much".')).to_be_visible()
    page.get_by_role("button", name="Save", exact=True).click()
    expect(condition(page, "2.1").get_by_role("textbox", name="Value")).to_be_focused()
    expect(condition(page, "2.1").get_by_text('Expects a number, got "much".')).to_be_visible()


def test_a_random_share_fits_a_narrow_screen_three_groups_deep(page: Page, live_server: LiveServer) -> None:
    page.set_viewport_size({"width": min(WIDTHS), "height": 900})
    counted(page, live_server)
    page.get_by_role("tab", name="JSON").click()
    rule = {"all": [{"any": [{"all": [{"sample": 10, "salt": "spring"}]}]}]}
    page.get_by_label("The rule as JSON").fill(json.dumps(rule))
    page.get_by_role("tab", name="Builder").click()
    expect(condition(page, "1.1.1").get_by_role("textbox", name="Word of the draw")).to_be_visible()
    assert fits(page)


def test_an_answer_that_is_late_is_never_shown(page: Page, live_server: LiveServer) -> None:
    counted(page, live_server)
    pick(condition(page, "1"), "country")
    values = condition(page, "1").get_by_role("combobox", name="Values")
    held = []
    page.route(
        "**/preview/",
        lambda route: held.append(route) if '"AT"' not in route.request.post_data_json["rule"] else route.continue_(),
    )
    values.press_sequentially("DE,")
    page.wait_for_function("document.querySelector('[data-builder]').getAttribute('aria-busy') === 'true'")
    values.press_sequentially("AT,")
    expect(page.get_by_text("Country is DE or AT.", exact=True)).to_be_visible()
    for route in held:
        route.fulfill(
            json={
                "sentence": "too late",
                "customers": 1,
                "count": 1,
                "share": 1,
                "reachable": {},
                "columns": [],
                "sample": [],
            }
        )
    expect(page.get_by_text("Country is DE or AT.", exact=True)).to_be_visible()
    expect(page.get_by_text("Too late")).to_have_count(0)


def test_who_saved_meanwhile_is_shown_and_neither_rule_is_lost(page: Page, live_server: LiveServer) -> None:
    enter(page, live_server, "/admin/")
    segment = Segment.objects.get(key="regulars")
    page.goto(f"{live_server.url}/admin/segments/segment/{segment.pk}/edit/")
    condition(page, "2").get_by_role("textbox", name="Number").fill("7")
    theirs = {"field": "country", "op": "is", "value": "CH"}
    Segment.objects.update(rule={"version": 1, "rule": theirs}, edition=2, changed_by="Ada")
    page.get_by_role("button", name="Save", exact=True).click()
    page.get_by_role("button", name="Compare").click()
    expect(page.get_by_text("Theirs: Country is CH.")).to_be_visible()
    expect(condition(page, "2").get_by_role("textbox", name="Number")).to_have_value("7")
    page.get_by_role("button", name="Put theirs into the builder").click()
    assert written(page) == theirs
    page.get_by_role("button", name="Undo").click()
    expect(condition(page, "2").get_by_role("textbox", name="Number")).to_have_value("7")
    page.get_by_label("Save what stands below in place of theirs").check()
    saved(page)
    segment.refresh_from_db()
    assert segment.rule["rule"]["all"][1]["count"] == {">=": 7}


def test_a_segment_is_edited_explained_and_exported(page: Page, live_server: LiveServer) -> None:
    counted(page, live_server)
    segment = Segment.objects.get(key="regulars")
    page.goto(f"{live_server.url}/admin/segments/segment/{segment.pk}/change/")
    page.get_by_role("link", name="Edit the rule").click()
    page.get_by_role("button", name="Remove Condition 2").click()
    expect(page.get_by_text("Country is DE or AT.", exact=True)).to_be_visible()
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("3 customers would enter")).to_be_visible()
    expect(page.get_by_text("1 customer would leave")).to_be_visible()
    page.get_by_role("button", name="Save segment").click()
    search = page.get_by_role("search", name="Explain a customer")
    search.get_by_role("searchbox").fill("c-0002")
    search.get_by_role("button", name="Explain").click()
    expect(page.get_by_text("country is DE or AT here: CH")).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("button", name="Export as CSV").click()
    assert download.value.suggested_filename == "regulars.csv"
    assert fits(page)


def test_a_ready_rule_takes_three_clicks_and_no_typing(page: Page, live_server: LiveServer) -> None:
    clicks = Clicks(page)
    counted(page, live_server)
    page.get_by_role("button", name="Lapsed").first.click()
    expect(page.get_by_label("Name")).not_to_have_value("")
    expect(page.get_by_role("group", name="Ready rules")).to_be_hidden()
    saved(page)
    assert clicks.count() == 3
    assert Segment.objects.filter(name__contains="apsed").exists()


def test_a_hostile_value_is_shown_as_text(page: Page, live_server: LiveServer) -> None:
    enter(page, live_server, "/admin/")
    hostile = '"><img src=x onerror=alert(1)>'
    Customer.objects.filter(external_id="c-0000").update(country=hostile, external_id=hostile)
    world.take_snapshot()
    page.on("dialog", lambda dialog: pytest.fail(dialog.message))
    page.goto(f"{live_server.url}{ADD}")
    pick(condition(page, "1"), "country")
    condition(page, "1").get_by_role("listbox", name="Values").get_by_role("option", name="<img").click()
    expect(page.get_by_role("cell", name="<img").first).to_be_visible()
    assert page.locator("img[src=x]").count() == 0


def test_what_is_bought_is_offered_to_pick(page: Page, live_server: LiveServer) -> None:
    counted(page, live_server)
    row = condition(page, "1")
    pick(row, ORDERS, "order completed")
    row.get_by_role("button", name="Only those where").click()
    row.get_by_role("combobox", name="Property").select_option(label="category")
    row.get_by_role("combobox", name="Comparison").select_option(label="contains")
    row.get_by_role("combobox", name="Value").press("ArrowDown")
    row.get_by_role("listbox", name="Value").get_by_role("option", name="Books").click()
    expect(page.locator("[data-slot=sentence]")).to_contain_text("Books")
    assert '"Books"' in json.dumps(written(page))
