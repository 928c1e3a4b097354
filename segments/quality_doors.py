"""REST about data quality: what the values of every field are like, and what is wrong with them."""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from django.db.models import Q
from django.http import Http404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from customers import paging, quality_days
from customers.api import Door
from customers.keys import Scope
from customers.listing import refusal
from customers.models import Attribute, FieldQuality
from customers.problems import refusals
from segments import field_uses, quality_page
from segments.quality_page import Line

MOST_DAYS = 90
LEVELS = {0: "told", 1: "some", 2: "bad"}


class TroubleSerializer(serializers.Serializer[Any]):
    """Something that is wrong with a field, in a sentence."""

    level = serializers.ChoiceField(choices=list(LEVELS.values()))
    key = serializers.CharField()
    sentence = serializers.CharField()


class ValueCountSerializer(serializers.Serializer[Any]):
    """A value, and how many have it."""

    value = serializers.CharField()
    count = serializers.IntegerField()


class DriftSerializer(serializers.Serializer[Any]):
    """How the values differ from those before: population stability index, and the change of the share filled."""

    psi = serializers.FloatField()
    moved = serializers.ChoiceField(choices=["few", "no", "some", "strong"], help_text="few: too few to say.")
    seen = serializers.IntegerField()
    known = serializers.IntegerField()
    share_before = serializers.FloatField()
    change = serializers.ListField(child=serializers.FloatField(), help_text="From and to, with 95 % confidence.")
    has_fallen = serializers.BooleanField()
    since = serializers.DateTimeField()


class FieldQualitySerializer(serializers.Serializer[Any]):
    """What the values of a field are like; dates are days since 1970 where they are numbers."""

    field = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]
    kind = serializers.ChoiceField(choices=Attribute.Type.choices)
    as_of = serializers.DateTimeField()
    newest = serializers.DateTimeField(allow_null=True)
    rows = serializers.IntegerField(source="figures.rows")
    filled = serializers.IntegerField(source="figures.filled")
    distinct = serializers.IntegerField(source="figures.distinct")
    unfit = serializers.IntegerField(source="figures.unfit", help_text="Told, but not of the type.")
    below = serializers.IntegerField(source="figures.below", help_text="Below the lower of Tukey's far fences.")
    above = serializers.IntegerField(source="figures.above")
    low = serializers.FloatField(source="figures.low", allow_null=True)
    high = serializers.FloatField(source="figures.high", allow_null=True)
    future = serializers.IntegerField(source="figures.future")
    ancient = serializers.IntegerField(source="figures.ancient", help_text="Dates before 1900.")
    quartiles = serializers.ListField(child=serializers.FloatField(), source="figures.quartiles")
    top = serializers.SerializerMethodField()
    drift = serializers.SerializerMethodField()
    troubles = serializers.SerializerMethodField()

    @extend_schema_field(ValueCountSerializer(many=True))
    def get_top(self, row: FieldQuality) -> list[dict[str, Any]]:
        """Give the most frequent values; none that could tell who somebody is."""
        return [{"value": value, "count": count} for value, count in row.figures["top"]]

    @extend_schema_field(DriftSerializer(allow_null=True))
    def get_drift(self, row: FieldQuality) -> dict[str, Any] | None:
        """Give how the values differ from those before; nothing where there were none."""
        return dict(DriftSerializer(row.drift).data) if row.drift else None

    @extend_schema_field(TroubleSerializer(many=True))
    def get_troubles(self, row: FieldQuality) -> list[dict[str, Any]]:
        """Give what is wrong, the worst first."""
        found = quality_page.troubles_of(row)
        return [{"level": LEVELS[one.level], "key": one.key, "sentence": one.sentence} for one in found]


class QualityPageSerializer(serializers.Serializer[Any]):
    """A page of fields, as they were counted last."""

    results = FieldQualitySerializer(many=True)
    next = serializers.URLField(allow_null=True)


class FilledDaySerializer(serializers.Serializer[Any]):
    """How many values a field had on a day."""

    day = serializers.DateField()
    rows = serializers.IntegerField()
    filled = serializers.IntegerField()


