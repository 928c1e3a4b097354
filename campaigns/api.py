"""REST about campaigns and what they earned."""

from typing import Any

from django.db.models import Count
from django.http import Http404
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from campaigns import measure
from campaigns.models import Campaign, Decision
from customers.api import Door
from customers.keys import Scope
from customers.problems import refusals


class CampaignSerializer(serializers.Serializer[Any]):
    """A standing plan, with its decisions by outcome."""

    id = serializers.CharField(source="public_id")
    key = serializers.CharField()
    name = serializers.CharField()
    state = serializers.ChoiceField(choices=Campaign.State.choices)
    version = serializers.IntegerField()
    trigger = serializers.DictField()
    steps = serializers.ListField(child=serializers.DictField())
    audience = serializers.CharField(source="audience.key", default=None, allow_null=True)
    topic = serializers.CharField()
    control_share = serializers.FloatField()
    launched_at = serializers.DateTimeField(allow_null=True)
    decisions = serializers.DictField(child=serializers.IntegerField(), source="decisions_by_outcome")


class CampaignListSerializer(serializers.Serializer[Any]):
    """All campaigns."""

    results = CampaignSerializer(many=True)


class CampaignsView(Door):
    """`campaigns/`."""

    required_scope = Scope.CAMPAIGNS_READ

    @extend_schema(operation_id="campaigns_list", responses={200: CampaignListSerializer, **refusals(400)})
    def get(self, request: Request) -> Response:
        """List the campaigns."""
        counts: dict[int, dict[str, int]] = {}
        for row in Decision.objects.values("campaign_id", "outcome").annotate(n=Count("pk")).order_by():
            counts.setdefault(row["campaign_id"], {})[row["outcome"]] = row["n"]
        found = list(Campaign.objects.select_related("audience").order_by("key"))
        for campaign in found:
            campaign.decisions_by_outcome = counts.get(campaign.pk, {})  # type: ignore[attr-defined]
        return Response(CampaignListSerializer({"results": found}).data)


class IntervalSerializer(serializers.Serializer[Any]):
    """A value with its 95 % interval."""

    value = serializers.FloatField()
    low = serializers.FloatField()
    high = serializers.FloatField()


class DifferenceSerializer(serializers.Serializer[Any]):
    """A difference of two arms, or the sentence that says why there is none."""

    interval = IntervalSerializer(allow_null=True)
    message = serializers.CharField(allow_blank=True)


class ArmSerializer(serializers.Serializer[Any]):
    """One arm: its customers, how many converted, and what that was worth."""

    customers = serializers.IntegerField()
    converted = serializers.IntegerField(source="conversions.successes")
    conversion = serializers.FloatField(source="conversions.value", allow_null=True)
    value = serializers.FloatField(source="value.total")
    value_each = serializers.FloatField(source="value.value", allow_null=True)


class ComparisonSerializer(serializers.Serializer[Any]):
    """Treated minus another arm."""

    conversion = DifferenceSerializer()
    value_each = DifferenceSerializer(source="value")
    earned = IntervalSerializer(allow_null=True)


class ReportSerializer(serializers.Serializer[Any]):
    """What a campaign did, and what it earned against those left alone."""

    campaign = serializers.CharField()
    as_of = serializers.DateTimeField()
    treated = ArmSerializer()
    control = ArmSerializer()
    holdout = ArmSerializer()
    against_control = ComparisonSerializer()
    against_holdout = ComparisonSerializer()
    ripe_share = serializers.FloatField(allow_null=True)
    is_balanced = serializers.BooleanField()
    outcomes = serializers.DictField(child=serializers.IntegerField())
    deliveries = serializers.DictField(child=serializers.IntegerField())
    words = serializers.ListField(child=serializers.CharField())


class ReportView(Door):
    """`campaigns/{id}/report/`."""

    required_scope = Scope.CAMPAIGNS_READ

    @extend_schema(operation_id="campaigns_report", responses={200: ReportSerializer, **refusals(400, 404)})
    def get(self, request: Request, public_id: str) -> Response:
        """Give what a campaign earned against those left alone, as of now."""
        campaign = Campaign.objects.filter(public_id=public_id.replace("\x00", "")).first()
        if campaign is None:
            raise Http404("No campaign has this id.")
        return Response(ReportSerializer(measure.measure(campaign, timezone.now())).data)
