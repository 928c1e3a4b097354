"""REST about model versions: what there is, how each did and does, and which of them speaks."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, ClassVar

from django.db.models import F
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from customers.api import Door
from customers.keys import Scope
from customers.listing import Listing, Narrowed
from customers.models import ApiKey
from customers.problems import StrictSerializer, refusals
from scoring import versions
from scoring.api import figures_of
from scoring.doors import IF_MATCH, check_unchanged, etag, refusing, target_of, valid, version_of, who
from scoring.models import Backtest, ModelVersion

State = ModelVersion.State
Move = Callable[[ModelVersion, ApiKey, datetime, str], None]
LISTING = Listing("models", narrowed={"state": Narrowed("state", State.values)}, is_newest_first=True)
FIGURES = '{"auc": {"value", "low", "high"}, …}: each with its 95 % interval.'


class ModelVersionSerializer(serializers.Serializer[Any]):
    """A model version with its figures on rows it did not see."""

    target = serializers.CharField(source="target.key")
    number = serializers.IntegerField()
    state = serializers.ChoiceField(choices=State.choices)
    reason = serializers.CharField(help_text="Why it is live, or why it is not.")
    learner = serializers.CharField()
    is_baseline = serializers.BooleanField(help_text="A simple rule, kept because no model beats it.")
    validated = serializers.ChoiceField(choices=ModelVersion.Validated.choices)
    as_of = serializers.DateTimeField(help_text="Nothing known later was used.")
    live_since = serializers.DateTimeField(allow_null=True)
    retired_at = serializers.DateTimeField(allow_null=True)
    customers = serializers.IntegerField()
    positives = serializers.IntegerField()
    threshold = serializers.FloatField(allow_null=True)
    bands = serializers.ListField(child=serializers.DictField())
    figures = serializers.DictField(help_text=FIGURES)


class ModelPageSerializer(serializers.Serializer[Any]):
    """Versions, the newest first, and the address of the next page."""

    results = ModelVersionSerializer(many=True)
    next = serializers.CharField(allow_null=True)


class ModelDetailSerializer(ModelVersionSerializer):
    """A model version with all that its training told."""

    seed = serializers.IntegerField()
    replaced = serializers.SerializerMethodField()
    fields_read = serializers.ListField(child=serializers.CharField(), source="features")
    report = serializers.DictField(
        help_text="What training saw and did: preparation, guard, learners, gate, season, drivers with importance and "
        "odds ratios, money, changes since the version before, notes."
    )

    def get_replaced(self, version: ModelVersion) -> int | None:
        """Give the number of the version it replaced: what rolling back returns to."""
        return version.before.number if version.before else None


class EvaluationSerializer(serializers.Serializer[Any]):
    """How one learner or simple rule did on one test; `origin` is null for all tests together."""

    learner = serializers.CharField()
    origin = serializers.DateTimeField(allow_null=True)
    customers = serializers.IntegerField()
    positives = serializers.IntegerField()
    figures = serializers.DictField(help_text=FIGURES)
    curves = serializers.DictField(help_text="Reliability, gains and further curves, point by point.")


class EvaluationListSerializer(serializers.Serializer[Any]):
    """All tests of a version."""

    results = EvaluationSerializer(many=True)


class BacktestSerializer(serializers.Serializer[Any]):
    """How scores that were given came true, once their window had closed."""

    who = serializers.ChoiceField(choices=Backtest.Who.choices)
    as_of = serializers.DateTimeField(help_text="When the scores were given.")
    judged_at = serializers.DateTimeField()
    customers = serializers.IntegerField()
    positives = serializers.IntegerField()
    figures = serializers.DictField(help_text=FIGURES)
    curves = serializers.DictField()


class BacktestListSerializer(serializers.Serializer[Any]):
    """All back-tests of a version, the newest first."""

    results = BacktestSerializer(many=True)


class ReasonSerializer(StrictSerializer):
    """Why it is done; a version that did not pass the gate goes live only with a reason."""

    reason = serializers.CharField(max_length=500, required=False, allow_blank=True, default="")


class VersionsView(Door):
    """`models/`."""

    required_scope = Scope.MODELS_READ
    parameters: ClassVar[set[str]] = {*LISTING.parameters, "target"}

    @extend_schema(
        operation_id="models_list",
        parameters=[
            *LISTING.described,
            OpenApiParameter("target", OpenApiTypes.STR, description="Only versions of the target with this key."),
        ],
        responses={200: ModelPageSerializer, **refusals(400, 404)},
    )
    def get(self, request: Request) -> Response:
        """List model versions with their figures, the newest first."""
        rows = ModelVersion.objects.select_related("target")
        if key := request.query_params.get("target"):
            rows = rows.filter(target=target_of(key))
        return LISTING.page(request, rows, _told)


class VersionView(Door):
    """`models/{target}/{number}/`."""

    required_scope = Scope.MODELS_READ

    @extend_schema(operation_id="models_retrieve", responses={200: ModelDetailSerializer, **refusals(400, 404)})
    def get(self, request: Request, target: str, number: int) -> Response:
        """Give one version with the report of its training; its ETag says in which state it is."""
        return _answer(version_of(target, number))


class EvaluationsView(Door):
    """`models/{target}/{number}/evaluations/`."""

    required_scope = Scope.MODELS_READ

    @extend_schema(operation_id="models_evaluations", responses={200: EvaluationListSerializer, **refusals(400, 404)})
    def get(self, request: Request, target: str, number: int) -> Response:
        """Give how the version, the other learners and the simple rules did, together and test by test."""
        found = version_of(target, number).evaluations.order_by("learner", F("origin").asc(nulls_first=True), "pk")
        return Response(EvaluationListSerializer({"results": found}).data)


class BacktestsView(Door):
    """`models/{target}/{number}/backtests/`."""

    required_scope = Scope.MODELS_READ

    @extend_schema(operation_id="models_backtests", responses={200: BacktestListSerializer, **refusals(400, 404)})
    def get(self, request: Request, target: str, number: int) -> Response:
        """Give how the scores that the version gave came true, of everybody and of those we left alone."""
        found = version_of(target, number).backtests.order_by("-as_of", "who")
        return Response(BacktestListSerializer({"results": found}).data)


class PromoteView(Door):
    """`models/{target}/{number}/promote/`."""

    required_scope = Scope.MODELS_WRITE

    @extend_schema(
        operation_id="models_promote",
        parameters=[IF_MATCH],
        request=ReasonSerializer,
        responses={200: ModelDetailSerializer, **refusals(400, 404, 409, 412)},
    )
    def post(self, request: Request, target: str, number: int) -> Response:
        """Let a version go live; the next full cycle scores everybody by it."""
        return _moved(request, target, number, versions.promote)


class RetireView(Door):
    """`models/{target}/{number}/retire/`."""

    required_scope = Scope.MODELS_WRITE

    @extend_schema(
        operation_id="models_retire",
        parameters=[IF_MATCH],
        request=ReasonSerializer,
        responses={200: ModelDetailSerializer, **refusals(400, 404, 409, 412)},
    )
    def post(self, request: Request, target: str, number: int) -> Response:
        """Take a version out of use; a target without a live version is not scored."""
        return _moved(request, target, number, versions.retire)


class RollBackView(Door):
    """`models/{target}/roll-back/`."""

    required_scope = Scope.MODELS_WRITE

    @extend_schema(
        operation_id="models_roll_back",
        request=ReasonSerializer,
        responses={200: ModelDetailSerializer, **refusals(400, 404, 409)},
    )
    def post(self, request: Request, target: str) -> Response:
        """Let the version before the live one go live again; the answer is that version."""
        reason = valid(ReasonSerializer(data=request.data))["reason"]
        with refusing():
            version = versions.roll_back(target_of(target), who(request), timezone.now(), reason)
        return _answer(version)


def _moved(request: Request, target: str, number: int, move: Move) -> Response:
    """Put a version into use or out of it, unless it changed since it was read; the answer is that version."""
    reason = valid(ReasonSerializer(data=request.data))["reason"]
    with refusing():
        version = version_of(target, number)
        check_unchanged(request, version)
        move(version, who(request), timezone.now(), reason)
    return _answer(version)


def _answer(version: ModelVersion) -> Response:
    version.figures = figures_of([version]).get(version.pk, {})  # type: ignore[attr-defined]
    return Response(ModelDetailSerializer(version).data, headers=etag(version))


def _told(found: list[ModelVersion]) -> list[dict[str, Any]]:
    figures = figures_of(found)
    for version in found:
        version.figures = figures.get(version.pk, {})  # type: ignore[attr-defined]
    return list(ModelVersionSerializer(found, many=True).data)
