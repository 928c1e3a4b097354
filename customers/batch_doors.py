"""REST: events and customers come in, in batches; each item is judged on its own."""

from collections.abc import Mapping
from typing import IO, Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail
from rest_framework.parsers import JSONParser
from rest_framework.request import Request
from rest_framework.response import Response

from customers import intake
from customers.api import Door, who
from customers.keys import Scope
from customers.models import Channel
from customers.problems import Problem, StrictSerializer, refusals

MOST_ITEMS = 1_000
MOST_BYTES = 4 * 1024 * 1024
OWN_SOURCE = "api"


class BatchParser(JSONParser):
    """JSON of a batch: not too large. What its items may hold is judged item by item."""

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        """Give the body."""
        request = (parser_context or {}).get("request")
        if request is not None and int(request.META.get("CONTENT_LENGTH") or 0) > MOST_BYTES:
            raise Problem(413, "too_large", f"The body is larger than {MOST_BYTES:,} bytes.")
        return super().parse(stream, media_type, parser_context)


class LineInSerializer(serializers.Serializer[Any]):
    """A line of an order."""

    product = serializers.CharField()
    quantity = serializers.FloatField(required=False, allow_null=True, help_text="1 where absent.")
    price = serializers.FloatField(required=False, allow_null=True, help_text="Of one.")
    discount = serializers.FloatField(required=False, allow_null=True)
    name = serializers.CharField(required=False, allow_null=True)
    category = serializers.CharField(required=False, allow_null=True)
    brand = serializers.CharField(required=False, allow_null=True)


class EventInSerializer(serializers.Serializer[Any]):
    """Something that happened."""

    customer = serializers.CharField(help_text="Her external id; who is new is made.")
    message_id = serializers.CharField(help_text="Yours, at most 100 letters: the same one again is not stored twice.")
    name = serializers.CharField(help_text="Such as Order Completed.")
    occurred_at = serializers.DateTimeField(required=False, allow_null=True, help_text="When it is received if absent.")
    value = serializers.FloatField(required=False, allow_null=True, help_text="The sum of the lines where absent.")
    currency = serializers.CharField(required=False, allow_null=True)
    order_id = serializers.CharField(required=False, allow_null=True)
    properties = serializers.DictField(required=False, allow_null=True)
    lines = LineInSerializer(many=True, required=False, allow_null=True)


class PermissionInSerializer(serializers.Serializer[Any]):
    """A permission, and where it was given."""

    channel = serializers.ChoiceField(choices=Channel.choices)
    topic = serializers.CharField()
    granted = serializers.BooleanField()
    source = serializers.CharField()  # type: ignore[assignment]


class CustomerInSerializer(serializers.Serializer[Any]):
    """What is told about a customer; what is absent or null stays as it is."""

    external_id = serializers.CharField()
    email = serializers.CharField(required=False, allow_null=True)
    phone = serializers.CharField(required=False, allow_null=True)
    first_name = serializers.CharField(required=False, allow_null=True)
    last_name = serializers.CharField(required=False, allow_null=True)
    known_since = serializers.DateTimeField(required=False, allow_null=True)
    country = serializers.CharField(required=False, allow_null=True)
    city = serializers.CharField(required=False, allow_null=True)
    language = serializers.CharField(required=False, allow_null=True)
    time_zone = serializers.CharField(required=False, allow_null=True)
    birth_date = serializers.CharField(required=False, allow_null=True, help_text="Such as 1990-05-17.")
    attributes = serializers.DictField(required=False, allow_null=True, help_text="By name; null clears one.")
    consents = PermissionInSerializer(many=True, required=False, allow_null=True)


class _BatchSerializer(StrictSerializer):
    """What every batch has beside its items, which are read one by one."""

    source = serializers.SlugField(  # type: ignore[assignment]
        required=False, max_length=60, default=OWN_SOURCE, help_text="Message ids are unique within it."
    )


class _Items(serializers.ListField):
    """A list of items, which are judged one by one later."""

    child = serializers.JSONField(allow_null=True)

    def run_child_validation(self, data: list[Any]) -> list[Any]:
        """Give the items as they are."""
        return data


