"""The books of a campaign as a block of its page: sums with both sides, and what is open, with links to the rows."""

from datetime import datetime

from django.urls import reverse
from django.utils.html import format_html
from django.utils.http import urlencode

from campaigns.models import Campaign
from campaigns.reconcile import DECISIONS, Open, reconcile
from customers.panels import Cell, Panel, number, tag


def panel(campaign: Campaign, now: datetime) -> Panel:
    """Give the books of a campaign."""
    books = reconcile(campaign, now)
    facts: list[tuple[str, Cell]] = [
        ("All accounted for", tag("done", "good") if books.is_done else tag("not done", "wait")),
        *((one.words.capitalize(), _both(one.left, one.right)) for one in books.balances),
    ]
    rows = [(number(one.number), one.words, _rows(one, campaign)) for one in books.open]
    head = ("Open", "What", "Rows")
    empty = "Nothing is open: every decision and every delivery has come to its end."
    wrong = [one.words for one in books.balances if not one.is_equal]
    warning = f"These must be equal and are not: {'; '.join(wrong)}." if wrong else ""
    return Panel("Is everything accounted for?", facts=facts, head=head, rows=rows, empty=empty, warning=warning)


def _both(left: int, right: int) -> str:
    return f"{number(left)} = {number(right)}" if left == right else f"{number(left)} ≠ {number(right)}"


def _rows(one: Open, campaign: Campaign) -> Cell:
    """Give the link to the list that shows these rows."""
    if not one.list:
        return "–"
    if one.list == DECISIONS:
        url, of = reverse("admin:campaigns_decision_changelist"), {"campaign__id__exact": str(campaign.pk)}
    else:
        url, of = reverse("admin:campaigns_delivery_changelist"), {"campaign": str(campaign.pk)}
    asked = {**of, **{f"{name}__exact": value for name, value in one.filter}}
    return format_html('<a class="cusp-link" href="{}?{}">See them</a>', url, urlencode(asked))
