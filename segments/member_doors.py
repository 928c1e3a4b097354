"""REST about members: pages, files, who entered and left."""

import re
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, ClassVar

import polars as pl
from django.core import signing
from django.http import HttpResponse, StreamingHttpResponse
from django.utils import timezone
from django.utils.cache import get_conditional_response
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from customers import paging
from customers.api import Door, customer_of
from customers.keys import Scope
from customers.problems import Problem, refusals
from scoring.api import ScoreSerializer
from scoring.models import Target
from segments import exports, member_text, members
from segments.definition import name_of
from segments.doors import refusing, segment_of, who
from segments.exports import CONTENT_TYPES, Export
from segments.fields import fields
from segments.models import Membership, MembershipChange, Segment, SegmentPin
from segments.why import Why, why

FIELDS = OpenApiParameter(
    "fields", OpenApiTypes.STR, description="Fields to add, such as country,features.spend_90d,scores.lapse."
)
Method = Callable[..., StreamingHttpResponse]
A_TEXT = {"type": "string", "minLength": 1}
START = (-1, 0)
SCORE = re.compile(r"scores\.([^.]+)\Z")


class MemberSerializer(serializers.Serializer[Any]):
    """One customer in a segment, since when; with `fields`, the scores and the values asked for."""

    external_id = serializers.CharField()
    since = serializers.DateTimeField()
    scores = ScoreSerializer(many=True, required=False)
    values = serializers.DictField(required=False, help_text="As of the latest snapshot.")


class MemberPageSerializer(serializers.Serializer[Any]):
    """A page of members."""

    results = MemberSerializer(many=True)
    next = serializers.URLField(allow_null=True)


class ChangeSerializer(serializers.Serializer[Any]):
    """One customer entered or left a segment."""

    external_id = serializers.CharField()
    kind = serializers.ChoiceField(choices=MembershipChange.Kind.choices)
    as_of = serializers.DateTimeField()


class ChangePageSerializer(serializers.Serializer[Any]):
    """Who entered and left since a cursor, in the order in which it was stored; `since` is the next cursor."""

    results = ChangeSerializer(many=True)
    since = serializers.CharField()
    has_more = serializers.BooleanField()


class IsInSerializer(serializers.Serializer[Any]):
    """Whether a customer is in a segment, as its members are stored now."""

    external_id = serializers.CharField()
    is_in = serializers.BooleanField()
    since = serializers.DateTimeField(allow_null=True)
    as_of = serializers.DateTimeField(allow_null=True, help_text="The members are true for this time.")


class PinToldSerializer(serializers.Serializer[Any]):
    """What was set by hand for a customer, and by whom."""

    kind = serializers.ChoiceField(choices=SegmentPin.Kind.choices)
    reason = serializers.CharField(allow_blank=True)
    by = serializers.CharField(allow_blank=True)
    at = serializers.DateTimeField()


class WhySerializer(serializers.Serializer[Any]):
    """Why a customer is in a segment or is not; a pin goes before the rule."""

    external_id = serializers.CharField(source="customer.external_id")
    segment = serializers.CharField(source="segment.key")
    as_of = serializers.DateTimeField()
    is_in = serializers.BooleanField()
    since = serializers.DateTimeField(allow_null=True, help_text="Since when she is stored as a member.")
    pin = PinToldSerializer(allow_null=True)
    rule = serializers.SerializerMethodField(help_text="Every node: sentence, answer, what was seen, and its parts.")
    nearest_change = serializers.SerializerMethodField(help_text="What would turn the rule's answer, in words.")
    score_reasons = serializers.SerializerMethodField(
        help_text="By target, what raises (up) and lowers (down) each score that the rule asks, the weightiest first."
    )

    def get_rule(self, why: Why) -> dict[str, Any]:
        """Give the tree of nodes."""
        return why.explanation.root.as_json()

    def get_nearest_change(self, why: Why) -> list[str]:
        """Give what together would turn the answer; nothing where no such change is known."""
        return [move.text for move in why.explanation.nearest]

    def get_score_reasons(self, why: Why) -> dict[str, Any]:
        """Give the reasons of scores."""
        return {key: told._asdict() for key, told in why.scores.items()}


