"""REST about sources: where records come from."""

from typing import Any, ClassVar

from django.db import IntegrityError, transaction
from django.http import Http404
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from customers import audit, tags
from customers.api import Door, who
from customers.keys import Scope
from customers.listing import NAMED, Listing, Narrowed
from customers.models import Source
from customers.problems import Problem, StrictSerializer, refusals

KEY = r"^[-a-zA-Z0-9_]+\Z"
OTHERS = [(kind.value, kind.label) for kind in Source.Kind if kind != Source.Kind.CAMPAIGNS]
LISTING = Listing("sources", NAMED, {"kind": Narrowed("kind", Source.Kind.values)})


class SourceInSerializer(StrictSerializer):
    """A source as it is sent here; those of our campaigns make themselves."""

    key = serializers.RegexField(KEY, max_length=60, help_text="Stays as it is.")
    name = serializers.CharField(max_length=120)
    kind = serializers.ChoiceField(choices=OTHERS)


class SourceChangeSerializer(StrictSerializer):
    """What of a source can be changed."""

    name = serializers.CharField(max_length=120, required=False)
    kind = serializers.ChoiceField(choices=OTHERS, required=False)


class SourceSerializer(serializers.Serializer[Any]):
    """A file, an application, or our own campaigns."""

    key = serializers.CharField()
    name = serializers.CharField()
    kind = serializers.ChoiceField(choices=Source.Kind.choices)


class SourcePageSerializer(serializers.Serializer[Any]):
    """A page of sources."""

    results = SourceSerializer(many=True)
    next = serializers.URLField(allow_null=True)


class SourcesView(Door):
    """`sources/`."""

    required_scope = Scope.SOURCES_READ
    write_scope = Scope.SOURCES_WRITE
    parameters: ClassVar[set[str]] = LISTING.parameters

    @extend_schema(
        operation_id="sources_list",
        parameters=LISTING.described,
        responses={200: SourcePageSerializer, **refusals(400)},
    )
    def get(self, request: Request) -> Response:
        """List the sources."""
        return LISTING.page(request, Source.objects.all(), lambda found: SourceSerializer(found, many=True).data)

    @extend_schema(
        operation_id="sources_create",
        request=SourceInSerializer,
        responses={201: SourceSerializer, **refusals(400, 409)},
    )
    def post(self, request: Request) -> Response:
        """Make a source."""
        body = SourceInSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        source = Source(**body.validated_data)
        try:
            with transaction.atomic():
                source.save(force_insert=True)
                audit.note(timezone.now(), who(request), "source made", source.key)
        except IntegrityError as error:
            message = f"Another source has the key {source.key!r}."
            raise Problem(409, "taken", message, [{"path": "key", "code": "taken", "message": message}]) from error
        return _answer(source, 201)


class SourceView(Door):
    """`sources/{key}/`."""

    required_scope = Scope.SOURCES_READ
    write_scope = Scope.SOURCES_WRITE

    @extend_schema(operation_id="sources_retrieve", responses={200: SourceSerializer, **refusals(400, 404)})
    def get(self, request: Request, key: str) -> Response:
        """Give one source; its ETag says which state of it this is."""
        return _answer(_found(key))

    @extend_schema(
        operation_id="sources_update",
        request=SourceChangeSerializer,
        parameters=[tags.IF_MATCH],
        responses={200: SourceSerializer, **refusals(400, 404, 409, 412)},
    )
    def patch(self, request: Request, key: str) -> Response:
        """Change the name or the kind; that of our campaigns stays what it is."""
        body = SourceChangeSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        changed = body.validated_data
        with transaction.atomic():
            source = _found(key, is_locked=True)
            tags.check(request, tags.tag(SourceSerializer(source).data), "The source")
            if "kind" in changed and source.kind == Source.Kind.CAMPAIGNS:
                raise Problem(409, "ours", f"The source {key!r} is that of our own campaigns, and stays so.")
            for name, value in changed.items():
                setattr(source, name, value)
            if changed:
                source.save(update_fields=list(changed))
                audit.note(timezone.now(), who(request), "source changed", source.key, **changed)
        return _answer(source)


def _answer(source: Source, status: int = 200) -> Response:
    told = SourceSerializer(source).data
    return Response(told, status=status, headers=tags.header(told))


def _found(key: str, *, is_locked: bool = False) -> Source:
    rows = Source.objects.select_for_update() if is_locked else Source.objects.all()
    source = rows.filter(key=key.replace("\x00", "")).first()
    if source is None:
        raise Http404("No source has this key.")
    return source