class EventBatchSerializer(_BatchSerializer):
    """Some events."""

    events = _Items(min_length=1, max_length=MOST_ITEMS)


class CustomerBatchSerializer(_BatchSerializer):
    """Some customers."""

    customers = _Items(min_length=1, max_length=MOST_ITEMS)


SOURCE = serializers.SlugField(required=False, max_length=60, help_text="Message ids are unique within it.")
FAULT = inline_serializer(
    "BatchFault",
    {
        "index": serializers.IntegerField(help_text="Of the item, from 0."),
        "path": serializers.CharField(allow_blank=True, help_text="The place in the item."),
        "message": serializers.CharField(),
    },
    many=True,
)


class BatchTakenSerializer(serializers.Serializer[Any]):
    """What became of a batch: everything in it is stored, was told before, or is listed as refused."""

    received = serializers.IntegerField()
    stored = serializers.IntegerField()
    repeated = serializers.IntegerField(help_text="Told nothing new.")
    refused = serializers.IntegerField(help_text="Kept in quarantine with their reasons.")
    errors = FAULT  # type: ignore[assignment]


class EventsInSerializer(StrictSerializer):
    """Events as they are sent here: each is judged on its own, and one that is at fault is told of in the answer."""

    source = SOURCE  # type: ignore[assignment]
    events = serializers.ListField(child=EventInSerializer(), min_length=1, max_length=MOST_ITEMS)


class CustomersInSerializer(StrictSerializer):
    """Customers as they are sent here: each is judged on its own, and one that is at fault is told of in the answer."""

    source = SOURCE  # type: ignore[assignment]
    customers = serializers.ListField(child=CustomerInSerializer(), min_length=1, max_length=MOST_ITEMS)


class _BatchView(Door):
    """Takes a batch."""

    parser_classes = [BatchParser]
    required_scope = Scope.EVENTS_WRITE

    def take(self, request: Request, kind: str, serializer: type[_BatchSerializer]) -> Response:
        """Store the items of a kind, and say what became of them."""
        body = serializer(data=request.data)
        body.is_valid(raise_exception=True)
        asked = body.validated_data
        try:
            outcome = intake.put(kind, asked[kind], asked["source"], timezone.now())
        except intake.SourceTaken as error:
            raise serializers.ValidationError({"source": [ErrorDetail(str(error), "taken")]}) from error
        told = {
            "received": outcome.received,
            "stored": outcome.stored,
            "repeated": outcome.repeated,
            "refused": len(outcome.faults),
            "errors": [{"index": item, "path": path, "message": said} for item, path, said in outcome.faults],
        }
        return Response(told)


class EventsView(_BatchView):
    """`events/`."""

    @extend_schema(
        operation_id="events_create",
        request=EventsInSerializer,
        responses={200: BatchTakenSerializer, **refusals(400, 413)},
    )
    def post(self, request: Request) -> Response:
        """Store up to 1,000 events. An answer of 200 means: stored, told before, or listed as refused."""
        return self.take(request, "events", EventBatchSerializer)


class CustomersView(_BatchView):
    """`customers/`."""

    @extend_schema(
        operation_id="customers_create",
        request=CustomersInSerializer,
        responses={200: BatchTakenSerializer, **refusals(400, 413)},
    )
    def post(self, request: Request) -> Response:
        """Store what is told about up to 1,000 customers. Consents need the scope consents:write beside.

        Who has withdrawn a consent is not granted it again by a batch; `customers/{external_id}/consents/` does that.
        """
        items = request.data.get("customers") if isinstance(request.data, dict) else None
        has_consents = isinstance(items, list) and any(isinstance(one, dict) and "consents" in one for one in items)
        if has_consents and Scope.CONSENTS_WRITE not in who(request).scopes:
            raise Problem(403, "permission_denied", f"This key lacks the scope {Scope.CONSENTS_WRITE.value}.")
        return self.take(request, "customers", CustomerBatchSerializer)
