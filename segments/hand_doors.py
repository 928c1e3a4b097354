"""REST about what is set by hand: pins, and the members of lists."""

from dataclasses import replace
from typing import IO, Any, ClassVar

from django.http import Http404
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.parsers import BaseParser
from rest_framework.request import Request
from rest_framework.response import Response

from customers import identity
from customers.api import Door
from customers.keys import Scope
from customers.listing import Listing, Narrowed
from customers.problems import Problem, StrictJSONParser, StrictSerializer, refusals
from segments import lists, pins
from segments.definition import name_of
from segments.doors import refusing, segment_of, valid, who
from segments.lists import Given
from segments.models import ListChange, ListRefused, Segment, SegmentPin
from segments.pins import Pinned

MOST_BYTES = lists.MOST_BYTES
HOW = {"add": lists.add, "remove": lists.remove, "replace": lists.replace}
A_TEXT: dict[str, Any] = {"type": "string", "minLength": 1}
A_FILE: dict[str, Any] = {**A_TEXT, "format": "binary"}
DEFAULT_NAME, BATCH, BODY = "upload", "batch", "body"
REFUSED = Listing("refused")
WHEN = {"stored": "pk", "at": "at"}
PINS = Listing("pins", WHEN, {"kind": Narrowed("kind", SegmentPin.Kind.values)})
CHANGES = Listing("list", WHEN, {"how": Narrowed("how", ListChange.How.values)}, is_newest_first=True)


class PlainParser(BaseParser):
    """Text as it comes, up to 64 MiB."""

    media_type = "text/plain"

    def parse(self, stream: IO[bytes], media_type: Any = None, parser_context: Any = None) -> dict[str, bytes]:
        """Give the body under its name."""
        body = stream.read(MOST_BYTES + 1)
        if len(body) > MOST_BYTES:
            raise Problem(413, "too_large", f"The body is larger than {MOST_BYTES:,} bytes.")
        return {BODY: body}


class CsvParser(PlainParser):
    """A table as it comes."""

    media_type = "text/csv"


class FileParser(PlainParser):
    """Any file as it comes."""

    media_type = "application/octet-stream"


class PinInSerializer(StrictSerializer):
    """Customers to be pinned."""

    customers = serializers.ListField(child=serializers.CharField(max_length=200), min_length=1, max_length=1000)
    kind = serializers.ChoiceField(choices=SegmentPin.Kind.choices)
    reason = serializers.CharField(required=False, allow_blank=True, max_length=300)


class UnpinInSerializer(StrictSerializer):
    """Customers whose pins are to go."""

    customers = serializers.ListField(child=serializers.CharField(max_length=200), min_length=1, max_length=1000)


class PinSerializer(serializers.Serializer[Any]):
    """A customer who is in a segment, or is not, whatever its rule says."""

    external_id = serializers.CharField(source="customer.external_id")
    kind = serializers.ChoiceField(choices=SegmentPin.Kind.choices)
    reason = serializers.CharField(allow_blank=True)
    by = serializers.CharField(allow_blank=True)
    at = serializers.DateTimeField()


class PinPageSerializer(serializers.Serializer[Any]):
    """A page of pins."""

    results = PinSerializer(many=True)
    next = serializers.URLField(allow_null=True)


class PinnedSerializer(serializers.Serializer[Any]):
    """How many were pinned, or were pinned no longer; and the ids of nobody."""

    customers = serializers.IntegerField()
    unknown = serializers.ListField(child=serializers.CharField())


class IdsInSerializer(StrictSerializer):
    """External ids or e-mail addresses as JSON; each is judged on its own."""

    ids = serializers.ListField(child=serializers.CharField(), min_length=1)


