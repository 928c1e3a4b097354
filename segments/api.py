"""REST about segments: fields, rules, previews, members."""

from typing import Any, ClassVar

from django.db import IntegrityError, transaction
from django.http import Http404
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from customers import paging
from customers.api import Door
from customers.keys import Scope
from customers.models import Customer
from customers.problems import Problem, StrictSerializer, refusals
from scoring.api import ScoreSerializer, scores_of
from scoring.models import Target
from segments import definition, picker, preview
from segments.fields import catalogue
from segments.models import Membership, Segment
from segments.rules import RuleError, parse, sentence

KEY = r"^[-a-zA-Z0-9_]+\Z"


class BelongsSerializer(serializers.Serializer[Any]):
    """A segment that a customer belongs to."""

    id = serializers.CharField()
    key = serializers.CharField()
    name = serializers.CharField()
    since = serializers.DateTimeField()


class OperatorSerializer(serializers.Serializer[Any]):
    """A way to look at a field, and the form of the value it takes: nothing, text, texts, number, duration ..."""

    name = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]
    form = serializers.CharField()


class ValueSerializer(serializers.Serializer[Any]):
    """A value that customers have: a text, or true or false."""

    value = serializers.JSONField()
    count = serializers.IntegerField()


class FieldSerializer(serializers.Serializer[Any]):
    """What a rule may ask about a customer; `share` of all customers have a value."""

    name = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]
    group = serializers.CharField()
    type = serializers.CharField()
    unit = serializers.CharField(allow_blank=True)
    share = serializers.FloatField()
    values = ValueSerializer(many=True, help_text="The most frequent; none where they could tell who somebody is.")
    operators = OperatorSerializer(many=True)


class PropertySerializer(serializers.Serializer[Any]):
    """What some events of a name tell."""

    name = serializers.CharField()
    type = serializers.CharField()


class EventNameSerializer(serializers.Serializer[Any]):
    """A kind of event."""

    name = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]
    count = serializers.IntegerField()
    properties = PropertySerializer(many=True)


class SegmentNameSerializer(serializers.Serializer[Any]):
    """A segment that a rule may refer to."""

    key = serializers.CharField()
    name = serializers.CharField()
    size = serializers.IntegerField(allow_null=True)


class FieldListSerializer(serializers.Serializer[Any]):
    """Everything that a rule may name, as of the latest snapshot."""

    as_of = serializers.DateTimeField(allow_null=True)
    customers = serializers.IntegerField()
    results = FieldSerializer(many=True)
    events = EventNameSerializer(many=True)
    segments = SegmentNameSerializer(many=True)


class SegmentInSerializer(StrictSerializer):
    """A segment as it is sent here."""

    key = serializers.RegexField(KEY, max_length=60)
    name = serializers.CharField(max_length=120)
    description = serializers.CharField(required=False, allow_blank=True, max_length=2000)
    rule = serializers.DictField(help_text='{"version": 1, "rule": ...}')


class SegmentSerializer(serializers.Serializer[Any]):
    """A named rule, with its size as of the last refresh."""

    id = serializers.CharField(source="public_id")
    key = serializers.CharField()
    name = serializers.CharField()
    description = serializers.CharField(allow_blank=True)
    rule = serializers.DictField()
    sentence = serializers.SerializerMethodField()
    rule_version = serializers.IntegerField()
    created_at = serializers.DateTimeField()
    as_of = serializers.DateTimeField(allow_null=True)
    size = serializers.IntegerField(allow_null=True)

    def get_sentence(self, segment: Segment) -> str:
        """Give the rule in words; blank where it cannot be read any more."""
        fields = self.context.get("fields") or catalogue()
        try:
            return sentence(parse(segment.rule, fields, segment.key))
        except RuleError:
            return ""


class SegmentPageSerializer(serializers.Serializer[Any]):
    """A page of segments."""

    results = SegmentSerializer(many=True)
    next = serializers.URLField(allow_null=True)


class PreviewInSerializer(StrictSerializer):
    """A rule to be tried."""

    rule = serializers.DictField(help_text='{"version": 1, "rule": ...}')


