"""REST about what customers will do: targets, their model versions, and scores."""

from typing import Any

import polars as pl
from rest_framework import serializers

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


class MeasuredRateSerializer(serializers.Serializer[Any]):
    """The share that a contact wins, measured by campaigns with control groups; no value: `why` says why."""

    value = serializers.FloatField(allow_null=True)
    low = serializers.FloatField(allow_null=True)
    high = serializers.FloatField(allow_null=True)
    why = serializers.CharField()
    campaigns = serializers.IntegerField()
    treated = serializers.IntegerField()
    control = serializers.IntegerField()
    as_of = serializers.DateTimeField()


class TargetSerializer(serializers.Serializer[Any]):
    """What a model predicts."""

    key = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]
    kind = serializers.ChoiceField(choices=Target.Kind.choices)
    question = serializers.CharField(allow_blank=True)
    event = serializers.CharField(allow_blank=True)
    where = serializers.ListField(child=serializers.DictField())
    horizon_days = serializers.IntegerField(allow_null=True)
    attribute = serializers.CharField(allow_blank=True)
    equals = serializers.CharField(allow_blank=True)
    who = serializers.ListField(child=serializers.DictField())
    value = serializers.FloatField(allow_null=True)
    contact_cost = serializers.FloatField(allow_null=True)
    offer_cost = serializers.FloatField(allow_null=True)
    save_rate = serializers.FloatField(allow_null=True, help_text="The share that a contact wins, as it is used.")
    measured_rate = MeasuredRateSerializer(allow_null=True)
    excluded = serializers.ListField(child=serializers.CharField())
    vouched = serializers.ListField(child=serializers.CharField())
    retrain_days = serializers.IntegerField()
    is_active = serializers.BooleanField()
    rescore_hours = serializers.IntegerField(help_text="Rescored at most so often; 0 is every full cycle.")
    live = LiveSerializer(allow_null=True)


class TargetPageSerializer(serializers.Serializer[Any]):
    """A page of targets."""

    results = TargetSerializer(many=True)
    next = serializers.URLField(allow_null=True)


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
