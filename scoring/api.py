"""REST about what customers will do: targets, their model versions, and scores."""

from collections.abc import Collection, Sequence
from typing import Any

import polars as pl
from rest_framework import serializers

from customers import bulk
from customers.ids import among
from scoring import ranking
from scoring.models import Evaluation, ModelVersion, Score, Target

STORED: bulk.Schema = {
    "customer_id": pl.Int64,
    "target": pl.Int64,
    "version": pl.Int64,
    "as_of": bulk.UTC_MICROSECONDS,
    "value": pl.Float64,
}
TOLD: bulk.Schema = {
    "customer_id": pl.Int64,
    "target": pl.String,
    "value": pl.Float64,
    "percentile": pl.Float64,
    "rank": pl.Int64,
    "band": pl.String,
    "as_of": bulk.UTC_MICROSECONDS,
    "version": pl.Int64,
}


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


def scores_of(customer_ids: Sequence[int], targets: Collection[str] | None = None) -> dict[int, list[dict[str, Any]]]:
    """Give the published scores of customers, by customer id; of the named targets, or of all."""
    found: dict[int, list[dict[str, Any]]] = {}
    for row in scores_in_rows(pl.Series(customer_ids, dtype=pl.Int64), targets).iter_rows(named=True):
        found.setdefault(row.pop("customer_id"), []).append(row)
    return found


def scores_in_rows(customer_ids: pl.Series, targets: Collection[str] | None = None) -> pl.DataFrame:
    """Give the published scores of customers with where they stand, a row for each, those of one by target."""
    run = ranking.published()
    named = Target.objects.all() if targets is None else Target.objects.filter(key__in=targets)
    keys = dict(named.order_by("key").values_list("pk", "key"))
    rows = Score.objects.filter(among("customer_id", customer_ids), run=run, target__in=list(keys))
    found = bulk.read(rows.values_list(*STORED), STORED)
    numbers = dict(ModelVersion.objects.filter(pk__in=found["version"].unique()).values_list("pk", "number"))
    orders = ranking.orders_of(run, list(keys))
    parts = [_placed(found.filter(target=pk), key, orders.get(pk)) for pk, key in keys.items()]
    told = pl.concat([pl.DataFrame(schema=TOLD), *parts])
    return told.with_columns(pl.col("version").replace_strict(numbers, return_dtype=pl.Int64))


def _placed(rows: pl.DataFrame, target: str, order: ranking.Order | None) -> pl.DataFrame:
    nowhere = {"percentile": None, "rank": None, "band": pl.lit("")}
    stands = nowhere if order is None else order.placed(rows["value"]).to_dict()
    told = rows.with_columns(target=pl.lit(target)).with_columns(**stands)
    return told.select(pl.col(name).cast(dtype) for name, dtype in TOLD.items())
