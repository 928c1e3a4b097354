"""The admin of campaigns: plans, decisions, deliveries, offers, and what turns the loop."""

from typing import Any

from django.contrib import admin
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from unfold.views import ChangeList

from campaigns import campaign_page, explain, launch, programme
from campaigns.call_pages import CallTaskAdmin
from campaigns.campaign_page import state_tag
from campaigns.cycle_pages import CycleAdmin, ScheduleAdmin
from campaigns.forms import CampaignForm
from campaigns.models import (
    CallTask,
    Campaign,
    Cycle,
    Decision,
    Delivery,
    Offer,
    OfferCode,
    Programme,
    Schedule,
)
from customers.admin import AddressSearchMixin, BaseAdmin, Button, LargeAdmin
from customers.audit import note
from customers.customer_page import CUSTOMER_PANELS
from customers.models import Customer
from customers.panels import LAST, Cell, Panel, column, lines, link, moment, number, share

admin.site.register(CallTask, CallTaskAdmin)
admin.site.register(Cycle, CycleAdmin)
admin.site.register(Schedule, ScheduleAdmin)
CAUSES = {
    "data": "what the customer did",
    "time": "time that passed",
    "import": "an import",
    "merge": "a merge of two customers",
    "rule": "an edited rule",
    "model": "a new model",
    "start": "the launch, which was asked to act on those who matched already",
}


class CampaignList(ChangeList):  # type: ignore[misc]
    """A page of campaigns with their triggers in words; the names are read once."""

    def get_results(self, request: HttpRequest) -> None:
        """Read the page."""
        super().get_results(request)
        known = campaign_page.names()
        for campaign in self.result_list:
            campaign.trigger_words = campaign_page.trigger_words(campaign, known)


@admin.register(Campaign)
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


def three(value: float | None) -> str:
    """Give a score with three digits."""
    return number(value, 3)


@admin.register(Decision)
class DecisionAdmin(AddressSearchMixin, LargeAdmin):
    """Why each considered customer did or did not get something."""

    customer_path = "customer"
    list_display = ("customer", "campaign", "outcome_shown", "reason", column("score", "Score", three), "as_of")
    next_step = "A live campaign decides about everybody who crosses its line, in every cycle."
    list_select_related = ("customer", "campaign")
    list_filter = ("outcome", "campaign", "cause")
    search_fields = ("customer__external_id",)
    search_help_text = "A customer's whole e-mail address or external id"
    fields = (("customer", "campaign"), ("outcome", "reason"), ("as_of", "due_at"))

    @admin.display(description="Outcome", ordering="outcome")
    def outcome_shown(self, decision: Decision) -> Cell:
        """Give the outcome in its colour."""
        return state_tag(decision.outcome, decision.get_outcome_display())

    def panels(self, request: HttpRequest, item: Decision) -> list[Panel]:
        """Give what it rests on, what was sent for it, and all that was decided about both."""
        cause = CAUSES.get(item.cause, item.cause)
        facts: list[tuple[str, Cell]] = [
            ("Caused by", cause),
            ("Score", three(item.score)),
            ("By", link(item.model_version) if item.model_version else "–"),
            ("Campaign", f"version {item.campaign_version}"),
            ("Crossing", f"number {item.round}"),
            ("Arm", f"{item.arm}, as {share(item.probability, 0)} are"),
            ("Drawn", f"{item.draw:.4f} of 0 to 1"),
        ]
        rows = [
            (
                link(d, d.get_action_display()),
                state_tag(d.state, d.get_state_display()),
                moment(d.due_at),
                moment(d.ended_at),
                d.reason,
            )
            for d in item.deliveries.order_by("step")
        ]
        head = ("Delivery", "State", "Due", "Ended", "Reason")
        return [
            Panel("What it rests on", facts=facts),
            Panel("Deliveries", head=head, rows=rows, empty="Nothing was planned for it."),
            Panel("All about this customer and this campaign", lines(explain.sentences(item.customer, item.campaign))),
        ]


@admin.register(Delivery)
class DeliveryAdmin(AddressSearchMixin, LargeAdmin):
    """What is on its way, was sent, failed, or is uncertain."""

    customer_path = "customer"
    list_display = ("customer", "campaign_shown", "action", "state_shown", "due_at", "ended_at", "attempts", "reason")
    list_select_related = ("customer", "decision__campaign")
    next_step = "Deliveries are planned when a campaign decides to act."
    list_filter = ("state", "action", "decision__campaign")
    search_fields = ("customer__external_id",)
    search_help_text = "A customer's whole e-mail address or external id"
    fields = (
        ("customer", "decision"),
        ("action", "channel"),
        ("state", "reason"),
        ("due_at", "began_at"),
        ("ended_at", "public_id"),
    )

    @admin.display(description="Campaign")
    def campaign_shown(self, delivery: Delivery) -> str:
        """Give the campaign it belongs to."""
        return str(delivery.decision.campaign)

    @admin.display(description="State", ordering="state")
    def state_shown(self, delivery: Delivery) -> Cell:
        """Give the state in its colour."""
        return state_tag(delivery.state, delivery.get_state_display())

    def panels(self, request: HttpRequest, item: Delivery) -> list[Panel]:
        """Give every call of the channel with its answer."""
        rows = [
            (number(t.number), moment(t.began_at), moment(t.ended_at), t.result or "–", t.receipt or "–")
            for t in item.tries.order_by("number")
        ]
        head = ("Attempt", "Began", "Ended", "Result", "Receipt")
        return [Panel("Attempts", head=head, rows=rows, empty="The channel was not called yet.")]


