"""REST about imports: which files were read, and what became of their lines."""

from typing import Any, ClassVar

from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from customers.api import Door
from customers.keys import Scope
from customers.listing import Listing, Narrowed
from customers.models import Import
from customers.problems import refusals


class ImportSerializer(serializers.Serializer[Any]):
    """One file, and what became of its lines: each was stored, repeated or refused."""

    id = serializers.CharField(source="public_id")
    file_name = serializers.CharField()
    sha256 = serializers.CharField()
    kind = serializers.ChoiceField(choices=Import.Kind.choices)
    state = serializers.ChoiceField(choices=Import.State.choices)
    portion = serializers.FloatField(help_text="How much of the work is done, from 0 to 1.")
    read = serializers.IntegerField()
    stored = serializers.IntegerField()
    repeated = serializers.IntegerField()
    quarantined = serializers.IntegerField(help_text="Lines that were refused.")
    reasons = serializers.DictField(child=serializers.IntegerField(), help_text="Refused lines by column and reason.")
    error = serializers.CharField(help_text="Why it ended early; empty where it did not.")
    started_at = serializers.DateTimeField()
    finished_at = serializers.DateTimeField(allow_null=True)


class ImportPageSerializer(serializers.Serializer[Any]):
    """A page of imports."""

    results = ImportSerializer(many=True)
    next = serializers.URLField(allow_null=True)


LISTING = Listing(
    "imports",
    narrowed={"kind": Narrowed("kind", Import.Kind.values), "state": Narrowed("state", Import.State.values)},
    is_newest_first=True,
)


class ImportsView(Door):
    """`imports/`."""

    required_scope = Scope.IMPORTS_READ
    parameters: ClassVar[set[str]] = LISTING.parameters

    @extend_schema(
        operation_id="imports_list",
        parameters=LISTING.described,
        responses={200: ImportPageSerializer, **refusals(400)},
    )
    def get(self, request: Request) -> Response:
        """List the imports, the newest first."""
        return LISTING.page(request, Import.objects.all(), lambda found: ImportSerializer(found, many=True).data)


class ImportView(Door):
    """`imports/{id}/`."""

    required_scope = Scope.IMPORTS_READ

    @extend_schema(operation_id="imports_retrieve", responses={200: ImportSerializer, **refusals(400, 404)})
    def get(self, request: Request, public_id: str) -> Response:
        """Give one import."""
        return Response(ImportSerializer(_found(public_id)).data)


def _found(public_id: str) -> Import:
    found = Import.objects.filter(public_id=public_id.replace("\x00", "")).first()
    if found is None:
        raise Http404("No import has this id.")
    return found
