"""Pages of decisions and deliveries: why each customer did or did not get something."""

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path
from django.utils import timezone

from campaigns import customer_scores, customer_story, explain, explain_page, uncertain_page
from campaigns.campaign_page import state_tag
from campaigns.ledger_filters import CampaignFilter, CauseFilter, DayFilter, DrawnFilter, SlotFilter, VariantFilter
from campaigns.ledger_panels import attempts, deliveries_of, delivery_tag, headers, message_to, rests_on, touches
from campaigns.models import Decision, Delivery
from customers.admin import AddressSearchMixin, Button, LargeAdmin
from customers.customer_page import CUSTOMER_LEADS, CUSTOMER_PANELS
from customers.panels import Cell, Panel, column, lines, number

CUSTOMER_LEADS.append(explain_page.leads_here)
CUSTOMER_LEADS.append(customer_story.panel)
CUSTOMER_PANELS.append(customer_scores.panel)


def three(value: float | None) -> str:
    """Give a score with three digits."""
    return number(value, 3)


class DecisionAdmin(AddressSearchMixin, LargeAdmin):
    """Why each considered customer did or did not get something."""

    customer_path = "customer"
    list_display = ("customer", "campaign", "outcome_shown", "reason", column("score", "Score", three), "as_of")
    next_step = "A live campaign decides about everybody who crosses its line, in every cycle."
    list_select_related = ("customer", "campaign")
    list_filter = ("outcome", "campaign", DrawnFilter, VariantFilter, CauseFilter, DayFilter, SlotFilter)
    search_fields = ("customer__external_id",)
    search_help_text = "A customer's whole e-mail address or external id"
    fields = (("customer", "campaign"), ("outcome", "reason"), ("as_of", "due_at"))

    @admin.display(description="Outcome", ordering="outcome")
    def outcome_shown(self, decision: Decision) -> Cell:
        """Give the outcome in its colour."""
        return state_tag(decision.outcome, decision.get_outcome_display())

    def get_urls(self) -> list[URLPattern]:
        """Give the addresses, with the page that answers why and why not."""
        view = self.admin_site.admin_view(self.explain_view)
        return [path("explain/", view, name="campaigns_decision_explain"), *super().get_urls()]

    def explain_view(self, request: HttpRequest) -> HttpResponse:
        """Answer why a customer did or did not get something, to those who may see both."""
        if not (self.has_view_permission(request) and request.user.has_perm("customers.view_customer")):
            raise PermissionDenied
        return explain_page.answer(request, {**self.admin_site.each_context(request), "opts": self.opts})

    def panels(self, request: HttpRequest, item: Decision) -> list[Panel]:
        """Give what it rests on, what was sent for it, and all that was decided about both."""
        told = lines(explain.sentences(item.customer, item.campaign, timezone.now()))
        return [rests_on(item), deliveries_of(item), Panel("All about this customer and this campaign", told)]


class DeliveryAdmin(AddressSearchMixin, LargeAdmin):
    """What is on its way, was sent, failed, or is uncertain."""

    customer_path = "customer"
    list_display = ("customer", "campaign_shown", "action", "state_shown", "due_at", "ended_at", "attempts", "reason")
    list_select_related = ("customer", "decision__campaign", "webhook_message")
    next_step = "Deliveries are planned when a campaign decides to act."
    list_filter = ("state", "action", "channel", CampaignFilter)
    search_fields = ("customer__external_id",)
    search_help_text = "A customer's whole e-mail address or external id"
    list_before_template = "admin/deliveries_before.html"
    fields = (
        ("customer", "decision"),
        ("action", "channel"),
        ("state_shown", "reason"),
        ("due_at", "began_at"),
        ("ended_at", "public_id"),
        ("resolution",),
    )

    @admin.display(description="Campaign")
    def campaign_shown(self, delivery: Delivery) -> str:
        """Give the campaign it belongs to."""
        return str(delivery.decision.campaign)

    @admin.display(description="State", ordering="state")
    def state_shown(self, delivery: Delivery) -> Cell:
        """Give the state in its colour."""
        return delivery_tag(delivery)

    def get_urls(self) -> list[URLPattern]:
        """Give the addresses, with the page of what is in doubt."""
        view = self.admin_site.admin_view(self.uncertain_view)
        return [path("uncertain/", view, name="campaigns_delivery_uncertain"), *super().get_urls()]

    def uncertain_view(self, request: HttpRequest) -> HttpResponse:
        """Give what is in doubt, and let it be settled."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        context: dict[str, Any] = {**self.admin_site.each_context(request), "opts": self.opts}
        return uncertain_page.answer(request, context)

    def panels(self, request: HttpRequest, item: Delivery) -> list[Panel]:
        """Give every call of the channel with its answer, and what became of the mail at the customer's."""
        told = [*message_to(item), attempts(item)]
        return [*told, touches(item), headers(item)] if item.channel == "email" else told

    def buttons(self, request: HttpRequest, item: Delivery) -> list[Button]:
        """Offer to settle what is in doubt."""
        may = item.state == Delivery.State.UNCERTAIN and request.user.has_perm(uncertain_page.MAY_SETTLE)
        return uncertain_page.BUTTONS if may else []

    def do(self, request: HttpRequest, item: Delivery, name: str) -> str:
        """Settle what is in doubt."""
        return uncertain_page.settle_one(request, item, name)