@admin.register(Offer)
class OfferAdmin(BaseAdmin):
    """Codes that are worth something, with those given."""

    list_display = ("name", "key", "worth_shown", "valid_shown", "given", "redeemed")
    next_step = "An offer is a code of the customer's own, worth an amount or a percentage for some days."
    search_fields = ("name", "key")
    fields = (("name", "key"), ("value", "is_percent"), "valid_days", "terms")

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Offer]":
        """Give the offers with the numbers of their codes."""
        rows: QuerySet[Offer] = super().get_queryset(request)
        return rows.annotate(
            given_count=Count("codes", filter=Q(codes__state__in=("given", "redeemed"))),
            redeemed_count=Count("codes", filter=Q(codes__state="redeemed")),
        )

    @admin.display(description="Worth", ordering="value")
    def worth_shown(self, offer: Offer) -> str:
        """Give the value with its unit."""
        return campaign_page.worth(offer)

    @admin.display(description="Valid for", ordering="valid_days")
    def valid_shown(self, offer: Offer) -> str:
        """Give how long a code is good."""
        return f"{number(offer.valid_days)} days"

    @admin.display(description="Given")
    def given(self, offer: Any) -> str:
        """Give how many codes went out."""
        return number(offer.given_count)

    @admin.display(description="Redeemed")
    def redeemed(self, offer: Any) -> str:
        """Give how many codes were used."""
        return number(offer.redeemed_count)

    def panels(self, request: HttpRequest, item: Offer) -> list[Panel]:
        """Give how many codes were given and used, and the last ones."""
        counted = item.codes.aggregate(
            given=Count("pk", filter=Q(state__in=("given", "redeemed"))), used=Count("pk", filter=Q(state="redeemed"))
        )
        used = share(counted["used"] / counted["given"] if counted["given"] else None)
        facts = [("Given", number(counted["given"])), ("Redeemed", f"{number(counted['used'])} ({used})")]
        rows = [
            (c.code, link(c.delivery.customer), c.get_state_display(), moment(c.valid_until), moment(c.redeemed_at))
            for c in item.codes.select_related("delivery__customer").order_by("-pk")[:LAST]
        ]
        head = ("Code", "Customer", "State", "Valid until", "Redeemed")
        return [Panel("Codes", facts=facts, head=head, rows=rows, empty="No code was given yet.")]


@admin.register(OfferCode)
class OfferCodeAdmin(LargeAdmin):
    """Every code, found by the code itself."""

    list_display = ("code", "offer", "state", "valid_until", "redeemed_at")
    list_select_related = ("offer",)
    list_filter = ("state", "offer")
    search_fields = ("code",)


@admin.register(Programme)
class ProgrammeAdmin(BaseAdmin):
    """What holds over all campaigns, and the big stop button."""

    fieldsets = (
        (None, {"fields": (("holdout_share",), ("cap_messages", "cap_days"))}),
        ("Who writes", {"fields": (("company", "sender"), "postal_address")}),
    )
    list_display = ("__str__", "is_sending_stopped", "holdout_shown", "cap_shown", "company")

    @admin.display(description="Left alone by all campaigns")
    def holdout_shown(self, row: Programme) -> str:
        """Give the share of the holdout."""
        return share(row.holdout_share, 0)

    @admin.display(description="Most that a customer gets")
    def cap_shown(self, row: Programme) -> str:
        """Give the cap in words."""
        return f"{number(row.cap_messages)} messages in {number(row.cap_days)} days"

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Programme]":
        """Give the one row, made where it is missing."""
        programme.current()
        rows: QuerySet[Programme] = super().get_queryset(request)
        return rows

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Refuse: there is one."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse: there is one."""
        return False

    def buttons(self, request: HttpRequest, item: Programme) -> list[Button]:
        """Offer to stop all sending, or to let it go on."""
        if not request.user.has_perm("campaigns.change_programme"):
            return []
        if item.is_sending_stopped:
            return [Button("go", "Let sending go on", "main", "Let sending go on?")]
        return [Button("halt", "Stop all sending", "bad", "Stop all sending now?")]

    def do(self, request: HttpRequest, item: Programme, name: str) -> str:
        """Stop all sending, or let it go on."""
        halt = name == "halt"
        Programme.objects.filter(pk=item.pk).update(is_sending_stopped=halt)
        audit(request, "sending stopped" if halt else "sending resumed", "programme")
        return "Nothing is sent any more." if halt else "Sending goes on."


def audit(request: HttpRequest, what: str, about: str) -> None:
    """Note who did what."""
    note(timezone.now(), request.user if request.user.is_authenticated else None, what, about)


def customer_decisions(customer: Customer) -> Panel:
    """Give a customer's last decisions with their reasons, and what was sent."""
    found = (
        customer.decisions.select_related("campaign").prefetch_related("deliveries").order_by("-as_of", "-pk")[:LAST]
    )
    rows = [
        (
            link(d, moment(d.as_of)),
            link(d.campaign),
            state_tag(d.outcome, d.get_outcome_display()),
            ", ".join(f"{one.get_action_display()} {one.get_state_display().lower()}" for one in d.deliveries.all())
            or "–",
            d.reason,
        )
        for d in found
    ]
    head = ("When", "Campaign", "Outcome", "Delivery", "Why")
    return Panel("Decisions", head=head, rows=rows, empty="No campaign has considered this customer.")


CUSTOMER_PANELS.append(customer_decisions)