class ListChangeSerializer(serializers.Serializer[Any]):
    """What was done to a list, and what became of the ids that were given."""

    id = serializers.CharField(source="public_id", help_text="For `list/{change}/refused/`.")
    how = serializers.ChoiceField(choices=ListChange.How.choices)
    source = serializers.CharField()  # type: ignore[assignment]
    at = serializers.DateTimeField()
    by = serializers.CharField(allow_blank=True)
    read = serializers.IntegerField(help_text="Ids and addresses given.")
    repeated = serializers.IntegerField(help_text="Those given more than once.")
    unknown = serializers.IntegerField(help_text="Those of nobody.")
    unknown_ids = serializers.ListField(child=serializers.CharField(), help_text="The first of them.")
    added = serializers.IntegerField()
    removed = serializers.IntegerField()


class RefusedIdSerializer(serializers.Serializer[Any]):
    """One that is of nobody, and why."""

    line = serializers.IntegerField(help_text="Its line in the file, or its place among the ids, from 1.")
    id = serializers.CharField(source="given")
    code = serializers.ChoiceField(choices=ListRefused.Why.choices, source="why")
    message = serializers.CharField(source="get_why_display")


class RefusedIdPageSerializer(serializers.Serializer[Any]):
    """A page of those who are nobody, in the order of their lines."""

    results = RefusedIdSerializer(many=True)
    next = serializers.URLField(allow_null=True)


class ListChangedSerializer(ListChangeSerializer):
    """What was done to a list, with the first of those who are nobody."""

    refused = serializers.SerializerMethodField()

    @extend_schema_field(RefusedIdSerializer(many=True))
    def get_refused(self, change: ListChange) -> Any:
        """Give the first 100; all of them stand in `list/{change}/refused/` for a month."""
        return RefusedIdSerializer(change.refused.order_by("pk")[: lists.TOLD], many=True).data


class ListChangePageSerializer(serializers.Serializer[Any]):
    """A page of what was done to a list, the newest first."""

    results = ListChangeSerializer(many=True)
    next = serializers.URLField(allow_null=True)


class PinsView(Door):
    """`segments/{id}/pins/`."""

    required_scope = Scope.SEGMENTS_READ
    write_scope = Scope.SEGMENTS_WRITE
    has_delete_body = True
    parameters: ClassVar[set[str]] = PINS.parameters

    @extend_schema(
        operation_id="segments_pins_list",
        parameters=PINS.described,
        responses={200: PinPageSerializer, **refusals(400, 404)},
    )
    def get(self, request: Request, public_id: str) -> Response:
        """List the customers who were set by hand, with who did so and why."""
        segment = segment_of(public_id)
        listing = replace(PINS, name=f"pins of {segment.public_id}")
        rows = segment.pins.select_related("customer")
        return listing.page(request, rows, lambda found: PinSerializer(found, many=True).data)

    @extend_schema(
        operation_id="segments_pins_create",
        request=PinInSerializer,
        responses={200: PinnedSerializer, **refusals(400, 404)},
    )
    def post(self, request: Request, public_id: str) -> Response:
        """Pin customers: they are members, or no longer, at once, and stay so whatever the rule says."""
        segment = segment_of(public_id)
        body = valid(PinInSerializer(data=request.data))
        known, unknown = _known(body["customers"])
        pinned = Pinned(body["kind"], body.get("reason", ""), name_of(who(request)), timezone.now())
        with refusing():
            pins.put(segment, known, pinned)
        return Response({"customers": len(known), "unknown": unknown})

    @extend_schema(
        operation_id="segments_pins_delete",
        request=UnpinInSerializer,
        responses={200: PinnedSerializer, **refusals(400, 404)},
    )
    def delete(self, request: Request, public_id: str) -> Response:
        """Take pins away: the next cycle asks the rule again."""
        segment = segment_of(public_id)
        known, unknown = _known(valid(UnpinInSerializer(data=request.data))["customers"])
        return Response({"customers": pins.remove(segment, known), "unknown": unknown})


