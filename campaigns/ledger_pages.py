"""Pages of decisions and deliveries: why each customer did or did not get something."""

from django.contrib import admin
from django.http import HttpRequest

from campaigns import explain
from campaigns.campaign_page import state_tag
from campaigns.models import Decision, Delivery
from customers.admin import AddressSearchMixin, LargeAdmin
from customers.customer_page import CUSTOMER_PANELS
from customers.models import Customer
from customers.panels import LAST, Cell, Panel, column, lines, link, moment, number, share

CAUSES = {
    "data": "what the customer did",
    "time": "time that passed",
    "import": "an import",
    "merge": "a merge of two customers",
    "rule": "an edited rule",
    "model": "a new model",
    "start": "the launch, which was asked to act on those who matched already",
}


def three(value: float | None) -> str:
    """Give a score with three digits."""
    return number(value, 3)


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
