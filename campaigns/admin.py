"""The admin of campaigns: plans, decisions, deliveries, offers, and what turns the loop."""

from typing import Any

from django.contrib import admin
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html

from campaigns import launch, measure, programme, triggers
from campaigns.call_pages import CallTaskAdmin
from campaigns.forms import CampaignForm
from campaigns.models import (
    AuditEntry,
    CallTask,
    Campaign,
    Cycle,
    CycleTask,
    Decision,
    Delivery,
    Offer,
    OfferCode,
    Programme,
    Schedule,
)
from campaigns.stats import Difference
from customers.admin import (
    CUSTOMER_PANELS,
    AddressSearchMixin,
    BaseAdmin,
    Button,
    Cell,
    LargeAdmin,
    Panel,
    ReadOnlyAdmin,
    link,
    moment,
    number,
    tag,
)
from customers.models import Customer
from segments.fields import catalogue

admin.site.register(CallTask, CallTaskAdmin)
STATE_TAGS = {
    "live": "good",
    "sent": "good",
    "done": "good",
    "deliver": "good",
    "failed": "bad",
    "uncertain": "bad",
    "suppressed": "bad",
    "paused": "wait",
    "running": "wait",
    "control": "wait",
    "held_out": "wait",
}
LAST = 20


def state_tag(value: str, label: str) -> Cell:
    """Give a state in its colour."""
    return tag(label, STATE_TAGS.get(value, ""))


@admin.register(Campaign)
class CampaignAdmin(BaseAdmin):
    """Who, when, what, limits, and how it is measured; launched, paused and stopped by buttons."""

    form = CampaignForm
    list_display = ("name", "state_shown", "trigger_shown", "audience", "priority", "launched_at")
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
    def trigger_shown(self, campaign: Campaign) -> str:
        """Give the trigger in a few words."""
        plan = campaign.trigger
        if plan.get("kind") == "segment":
            return f"{plan.get('edge')} {plan.get('segment')}"
        return f"{plan.get('score')} {plan.get('direction')} {plan.get('enter')}" if plan else "–"

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
        stop = Button("stop", "Stop for good", "bad", "Stop this campaign for good? It cannot be launched again.")
        offers = {
            Campaign.State.DRAFT: [
                Button("launch", "Launch", "main", "Launch this campaign? It acts from the next cycle on.")
            ],
            Campaign.State.LIVE: [Button("pause", "Pause"), stop],
            Campaign.State.PAUSED: [Button("resume", "Resume", "main"), stop],
        }
        return offers.get(Campaign.State(item.state), [])

    def do(self, request: HttpRequest, item: Campaign, name: str) -> str:
        """Launch, pause, resume or stop."""
        by, at = request.user, timezone.now()
        if name in ("launch", "resume"):
            matching = (launch.launch if name == "launch" else launch.resume)(item, by, at)  # type: ignore[arg-type]
            return f"{item.name} is live. {matching:,} customers match already; it acts when others come to match."
        (launch.pause if name == "pause" else launch.stop)(item, by, at)  # type: ignore[arg-type]
        return f"{item.name} is {'paused' if name == 'pause' else 'stopped'}."

    def panels(self, request: HttpRequest, item: Campaign) -> list[Panel]:
        """Give state, decisions by outcome, deliveries by state and the measured effect."""
        return [state(item), decisions_of(item), effect(item)]


def state(campaign: Campaign) -> Panel:
    """Give where a campaign stands."""
    facts: list[tuple[str, Cell]] = [
        ("State", state_tag(campaign.state, campaign.get_state_display())),
        ("Version", str(campaign.version)),
        ("Launched", moment(campaign.launched_at)),
    ]
    try:
        said = triggers.parse(campaign.trigger, catalogue()).sentence()
    except triggers.TriggerError as error:
        said = f"The trigger cannot be used: {error}"
    return Panel("As it stands", said, facts=facts)


