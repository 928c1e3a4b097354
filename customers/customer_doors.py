"""REST about one customer's events, and about forgetting her."""

from dataclasses import replace
from typing import Any, ClassVar

from django.db import transaction
from django.http import Http404
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from customers import audit, erasure
from customers.api import Door, customer_of, who
from customers.keys import Scope
from customers.listing import STORED, Listing, Narrowed
from customers.models import Event
from customers.problems import StrictSerializer, refusals

EVENTS = Listing(
    "events",
    sorts={"occurred_at": "occurred_at", **STORED},
    narrowed={"name": Narrowed("name", description="Only those of this name.")},
    is_newest_first=True,
)


class EventSerializer(serializers.Serializer[Any]):
    """Something that happened to a customer."""

    name = serializers.CharField()
    occurred_at = serializers.DateTimeField()
    known_at = serializers.DateTimeField()
    source = serializers.CharField(source="source.key")  # type: ignore[assignment]
    message_id = serializers.CharField()
    order_id = serializers.CharField(allow_null=True)
    value = serializers.FloatField(allow_null=True)
    currency = serializers.CharField(allow_null=True)
    properties = serializers.DictField()


class EventPageSerializer(serializers.Serializer[Any]):
    """A page of events."""

    results = EventSerializer(many=True)
    next = serializers.URLField(allow_null=True)


class EraseInSerializer(StrictSerializer):
    """Why somebody is erased."""

    reason = serializers.CharField(max_length=300, help_text="Without a name: it is kept.")


class ErasedSerializer(serializers.Serializer[Any]):
    """How many rows of each table went."""

    rows = serializers.DictField(child=serializers.IntegerField())


class CustomerEventsView(Door):
    """`customers/{external_id}/events/`."""

    required_scope = Scope.CUSTOMERS_READ
    parameters: ClassVar[set[str]] = EVENTS.parameters

    @extend_schema(
        operation_id="customers_events",
        parameters=EVENTS.described,
        responses={200: EventPageSerializer, **refusals(400, 404)},
    )
    def get(self, request: Request, external_id: str) -> Response:
        """List what happened to a customer, the newest first."""
        customer = customer_of(external_id)
        listing = replace(EVENTS, name=f"events of {customer.public_id}")
        rows = Event.objects.filter(customer=customer).select_related("source")
        return listing.page(request, rows, lambda found: EventSerializer(found, many=True).data)


class EraseView(Door):
    """`customers/{external_id}/erase/`."""

    required_scope = Scope.CUSTOMERS_ERASE

    @extend_schema(
        operation_id="customers_erase",
        request=EraseInSerializer,
        responses={200: ErasedSerializer, **refusals(400, 404)},
    )
    def post(self, request: Request, external_id: str) -> Response:
        """Erase a customer for ever: every row at once, the files within a day; the addresses stay closed.

        Messages that are being sent at this moment end, and none begins afterwards.
        """
        body, now = EraseInSerializer(data=request.data), timezone.now()
        body.is_valid(raise_exception=True)
        customer = customer_of(external_id)
        try:
            with transaction.atomic():
                erased = erasure.erase(customer.external_id, now, body.validated_data["reason"])
                audit.note(now, who(request), "customer erased", f"customer {erased.customer_id}")
        except erasure.UnknownCustomer as error:
            raise Http404("No customer has this external id.") from error
        return Response(ErasedSerializer({"rows": erased.rows}).data)