class PreviewSerializer(serializers.Serializer[Any]):
    """What a rule would hold."""

    sentence = serializers.CharField()
    as_of = serializers.DateTimeField()
    customers = serializers.IntegerField()
    count = serializers.IntegerField()
    share = serializers.FloatField()
    reachable = serializers.DictField(child=serializers.IntegerField())
    after_holdout = serializers.IntegerField(allow_null=True)
    columns = serializers.ListField(child=serializers.CharField())
    sample = serializers.ListField(child=serializers.DictField())
    missing_would_add = serializers.DictField(child=serializers.IntegerField())
    seconds = serializers.FloatField()


class MemberSerializer(serializers.Serializer[Any]):
    """One customer in a segment, since when; with `fields=scores.<key>`, the scores asked for."""

    external_id = serializers.CharField()
    since = serializers.DateTimeField()
    scores = ScoreSerializer(many=True, required=False)


class MemberPageSerializer(serializers.Serializer[Any]):
    """A page of members."""

    results = MemberSerializer(many=True)
    next = serializers.URLField(allow_null=True)


class FieldsView(Door):
    """`fields/`."""

    required_scope = Scope.SEGMENTS_READ

    @extend_schema(operation_id="fields_list", responses={200: FieldListSerializer, **refusals(400)})
    def get(self, request: Request) -> Response:
        """List what a rule may ask, with the operators that fit and the values that customers have."""
        return Response(FieldListSerializer(picker.listed()).data)


class SegmentsView(Door):
    """`segments/`."""

    required_scope = Scope.SEGMENTS_READ
    write_scope = Scope.SEGMENTS_WRITE
    parameters: ClassVar[set[str]] = paging.PARAMETERS

    @extend_schema(
        operation_id="segments_list",
        parameters=paging.DESCRIBED,
        responses={200: SegmentPageSerializer, **refusals(400)},
    )
    def get(self, request: Request) -> Response:
        """List the segments."""
        at = paging.place(request, "segments")
        found = Segment.objects.filter(pk__gt=at.after or 0).order_by("pk")[: at.limit + 1]
        context = {"fields": catalogue()}
        rows = [{**SegmentSerializer(one, context=context).data, "_key": one.pk} for one in found]
        return paging.page(request, at, rows, lambda row: int(row["_key"]))

    @extend_schema(
        operation_id="segments_create",
        request=SegmentInSerializer,
        responses={201: SegmentSerializer, **refusals(400, 409)},
    )
    def post(self, request: Request) -> Response:
        """Make a segment; its members are found by the next cycle."""
        body = _valid(SegmentInSerializer(data=request.data))
        segment = _saved(Segment(**body, created_at=timezone.now()))
        return Response(SegmentSerializer(segment).data, status=201)


class SegmentView(Door):
    """`segments/{id}/`."""

    required_scope = Scope.SEGMENTS_READ
    write_scope = Scope.SEGMENTS_WRITE

    @extend_schema(operation_id="segments_retrieve", responses={200: SegmentSerializer, **refusals(400, 404)})
    def get(self, request: Request, public_id: str) -> Response:
        """Give one segment."""
        return Response(SegmentSerializer(segment_of(public_id)).data)

    @extend_schema(
        operation_id="segments_update",
        request=SegmentInSerializer(partial=True),
        responses={200: SegmentSerializer, **refusals(400, 404, 409)},
    )
    def patch(self, request: Request, public_id: str) -> Response:
        """Change what is sent; a changed rule is a new version."""
        segment = segment_of(public_id)
        for name, value in _valid(SegmentInSerializer(data=request.data, partial=True)).items():
            setattr(segment, name, value)
        return Response(SegmentSerializer(_saved(segment)).data)

    @extend_schema(operation_id="segments_delete", responses={204: None, **refusals(400, 404, 409)})
    def delete(self, request: Request, public_id: str) -> Response:
        """Delete a segment that nothing uses."""
        try:
            definition.delete(segment_of(public_id))
        except definition.SegmentInUse as error:
            raise _in_use(error) from error
        return Response(status=204)


class PreviewView(Door):
    """`segments/preview/`."""

    required_scope = Scope.SEGMENTS_READ

    @extend_schema(
        operation_id="segments_preview",
        request=PreviewInSerializer,
        responses={200: PreviewSerializer, **refusals(400, 409)},
    )
    def post(self, request: Request) -> Response:
        """Say in words what a rule means, and count whom it holds, without storing it."""
        body = _valid(PreviewInSerializer(data=request.data))
        try:
            found = preview.preview(body["rule"], timezone.now())
        except RuleError as error:
            raise refused(error) from error
        except preview.NoSnapshot as error:
            raise Problem(409, "no_snapshot", str(error)) from error
        return Response(PreviewSerializer(found).data)


