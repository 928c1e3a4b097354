"""What the pages of reports say of a report, and what they keep to themselves."""

from typing import Any

import pytest
from django.template.loader import render_to_string

from campaigns import programme_panels, report_panels
from campaigns.lately import Lately
from campaigns.models import Campaign, Programme
from campaigns.report import Effect, Reason, Report, Split
from campaigns.stats import Interval
from customers.panels import Panel
from tests.campaigns.reports import comparison, report, verdict

LATELY = Lately(7, 2, {0: 900, 1: 80, 3: 20})


def drawn(panels: list[Panel]) -> str:
    return "".join(render_to_string("admin/panel.html", {"panel": one}) for one in panels)


def page(told: Report, **changes: Any) -> str:
    return drawn(report_panels.panels(Campaign(pk=1, key="winback", name="Win back", state="live", **changes), told))


def test_every_chart_has_a_name_and_stands_with_a_table() -> None:
    for panel in report_panels.panels(Campaign(pk=1), report()) + programme_panels.panels(
        verdict(), Programme(), LATELY
    ):
        if panel.drawing:
            assert panel.drawing.count("<svg") == panel.drawing.count('role="img" aria-label="')
            assert panel.rows, panel.title


def test_a_report_tells_its_words_its_goal_and_by_what_it_is_read() -> None:
    shown = page(report())
    for said in (
        "The campaign earned 480 (130 to 830).",
        "The goal is Order Completed within 14 days after the first decision about a customer",
        "1,200 of 4,000 customers planned",
        "as drawn (chance 0.4)",
        "75\u00a0%",
        '+4.12 <span class="cusp-interval">(+2.12 to +6.12)</span>',
        '+480 <span class="cusp-interval">(+130 to +830)</span>',
        "21\u00a0% of the spread known before",
        "Too few customers to compare.",
        "Variant b minus control",
        "Never agreed to newsletter.",
        "hero",
        "this is association, no effect",
    ):
        assert said in shown, said


def test_no_number_of_an_effect_stands_on_a_report_whose_split_is_broken() -> None:
    shown = page(report(split=Split(False, 1e-9, 1.0), words=("The arms are not as large as the draws make them.",)))
    assert shown.count("until that is explained, no effect can be read.") == 4
    assert "cusp-interval" not in shown
    assert "4.12" not in shown
    assert "13.00" not in shown  # the share of the treated that converted
    assert "not as drawn (chance below 0.001)" in shown
    together = drawn(programme_panels.panels(verdict(split=Split(False, 1e-9, 1.0)), Programme(), LATELY))
    assert "cusp-interval" not in together


def test_effects_that_cannot_be_read_say_why_and_draw_nothing() -> None:
    none = Effect(None, "Too few customers to compare: 3 against 1; each side needs 20.")
    told = report(
        against_control=comparison(conversion=none, value=none, margin=none),
        against_holdout=comparison(conversion=none, value=none, margin=none),
        of_variants=(),
        over_time=(),
    )
    effects, over_time = report_panels.panels(Campaign(pk=1, state="live"), told)[1:3]
    assert (effects.drawing, effects.rows) == (None, ())
    assert drawn([effects]).count("each side needs 20") == 1
    assert over_time.drawing is None
    assert "There is no interval yet" in drawn([over_time])


def test_an_interval_with_zero_in_it_names_how_many_more_are_needed() -> None:
    open_ = Effect(Interval(0.01, -0.02, 0.04), needed=2300)
    assert "about 2,300 more customers" in page(report(against_control=comparison(conversion=open_)))


@pytest.mark.parametrize("state", Campaign.State.values)
def test_a_campaign_that_decided_nothing_tells_the_next_step_alone(state: str) -> None:
    told = report_panels.panels(Campaign(pk=1, state=state), report(outcomes={}))
    assert len(told) == 1
    assert told[0].empty == report_panels.NEXT[Campaign.State(state)]


def test_reasons_that_are_not_named_are_counted_together() -> None:
    shown = page(report(outcomes={"deliver": 930, "control": 150, "suppressed": 100_000}))
    assert "for reasons that fewer have</td><td>100,080</td>" in shown


def test_texts_of_customers_are_no_markup() -> None:
    assert "<script>" not in page(report(reasons=(Reason("suppressed", "<script>alert(1)</script>", 1),)))


def test_contacts_are_told_beside_the_cap() -> None:
    told = Lately(7, 2, {0: 5000, 1: 3000, 3: 90, 20: 10})
    panel = programme_panels.contacts(told)
    assert ("The cap", "2 in 7 days") in panel.facts
    assert [row[0] for row in panel.rows] == ["0", "1", "3, over the cap", "20 or more, over the cap"]
    assert "<title>2: 0</title>" in str(panel.drawing)
    assert str(panel.drawing).count("cusp-fill-wait") == 18  # 3 to 19, and 20 or more
    assert "There are no customers yet." in drawn([programme_panels.contacts(Lately(7, 2, {}))])
