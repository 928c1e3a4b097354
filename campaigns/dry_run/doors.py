"""REST: what a campaign would do if it acted now, what its size can show, and which line of its score pays."""

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from campaigns import dry_run, outlook
from campaigns.api import IntervalSerializer
from campaigns.campaign_doors import campaign_of, refusal
from campaigns.launch import LaunchError
from campaigns.models import Campaign, Decision, Delivery
from customers.api import Door
from customers.history import LakeError
from customers.keys import Scope
from customers.models import ApiKey
from customers.problems import Problem, refusals


class DryRunCountSerializer(serializers.Serializer[Any]):
    """So many customers of one name."""

    name = serializers.CharField(allow_blank=True)
    customers = serializers.IntegerField()


class DryRunReasonSerializer(serializers.Serializer[Any]):
    """So many customers with one outcome for one reason."""

    outcome = serializers.ChoiceField(choices=Decision.Outcome.choices)
    reason = serializers.CharField()
    customers = serializers.IntegerField()


class DryRunRestSerializer(serializers.Serializer[Any]):
    """The reasons that are not named one by one."""

    reasons = serializers.IntegerField()
    customers = serializers.IntegerField()


class DryRunForecastSerializer(serializers.Serializer[Any]):
    """How many a day are foreseen to get it besides, and what that rests on."""

    a_day = serializers.FloatField(allow_null=True)
    basis = serializers.CharField(allow_blank=True)


class DryRunWarningSerializer(serializers.Serializer[Any]):
    """A limit that it would meet."""

    about = serializers.CharField(
        help_text="sending, nobody, budget, day, stock, throughput, calls or quiet, the hardest first."
    )
    sentence = serializers.CharField()


class DryRunCostSerializer(serializers.Serializer[Any]):
    """What those who get it at once would cost; `offers` is null where nothing tells what a code costs."""

    messages = serializers.IntegerField()
    calls = serializers.IntegerField()
    codes = serializers.IntegerField()
    a_message = serializers.FloatField()
    offers = serializers.FloatField(allow_null=True)
    total = serializers.FloatField()
    sentence = serializers.CharField()


class DryRunMessageSerializer(serializers.Serializer[Any]):
    """What one customer would get; `problem` says why it cannot be written. Its links and codes are examples."""

    customer = serializers.CharField(help_text="Her external id.")
    variant = serializers.CharField(allow_blank=True)
    action = serializers.ChoiceField(choices=Delivery.Action.choices)
    subject = serializers.CharField(allow_blank=True)
    text = serializers.CharField(allow_blank=True)
    html = serializers.CharField(allow_blank=True)
    problem = serializers.CharField(allow_blank=True)


class DryRunOverlapSerializer(serializers.Serializer[Any]):
    """So many of those who would get it were contacted lately by one campaign, or are about to be."""

    campaign = serializers.CharField(help_text="Its key.")
    name = serializers.CharField()
    state = serializers.ChoiceField(choices=Campaign.State.choices)
    customers = serializers.IntegerField()


class DryRunOverlapsSerializer(serializers.Serializer[Any]):
    """How many of those who would get it were contacted in the last `days`, or are about to be."""

    days = serializers.IntegerField()
    customers = serializers.IntegerField()
    campaigns = DryRunOverlapSerializer(many=True)


class DryRunBaseSerializer(serializers.Serializer[Any]):
    """How many comparable customers reached the goal anyway; null where history does not tell."""

    customers = serializers.IntegerField()
    rate = serializers.FloatField(allow_null=True)
    worth = serializers.FloatField(allow_null=True, help_text="The mean margin of one who reached it.")
    basis = serializers.CharField()


class DryRunWeekSerializer(serializers.Serializer[Any]):
    """The smallest effect that can be shown after so many weeks; null while too few customers count."""

    weeks = serializers.IntegerField()
    customers = serializers.IntegerField()
    control = serializers.IntegerField()
    points = serializers.FloatField(allow_null=True, help_text="Of the share that converts: 0.01 is one point.")
    relative = serializers.FloatField(allow_null=True, help_text="As a part of the base rate: 0.12 is +12 %.")
    sentence = serializers.CharField()


