"""Pages of offers and their codes."""

from typing import Any

from django.contrib import admin
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest

from campaigns import campaign_page
from campaigns.models import Offer
from customers.admin import BaseAdmin, LargeAdmin
from customers.panels import LAST, Panel, link, moment, number, share


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


class OfferCodeAdmin(LargeAdmin):
    """Every code, found by the code itself."""

    list_display = ("code", "offer", "state", "valid_until", "redeemed_at")
    list_select_related = ("offer",)
    list_filter = ("state", "offer")
    search_fields = ("code",)