class MembersView(Door):
    """`segments/{id}/members/`."""

    required_scope = Scope.SEGMENTS_READ
    parameters: ClassVar[set[str]] = paging.PARAMETERS | {"fields"}

    @extend_schema(
        operation_id="segments_members",
        parameters=[
            *paging.DESCRIBED,
            OpenApiParameter(
                "fields", OpenApiTypes.STR, description="Scores to add, such as scores.lapse,scores.buys."
            ),
        ],
        responses={200: MemberPageSerializer, **refusals(400, 404)},
    )
    def get(self, request: Request, public_id: str) -> Response:
        """List the members, each once even where the segment changes meanwhile."""
        segment = segment_of(public_id)
        at = paging.place(request, f"members of {segment.public_id}", limit=paging.MAX_LIMIT)
        return paging.page(request, at, member_rows(segment, at, _targets(request)), lambda row: int(row["_key"]))


def member_rows(segment: Segment, at: paging.Place, targets: list[str]) -> list[dict[str, Any]]:
    """Give a page of members and one more. The page is cut within the membership index, before the join."""
    members = Membership.objects.filter(segment=segment, customer_id__gt=at.after or 0).order_by("customer_id")
    since = dict(members.values_list("customer_id", "since")[: at.limit + 1])
    external = dict(Customer.objects.filter(pk__in=list(since)).values_list("pk", "external_id"))
    scores = scores_of(list(since), targets) if targets else {}
    rows = []
    for customer_id, entered in since.items():
        row: dict[str, Any] = {"_key": customer_id, "external_id": external[customer_id], "since": entered}
        if targets:
            row["scores"] = ScoreSerializer(scores.get(customer_id, []), many=True).data
        rows.append(row)
    return rows


def segments_of(customer_id: int) -> list[dict[str, Any]]:
    """Give the segments that a customer belongs to."""
    found = Membership.objects.filter(customer_id=customer_id).order_by("segment__key")
    columns = ("segment__public_id", "segment__key", "segment__name", "since")
    return [dict(zip(("id", "key", "name", "since"), row, strict=True)) for row in found.values_list(*columns)]


def segment_of(public_id: str) -> Segment:
    """Give a segment by public id; raises Http404."""
    segment = Segment.objects.filter(public_id=public_id.replace("\x00", "")).first()
    if segment is None:
        raise Http404("No segment has this id.")
    return segment


def refused(error: RuleError) -> Problem:
    """Give the problem document of a rule that cannot be read, with the path of the place."""
    place = {"path": error.path, "code": "bad_rule", "message": error.message}
    return Problem(400, "bad_rule", str(error), [place])


def _saved(segment: Segment) -> Segment:
    try:
        with transaction.atomic():
            return definition.save(segment, None, timezone.now())
    except RuleError as error:
        raise refused(error) from error
    except definition.SegmentInUse as error:
        raise _in_use(error) from error
    except IntegrityError as error:
        place = {"path": "key", "code": "taken", "message": "Another segment has this key."}
        raise Problem(409, "taken", f"Another segment has the key {segment.key!r}.", [place]) from error


def _in_use(error: definition.SegmentInUse) -> Problem:
    return Problem(409, "in_use", str(error), [{"path": "", "code": "in_use", "message": one} for one in error.users])


def _valid(serializer: serializers.Serializer[Any]) -> dict[str, Any]:
    serializer.is_valid(raise_exception=True)
    checked: dict[str, Any] = serializer.validated_data
    return checked


def _targets(request: Request) -> list[str]:
    asked = [part.strip() for part in request.query_params.get("fields", "").split(",") if part.strip()]
    known = set(Target.objects.values_list("key", flat=True)) if asked else set()
    for name in asked:
        if not name.startswith("scores.") or name.removeprefix("scores.") not in known:
            place = {"path": "fields", "code": "unknown_field", "message": f"No score named {name!r}."}
            raise Problem(400, "unknown_field", f"fields: no score named {name!r}.", [place])
    return [name.removeprefix("scores.") for name in asked]
