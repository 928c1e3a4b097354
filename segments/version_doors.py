"""REST about a segment's past, and its likes: versions, sizes, copies, overlap."""

from typing import Any, ClassVar

from django.http import Http404
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from customers.api import Door
from customers.keys import Scope
from customers.problems import NO_SPACE, Problem, StrictSerializer, refusals
from segments import definition, growth, lists, overlap, versions
from segments.api import KEY, SegmentSerializer
from segments.doors import IF_MATCH, edition, etag, refusing, segment_of, valid, who
from segments.models import Segment

MOST_DAYS = 3650
DAYS = {"type": "integer", "minimum": 1, "maximum": MOST_DAYS}


class EffectSerializer(serializers.Serializer[Any]):
    """The members as of a full cycle, and who entered and left since the one before."""

    as_of = serializers.DateTimeField()
    size = serializers.IntegerField()
    entered = serializers.IntegerField()
    left = serializers.IntegerField()


class VersionSerializer(serializers.Serializer[Any]):
    """What a rule was, in words and before that, and how the members changed with it at the next full cycle."""

    number = serializers.IntegerField()
    rule = serializers.DictField()
    sentence = serializers.CharField(allow_blank=True)
    sentence_before = serializers.CharField(allow_blank=True)
    at = serializers.DateTimeField()
    by = serializers.CharField(allow_blank=True)
    effect = EffectSerializer(allow_null=True)


class VersionListSerializer(serializers.Serializer[Any]):
    """All versions, the newest first."""

    results = VersionSerializer(many=True)


class SizeListSerializer(serializers.Serializer[Any]):
    """The size of a segment at the end of each day, with all who entered and left on it."""

    results = EffectSerializer(many=True)


class CopyInSerializer(StrictSerializer):
    """What a copy is called."""

    key = serializers.RegexField(KEY, max_length=60)
    name = serializers.CharField(max_length=120)


@extend_schema_field(
    {
        "type": "array",
        "items": {"type": "string", "minLength": 1, "maxLength": 60, "pattern": NO_SPACE},
        "minItems": 2,
        "maxItems": 6,
        "uniqueItems": True,
    }
)
class KeysField(serializers.ListField):
    """The keys of some segments, each of another one."""


class OverlapInSerializer(StrictSerializer):
    """Two to six segments, by their keys."""

    segments = KeysField(child=serializers.CharField(max_length=60), min_length=2, max_length=6)


class PartSerializer(serializers.Serializer[Any]):
    """The customers who are in exactly these segments."""

    segments = serializers.ListField(child=serializers.CharField())
    count = serializers.IntegerField()


class PairSerializer(serializers.Serializer[Any]):
    """Two of the segments, and the shares of whom they have in common."""

    one = serializers.CharField()
    other = serializers.CharField()
    both = serializers.IntegerField()
    share_of_one = serializers.FloatField()
    share_of_other = serializers.FloatField()
    share_of_either = serializers.FloatField()


class OverlapSerializer(serializers.Serializer[Any]):
    """How segments overlap: `either` are in one at least, `all` in every one; `parts` has every combination."""

    as_of = serializers.DateTimeField()
    sizes = serializers.DictField(child=serializers.IntegerField())
    either = serializers.IntegerField()
    all = serializers.IntegerField()
    parts = PartSerializer(many=True)
    pairs = PairSerializer(many=True)
    sentence = serializers.CharField()


class VersionsView(Door):
    """`segments/{id}/versions/`."""

    required_scope = Scope.SEGMENTS_READ

    @extend_schema(operation_id="segments_versions", responses={200: VersionListSerializer, **refusals(400, 404)})
    def get(self, request: Request, public_id: str) -> Response:
        """List who changed the rule, from what to what, and what it did to the members."""
        found = versions.of(segment_of(public_id))
        return Response(VersionListSerializer({"results": found}).data)


