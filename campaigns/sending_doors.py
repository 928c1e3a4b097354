"""REST about the one button over all sending."""

from typing import Any, ClassVar

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from campaigns import sending
from customers.api import Door
from customers.keys import Scope
from customers.models import ApiKey
from customers.problems import NO_SPACE, Problem, StrictSerializer, refusals


class SendingSerializer(serializers.Serializer[Any]):
    """Whether all sending is stopped; if so, why, since when, and by whom (empty: by the program itself)."""

    is_stopped = serializers.BooleanField()
    why = serializers.CharField(allow_blank=True)
    at = serializers.DateTimeField(allow_null=True)
    by = serializers.CharField(allow_blank=True)


class SwitchSerializer(StrictSerializer):
    """What sending shall be, with a reason where it is stopped."""

    between: ClassVar[dict[str, Any]] = {
        "if": {"properties": {"is_stopped": {"const": True}}},
        "then": {"required": ["why"], "properties": {"why": {"pattern": NO_SPACE}}},
    }

    is_stopped = serializers.BooleanField()
    why = serializers.CharField(required=False, allow_blank=True, default="", max_length=sending.WHY_LENGTH)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Refuse to stop without a reason."""
        if attrs["is_stopped"] and not attrs["why"].strip():
            raise serializers.ValidationError({"why": "Say why all sending is to stop."})
        return attrs


class SendingView(Door):
    """`sending/`."""

    required_scope = Scope.SENDING_READ
    write_scope = Scope.SENDING_WRITE

    @extend_schema(operation_id="sending_retrieve", responses={200: SendingSerializer, **refusals(400)})
    def get(self, request: Request) -> Response:
        """Say whether all sending is stopped."""
        return Response(SendingSerializer(sending.status()).data)

    @extend_schema(
        operation_id="sending_switch",
        request=SwitchSerializer,
        responses={200: SendingSerializer, **refusals(400, 409)},
    )
    def post(self, request: Request) -> Response:
        """Stop all sending, or start it again: once it is stopped and the answer is here, nothing begins any more."""
        asked = SwitchSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        by = request.auth if isinstance(request.auth, ApiKey) else None
        if asked.validated_data["is_stopped"]:
            sending.stop(by, asked.validated_data["why"], timezone.now())
        elif sending.status().is_stopped:
            try:
                sending.start(by, timezone.now())
            except sending.SendingError as refused:
                raise Problem(409, "in_doubt", str(refused)) from refused
        return Response(SendingSerializer(sending.status()).data)
