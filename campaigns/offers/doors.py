"""REST about offers: made and changed, their codes uploaded, listed and redeemed, and what came of them."""

from dataclasses import replace
from typing import Any, ClassVar

from django.db import IntegrityError, transaction
from django.http import Http404
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from campaigns.api import IntervalSerializer
from campaigns.campaign_doors import MONEY, POSITIVE
from campaigns.models import Offer, OfferCode
from campaigns.offers import definition, imports, pool, redemption
from campaigns.offers.definition import OfferError
from campaigns.offers.files import FileRefused
from campaigns.offers.redemption import OfferRefused
from campaigns.offers.report import report
from customers import tags
from customers.api import Door, customer_of, who
from customers.keys import Scope
from customers.listing import NAMED, Listing, Narrowed
from customers.problems import Problem, StrictJSONParser, StrictSerializer, refusals
from segments.api import KEY
from segments.hand_doors import BODY, CsvParser, FileParser, PlainParser
from segments.models import Segment

A_TEXT: dict[str, Any] = {"type": "string", "minLength": 1}
FILE = {"text/plain": A_TEXT, "text/csv": A_TEXT, "application/octet-stream": {**A_TEXT, "format": "binary"}}
CODES = Listing("codes", narrowed={"state": Narrowed("state", OfferCode.State.values)})
HIDDEN = "This is no code that was given for this offer, or it is another customer's."


class OfferInSerializer(StrictSerializer):
    """An offer as it is sent here."""

    key = serializers.RegexField(KEY, max_length=60)
    name = serializers.CharField(max_length=120)
    value = serializers.FloatField(help_text="In the shop's currency, or in percent.", **MONEY)
    is_percent = serializers.BooleanField(required=False)
    cost = serializers.FloatField(
        required=False, allow_null=True, help_text="What a redeemed one costs; null: its value.", **MONEY
    )
    margin = serializers.FloatField(required=False, min_value=0.0, max_value=1.0)
    valid_days = serializers.IntegerField(required=False, **{**POSITIVE, "max_value": 36_500})
    starts_at = serializers.DateTimeField(required=False, allow_null=True)
    ends_at = serializers.DateTimeField(required=False, allow_null=True)
    audience = serializers.CharField(
        max_length=60, required=False, allow_null=True, help_text="The key of a segment; null for everybody."
    )
    stock = serializers.IntegerField(required=False, allow_null=True, min_value=0, max_value=2**31 - 1)
    codes_from = serializers.ChoiceField(choices=Offer.Codes.choices, required=False)
    terms = serializers.CharField(max_length=10_000, required=False, allow_blank=True)
    between: ClassVar[dict[str, Any]] = {
        "if": {"required": ["is_percent"], "properties": {"is_percent": {"const": True}}},
        "then": {"properties": {"value": {"maximum": 100}}},
    }

    def validate_audience(self, key: str | None) -> Segment | None:
        """Give the segment of a key."""
        found = Segment.objects.filter(key=key).first() if key is not None else None
        if key is not None and found is None:
            raise serializers.ValidationError(f"There is no segment “{key}”.", "no_segment")
        return found


class OfferSerializer(serializers.Serializer[Any]):
    """An offer, of which customers have codes."""

    id = serializers.CharField(source="public_id")
    key = serializers.CharField()
    name = serializers.CharField()
    value = serializers.FloatField()
    is_percent = serializers.BooleanField()
    cost = serializers.FloatField(allow_null=True)
    margin = serializers.FloatField()
    valid_days = serializers.IntegerField()
    starts_at = serializers.DateTimeField(allow_null=True)
    ends_at = serializers.DateTimeField(allow_null=True)
    audience = serializers.CharField(source="audience.key", default=None, allow_null=True)
    stock = serializers.IntegerField(allow_null=True)
    codes_from = serializers.ChoiceField(choices=Offer.Codes.choices)
    terms = serializers.CharField(allow_blank=True)


class OfferPageSerializer(serializers.Serializer[Any]):
    """A page of offers."""

    results = OfferSerializer(many=True)
    next = serializers.URLField(allow_null=True)


LISTING = Listing(
    "offers",
    sorts={**NAMED, "value": "value"},
    narrowed={
        "codes_from": Narrowed("codes_from", Offer.Codes.values),
        "audience": Narrowed("audience__key", description="Only those for the segment with this key."),
    },
)


class CodeSerializer(serializers.Serializer[Any]):
    """A code with its state; nobody's while it is free."""

    code = serializers.CharField()
    state = serializers.ChoiceField(choices=OfferCode.State.choices)
    customer = serializers.CharField(source="customer.external_id", default=None, allow_null=True)
    valid_until = serializers.DateTimeField(allow_null=True)
    given_at = serializers.DateTimeField(allow_null=True)
    redeemed_at = serializers.DateTimeField(allow_null=True)
    order_value = serializers.FloatField(allow_null=True)


class CodePageSerializer(serializers.Serializer[Any]):
    """A page of codes."""

    results = CodeSerializer(many=True)
    next = serializers.URLField(allow_null=True)


