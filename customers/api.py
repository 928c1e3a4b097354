"""REST about customers, and what all REST doors share."""

from typing import Any, ClassVar

from django.http import Http404
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.views import APIView

from customers.keys import KeyAuthentication
from customers.models import ApiKey, Channel, Customer
from customers.problems import StrictJSONParser, refuse_unknown_parameters


class Door(APIView):
    """A view that refuses query parameters it does not know."""

    parser_classes = [StrictJSONParser]
    required_scope: str
    parameters: ClassVar[set[str]] = set()

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Check the key, then the query parameters."""
        super().initial(request, *args, **kwargs)
        refuse_unknown_parameters(request, self.parameters | {"format"})


class KeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """Describes the keys in the OpenAPI document."""

    target_class = KeyAuthentication
    name = "key"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, str]:
        """Give the scheme as OpenAPI wants it."""
        return {"type": "http", "scheme": "bearer", "description": "A key made in the admin, under API keys."}


class ConsentSerializer(serializers.Serializer[Any]):
    """A permission in force."""

    channel = serializers.ChoiceField(choices=Channel.choices)
    topic = serializers.CharField()
    is_granted = serializers.BooleanField()
    source = serializers.CharField()  # type: ignore[assignment]
    since = serializers.DateTimeField()


class FactsSerializer(serializers.Serializer[Any]):
    """What was told about a customer, and what we may do."""

    external_id = serializers.CharField()
    public_id = serializers.CharField()
    email = serializers.CharField(allow_null=True)
    phone = serializers.CharField(allow_null=True)
    first_name = serializers.CharField(allow_null=True)
    last_name = serializers.CharField(allow_null=True)
    country = serializers.CharField(allow_null=True)
    city = serializers.CharField(allow_null=True)
    language = serializers.CharField(allow_null=True)
    time_zone = serializers.CharField(allow_null=True)
    birth_date = serializers.DateField(allow_null=True)
    known_since = serializers.DateTimeField()
    attributes = serializers.DictField()
    consents = ConsentSerializer(many=True)


def who(request: Request) -> ApiKey:
    """Give the key of a request, which every door asks for."""
    assert isinstance(request.auth, ApiKey)
    return request.auth


def customer_of(external_id: str) -> Customer:
    """Give a customer by external id; raises Http404."""
    if "\x00" in external_id or len(external_id) > 200:
        raise Http404("No customer has this external id.")
    customer = Customer.objects.filter(external_id=external_id).prefetch_related("consents").first()
    if customer is None:
        raise Http404("No customer has this external id.")
    return customer
