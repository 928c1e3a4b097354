"""REST about what customers allow: each permission with its history, granted and withdrawn with a source."""

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from customers import audit, consent
from customers.api import ConsentSerializer, Door, customer_of, who
from customers.keys import Scope
from customers.models import Channel, ConsentChange, Customer
from customers.problems import StrictSerializer, refusals


class ConsentChangeSerializer(serializers.Serializer[Any]):
    """One grant or withdrawal."""

    channel = serializers.ChoiceField(choices=Channel.choices)
    topic = serializers.CharField()
    is_granted = serializers.BooleanField()
    source = serializers.CharField()  # type: ignore[assignment]
    at = serializers.DateTimeField()


class ConsentsSerializer(serializers.Serializer[Any]):
    """The permissions in force, and every grant and withdrawal, the newest first."""

    consents = ConsentSerializer(many=True)
    history = ConsentChangeSerializer(many=True)


class ConsentInSerializer(StrictSerializer):
    """What a customer said about a channel and topic, and where."""

    channel = serializers.ChoiceField(choices=Channel.choices)
    topic = serializers.CharField(max_length=60)
    granted = serializers.BooleanField()
    source = serializers.CharField(max_length=200, help_text="Where it was said: a form, a call, a letter.")  # type: ignore[assignment]


class ConsentsView(Door):
    """`customers/{external_id}/consents/`."""

    required_scope = Scope.CUSTOMERS_READ
    write_scope = Scope.CONSENTS_WRITE

    @extend_schema(operation_id="customers_consents", responses={200: ConsentsSerializer, **refusals(400, 404)})
    def get(self, request: Request, external_id: str) -> Response:
        """Give what a customer allows, with its history."""
        return Response(_consents(customer_of(external_id)))

    @extend_schema(
        operation_id="customers_consents_tell",
        request=ConsentInSerializer,
        responses={200: ConsentsSerializer, **refusals(400, 404)},
    )
    def post(self, request: Request, external_id: str) -> Response:
        """Store a grant or a withdrawal. Telling the same again changes nothing.

        Once a withdrawal is answered, no message about it begins any more.
        """
        body = ConsentInSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        asked, customer, now = body.validated_data, customer_of(external_id), timezone.now()
        tell = consent.grant if asked["granted"] else consent.withdraw
        if tell(customer.pk, asked["channel"], asked["topic"], asked["source"], now):
            what = "consent granted" if asked["granted"] else "consent withdrawn"
            about = {name: asked[name] for name in ("channel", "topic", "source")}
            audit.note(now, who(request), what, customer.public_id, **about)
        return Response(_consents(customer_of(external_id)))


def _consents(customer: Customer) -> Any:
    history = ConsentChange.objects.filter(customer=customer).order_by("-at", "-pk")
    return ConsentsSerializer({"consents": customer.consents.order_by("channel", "topic"), "history": history}).data
