"""The blocks of a campaign's report, and its figures for a file: both tell what the report says, and nothing more."""

from collections.abc import Iterator

from django.urls import reverse
from django.utils.html import format_html
from django.utils.http import urlencode

from campaigns.campaign_page import ARMS, STATE_TAGS, state_tag
from campaigns.models import Campaign, Decision
from campaigns.report import Arm, Comparison, Effect, Report
from campaigns.report_file import Figure
from campaigns.stats import wilson
from customers import charts
from customers.charts import Part, Span
from customers.panels import Cell, Panel, lines, number, share


def panels(campaign: Campaign, report: Report) -> list[Panel]:
    """Give the blocks of the page."""
    return [said(campaign, report), arms(report), not_sent(campaign, report)]


def said(campaign: Campaign, report: Report) -> Panel:
    """Give what may be said, and by what it is measured."""
    goal = f"The goal is {campaign.goal_event} within {campaign.goal_days} days after the decision; everyone counts."
    return Panel("What it earned", lines([*report.words, goal]))


def arms(report: Report) -> Panel:
    """Give what each arm did."""
    rows = [
        (
            ARMS[arm.name],
            number(arm.customers),
            number(arm.conversions.successes),
            share(arm.conversions.value, 2),
            number(arm.value.value, 2),
        )
        for arm in _arms(report)
    ]
    spans = []
    for arm in _arms(report):
        if arm.customers:
            range_ = wilson(arm.conversions)
            words = f"{range_.value:.1%} ({range_.low:.1%} to {range_.high:.1%})"
            spans.append(Span(ARMS[arm.name], range_.value, range_.low, range_.high, words))
    label = "share that converted in each arm, with its 95 % interval"
    head = ("Arm", "Customers", "Converted", "Share", "Value each")
    return Panel("The arms", head=head, rows=rows, drawing=charts.intervals(spans, label) if spans else None)


def not_sent(campaign: Campaign, report: Report) -> Panel:
    """Give what became of everybody who was considered, with the way to the rows."""
    found = sorted(report.outcomes.items(), key=lambda one: (-one[1], one[0]))
    counted = [(value, str(Decision.Outcome(value).label), many) for value, many in found]
    rows = [(state_tag(value, label), number(many), decisions_link(campaign, value)) for value, label, many in counted]
    parts = [Part(label, many, STATE_TAGS.get(value, "")) for value, label, many in counted]
    return Panel(
        "What became of everybody",
        head=("Outcome", "Decisions", "With the reasons"),
        rows=rows,
        drawing=charts.stack(parts) if parts else None,
        empty="No decision yet. A live campaign decides in every cycle.",
    )


def decisions_link(campaign: Campaign, outcome: str) -> Cell:
    """Give the way to the decisions of one outcome."""
    asked = urlencode({"campaign__id__exact": str(campaign.pk), "outcome__exact": outcome})
    url = reverse("admin:campaigns_decision_changelist")
    return format_html('<a class="cusp-link" href="{}?{}">See them</a>', url, asked)


def figures(report: Report) -> list[Figure]:
    """Give every figure of a report."""
    return [
        *(Figure("words", report.campaign, "said", words=one) for one in report.words),
        *(one for arm in _arms(report) for one in _of_arm(arm)),
        *_of_comparison(report.against_control),
        *_of_comparison(report.against_holdout),
        *(Figure("outcomes", name, "decisions", many) for name, many in sorted(report.outcomes.items())),
        *(Figure("deliveries", name, "deliveries", many) for name, many in sorted(report.deliveries.items())),
    ]


def _arms(report: Report) -> tuple[Arm, ...]:
    return report.treated, report.control, report.holdout


def _of_arm(arm: Arm) -> Iterator[Figure]:
    yield Figure("arms", arm.name, "customers", arm.customers)
    yield Figure("arms", arm.name, "converted", arm.conversions.successes)
    yield Figure("arms", arm.name, "conversion", arm.conversions.value)
    yield Figure("arms", arm.name, "value", arm.value.total)
    yield Figure("arms", arm.name, "value_each", arm.value.value)


def _of_comparison(one: Comparison) -> Iterator[Figure]:
    of = f"treated minus {one.against}"
    yield _of_difference(of, "conversion", one.conversion)
    yield _of_difference(of, "value_each", one.value)
    if one.earned is not None:
        yield Figure("comparisons", of, "earned", one.earned.value, one.earned.low, one.earned.high)


def _of_difference(of: str, name: str, found: Effect) -> Figure:
    if found.interval is None:
        return Figure("comparisons", of, name, words=found.message)
    return Figure("comparisons", of, name, found.interval.value, found.interval.low, found.interval.high)
