"""The blocks of a campaign's report: they tell what the report says, and nothing more."""

from django.urls import reverse
from django.utils.html import format_html
from django.utils.http import urlencode

from campaigns.campaign_page import STATE_TAGS, state_tag
from campaigns.models import Campaign, Decision, Delivery
from campaigns.report import Report
from campaigns.report_effects import arms, basis, effects, over_time, slices
from customers import charts
from customers.charts import Part
from customers.panels import Cell, Panel, lines, number, share, when

SHOWN = 30  # tags: the file has all
NEXT = {
    Campaign.State.DRAFT: "It is a draft. Launch it; its report begins with its first decision.",
    Campaign.State.LIVE: "Nothing has been decided yet. It decides in the next cycle, when somebody is due.",
    Campaign.State.PAUSED: "Nothing has been decided yet, and it is paused. Resume it on its page.",
    Campaign.State.STOPPED: "It was stopped before anything was decided. Duplicate it to begin anew.",
}


def panels(campaign: Campaign, report: Report) -> list[Panel]:
    """Give the blocks of the page; of a campaign that decided nothing, the next step alone."""
    if not report.outcomes:
        return [
            Panel("What it earned", facts=[("State", _state(campaign))], empty=NEXT[Campaign.State(campaign.state)])
        ]
    compared = (report.against_control, report.against_holdout, *report.of_variants)
    found = [
        said(campaign, report),
        effects(compared, report.split),
        over_time(report.over_time, report.split),
        arms((report.treated, *report.variants, report.control, report.holdout), report.split),
        funnel(report),
        not_sent(campaign, report),
        deliveries(report),
        slices(report.weeks, report.split, "By week of the decision", "week", "No week has passed yet."),
    ]
    if report.bands:
        found.append(slices(report.bands, report.split, "By score at the decision", "band", ""))
    return [*found, *([tags(report)] if report.tags else [])]


def said(campaign: Campaign, report: Report) -> Panel:
    """Give what may be said, and by what it is measured."""
    facts: list[tuple[str, Cell]] = [
        ("State", _state(campaign)),
        *basis(report.looks, report.split, report.ripe_share),
        ("Counted as of", when(report.counted_at)),
    ]
    goal = f"The goal is {report.goal}; everyone counts, sent or not."
    return Panel(f"What “{campaign}” earned", lines([*report.words, goal]), facts=facts)


def _state(campaign: Campaign) -> Cell:
    return state_tag(campaign.state, campaign.get_state_display())


def funnel(report: Report) -> Panel:
    """Give how far the treated came, step by step."""
    steps = report.funnel
    reached = next((one.customers for one in steps if one.key == "delivered"), 0)
    rows, is_after = [], False
    for one in steps:
        of_reached = share(one.customers / reached) if is_after and reached else "–"
        rows.append((one.label, number(one.customers), share(one.customers / (steps[0].customers or 1)), of_reached))
        is_after = is_after or one.key == "delivered"
    note = "Of the customers who were to get it. That some bought after a delivery is no effect of it: some always do."
    parts = [Part(one.label, one.customers) for one in steps]
    return Panel(
        "From considered to converted",
        note,
        head=("Step", "Customers", "Of all", "Of those it was delivered to"),
        rows=rows,
        drawing=charts.funnel(parts, "How many customers came to each step") if parts else None,
        empty="Nobody was to get it yet.",
    )


def not_sent(campaign: Campaign, report: Report) -> Panel:
    """Give why others got nothing, by outcome and by reason, with the way to the rows."""
    found = sorted(report.outcomes.items(), key=lambda one: (-one[1], one[0]))
    parts = [Part(_outcome(value), many, STATE_TAGS.get(value, "")) for value, many in found]
    rows: list[tuple[Cell, ...]] = [
        (state_tag(one.outcome, _outcome(one.outcome)), one.reason, number(one.decisions), _link(campaign, one.outcome))
        for one in report.reasons
    ]
    others = sum(report.outcomes.values()) - report.outcomes.get(Decision.Outcome.DELIVER, 0)
    others -= sum(one.decisions for one in report.reasons)
    if others > 0:
        rows.append(("Others", "for reasons that fewer have", number(others), ""))
    return Panel(
        "Why others got nothing",
        head=("Outcome", "Reason", "Decisions", "Who"),
        rows=rows,
        drawing=charts.stack(parts) if parts else None,
        empty="Everybody who was considered got it.",
    )


def _outcome(value: str) -> str:
    return str(Decision.Outcome(value).label)


def _link(campaign: Campaign, outcome: str) -> Cell:
    asked = urlencode({"campaign__id__exact": str(campaign.pk), "outcome__exact": outcome})
    url = reverse("admin:campaigns_decision_changelist")
    return format_html('<a class="cusp-link" href="{}?{}">See them</a>', url, asked)


def deliveries(report: Report) -> Panel:
    """Give what became of what was to be delivered."""
    found = sorted(report.deliveries.items(), key=lambda one: (-one[1], one[0]))
    counted = [(value, str(Delivery.State(value).label), many) for value, many in found]
    return Panel(
        "What became of the deliveries",
        head=("State", "Deliveries"),
        rows=[(state_tag(value, label), number(many)) for value, label, many in counted],
        drawing=charts.stack([Part(label, many, STATE_TAGS.get(value, "")) for value, label, many in counted])
        if counted
        else None,
        empty="Nothing was to be delivered yet.",
    )


def tags(report: Report) -> Panel:
    """Give who clicked which content, and how many of them converted."""
    rows = [
        (one.tag, number(one.clicked), number(one.conversions.successes), share(one.conversions.value))
        for one in report.tags[:SHOWN]
    ]
    note = (
        "Who clicked what, and converted afterwards. Customers chose what they clicked: this is association, no "
        "effect. To learn which content works, make variants of it."
    )
    parts = [Part(one.tag, one.clicked) for one in report.tags[:SHOWN]]
    drawing = charts.columns(parts, "Customers who clicked a link of each content tag")
    head = ("Content tag", "Clicked", "Converted", "Share")
    return Panel("Content that was clicked", note, head=head, rows=rows, drawing=drawing)
