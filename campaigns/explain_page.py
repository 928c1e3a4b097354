"""The page that answers why a customer did or did not get something: of one campaign, or of all that are live."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.safestring import SafeString

from campaigns import explain
from campaigns.campaign_page import state_tag
from campaigns.models import Campaign
from customers.models import Customer
from customers.panels import Panel, lines, link, moment
from segments.one_customer import NobodyFound, find


def address(customer: Customer, campaign: Campaign | None = None) -> str:
    """Give where it is told about a customer."""
    asked = {"customer": customer.external_id, **({"campaign": campaign.key} if campaign else {})}
    return f"{reverse('admin:campaigns_decision_explain')}?{urlencode(asked)}"


def answer(request: HttpRequest, context: dict[str, Any]) -> HttpResponse:
    """Give the question, and its answer where one was asked."""
    who, key = request.GET.get("customer", ""), request.GET.get("campaign", "")
    told: dict[str, Any] = {"customer": who, "chosen": key, "campaigns": Campaign.objects.order_by("name")}
    if who:
        try:
            told["panels"] = _panels(find(who), key)
        except NobodyFound as error:
            told["problem"] = str(error)
    return TemplateResponse(request, "admin/explain.html", {**context, "title": "Why, or why not", **told})


def _panels(customer: Customer, key: str) -> list[Panel]:
    now = timezone.now()
    campaign = Campaign.objects.select_related("audience").filter(key=key.replace("\x00", "")).first() if key else None
    if campaign is None:
        return [_of_all(customer)]
    chain = explain.explain(customer, campaign, now)
    decided = [
        Panel(f"{moment_words(one.decision.as_of)}: {one.decision.get_outcome_display().lower()}", lines(one.sentences))
        for one in chain.decisions
    ]
    nothing = Panel("Decisions", empty=f"“{campaign}” has decided nothing about {customer}.")
    return [
        Panel(f"Where {customer} stands for “{campaign}”", lines(chain.standing)),
        Panel("What would have to change", lines(chain.to_change) if chain.to_change else "Nothing is in the way."),
        *(decided or [nothing]),
    ]


def _of_all(customer: Customer) -> Panel:
    rows = [
        (
            link(one.campaign),
            state_tag(one.decision.outcome, one.decision.get_outcome_display()) if one.decision else "never considered",
            moment(one.decision.as_of) if one.decision else "–",
            one.sentence,
            _more(customer, one.campaign),
        )
        for one in explain.why_not(customer, timezone.now())
    ]
    head = ("Campaign", "Last decision", "When", "What is in the way now", "The whole chain")
    return Panel(f"{customer} and the live campaigns", head=head, rows=rows, empty="No campaign is live.")


def _more(customer: Customer, campaign: Campaign) -> SafeString:
    return format_html('<a class="cusp-link" href="{}">Why?</a>', address(customer, campaign))


def moment_words(at: Any) -> str:
    """Give a time for a heading."""
    return f"{timezone.localtime(at):%Y-%m-%d %H:%M}"


def leads_here(customer: Customer, _query: dict[str, str]) -> Panel:
    """Give the way from a customer's page to this one."""
    text = '<a class="cusp-button" href="{}">Why, or why not: every live campaign</a>'
    said = "Why this customer did or did not get something, and what would have to change."
    return Panel("Why, or why not", said, drawing=format_html(text, address(customer)))
