"""REST about what customers will do: targets, their model versions, and scores."""

from typing import Any

import polars as pl
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from customers.api import Door
from customers.keys import Scope
from customers.problems import refusals
from scoring import ranking
from scoring.models import Evaluation, ModelVersion, Score, Target


class ScoreSerializer(serializers.Serializer[Any]):
    """A model's output for one customer."""

    target = serializers.CharField()
    value = serializers.FloatField()
    percentile = serializers.FloatField(allow_null=True)
    rank = serializers.IntegerField(allow_null=True)
    band = serializers.CharField()
    as_of = serializers.DateTimeField()


class LiveSerializer(serializers.Serializer[Any]):
    """The model version in use, with its figures: {"auc": {"value", "low", "high"}, ...}."""

    number = serializers.IntegerField()
    learner = serializers.CharField()
    validated = serializers.CharField()
    reason = serializers.CharField()
    as_of = serializers.DateTimeField()
    customers = serializers.IntegerField()
    positives = serializers.IntegerField()
    threshold = serializers.FloatField(allow_null=True)
    bands = serializers.ListField(child=serializers.DictField())
    figures = serializers.DictField()


class TargetSerializer(serializers.Serializer[Any]):
    """What a model predicts."""

    key = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]
    kind = serializers.ChoiceField(choices=Target.Kind.choices)
    event = serializers.CharField(allow_blank=True)
    horizon_days = serializers.IntegerField(allow_null=True)
    attribute = serializers.CharField(allow_blank=True)
    equals = serializers.CharField(allow_blank=True)
    is_active = serializers.BooleanField()
    rescore_hours = serializers.IntegerField(help_text="Rescored at most so often; 0 is every full cycle.")
    live = LiveSerializer(allow_null=True)


class TargetListSerializer(serializers.Serializer[Any]):
    """All targets."""

    results = TargetSerializer(many=True)


class TargetsView(Door):
    """`targets/`."""

    required_scope = Scope.MODELS_READ

    @extend_schema(operation_id="targets_list", responses={200: TargetListSerializer, **refusals(400)})
    def get(self, request: Request) -> Response:
        """List the targets with their live models and figures."""
        versions = {v.target_id: v for v in ModelVersion.objects.filter(state=ModelVersion.State.LIVE)}
        figures = figures_of(list(versions.values()))
        results = []
        for target in Target.objects.order_by("key"):
            version = versions.get(target.pk)
            target.live = version  # type: ignore[attr-defined]
            if version is not None:
                version.figures = figures.get(version.pk, {})  # type: ignore[attr-defined]
            results.append(target)
        return Response(TargetListSerializer({"results": results}).data)


def figures_of(versions: list[ModelVersion]) -> dict[int, dict[str, Any]]:
    """Give the pooled figures of each version's own learner, by version id."""
    learners = {version.pk: version.learner for version in versions}
    pooled = Evaluation.objects.filter(version__in=versions, origin=None)
    return {e.version_id: e.figures for e in pooled if learners[e.version_id] == e.learner}


def scores_of(customer_ids: list[int], targets: list[str] | None = None) -> dict[int, list[dict[str, Any]]]:
    """Give the published scores of customers, by customer id; of the named targets, or of all."""
    run = ranking.published()
    rows = Score.objects.filter(run=run, customer_id__in=customer_ids)
    if targets is not None:
        rows = rows.filter(target__key__in=targets)
    orders = ranking.orders_of(run)
    found: dict[int, list[dict[str, Any]]] = {}
    for one in rows.select_related("target", "version").order_by("target__key"):
        placed = _placed(orders.get(one.target_id), one.value)
        told = {"target": one.target.key, "value": one.value, **placed, "as_of": one.as_of}
        told["version"] = one.version.number
        found.setdefault(one.customer_id, []).append(told)
    return found


def _placed(order: ranking.Order | None, value: float) -> dict[str, Any]:
    if order is None:
        return {"percentile": None, "rank": None, "band": ""}
    return order.placed(pl.Series([value])).row(0, named=True)
