"""REST about addresses that must not be contacted. No address is given out: only what is left of it, and its hash."""

from typing import Any, ClassVar

from django.http import Http404
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from customers import suppressions
from customers.api import Door, who
from customers.keys import Scope
from customers.listing import Listing, Narrowed
from customers.models import Channel, Suppression
from customers.problems import NO_SPACE, Problem, StrictSerializer, refusals
from customers.suppressions import SuppressionError


class SuppressionSerializer(serializers.Serializer[Any]):
    """A closed address: its id is made of the channel and the hash."""

    id = serializers.SerializerMethodField()
    channel = serializers.ChoiceField(choices=Channel.choices)
    hint = serializers.CharField(allow_blank=True, help_text="The address with most of it hidden.")
    reason = serializers.ChoiceField(choices=Suppression.Reason.choices)
    at = serializers.DateTimeField()

    def get_id(self, row: Suppression) -> str:
        """Give the id."""
        return f"{row.channel}-{row.address_hash}"


class SuppressionPageSerializer(serializers.Serializer[Any]):
    """A page of closed addresses."""

    results = SuppressionSerializer(many=True)
    next = serializers.URLField(allow_null=True)


class SuppressionInSerializer(StrictSerializer):
    """An address to close, and why."""

    channel = serializers.ChoiceField(choices=Channel.choices)
    address = serializers.CharField(max_length=254, help_text="In clear; only its hash is kept.")
    why = serializers.CharField(max_length=300, help_text="For the audit.")


LISTING = Listing(
    "suppressions",
    narrowed={
        "channel": Narrowed("channel", Channel.values),
        "reason": Narrowed("reason", Suppression.Reason.values),
    },
)


class SuppressionsView(Door):
    """`suppressions/`."""

    required_scope = Scope.SUPPRESSIONS_READ
    write_scope = Scope.SUPPRESSIONS_WRITE
    parameters: ClassVar[set[str]] = LISTING.parameters

    @extend_schema(
        operation_id="suppressions_list",
        parameters=LISTING.described,
        responses={200: SuppressionPageSerializer, **refusals(400)},
    )
    def get(self, request: Request) -> Response:
        """List the closed addresses, in the order in which they were closed."""
        rows = Suppression.objects.all()
        return LISTING.page(request, rows, lambda found: SuppressionSerializer(found, many=True).data)

    @extend_schema(
        operation_id="suppressions_create",
        request=SuppressionInSerializer,
        responses={200: SuppressionSerializer, 201: SuppressionSerializer, **refusals(400)},
    )
    def post(self, request: Request) -> Response:
        """Close an address; 200 where it was closed before, and stays as it was."""
        body = SuppressionInSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        asked = body.validated_data
        try:
            row, is_new = suppressions.close(
                asked["channel"], asked["address"], who(request), timezone.now(), asked["why"]
            )
        except SuppressionError as error:
            place = {"path": "address", "code": "bad_address", "message": str(error)}
            raise Problem(400, "bad_address", f"address: {error}", [place]) from error
        return Response(SuppressionSerializer(row).data, status=201 if is_new else 200)


class SuppressionView(Door):
    """`suppressions/{id}/`."""

    required_scope = Scope.SUPPRESSIONS_READ
    write_scope = Scope.SUPPRESSIONS_WRITE
    parameters: ClassVar[set[str]] = {"why"}

    @extend_schema(operation_id="suppressions_retrieve", responses={200: SuppressionSerializer, **refusals(400, 404)})
    def get(self, request: Request, suppression: str) -> Response:
        """Give one closed address."""
        return Response(SuppressionSerializer(_found(suppression)).data)

    @extend_schema(
        operation_id="suppressions_delete",
        parameters=[
            OpenApiParameter(
                "why", {"type": "string", "pattern": NO_SPACE}, required=True, description="For the audit."
            )
        ],
        responses={204: None, **refusals(400, 404, 409)},
    )
    def delete(self, request: Request, suppression: str) -> Response:
        """Open an address again, for a reason. That of somebody who was erased stays closed."""
        row, why = _found(suppression), request.query_params.get("why", "")
        if not why.strip():
            message = "why is missing: a reason is needed, so that others can follow it."
            raise Problem(400, "missing", message, [{"path": "why", "code": "missing", "message": message}])
        try:
            suppressions.open_(row, who(request), timezone.now(), why)
        except SuppressionError as error:
            raise Problem(409, "stays_closed", str(error)) from error
        return Response(status=204)


def _found(asked: str) -> Suppression:
    channel, _, hashed = asked.replace("\x00", "").partition("-")
    row = Suppression.objects.filter(channel=channel, address_hash=hashed).first()
    if row is None:
        raise Http404("No closed address has this id.")
    return row