class RestoreView(Door):
    """`segments/{id}/versions/{number}/restore/`."""

    required_scope = Scope.SEGMENTS_WRITE

    @extend_schema(
        operation_id="segments_restore",
        parameters=[IF_MATCH],
        request=None,
        responses={200: SegmentSerializer, **refusals(400, 404, 409, 412)},
    )
    def post(self, request: Request, public_id: str, number: int) -> Response:
        """Give a segment the rule of an earlier version, as a new one."""
        with refusing():
            segment = segment_of(public_id, is_locked=True)
            expected = edition(request, segment)
            if not segment.versions.filter(number=number).exists():
                raise Http404("The segment has no such version.")
            definition.restore(segment, number, who(request), timezone.now(), expected)
        return Response(SegmentSerializer(segment).data, headers=etag(segment))


class SizesView(Door):
    """`segments/{id}/sizes/`."""

    required_scope = Scope.SEGMENTS_READ
    parameters: ClassVar[set[str]] = {"days"}

    @extend_schema(
        operation_id="segments_sizes",
        parameters=[OpenApiParameter("days", DAYS, description=f"So many days back, 1 to {MOST_DAYS}.")],
        responses={200: SizeListSerializer, **refusals(400, 404)},
    )
    def get(self, request: Request, public_id: str) -> Response:
        """Give the size over time, a row a day that had a full cycle."""
        segment = segment_of(public_id)
        text = request.query_params.get("days", str(growth.DAYS_SHOWN))
        if not (text.isascii() and text.isdecimal() and len(text) < 6 and 1 <= int(text) <= MOST_DAYS):
            message = f"days must be a whole number from 1 to {MOST_DAYS}."
            raise Problem(400, "bad_days", message, [{"path": "days", "code": "bad_days", "message": message}])
        return Response(
            SizeListSerializer({"results": growth.by_day(segment, segment.as_of or timezone.now(), int(text))}).data
        )


class DuplicateView(Door):
    """`segments/{id}/duplicate/`."""

    required_scope = Scope.SEGMENTS_WRITE

    @extend_schema(
        operation_id="segments_duplicate",
        request=CopyInSerializer,
        responses={201: SegmentSerializer, **refusals(400, 404, 409)},
    )
    def post(self, request: Request, public_id: str) -> Response:
        """Make another segment with the same rule or list, and the same pins."""
        segment = segment_of(public_id)
        body = valid(CopyInSerializer(data=request.data))
        with refusing(body["key"]):
            other = definition.duplicate(segment, body["key"], body["name"], who(request), timezone.now())
        return Response(SegmentSerializer(other).data, status=201, headers=etag(other))


class FreezeView(Door):
    """`segments/{id}/freeze/`."""

    required_scope = Scope.SEGMENTS_WRITE

    @extend_schema(
        operation_id="segments_freeze",
        request=CopyInSerializer,
        responses={201: SegmentSerializer, **refusals(400, 404, 409)},
    )
    def post(self, request: Request, public_id: str) -> Response:
        """Make a list of the members of the moment, which stays as it is."""
        segment = segment_of(public_id)
        body = valid(CopyInSerializer(data=request.data))
        with refusing(body["key"]):
            frozen = lists.frozen(segment, body["key"], body["name"], who(request), timezone.now())
        frozen.refresh_from_db()
        return Response(SegmentSerializer(frozen).data, status=201, headers=etag(frozen))


class OverlapView(Door):
    """`segments/overlap/`."""

    required_scope = Scope.SEGMENTS_READ

    @extend_schema(
        operation_id="segments_overlap",
        request=OverlapInSerializer,
        responses={200: OverlapSerializer, **refusals(400, 404, 409)},
    )
    def post(self, request: Request) -> Response:
        """Count every combination of two to six segments exactly, by their members as of the last refresh."""
        keys = valid(OverlapInSerializer(data=request.data))["segments"]
        stored = {segment.key: segment for segment in Segment.objects.filter(key__in=keys)}
        if unknown := [key for key in keys if key not in stored]:
            raise Http404(f"No segment has the key {unknown[0]!r}.")
        with refusing():
            found = overlap.overlap([stored[key] for key in keys])
        return Response(OverlapSerializer(found).data)