class ListView(Door):
    """`segments/{id}/list/`."""

    parser_classes = [StrictJSONParser, PlainParser, CsvParser, FileParser]
    required_scope = Scope.SEGMENTS_READ
    write_scope = Scope.SEGMENTS_WRITE
    parameters: ClassVar[set[str]] = CHANGES.parameters | {"column", "name"}

    @extend_schema(
        operation_id="segments_list_changes",
        parameters=CHANGES.described,
        responses={200: ListChangePageSerializer, **refusals(400, 404)},
    )
    def get(self, request: Request, public_id: str) -> Response:
        """List what was done to a list, the newest first."""
        segment = _list_of(public_id)
        listing = replace(CHANGES, name=f"list of {segment.public_id}")
        rows = segment.list_changes.all()
        return listing.page(request, rows, lambda found: ListChangeSerializer(found, many=True).data)

    @extend_schema(
        operation_id="segments_list_change",
        parameters=[
            OpenApiParameter("how", OpenApiTypes.STR, enum=sorted(HOW), description="add, if left out."),
            OpenApiParameter("column", OpenApiTypes.STR, description="The column of a table that holds the ids."),
            OpenApiParameter("name", OpenApiTypes.STR, description="What the file is called."),
        ],
        request={
            "application/json": IdsInSerializer,
            "text/plain": A_TEXT,
            "text/csv": A_TEXT,
            "application/octet-stream": A_FILE,
        },
        responses={200: ListChangedSerializer, **refusals(400, 404, 413)},
    )
    def post(self, request: Request, public_id: str) -> Response:
        """Add, remove or replace up to a million ids or addresses, as lines, a table or JSON; each is judged alone."""
        segment = _list_of(public_id)
        how = request.query_params.get("how", "add")
        if how not in HOW:
            message = f"how must be one of {', '.join(sorted(HOW))}."
            raise Problem(400, "bad_how", message, [{"path": "how", "code": "bad_how", "message": message}])
        try:
            change = HOW[how](segment, _given(request), name_of(who(request)), timezone.now())
        except lists.ListError as error:
            raise Problem(400, "bad_list", str(error)) from error
        return Response(ListChangedSerializer(change).data)


class RefusedView(Door):
    """`segments/{id}/list/{change}/refused/`."""

    required_scope = Scope.SEGMENTS_READ
    parameters: ClassVar[set[str]] = REFUSED.parameters

    @extend_schema(
        operation_id="segments_list_refused",
        parameters=REFUSED.described,
        responses={200: RefusedIdPageSerializer, **refusals(400, 404)},
    )
    def get(self, request: Request, public_id: str, change: str) -> Response:
        """List the lines of a change that are of nobody, with the reason; they are kept for a month."""
        found = _list_of(public_id).list_changes.filter(public_id=change.replace("\x00", "")).first()
        if found is None:
            raise Http404("No change of this list has this id.")
        listing = replace(REFUSED, name=f"refused of {found.public_id}")
        return listing.page(request, found.refused.all(), lambda rows: RefusedIdSerializer(rows, many=True).data)


def _given(request: Request) -> Given:
    body = request.data.get(BODY) if isinstance(request.data, dict) else None
    if isinstance(body, bytes):
        name = request.query_params.get("name") or DEFAULT_NAME
        return lists.uploaded(name, body, request.query_params.get("column", ""))
    name = request.query_params.get("name") or BATCH
    return lists.named(valid(IdsInSerializer(data=request.data))["ids"], name)


def _list_of(public_id: str) -> Segment:
    segment = segment_of(public_id)
    if segment.kind != Segment.Kind.LIST:
        raise Problem(400, "no_list", f"Segment '{segment.key}' has a rule and no list; pin single customers.")
    return segment


def _known(external_ids: list[str]) -> tuple[list[int], list[str]]:
    """Give the customers of some external ids, and the ids of nobody."""
    given = lists.named(external_ids, BATCH).ids.unique(maintain_order=True)
    found = identity.find(given)
    unknown = given.filter(~given.is_in(found["external_id"].implode()))
    return sorted(set(found["customer_id"].to_list())), unknown.to_list()