class AddedSerializer(serializers.Serializer[Any]):
    """How many codes were stored, and which can be guessed."""

    added = serializers.IntegerField()
    warnings = serializers.ListField(child=serializers.CharField())


class RedeemInSerializer(StrictSerializer):
    """A code that somebody pays with."""

    code = serializers.CharField(max_length=80, help_text="However it was typed.")
    order_value = serializers.FloatField(required=False, allow_null=True, **MONEY)
    redeemed_at = serializers.DateTimeField(required=False, help_text="When the order was made; left out: now.")
    customer = serializers.CharField(
        max_length=200, required=False, help_text="The external id of whoever pays, whose code it must be."
    )


class FaultSerializer(serializers.Serializer[Any]):
    """What is wrong with a line of a file."""

    line = serializers.IntegerField()
    message = serializers.CharField()


class ImportedSerializer(serializers.Serializer[Any]):
    """What came of a file of redemptions."""

    read = serializers.IntegerField()
    redeemed = serializers.IntegerField()
    refused = FaultSerializer(many=True)


class StockSerializer(serializers.Serializer[Any]):
    """What is left; null: as many as are wanted."""

    total = serializers.IntegerField(allow_null=True)
    left = serializers.IntegerField(allow_null=True)


class AnywaySerializer(serializers.Serializer[Any]):
    """What went to customers who would have bought anyway, by the control groups; null: it cannot be told."""

    share = IntervalSerializer(allow_null=True)
    cost = IntervalSerializer(allow_null=True)
    words = serializers.CharField()


class OfferReportSerializer(serializers.Serializer[Any]):
    """What an offer did up to now."""

    offer = serializers.CharField()
    as_of = serializers.DateTimeField()
    given = serializers.IntegerField()
    redeemed = serializers.IntegerField()
    lapsed = serializers.IntegerField()
    reserved = serializers.IntegerField()
    share = IntervalSerializer(allow_null=True, help_text="Redeemed of given.")
    stock = StockSerializer()
    cost = serializers.FloatField()
    revenue = serializers.FloatField(help_text="Of the orders with codes, as far as they were told.")
    anyway = AnywaySerializer()


class OffersView(Door):
    """`offers/`."""

    required_scope = Scope.OFFERS_READ
    write_scope = Scope.OFFERS_WRITE
    parameters: ClassVar[set[str]] = LISTING.parameters

    @extend_schema(
        operation_id="offers_list", parameters=LISTING.described, responses={200: OfferPageSerializer, **refusals(400)}
    )
    def get(self, request: Request) -> Response:
        """List the offers."""
        rows = Offer.objects.select_related("audience")
        return LISTING.page(request, rows, lambda found: OfferSerializer(found, many=True).data)

    @extend_schema(
        operation_id="offers_create",
        request=OfferInSerializer,
        responses={201: OfferSerializer, **refusals(400, 409)},
    )
    def post(self, request: Request) -> Response:
        """Make an offer."""
        body = OfferInSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        offer = Offer(**body.validated_data)
        if Offer.objects.filter(key=offer.key).exists():
            raise _taken(offer.key)
        try:
            _save(request, offer)
        except IntegrityError as error:
            raise _taken(offer.key) from error
        return _answer(offer, 201)


class OfferView(Door):
    """`offers/{key}/`."""

    required_scope = Scope.OFFERS_READ
    write_scope = Scope.OFFERS_WRITE

    @extend_schema(operation_id="offers_retrieve", responses={200: OfferSerializer, **refusals(400, 404)})
    def get(self, request: Request, key: str) -> Response:
        """Give one offer; its ETag says which state of it this is."""
        return _answer(offer_of(key))

    @extend_schema(
        operation_id="offers_update",
        request=OfferInSerializer(partial=True),
        parameters=[tags.IF_MATCH],
        responses={200: OfferSerializer, **refusals(400, 404, 409, 412)},
    )
    def patch(self, request: Request, key: str) -> Response:
        """Change what is sent; no code that is out outlives a new end."""
        body = OfferInSerializer(data=request.data, partial=True)
        body.is_valid(raise_exception=True)
        with transaction.atomic():
            offer = offer_of(key, is_locked=True)
            tags.check(request, tags.tag(OfferSerializer(offer).data), "The offer")
            if body.validated_data.get("key", key) != key:
                raise _refusal("key", "stays as it is; make another offer")
            for name, value in body.validated_data.items():
                setattr(offer, name, value)
            _save(request, offer)
        return _answer(offer)