class DryRunPowerSerializer(serializers.Serializer[Any]):
    """What the size can show."""

    headline = serializers.CharField()
    weeks = DryRunWeekSerializer(many=True)
    weeks_needed = serializers.IntegerField(allow_null=True, help_text="Until +10 % shows; null: never.")
    control_share = serializers.FloatField(help_text="The share that is suggested.")
    advice = serializers.CharField(allow_blank=True)


class DryRunCutSerializer(serializers.Serializer[Any]):
    """What acting from a line up is expected to earn, per 1,000 customers."""

    line = serializers.FloatField()
    share = serializers.FloatField()
    profit = IntervalSerializer()


class DryRunMissingSerializer(serializers.Serializer[Any]):
    """A number that is not known, and where it is typed in."""

    what = serializers.CharField()
    where = serializers.CharField()


class DryRunPaysSerializer(serializers.Serializer[Any]):
    """The smallest line of the score that pays; null where none does, or where numbers are missing."""

    line = serializers.FloatField(allow_null=True)
    interval = IntervalSerializer(allow_null=True)
    profit = IntervalSerializer(allow_null=True)
    cuts = DryRunCutSerializer(many=True)
    missing = DryRunMissingSerializer(many=True)
    sentence = serializers.CharField()


class DryRunOutlookSerializer(serializers.Serializer[Any]):
    """What is to come of it; `pays` is null unless a score triggers it."""

    base = DryRunBaseSerializer()
    power = DryRunPowerSerializer()
    pays = DryRunPaysSerializer(allow_null=True)


class DryRunSerializer(serializers.Serializer[Any]):
    """What a campaign would do if it acted now on those who match it."""

    campaign = serializers.CharField(help_text="Its key.")
    as_of = serializers.DateTimeField()
    facts_as_of = serializers.DateTimeField(allow_null=True)
    means = serializers.CharField(help_text="What “now” means for its trigger.")
    matching = serializers.IntegerField()
    considered = serializers.IntegerField(help_text="Those who match and may be considered again.")
    getting = serializers.IntegerField(help_text="Those whose message goes at once.")
    waiting = serializers.IntegerField(help_text="Those whose message goes later.")
    outcomes = DryRunCountSerializer(many=True)
    reasons = DryRunReasonSerializer(many=True)
    other_reasons = DryRunRestSerializer()
    arms = DryRunCountSerializer(many=True)
    variants = DryRunCountSerializer(many=True)
    a_day = DryRunForecastSerializer()
    warnings = DryRunWarningSerializer(many=True)
    cost = DryRunCostSerializer()
    overlaps = DryRunOverlapsSerializer()
    messages = DryRunMessageSerializer(
        many=True, allow_null=True, help_text="Up to 20; null for a key without the scope customers:read."
    )
    outlook = DryRunOutlookSerializer()


class DryRunView(Door):
    """`campaigns/{id}/dry-run/`."""

    required_scope = Scope.CAMPAIGNS_READ

    @extend_schema(operation_id="campaigns_dry_run", responses={200: DryRunSerializer, **refusals(400, 404, 409, 503)})
    def get(self, request: Request, public_id: str) -> Response:
        """Give what a campaign would do if it acted now on those who match it. Nothing is sent, and nothing stored."""
        campaign, now = campaign_of(public_id), timezone.now()
        try:
            tried = dry_run.run(campaign, now)
            ahead = outlook.of(campaign, tried, now)
        except LaunchError as error:
            raise refusal(str(error)) from error
        except LakeError as error:
            raise Problem(503, "history_unreadable", f"The history of events cannot be read: {error}") from error
        told = dict(vars(tried)) | {"outlook": ahead}
        if not _may_read_customers(request):
            told["messages"] = None
        return Response(DryRunSerializer(told).data)


def _may_read_customers(request: Request) -> bool:
    held: list[str] = request.auth.scopes if isinstance(request.auth, ApiKey) else []
    return Scope.CUSTOMERS_READ in held