class MembersView(Door):
    """`segments/{id}/members/`."""

    required_scope = Scope.SEGMENTS_READ
    parameters: ClassVar[set[str]] = paging.PARAMETERS | {"fields", "sort"}
    is_tagged = True

    @extend_schema(
        operation_id="segments_members",
        parameters=[
            *paging.DESCRIBED,
            FIELDS,
            OpenApiParameter("sort", OpenApiTypes.STR, description="A score, such as -scores.lapse: highest first."),
        ],
        responses={200: MemberPageSerializer, **refusals(400, 404, 409)},
    )
    def get(self, request: Request, public_id: str) -> HttpResponse:
        """List the members, each once even where the segment changes meanwhile; those without a score come last.

        Without `fields` and `sort` a page has an ETag, which is another one when somebody has entered or left.
        """
        segment = segment_of(public_id)
        sort = request.query_params.get("sort", "")
        at = paging.place(request, f"members of {segment.public_id} {sort}".strip(), limit=paging.MAX_LIMIT)
        scores, others = _fields(request)
        is_plain = not (sort or scores or others)
        tag = {"ETag": f'"{members.state(segment)}"'} if is_plain else {}
        same = get_conditional_response(request._request, tag.get("ETag"), None, HttpResponse(headers=tag))
        if tag and same is not None and same.status_code != HTTPStatus.OK:
            return same
        found = _sorted(segment, sort, at)
        shown = found.head(at.limit)
        following = paging.further(request, at.list, members.place_of(shown)) if found.height > at.limit else None
        with refusing():
            text = member_text.rows(shown.drop_nulls("external_id"), scores, others)
        return paging.answer_text(text, following, tag)


class IsInView(Door):
    """`segments/{id}/members/{external_id}/`."""

    required_scope = Scope.SEGMENTS_READ

    @extend_schema(operation_id="segments_is_in", responses={200: IsInSerializer, **refusals(400, 404)})
    def get(self, request: Request, public_id: str, external_id: str) -> Response:
        """Say whether a customer is in the segment now, and since when; 404 where there is no such customer."""
        segment, customer = segment_of(public_id), customer_of(external_id)
        row = Membership.objects.filter(segment=segment, customer=customer).first()
        told = {"external_id": customer.external_id, "is_in": row is not None, "since": row.since if row else None}
        return Response(IsInSerializer({**told, "as_of": row.as_of if row else segment.as_of}).data)


class ExportView(Door):
    """`segments/{id}/members.csv`, `.ndjson` and `.parquet`."""

    required_scope = Scope.SEGMENTS_READ
    parameters: ClassVar[set[str]] = {"fields"}
    form = exports.CSV

    def perform_content_negotiation(self, request: Request, force: bool = False) -> Any:
        """Take any Accept header: the address says the format, refusals are JSON."""
        return super().perform_content_negotiation(request, force=True)

    def export(self, request: Request, public_id: str) -> StreamingHttpResponse:
        """Give all members as a file, while it is read; who took it is noted."""
        segment = segment_of(public_id)
        scores, others = _fields(request)
        fields = (*(f"scores.{key}" for key in scores), *others)
        return Export(segment, self.form, fields, name_of(who(request)), timezone.now()).answer()


def _file(form: str) -> Callable[[Method], Method]:
    media = CONTENT_TYPES[form].split(";")[0]
    described: Callable[[Method], Method] = extend_schema(
        operation_id=f"segments_members_{form}",
        parameters=[FIELDS],
        responses={(200, media): OpenApiResponse(OpenApiTypes.BINARY), **refusals(400, 404)},
    )
    return described


class CsvView(ExportView):
    """`segments/{id}/members.csv`."""

    @_file(exports.CSV)
    def get(self, request: Request, public_id: str) -> StreamingHttpResponse:
        """Give all members as a table; no cell of it is a formula."""
        return self.export(request, public_id)


class NdjsonView(ExportView):
    """`segments/{id}/members.ndjson`."""

    form = exports.NDJSON

    @_file(exports.NDJSON)
    def get(self, request: Request, public_id: str) -> StreamingHttpResponse:
        """Give all members as lines of JSON."""
        return self.export(request, public_id)


class ParquetView(ExportView):
    """`segments/{id}/members.parquet`."""

    form = exports.PARQUET

    @_file(exports.PARQUET)
    def get(self, request: Request, public_id: str) -> StreamingHttpResponse:
        """Give all members as a Parquet file, typed, as it is read by Polars, DuckDB, pandas and Spark."""
        return self.export(request, public_id)