class TreatedSerializer(serializers.Serializer[Any]):
    """What the live model of a target does about a field."""

    target = serializers.CharField(source="target.key")
    is_read = serializers.BooleanField()
    done = serializers.CharField()


class WholeFieldSerializer(FieldQualitySerializer):
    """A field with its history, and who uses it."""

    history = FilledDaySerializer(many=True, help_text="The last 90 days, in order.")
    models = TreatedSerializer(many=True)
    segments = serializers.ListField(child=serializers.CharField(), help_text="Keys of the segments that ask it.")


SORTS: Mapping[str, Callable[[Line], tuple[Any, ...]]] = {
    "trouble": quality_page.by_trouble,
    "field": lambda one: (one.row.field,),
    "label": lambda one: (one.row.label.casefold(), one.row.field),
}
ORDERS = [turn + name for name in SORTS for turn in ("", "-")]
WHICH = [name for name in quality_page.SHOWN if name]
KINDS = list(Attribute.Type.values)


def _allowed(name: str, allowed: list[str], description: str) -> OpenApiParameter:
    return OpenApiParameter(name, OpenApiTypes.STR, enum=allowed, description=description)


class FieldsQualityView(Door):
    """`quality/`."""

    required_scope = Scope.QUALITY_READ
    parameters: ClassVar[set[str]] = {*paging.PARAMETERS, "sort", "kind", "which", "words"}

    @extend_schema(
        operation_id="quality_list",
        parameters=[
            *paging.DESCRIBED,
            _allowed("sort", ORDERS, "trouble, if left out: the worst first, as on the page."),
            _allowed("kind", KINDS, "Only those."),
            _allowed("which", WHICH, "Only fields with something wrong, or only those that somebody uses."),
            OpenApiParameter("words", OpenApiTypes.STR, description="Only fields whose name or label holds this."),
        ],
        responses={200: QualityPageSerializer, **refusals(400)},
    )
    def get(self, request: Request) -> Response:
        """List the fields, as they were counted last, the worst first."""
        sort = _one_of(request, "sort", ORDERS) or ORDERS[0]
        kind, which = _one_of(request, "kind", KINDS), _one_of(request, "which", WHICH)
        words, limit = request.query_params.get("words", ""), paging.limit_of(request)
        is_descending, key = sort.startswith("-"), SORTS[sort.removeprefix("-")]
        rows = quality_days.counted_last().filter(Q(kind=kind) if kind else Q())
        lines = sorted(quality_page.lines_of(rows, words, which), key=key, reverse=is_descending)
        name = f"quality {sort}"
        if (held := paging.held(request, name)) is not None:
            lines = [one for one in lines if (key(one) < tuple(held) if is_descending else key(one) > tuple(held))]
        shown = lines[:limit]
        following = paging.further(request, name, key(shown[-1])) if len(lines) > limit else None
        told = FieldQualitySerializer([one.row for one in shown], many=True).data
        return paging.answer(list(told), following)


def _one_of(request: Request, name: str, allowed: list[str]) -> str:
    """Give what a request says of a parameter; nothing where it says nothing."""
    told = request.query_params.get(name)
    if told is not None and told not in allowed:
        raise refusal(name, f"{name} is one of {', '.join(allowed)}.")
    return told or ""


class FieldQualityView(Door):
    """`quality/{field}/`."""

    required_scope = Scope.QUALITY_READ

    @extend_schema(operation_id="quality_retrieve", responses={200: WholeFieldSerializer, **refusals(400, 404)})
    def get(self, request: Request, field: str) -> Response:
        """Give one field: its values, its history, and who uses it."""
        counted = FieldQuality.objects.filter(field=field.replace("\x00", ""), of_import=None).order_by("-day")
        row = counted.first()
        if row is None:
            raise Http404("No field of this name was counted yet.")
        uses = field_uses.of(row.field, field_uses.by_field())
        days = counted.values_list("day", "figures__rows", "figures__filled")[:MOST_DAYS]
        whole = {
            "history": [{"day": day, "rows": rows, "filled": filled} for day, rows, filled in days][::-1],
            "models": TreatedSerializer(uses.models, many=True).data,
            "segments": [one.key for one in uses.segments],
        }
        return Response({**FieldQualitySerializer(row).data, **whole})
