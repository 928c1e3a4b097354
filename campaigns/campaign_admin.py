"""The admin of campaigns: the list, the page of one, and what its buttons do."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils import timezone
from unfold.views import ChangeList

from campaigns import campaign_page, launch
from campaigns.campaign_page import state_tag
from campaigns.forms import CampaignForm
from campaigns.models import Campaign
from customers.admin import BaseAdmin, Button
from customers.panels import Cell, Panel


class CampaignList(ChangeList):  # type: ignore[misc]
    """A page of campaigns with their triggers in words; the names are read once."""

    def get_results(self, request: HttpRequest) -> None:
        """Read the page."""
        super().get_results(request)
        known = campaign_page.names()
        for campaign in self.result_list:
            campaign.trigger_words = campaign_page.trigger_words(campaign, known)


class CampaignAdmin(BaseAdmin):
    """Who, when, what, limits, and how it is measured; launched, paused and stopped by buttons."""

    form = CampaignForm
    list_display = ("name", "state_shown", "trigger_shown", "action_shown", "audience", "launched_at")
    next_step = "A campaign says who gets what, and when. A share is left alone, so that its effect can be measured."
    list_select_related = ("audience",)
    list_filter = ("state",)
    search_fields = ("name", "key")
    ordering = ("priority", "name")
    fieldsets = (
        (None, {"fields": (("name", "key"),)}),
        (
            "When: what makes a customer due",
            {
                "fields": (
                    "trigger_kind",
                    ("score", "direction"),
                    ("enter", "leave"),
                    "is_percentile",
                    ("segment", "edge"),
                )
            },
        ),
        ("What", {"fields": ("action", "offer", "subject", "body", "title", "talking_points")}),
        (
            "Who and how often",
            {"fields": (("audience", "topic"), ("control_share", "cooldown_days"), ("priority", "fires_on_import"))},
        ),
        ("How it is measured", {"fields": (("goal_event", "goal_days"),)}),
    )
    conditional_fields = {
        **dict.fromkeys(("score", "direction", "enter", "leave", "is_percentile"), "trigger_kind == 'score'"),
        **dict.fromkeys(("segment", "edge"), "trigger_kind == 'segment'"),
        "offer": "action == 'offer'",
        **dict.fromkeys(("subject", "body"), "action == 'email' || action == 'offer'"),
        **dict.fromkeys(("title", "talking_points"), "action == 'call'"),
    }

    @admin.display(description="State", ordering="state")
    def state_shown(self, campaign: Campaign) -> Cell:
        """Give the state in its colour."""
        return state_tag(campaign.state, campaign.get_state_display())

    @admin.display(description="When")
    def trigger_shown(self, campaign: Any) -> str:
        """Give the trigger in words."""
        return str(campaign.trigger_words)

    @admin.display(description="What")
    def action_shown(self, campaign: Campaign) -> str:
        """Give the action in words."""
        return campaign_page.action_words(campaign)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        """Give the list that reads all names at once."""
        return CampaignList

    def save_model(self, request: HttpRequest, obj: Campaign, form: CampaignForm, change: bool) -> None:
        """Store a draft, or change a plan through the one door of edits."""
        if change:
            if changes := form.changes():
                by: Any = request.user
                launch.edit(obj, by, timezone.now(), **changes)
            return
        obj.created_at = timezone.now()
        super().save_model(request, obj, form, change)

    def get_readonly_fields(self, request: HttpRequest, obj: Campaign | None = None) -> tuple[str, ...]:
        """Keep the key of a stored campaign."""
        return ("key",) if obj else ()

    def has_change_permission(self, request: HttpRequest, obj: Campaign | None = None) -> bool:
        """Refuse for what was stopped for good."""
        return (obj is None or obj.state != Campaign.State.STOPPED) and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Campaign | None = None) -> bool:
        """Let drafts go; what ran stays, with its decisions."""
        return (obj is None or obj.state == Campaign.State.DRAFT) and super().has_delete_permission(request, obj)

    def buttons(self, request: HttpRequest, item: Campaign) -> list[Button]:
        """Offer what its state allows."""
        if not request.user.has_perm("campaigns.change_campaign"):
            return []
        if item.state == Campaign.State.DRAFT:
            return campaign_page.launch_buttons(item)
        stop = Button("stop", "Stop for good", "bad", "Stop this campaign for good? It cannot be launched again.")
        offers = {
            Campaign.State.LIVE: [Button("pause", "Pause"), stop],
            Campaign.State.PAUSED: [Button("resume", "Resume", "main"), stop],
        }
        return offers.get(Campaign.State(item.state), [])

    def do(self, request: HttpRequest, item: Campaign, name: str) -> str:
        """Launch, pause, resume or stop."""
        by, at = request.user, timezone.now()
        if name == "launch-for-all":
            matching = launch.launch(item, by, at, fires_on_start=True)  # type: ignore[arg-type]
            return f"{item.name} is live. {matching:,} customers match already; it acts on them in the next cycle."
        if name in ("launch", "resume"):
            matching = (launch.launch if name == "launch" else launch.resume)(item, by, at)  # type: ignore[arg-type]
            return f"{item.name} is live. {matching:,} customers match already; it acts when others come to match."
        (launch.pause if name == "pause" else launch.stop)(item, by, at)  # type: ignore[arg-type]
        return f"{item.name} is {'paused' if name == 'pause' else 'stopped'}."

    def lead(self, request: HttpRequest, item: Campaign) -> list[Panel]:
        """Give the plan in words, what it earned, what it decided, and what it sends."""
        page = campaign_page
        if item.state == Campaign.State.DRAFT:
            return [page.plan(item), page.step(item)]
        return [page.plan(item), page.effect(item), page.decisions(item), page.step(item)]