def decisions_of(campaign: Campaign) -> Panel:
    """Give decisions by outcome and deliveries by state."""
    outcomes = campaign.decisions.values("outcome").annotate(n=Count("pk")).order_by("-n")
    rows = [
        (
            state_tag(row["outcome"], Decision.Outcome(row["outcome"]).label),
            number(row["n"]),
            _outcome_link(campaign, row["outcome"]),
        )
        for row in outcomes
    ]
    sent = (
        Delivery.objects.filter(decision__campaign=campaign).values("state").annotate(n=Count("pk")).order_by("state")
    )
    facts = [(Delivery.State(row["state"]).label, number(row["n"])) for row in sent]
    note = "Deliveries by state, then decisions by outcome." if facts else ""
    empty = "No decision yet. A live campaign decides in every cycle."
    return Panel("Decisions", note, facts=facts, head=("Outcome", "How many", ""), rows=rows, empty=empty)


def _outcome_link(campaign: Campaign, outcome: str) -> Cell:
    url = f"../../../decision/?campaign__id__exact={campaign.pk}&outcome__exact={outcome}"
    return format_html('<a class="cusp-link" href="{}">See them</a>', url)


def effect(campaign: Campaign) -> Panel:
    """Give what the campaign changed, against those left alone, with intervals."""
    report = measure.measure(campaign, timezone.now())
    rows = []
    for arm, found in (
        (report.treated, None),
        (report.control, report.against_control),
        (report.holdout, report.against_holdout),
    ):
        share, mean = arm.conversions.value, arm.value.value
        rows.append(
            (
                arm.name.capitalize(),
                number(arm.customers),
                "–" if share is None else f"{share:.2%}",
                number(mean, 2),
                _difference(found.conversion, 100, " points") if found else "",
                _difference(found.value, 1, "") if found else "",
            )
        )
    goal = f"{campaign.goal_event} within {campaign.goal_days} days after the decision"
    head = ("Arm", "Customers", "Converted", "Value each", "Treated converted more by", "Treated were worth more by")
    return Panel("What it earned", f"{' '.join(report.words)} Goal: {goal}.", head=head, rows=rows)


def _difference(found: Difference, times: float, unit: str) -> Cell:
    if found.interval is None:
        return found.message
    value, low, high = (times * one for one in (found.interval.value, found.interval.low, found.interval.high))
    text = '{}{} <span class="cusp-interval">({} to {})</span>'
    return format_html(text, f"{value:+,.2f}", unit, f"{low:+,.2f}", f"{high:+,.2f}")


@admin.register(Decision)
class DecisionAdmin(AddressSearchMixin, LargeAdmin):
    """Why each considered customer did or did not get something."""

    customer_path = "customer"
    list_display = ("customer", "campaign", "outcome_shown", "reason", "score", "cause", "as_of")
    list_select_related = ("customer", "campaign")
    list_filter = ("outcome", "campaign", "cause")
    search_fields = ("customer__external_id",)
    search_help_text = "A customer's whole e-mail address or external id"
    fields = (
        ("customer", "campaign"),
        ("outcome", "reason"),
        ("cause", "round"),
        ("as_of", "due_at"),
        ("campaign_version", "rule_version"),
        ("model_version", "score"),
        ("arm", "draw", "probability"),
    )

    @admin.display(description="Outcome", ordering="outcome")
    def outcome_shown(self, decision: Decision) -> Cell:
        """Give the outcome in its colour."""
        return state_tag(decision.outcome, decision.get_outcome_display())

    def panels(self, request: HttpRequest, item: Decision) -> list[Panel]:
        """Give what was sent for it."""
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
        return [Panel("Deliveries", head=head, rows=rows, empty="Nothing was planned for it.")]


