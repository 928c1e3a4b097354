"""REST about what campaigns earned."""

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from campaigns import measure
from campaigns.campaign_doors import campaign_of
from customers.api import Door
from customers.keys import Scope
from customers.problems import refusals


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
        campaign = campaign_of(public_id)
        return Response(ReportSerializer(measure.measure(campaign, timezone.now())).data)
