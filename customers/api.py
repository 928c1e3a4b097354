"""REST about customers, and what all REST doors share."""

from typing import Any, ClassVar

from django.http import Http404
from django.utils import timezone
from django.utils.cache import get_conditional_response
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from rest_framework import serializers
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request
from rest_framework.views import APIView

from customers import allowance, once
from customers.described import DoorSchema
from customers.keys import KeyAuthentication, changes_something
from customers.models import ApiKey, Channel, Customer
from customers.problems import StrictJSONParser, Wait, refuse_unknown_parameters


class Door(APIView):
    """A view for keys: it counts their calls, refuses query parameters it does not know, and does a POST once.

    What is true of all doors is described in customers.described, and need not be said where one is made.
    """

    schema = DoorSchema()
    parser_classes = [StrictJSONParser]
    required_scope: str
    parameters: ClassVar[set[str]] = set()

    def perform_authentication(self, request: Request) -> None:
        """Find the key and count the call, whatever it asks for."""
        super().perform_authentication(request)
        if isinstance(request.auth, ApiKey):
            allowed = allowance.take(request.auth, timezone.now())
            self.headers = {**self.headers, **allowed.headers()}
            if allowed.is_over:
                message = f"This key may make {allowed.most:,} calls a minute, and has made them."
                raise Wait(429, "too_many", message, allowed.seconds_left)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Check the key, then the query parameters; a POST that is sent again is not done again."""
        super().initial(request, *args, **kwargs)
        refuse_unknown_parameters(request, self.parameters | {"format"})
        act = getattr(self, "post", None)
        if request.method == "POST" and once.HEADER in request.headers and act and changes_something(self, "POST"):
            self.__dict__["post"] = lambda *args, **kwargs: once.answered(
                request, who(request), timezone.now(), lambda: act(*args, **kwargs)
            )

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        """Give the answer, or 304 where whoever asks has the same one (If-None-Match)."""
        answer = super().finalize_response(request, response, *args, **kwargs)
        if request.method not in SAFE_METHODS or not answer.has_header("ETag"):
            return answer
        told = get_conditional_response(request._request, etag=answer["ETag"], response=answer)
        return answer if told is None else told


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