@admin.register(Delivery)
class DeliveryAdmin(AddressSearchMixin, LargeAdmin):
    """What is on its way, was sent, failed, or is uncertain."""

    customer_path = "customer"
    list_display = ("customer", "action", "state_shown", "due_at", "ended_at", "attempts", "reason")
    list_select_related = ("customer",)
    list_filter = ("state", "action", "decision__campaign")
    search_fields = ("customer__external_id",)
    search_help_text = "A customer's whole e-mail address or external id"
    fields = (
        ("customer", "decision"),
        ("action", "channel"),
        ("state", "reason"),
        ("due_at", "began_at"),
        ("ended_at", "lease_until"),
        ("attempts", "public_id"),
    )

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

    list_display = ("name", "key", "value", "is_percent", "valid_days", "given", "redeemed")
    search_fields = ("name", "key")
    fields = (("name", "key"), ("value", "is_percent"), "valid_days", "terms")

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Offer]":
        """Give the offers with the numbers of their codes."""
        rows: QuerySet[Offer] = super().get_queryset(request)
        return rows.annotate(
            given_count=Count("codes", filter=Q(codes__state__in=("given", "redeemed"))),
            redeemed_count=Count("codes", filter=Q(codes__state="redeemed")),
        )

    @admin.display(description="Given")
    def given(self, offer: Any) -> str:
        """Give how many codes went out."""
        return number(offer.given_count)

    @admin.display(description="Redeemed")
    def redeemed(self, offer: Any) -> str:
        """Give how many codes were used."""
        return number(offer.redeemed_count)

    def panels(self, request: HttpRequest, item: Offer) -> list[Panel]:
        """Give the last codes."""
        rows = [
            (c.code, link(c.delivery.customer), c.get_state_display(), moment(c.valid_until), moment(c.redeemed_at))
            for c in item.codes.select_related("delivery__customer").order_by("-pk")[:LAST]
        ]
        head = ("Code", "Customer", "State", "Valid until", "Redeemed")
        return [Panel("Last codes", head=head, rows=rows, empty="No code was given yet.")]


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
    list_display = ("__str__", "is_sending_stopped", "holdout_share", "cap_messages", "cap_days")

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
    by = request.user if request.user.is_authenticated else None
    AuditEntry.objects.create(at=timezone.now(), by=by, what=what, about=about)


@admin.register(Cycle)
class CycleAdmin(ReadOnlyAdmin):
    """Turns of the loop, with their progress."""

    list_display = ("__str__", "state_shown", "stage", "started_at", "finished_at")
    list_filter = ("kind", "state")
    search_fields = ("kind",)
    ordering = ("-started_at",)
    fields = (("kind", "state"), ("stage", "as_of"), ("started_at", "finished_at"), "summary", "error")

    @admin.display(description="State", ordering="state")
    def state_shown(self, cycle: Cycle) -> Cell:
        """Give the state in its colour."""
        return state_tag(cycle.state, cycle.get_state_display())

    def panels(self, request: HttpRequest, item: Cycle) -> list[Panel]:
        """Give the tasks by stage, and what went wrong."""
        stages: dict[str, dict[str, int]] = {}
        for row in item.tasks.values("stage", "state").annotate(n=Count("pk")).order_by():
            stages.setdefault(row["stage"], {})[row["state"]] = row["n"]
        rows = []
        for stage in Cycle.Stage:
            counts = stages.get(stage.value)
            if counts:
                left = sum(counts.values()) - counts.get("done", 0)
                rows.append((stage.label, number(counts.get("done", 0)), number(left), number(counts.get("failed", 0))))
        failed = [
            (task.get_stage_display(), number(task.bucket), number(task.attempts), task.error)
            for task in item.tasks.filter(state=CycleTask.State.FAILED)[:LAST]
        ]
        panels = [Panel("Progress", head=("Stage", "Done", "Left", "Failed"), rows=rows, empty="It has no tasks.")]
        if failed:
            panels.append(Panel("Failed", head=("Stage", "Bucket", "Attempts", "Error"), rows=failed))
        return panels


@admin.register(Schedule)
class ScheduleAdmin(BaseAdmin):
    """What happens again and again; how often is a setting."""

    list_display = ("key", "every_seconds", "is_enabled", "next_at", "last_at")
    search_fields = ("key",)
    readonly_fields = ("key", "every_seconds", "last_at")
    fields = (("key", "every_seconds"), "is_enabled", ("next_at", "last_at"))

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Refuse: the program makes them."""
        return False


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnlyAdmin):
    """Who did what that matters."""

    list_display = ("at", "by", "what", "about")
    list_select_related = ("by",)
    list_filter = ("what",)
    search_fields = ("what", "about")
    ordering = ("-at", "-pk")
    fields = (("at", "by"), ("what", "about"), "detail")


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
