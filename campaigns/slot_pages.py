"""The pages of slots: what a campaign by schedule or by hand did each time it acted on its audience."""

from typing import Any

from django.contrib import admin
from django.db.models import Count
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.safestring import SafeString

from campaigns import slots
from campaigns.campaign_page import STATE_TAGS, state_tag
from campaigns.models import Campaign, Decision, Slot
from customers import charts
from customers.admin import ReadOnlyAdmin
from customers.panels import LAST, Cell, Panel, link, moment, number, tag

STATES = {"waiting": "", "under way": "wait", "done": "good"}


def state_of(slot: Slot) -> str:
    """Say how far a slot is."""
    if slot.done_at:
        return "done"
    return "under way" if slot.began_at else "waiting"


def state_shown(slot: Slot) -> Cell:
    """Give how far a slot is, in its colour."""
    return tag(state_of(slot), STATES[state_of(slot)])


def by_whom(slot: Slot) -> str:
    """Say who let the campaign act."""
    if slot.author_id:
        return str(slot.author)
    return "its schedule" if slot.campaign.trigger.get("kind") == "schedule" else "REST, or somebody who has left"


def told(slot: Slot) -> Panel:
    """Give when it was, by whom, and whether it is done."""
    facts: list[tuple[str, Cell]] = [
        ("Campaign", link(slot.campaign)),
        ("When", moment(slot.at)),
        ("By", by_whom(slot)),
        ("It is", state_shown(slot)),
        ("Began", moment(slot.began_at)),
        ("Done", moment(slot.done_at)),
    ]
    said = {
        "waiting": "It waits until the campaign is live and its audience can be found out.",
        "under way": "Its customers are being decided about, bucket by bucket.",
        "done": "",
    }
    return Panel("This run", said[state_of(slot)], facts=facts)


def outcomes(slot: Slot) -> Panel:
    """Give how many were considered, by outcome."""
    found = slots.decided(slot).values_list("outcome").annotate(n=Count("pk")).order_by("-n")
    counted = [(value, Decision.Outcome(value).label, n) for value, n in found]
    rows = [(state_tag(value, label), number(n), _decisions(slot, value)) for value, label, n in counted]
    considered = sum(n for _, _, n in counted)
    return Panel(
        "What it decided",
        f"{number(considered)} customers were considered." if counted else "",
        head=("Outcome", "Customers", "With the reasons"),
        rows=rows,
        drawing=charts.stack([charts.Part(label, n, STATE_TAGS.get(value, "")) for value, label, n in counted])
        if counted
        else None,
        empty="Nobody was considered." if slot.done_at else "Nobody has been considered yet.",
    )


def _decisions(slot: Slot, outcome: str) -> SafeString:
    asked = urlencode({"slot": str(slot.pk), "outcome__exact": outcome})
    return format_html(
        '<a class="cusp-link" href="{}?{}">See them</a>', reverse("admin:campaigns_decision_changelist"), asked
    )


def last(campaign: Campaign) -> list[Panel]:
    """Give the last times that a campaign acted on its audience; of one that waits for edges there are none."""
    found = list(campaign.slots.select_related("author", "campaign").order_by("-at")[:LAST])
    if not found and campaign.trigger.get("kind") not in ("schedule", "hand"):
        return []
    rows = [(link(one, moment(one.at)), by_whom(one), state_shown(one), moment(one.done_at)) for one in found]
    head = ("When", "By", "It is", "Done")
    return [Panel("Its runs", head=head, rows=rows, empty="It has not acted on its audience yet.")]


class SlotAdmin(ReadOnlyAdmin):
    """Each time a campaign acted on its whole audience."""

    list_display = ("at", "campaign", "by_shown", "state_shown", "done_at")
    next_step = "A campaign by schedule or by hand acts on its whole audience; each time has its page here."
    list_filter = ("campaign",)
    list_select_related = ("campaign", "author")
    search_fields = ("campaign__name",)
    ordering = ("-at",)
    fields = (("campaign", "at"),)

    @admin.display(description="By")
    def by_shown(self, item: Slot) -> str:
        """Give who let it act."""
        return by_whom(item)

    @admin.display(description="It is")
    def state_shown(self, item: Slot) -> Cell:
        """Give how far it is."""
        return state_shown(item)

    def lead(self, request: HttpRequest, item: Slot) -> list[Panel]:
        """Give what it was."""
        return [told(item)]

    def panels(self, request: HttpRequest, item: Any) -> list[Panel]:
        """Give what it decided."""
        return [outcomes(item)]
