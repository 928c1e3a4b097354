"""REST about segments: their definitions and previews."""

from typing import Any, ClassVar

from django.utils import timezone
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from customers.api import Door
from customers.keys import Scope
from customers.listing import NAMED, STORED, Listing, Narrowed
from customers.problems import NEVER, Problem, StrictSerializer, refusals
from segments import definition, preview, scored
from segments.doors import IF_MATCH, edition, etag, refusing, segment_of, valid, who
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


@extend_schema_field(
    {
        "type": "object",
        "required": ["version", "rule"],
        "properties": {"version": {"const": 1}, "rule": {"type": "object", "minProperties": 1}},
        "additionalProperties": False,
    }
)
class RuleField(serializers.DictField):
    """A rule with the version of its language."""


@extend_schema_field(
    {
        "type": "object",
        "required": ["target"],
        "properties": {"target": {"type": "string"}, **{name: {} for name in scored.LINES}},
        "additionalProperties": False,
        "minProperties": 2,
        "maxProperties": 2,
    }
)
class LineField(serializers.DictField):
    """A line on a score."""


class SegmentInSerializer(StrictSerializer):
    """A segment as it is sent here. A rule is sent as `rule`, or as a line on a score; a list has neither."""

    key = serializers.RegexField(KEY, max_length=60)
    name = serializers.CharField(max_length=120)
    kind = serializers.ChoiceField(choices=Segment.Kind.choices, required=False, help_text="rule, if left out.")
    description = serializers.CharField(required=False, allow_blank=True, max_length=2000)
    folder = serializers.CharField(required=False, allow_blank=True, max_length=120)
    tags = serializers.ListField(child=serializers.CharField(max_length=40), required=False, max_length=20)
    rule = RuleField(required=False, help_text='{"version": 1, "rule": ...}')
    score = LineField(
        required=False, help_text=f'{{"target": "lapse", "above": 0.7}}, or one of {", ".join(scored.LINES)}.'
    )
    between: ClassVar[dict[str, Any]] = {
        "anyOf": [
            {"required": ["rule"], "properties": {"kind": {"const": "rule"}, "score": NEVER}},
            {"required": ["score"], "properties": {"kind": {"const": "rule"}, "rule": NEVER}},
            {"required": ["kind"], "properties": {"kind": {"const": "list"}, "rule": NEVER, "score": NEVER}},
        ]
    }

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Take a rule or a line on a score, not both, and none for a list."""
        given = [name for name in ("rule", "score") if name in attrs]
        if attrs.get("kind") == Segment.Kind.LIST and given:
            raise serializers.ValidationError({given[0]: "A list has members, and no rule."})
        if len(given) == 2:
            raise serializers.ValidationError({"score": "Send a rule or a line on a score, not both."})
        if not given and not self.partial and attrs.get("kind") != Segment.Kind.LIST:
            raise serializers.ValidationError({"rule": "This field is required."})
        attrs["tags"] = list(dict.fromkeys(attrs["tags"])) if "tags" in attrs else []
        return {name: value for name, value in attrs.items() if name != "tags" or "tags" in self.initial_data}


class SegmentChangeSerializer(SegmentInSerializer):
    """What is changed of a segment: its kind is not."""

    between: ClassVar[dict[str, Any]] = {
        "anyOf": [
            {"properties": {"rule": NEVER, "score": NEVER}},
            {"properties": {"kind": {"const": "rule"}, "rule": NEVER}},
            {"properties": {"kind": {"const": "rule"}, "score": NEVER}},
        ]
    }


class SegmentSerializer(serializers.Serializer[Any]):
    """A named rule or list, with its size as of the last refresh. `problem` says why it is paused, if it is."""

    id = serializers.CharField(source="public_id")
    key = serializers.CharField()
    name = serializers.CharField()
    kind = serializers.CharField()
    description = serializers.CharField(allow_blank=True)
    folder = serializers.CharField(allow_blank=True)
    tags = serializers.ListField(child=serializers.CharField())
    rule = serializers.DictField()
    sentence = serializers.SerializerMethodField()
    rule_version = serializers.IntegerField()
    edition = serializers.IntegerField(help_text="Counts every change; it is the ETag.")
    created_at = serializers.DateTimeField()
    changed_at = serializers.DateTimeField(allow_null=True)
    changed_by = serializers.CharField(allow_blank=True)
    as_of = serializers.DateTimeField(allow_null=True)
    size = serializers.IntegerField(allow_null=True)
    problem = serializers.CharField(allow_blank=True)

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
    """A rule to be tried; with the key of the segment whose rule it is, its pins count."""

    key = serializers.RegexField(KEY, max_length=60, required=False)
    rule = RuleField(help_text='{"version": 1, "rule": ...}')


class FindingSerializer(serializers.Serializer[Any]):
    """One thing that is odd about a rule, where it is, and of which kind."""

    path = serializers.CharField()
    kind = serializers.CharField()
    text = serializers.CharField()


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
    lint = FindingSerializer(many=True)
    seconds = serializers.FloatField()


LISTING = Listing(
    "segments",
    sorts={**STORED, **NAMED, "created_at": "created_at"},
    narrowed={
        "key": Narrowed("key"),
        "kind": Narrowed("kind", Segment.Kind.values),
        "folder": Narrowed("folder"),
    },
)


class SegmentsView(Door):
    """`segments/`."""

    required_scope = Scope.SEGMENTS_READ
    write_scope = Scope.SEGMENTS_WRITE
    parameters: ClassVar[set[str]] = LISTING.parameters

    @extend_schema(
        operation_id="segments_list",
        parameters=LISTING.described,
        responses={200: SegmentPageSerializer, **refusals(400)},
    )
    def get(self, request: Request) -> Response:
        """List the segments."""
        context = {"fields": catalogue()}
        rows = Segment.objects.all()
        return LISTING.page(request, rows, lambda found: SegmentSerializer(found, many=True, context=context).data)

    @extend_schema(
        operation_id="segments_create",
        request=SegmentInSerializer,
        responses={201: SegmentSerializer, **refusals(400, 409)},
    )
    def post(self, request: Request) -> Response:
        """Make a segment: a rule's members are found by the next cycle, a list's are told at its members."""
        body = valid(SegmentInSerializer(data=request.data))
        with refusing(body["key"]):
            segment = definition.save(Segment(**_asked(body)), who(request), timezone.now())
        return Response(SegmentSerializer(segment).data, status=201, headers=etag(segment))


class SegmentView(Door):
    """`segments/{id}/`."""

    required_scope = Scope.SEGMENTS_READ
    write_scope = Scope.SEGMENTS_WRITE

    @extend_schema(operation_id="segments_retrieve", responses={200: SegmentSerializer, **refusals(400, 404)})
    def get(self, request: Request, public_id: str) -> Response:
        """Give one segment; its ETag says which edition this is."""
        segment = segment_of(public_id)
        return Response(SegmentSerializer(segment).data, headers=etag(segment))

    @extend_schema(
        operation_id="segments_update",
        request=SegmentChangeSerializer(partial=True),
        parameters=[IF_MATCH],
        responses={200: SegmentSerializer, **refusals(400, 404, 409, 412)},
    )
    def patch(self, request: Request, public_id: str) -> Response:
        """Change what is sent; a changed rule is a new version."""
        body = valid(SegmentChangeSerializer(data=request.data, partial=True))
        with refusing(body.get("key", "")):
            segment = segment_of(public_id, is_locked=True)
            expected = edition(request, segment)
            if segment.kind == Segment.Kind.LIST and body.keys() & {"rule", "score"}:
                place = {"path": "rule", "code": "bad_rule", "message": "A list has members, and no rule."}
                raise Problem(400, "bad_rule", "rule: A list has members, and no rule.", [place])
            for name, value in _asked(body).items():
                setattr(segment, name, value)
            definition.save(segment, who(request), timezone.now(), expected)
        return Response(SegmentSerializer(segment).data, headers=etag(segment))

    @extend_schema(
        operation_id="segments_delete",
        parameters=[IF_MATCH],
        responses={204: None, **refusals(400, 404, 409, 412)},
    )
    def delete(self, request: Request, public_id: str) -> Response:
        """Delete a segment that nothing uses."""
        with refusing():
            segment = segment_of(public_id)
            expected = edition(request, segment)
            if expected not in (None, segment.edition):
                raise definition.SegmentChanged(segment)
            definition.delete(segment)
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
        body = valid(PreviewInSerializer(data=request.data))
        with refusing():
            found = preview.preview(body["rule"], timezone.now(), body.get("key", ""))
        return Response(PreviewSerializer(found).data)


def segments_of(customer_id: int) -> list[dict[str, Any]]:
    """Give the segments that a customer belongs to."""
    found = Membership.objects.filter(customer_id=customer_id).order_by("segment__key")
    columns = ("segment__public_id", "segment__key", "segment__name", "since")
    return [dict(zip(("id", "key", "name", "since"), row, strict=True)) for row in found.values_list(*columns)]


def _asked(body: dict[str, Any]) -> dict[str, Any]:
    """Give the columns of a segment that a body sets; a line on a score becomes a rule."""
    if "score" not in body:
        return body
    others = {name: value for name, value in body.items() if name != "score"}
    return {**others, "rule": scored.rule_of(body["score"], catalogue())}