class ChangesView(Door):
    """`segments/{id}/changes/`."""

    required_scope = Scope.SEGMENTS_READ
    parameters: ClassVar[set[str]] = {"since", "limit"}

    @extend_schema(
        operation_id="segments_changes",
        parameters=[
            OpenApiParameter("since", OpenApiTypes.STR, description="`since` of the page before; `now` for none yet."),
            paging.DESCRIBED[1],
        ],
        responses={200: ChangePageSerializer, **refusals(400, 404, 410)},
    )
    def get(self, request: Request, public_id: str) -> Response:
        """Tell who entered and left since the cursor: nothing twice, and nothing left out, whoever writes meanwhile.

        410 where that cannot be told any more, because somebody was erased or merged since: take the whole list again.
        """
        segment = segment_of(public_id)
        limit = paging.place(request, "changes", limit=paging.MAX_LIMIT).limit
        since = request.query_params.get("since", "")
        lost = members.forgotten(segment)  # read first: what is forgotten from here on, the next call tells
        after = members.newest_change(segment) if since == "now" else _place(since, segment, lost)
        found = members.changes(segment, *after, limit + 1) if since != "now" else []
        if not found and after > max(START, members.newest_change(segment)):
            raise _gone("This cursor is ahead of all that is stored: the database was brought back from a backup.")
        shown = found[:limit]
        last = (shown[-1].xact, shown[-1].id) if shown else after
        cursor = paging.SIGNER.sign_object({"changes": segment.public_id, "after": last, "lost": lost})
        page = {"results": shown, "since": cursor, "has_more": len(found) > limit}
        return Response(ChangePageSerializer(page).data)


def _place(since: str, segment: Segment, lost: int) -> tuple[int, int]:
    if not since:
        return START
    message = "since is not a cursor that was given out here for this segment."
    refusal = Problem(400, "bad_since", message, [{"path": "since", "code": "bad_since", "message": message}])
    try:
        held = paging.SIGNER.unsign_object(since)
    except (signing.BadSignature, ValueError) as error:
        raise refusal from error
    if held.get("changes") != segment.public_id:
        raise refusal
    if held.get("lost", 0) != lost:
        raise _gone("Since this cursor was given out, somebody who was told of was erased or merged.")
    xact, pk = held["after"]
    return int(xact), int(pk)


def _gone(why: str) -> Problem:
    return Problem(410, "start_again", f"{why} Begin with since=now, then take the whole list.")


def _sorted(segment: Segment, sort: str, at: paging.Place) -> pl.DataFrame:
    if not sort:
        return members.by_id(segment, at.after or 0, at.limit + 1)
    found = SCORE.match(sort.removeprefix("-"))
    target = Target.objects.filter(key=found[1]).first() if found else None
    if target is None:
        message = f"sort: no score named {sort.removeprefix('-')!r}."
        raise Problem(400, "unknown_field", message, [{"path": "sort", "code": "unknown_field", "message": message}])
    return members.by_score(segment, target, at.after or 0, at.limit + 1, is_descending=sort.startswith("-"))


def _fields(request: Request) -> tuple[list[str], list[str]]:
    """Give the targets whose scores are asked for, and the other fields; both must be in the catalogue."""
    asked = [part.strip() for part in request.query_params.get("fields", "").split(",") if part.strip()]
    consents = None if any(name.startswith("consent.") for name in asked) else ()
    known = fields(consents) if asked else {}
    if unknown := [name for name in dict.fromkeys(asked) if name not in known]:
        messages = [f"No field named {name!r}." for name in unknown]
        places = [{"path": "fields", "code": "unknown_field", "message": message} for message in messages]
        raise Problem(400, "unknown_field", f"fields: no field named {unknown[0]!r}.", places)
    scores = [found[1] for name in asked if (found := SCORE.match(name))]
    return scores, [name for name in dict.fromkeys(asked) if not SCORE.match(name)]


class ExplainView(Door):
    """`segments/{id}/explain/`."""

    required_scope = Scope.SEGMENTS_READ
    parameters: ClassVar[set[str]] = {"customer"}

    @extend_schema(
        operation_id="segments_explain",
        parameters=[OpenApiParameter("customer", A_TEXT, required=True, description="An external id.")],
        responses={200: WhySerializer, **refusals(400, 404, 409)},
    )
    def get(self, request: Request, public_id: str) -> Response:
        """Say why a customer is in a segment or is not, as of the latest snapshot; of a newer customer, as of now."""
        segment = segment_of(public_id)
        asked = request.query_params.get("customer", "")
        if not asked:
            message = "customer is missing: the external id of a customer."
            raise Problem(400, "missing", message, [{"path": "customer", "code": "missing", "message": message}])
        with refusing():
            found = why(segment, customer_of(asked), timezone.now())
        return Response(WhySerializer(found).data)
