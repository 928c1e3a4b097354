"""The page of one campaign: its plan in words, what it sends, what it decided, and what that earned."""

from dataclasses import replace

from django.db.models import Count
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from campaigns import action_words, measure, render, report_effects, step_preview, steps, withheld
from campaigns.models import Campaign, Decision, Delivery, Offer
from customers import charts
from customers.panels import Cell, Panel, lines, number, tag

STATE_TAGS = {
    **dict.fromkeys(("live", "sent", "done", "deliver"), "good"),
    **dict.fromkeys(("failed", "uncertain", "suppressed"), "bad"),
    **dict.fromkeys(("paused", "running", "control"), "wait"),
}


def state_tag(value: str, label: str) -> SafeString:
    """Give a state in its colour."""
    return tag(label, STATE_TAGS.get(value, ""))


def is_mail(campaign: Campaign) -> bool:
    """Say whether a campaign writes mails."""
    return bool(campaign.steps) and campaign.steps[0].get("action") in action_words.MAILS


def action(campaign: Campaign) -> str:
    """Give what is done in a few words."""
    return action_words.does(campaign.steps[0] if campaign.steps else {})


def step(campaign: Campaign) -> Panel:
    """Give what happens to an invented customer: the message that she gets, the talking points, or what changes."""
    try:
        first = steps.parse(campaign.steps)[0]
        drawing = step_preview.draw(first)
    except (render.TemplateRefused, steps.StepError) as error:
        return Panel("What the customer gets", warning=f"The text cannot be shown: {error}")
    return Panel(step_preview.title(first), "As for Ada Example, whom we invented.", drawing=drawing)


def worth(offer: Offer) -> str:
    """Give what an offer is worth, with its unit."""
    return f"{offer.value:g} %" if offer.is_percent else f"{offer.value:g}"


def decisions(campaign: Campaign) -> Panel:
    """Give decisions by outcome as a bar and a table, and deliveries by state."""
    found = campaign.decisions.values("outcome").annotate(n=Count("pk")).order_by("-n")
    counted = [(row["outcome"], Decision.Outcome(row["outcome"]).label, row["n"]) for row in found]
    rows = [(state_tag(value, label), number(n), _outcome_link(campaign, value)) for value, label, n in counted]
    sent = Delivery.objects.filter(decision__campaign=campaign).values("state").annotate(n=Count("pk"))
    facts: list[tuple[str, Cell]] = [
        (f"Deliveries {Delivery.State(row['state']).label.lower()}", number(row["n"])) for row in sent.order_by("state")
    ]
    parts = [charts.Part(label, n, STATE_TAGS.get(value, "")) for value, label, n in counted]
    return Panel(
        "What it decided",
        "Everybody who was considered, by outcome." if rows else "",
        facts=facts,
        head=("Outcome", "Decisions", "With the reasons"),
        rows=rows,
        drawing=charts.stack(parts) if parts else None,
        empty="No decision yet. A live campaign decides in every cycle.",
    )


def _outcome_link(campaign: Campaign, outcome: str) -> Cell:
    url = reverse("admin:campaigns_decision_changelist")
    text = '<a class="cusp-link" href="{}?campaign__id__exact={}&amp;outcome__exact={}">See them</a>'
    return format_html(text, url, campaign.pk, outcome)


def effect(campaign: Campaign) -> Panel:
    """Give what the campaign changed, against those left alone, with intervals; the report has the rest."""
    report = withheld.of_report(measure.measure(campaign, timezone.now()))
    text = '<a class="cusp-link" href="{}">The whole report</a>'
    way = format_html(text, reverse("admin:campaigns_campaign_report", args=[campaign.pk]))
    note = lines([*report.words, f"The goal is {report.goal}; everyone counts, sent or not.", way])
    compared = (report.against_control, report.against_holdout)
    told = report_effects.effects(compared, report.split, "What it earned")
    return replace(told, note=note, drawing=None, empty="")
