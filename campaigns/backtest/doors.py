"""REST about back-tests: one POST begins it, GET tells how far it is and what came of it, DELETE cancels it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.http import Http404
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from campaigns.backtest import asking
from campaigns.backtest.asking import BacktestError
from campaigns.campaign_doors import campaign_of, refusal
from campaigns.models import Backtest
from customers.api import Door, who
from customers.generations import LakeError
from customers.keys import Scope
from customers.models import Customer
from customers.problems import Problem, StrictSerializer, refusals


class CampaignBacktestInSerializer(StrictSerializer):
    """How far back to go."""

    days = serializers.IntegerField(min_value=1, max_value=asking.MOST_DAYS, default=30)


class CampaignBacktestSerializer(serializers.Serializer[Any]):
    """A back-test: how far it is, and what came of it once it is done."""

    id = serializers.CharField(source="public_id")
    campaign = serializers.CharField(source="campaign.key")
    since = serializers.DateTimeField()
    until = serializers.DateTimeField()
    state = serializers.ChoiceField(choices=Backtest.State.choices)
    days = serializers.IntegerField()
    days_done = serializers.IntegerField()
    asked_at = serializers.DateTimeField()
    ended_at = serializers.DateTimeField(allow_null=True)
    problem = serializers.CharField(allow_blank=True)
    result = serializers.SerializerMethodField(
        help_text="Empty until it is done. What customers went on to do is an association, not an effect."
    )

    def get_result(self, asked: Backtest) -> dict[str, Any]:
        """Give what came of it, customers by their external ids; who was erased since is left out."""
        if not asked.result:
            return {}
        sample = asked.result["sample"]
        ids = [one["customer"] for one in sample]
        names = dict(Customer.objects.filter(pk__in=ids).values_list("pk", "external_id"))
        named = [{**one, "customer": names[one["customer"]]} for one in sample if one["customer"] in names]
        return {**asked.result, "sample": named}


class BacktestView(Door):
    """`campaigns/{id}/backtest/`."""

    required_scope = Scope.CAMPAIGNS_READ
    write_scope = Scope.CAMPAIGNS_WRITE

    @extend_schema(operation_id="campaigns_backtest", responses={200: CampaignBacktestSerializer, **refusals(400, 404)})
    def get(self, request: Request, public_id: str) -> Response:
        """Give the last back-test of a campaign that was asked for."""
        return Response(CampaignBacktestSerializer(_last(public_id)).data)

    @extend_schema(
        operation_id="campaigns_backtest_begin",
        request=CampaignBacktestInSerializer,
        responses={202: CampaignBacktestSerializer, **refusals(400, 404, 409)},
    )
    def post(self, request: Request, public_id: str) -> Response:
        """Act the campaign's plan out over the last days. One that waits or runs already is given as it is."""
        body = CampaignBacktestInSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        campaign = campaign_of(public_id)
        with _refusing():
            asked = asking.ask(campaign, body.validated_data["days"], who(request), timezone.now())
        return Response(CampaignBacktestSerializer(asked).data, status=202)

    @extend_schema(
        operation_id="campaigns_backtest_cancel", responses={200: CampaignBacktestSerializer, **refusals(400, 404, 409)}
    )
    def delete(self, request: Request, public_id: str) -> Response:
        """Cancel the back-test that waits or runs; 409 where it has ended already."""
        asked = _last(public_id)
        if not asking.cancel(asked, who(request), timezone.now()):
            raise Problem(409, "not_now", "The back-test has ended already.")
        asked.refresh_from_db()
        return Response(CampaignBacktestSerializer(asked).data)


def _last(public_id: str) -> Backtest:
    asked = asking.latest(campaign_of(public_id))
    if asked is None:
        raise Http404("This campaign has no back-test yet.")
    return asked


@contextmanager
def _refusing() -> Iterator[None]:
    try:
        yield
    except (BacktestError, LakeError) as error:
        raise refusal(str(error)) from error