class CodesView(Door):
    """`offers/{key}/codes/`."""

    parser_classes = [StrictJSONParser, PlainParser, CsvParser, FileParser]
    required_scope = Scope.OFFERS_READ
    write_scope = Scope.OFFERS_WRITE
    parameters: ClassVar[set[str]] = CODES.parameters | {"column"}

    @extend_schema(
        operation_id="offers_codes",
        parameters=CODES.described,
        responses={200: CodePageSerializer, **refusals(400, 404)},
    )
    def get(self, request: Request, key: str) -> Response:
        """List the codes of an offer."""
        offer = offer_of(key)
        rows = OfferCode.objects.filter(offer=offer).select_related("customer")
        listing = replace(CODES, name=f"codes of {offer.public_id}")
        return listing.page(request, rows, lambda found: CodeSerializer(found, many=True).data)

    @extend_schema(
        operation_id="offers_codes_upload",
        parameters=[OpenApiParameter("column", OpenApiTypes.STR, description="The column of a table with the codes.")],
        request=FILE,
        responses={200: AddedSerializer, **refusals(400, 404, 413)},
    )
    def post(self, request: Request, key: str) -> Response:
        """Store a list of up to 100,000 codes, one a line or a column of a table: all of them, or none."""
        offer = offer_of(key)
        try:
            added = pool.add(
                offer, _file(request), who(request), timezone.now(), request.query_params.get("column", "")
            )
        except FileRefused as error:
            raise _unread(error) from error
        return Response(AddedSerializer(added).data)


class RedeemView(Door):
    """`offers/{key}/redeem/`."""

    required_scope = Scope.OFFERS_REDEEM

    @extend_schema(
        operation_id="offers_redeem",
        request=RedeemInSerializer,
        responses={200: CodeSerializer, **refusals(400, 404, 409)},
    )
    def post(self, request: Request, key: str) -> Response:
        """Redeem a code, once: 404 for what is no code of this offer and customer, 409 for one that is over or used.

        Whether a code that is refused with 404 exists at all is not told.
        """
        offer, now = offer_of(key), timezone.now()
        body = RedeemInSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        asked = body.validated_data
        at = asked.get("redeemed_at", now)
        if at > now:
            raise _refusal("redeemed_at", "This lies ahead.")
        customer = customer_of(asked["customer"]) if "customer" in asked else None
        try:
            code = redemption.redeem(
                asked["code"], at, order_value=asked.get("order_value"), customer=customer, offer=offer
            )
        except OfferRefused as error:
            if error.code in ("redeemed", "lapsed"):
                raise Problem(409, error.code, str(error)) from error
            raise Problem(404, "no_such_code", HIDDEN) from error
        return Response(CodeSerializer(code).data)


class RedemptionsView(Door):
    """`offers/{key}/redemptions/`."""

    parser_classes = [StrictJSONParser, PlainParser, CsvParser, FileParser]
    required_scope = Scope.OFFERS_REDEEM

    @extend_schema(
        operation_id="offers_redemptions_import",
        request=FILE,
        responses={200: ImportedSerializer, **refusals(400, 404, 413)},
    )
    def post(self, request: Request, key: str) -> Response:
        """Redeem the codes of a table with the columns code, redeemed_at and order_value; tell the refused by line."""
        offer = offer_of(key)
        try:
            read = imports.redeem(offer, _file(request), who(request), timezone.now())
        except FileRefused as error:
            raise _unread(error) from error
        return Response(ImportedSerializer(read).data)


class OfferReportView(Door):
    """`offers/{key}/report/`."""

    required_scope = Scope.OFFERS_READ

    @extend_schema(operation_id="offers_report", responses={200: OfferReportSerializer, **refusals(400, 404)})
    def get(self, request: Request, key: str) -> Response:
        """Give what an offer did: its codes, their cost, and what went to who would have bought anyway."""
        return Response(OfferReportSerializer(report(offer_of(key), timezone.now())).data)


def offer_of(key: str, *, is_locked: bool = False) -> Offer:
    """Give an offer by its key; raises Http404. Held until the commit with `is_locked`."""
    rows = Offer.objects.select_for_update(of=("self",), no_key=True) if is_locked else Offer.objects.all()
    offer = rows.select_related("audience").filter(key=key.replace("\x00", "")).first()
    if offer is None:
        raise Http404("No offer has this key.")
    return offer


def _file(request: Request) -> bytes:
    body = request.data.get(BODY) if isinstance(request.data, dict) else None
    if not isinstance(body, bytes):
        raise Problem(400, "no_file", "Send the file as text/plain, text/csv or application/octet-stream.")
    return body


def _save(request: Request, offer: Offer) -> None:
    try:
        definition.save(offer, who(request), timezone.now())
    except OfferError as error:
        raise _refusal(error.path, error.message) from error


def _answer(offer: Offer, status: int = 200) -> Response:
    told = OfferSerializer(offer).data
    return Response(told, status=status, headers=tags.header(told))


def _taken(key: str) -> Problem:
    place = {"path": "key", "code": "taken", "message": "Another offer has this key."}
    return Problem(409, "taken", f"Another offer has the key {key!r}.", [place])


def _unread(error: FileRefused) -> Problem:
    places = [{"path": f"line {one.line}", "code": "bad_line", "message": one.message} for one in error.faults]
    return Problem(400, "bad_file", str(error), places)


def _refusal(path: str, message: str) -> Problem:
    place = {"path": path, "code": f"bad_{path}", "message": message}
    return Problem(400, f"bad_{path}", f"{path}: {message}", [place])
