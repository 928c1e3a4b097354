"""REST about what campaigns earned: each by itself, and all together."""

from datetime import datetime
from typing import Any, ClassVar

from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from campaigns import by_segment, calendar, lately, measure, programme, withheld
from campaigns.calendar import Kind
from campaigns.campaign_doors import campaign_of
from campaigns.lately import MOST, Lately
from campaigns.models import Campaign, Decision
from campaigns.stats import Planned
from customers.api import Door
from customers.keys import Scope
from customers.problems import Problem, refusals
from segments.models import Segment

SEGMENT = OpenApiParameter("segment", OpenApiTypes.STR, description="The key of a segment to split the report by.")


class GoalSerializer(serializers.Serializer[Any]):
    """What is hoped for, and within how many days after the first decision about a customer it counts."""

    event = serializers.CharField()
    days = serializers.IntegerField()


class IntervalSerializer(serializers.Serializer[Any]):
    """A value with its 95 % interval."""

    value = serializers.FloatField()
    low = serializers.FloatField()
    high = serializers.FloatField()


class ReadEffectSerializer(serializers.Serializer[Any]):
    """A difference of two arms for each customer, or the sentence that says why there is none."""

    interval = IntervalSerializer(allow_null=True, help_text="It holds at every look at once.")
    message = serializers.CharField(allow_blank=True)
    p_value = serializers.FloatField(allow_null=True, help_text="It holds at every look at once.")
    total = IntervalSerializer(allow_null=True, help_text="Over all customers of the first arm.")
    cut = serializers.FloatField(help_text="The part of the variance that the time before the decision took away.")
    needed = serializers.IntegerField(
        allow_null=True, help_text="How many more customers would show an effect as large as the one seen."
    )


class ArmSerializer(serializers.Serializer[Any]):
    """One arm. Everyone assigned counts once, from her first decision, whether anything was sent or not."""

    name = serializers.CharField(help_text="treated, control, holdout, or the key of a variant.")
    customers = serializers.IntegerField()
    eligible = serializers.IntegerField()
    delivered = serializers.IntegerField()
    clicked = serializers.IntegerField(help_text="By people; what machines follow is left out.")
    delivered_and_converted = serializers.IntegerField()
    converted = serializers.IntegerField(source="conversions.successes")
    conversion = serializers.FloatField(source="conversions.value", allow_null=True)
    value = serializers.FloatField(source="value.total")
    value_each = serializers.FloatField(source="value.value", allow_null=True)
    margin = serializers.FloatField(source="margin.total", help_text="On that value, less the cost.")
    margin_each = serializers.FloatField(source="margin.value", allow_null=True)
    cost = serializers.FloatField(help_text="Of messages, calls and redeemed offers.")
    messages = serializers.IntegerField()
    unsubscribed = serializers.IntegerField()
    complained = serializers.IntegerField()


class ComparisonSerializer(serializers.Serializer[Any]):
    """One arm minus another."""

    of = serializers.CharField()
    against = serializers.CharField()
    conversion = ReadEffectSerializer()
    value_each = ReadEffectSerializer(source="value")
    margin_each = ReadEffectSerializer(source="margin")
    earned = IntervalSerializer(allow_null=True, help_text="Margin less cost, over all customers of the first arm.")
    is_weighted = serializers.BooleanField(help_text="Each customer counts by the probability of her arm.")


class LooksSerializer(serializers.Serializer[Any]):
    """By which rule the intervals hold at any look."""

    is_planned = serializers.SerializerMethodField(help_text="False: for looks without end, tuned to no plan.")
    planned = serializers.IntegerField(allow_null=True, help_text="Customers that the read-out is planned for.")
    so_far = serializers.IntegerField()
    share_of_plan = serializers.FloatField(allow_null=True)

    @extend_schema_field(serializers.BooleanField())
    def get_is_planned(self, looks: Any) -> bool:
        """Say whether there is a plan."""
        return isinstance(looks.rule, Planned)


class SplitSerializer(serializers.Serializer[Any]):
    """Whether the arms are as large as the draws make them; where not, no effect is told."""

    is_balanced = serializers.BooleanField()
    control = serializers.FloatField(help_text="The chance of a control group as far off as this, or further.")
    variants = serializers.FloatField(help_text="The chance of variants as far off as these, or further.")


class StageSerializer(serializers.Serializer[Any]):
    """One step of the funnel of the treated; the converted are of those it was delivered to."""

    key = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]
    customers = serializers.IntegerField()


class NotSentSerializer(serializers.Serializer[Any]):
    """Why decisions were not to deliver."""

    outcome = serializers.ChoiceField(choices=Decision.Outcome.choices)
    reason = serializers.CharField()
    decisions = serializers.IntegerField()


class SliceSerializer(serializers.Serializer[Any]):
    """The arms of a part of the customers."""

    name = serializers.CharField()
    treated = ArmSerializer()
    control = ArmSerializer()
    holdout = ArmSerializer()
    against_control = ComparisonSerializer()


class PointSerializer(serializers.Serializer[Any]):
    """What could be read of the customers decided about up to a day."""

    until = serializers.DateField()
    customers = serializers.IntegerField()
    conversion = ReadEffectSerializer()
    value_each = ReadEffectSerializer(source="value")
    margin_each = ReadEffectSerializer(source="margin")


class ContentTagSerializer(serializers.Serializer[Any]):
    """Who clicked a link of a content tag, and how many of these converted: association, no effect."""

    tag = serializers.CharField()
    clicked = serializers.IntegerField()
    converted = serializers.IntegerField(source="conversions.successes")
    conversion = serializers.FloatField(source="conversions.value", allow_null=True)


class ReportSerializer(serializers.Serializer[Any]):
    """What a campaign did, and what it earned against those left alone."""

    campaign = serializers.CharField()
    as_of = serializers.DateTimeField()
    counted_at = serializers.DateTimeField(help_text="As of when the sums are.")
    goal = GoalSerializer()
    words = serializers.ListField(child=serializers.CharField(), help_text="What may be said, and nothing more.")
    is_balanced = serializers.BooleanField()
    split = SplitSerializer()
    looks = LooksSerializer()
    ripe_share = serializers.FloatField(allow_null=True, help_text="Of the customers, for whom the time has run out.")
    treated = ArmSerializer()
    control = ArmSerializer()
    holdout = ArmSerializer()
    variants = ArmSerializer(many=True)
    against_control = ComparisonSerializer()
    against_holdout = ComparisonSerializer()
    of_variants = ComparisonSerializer(many=True, help_text="Each variant against control.")
    funnel = StageSerializer(many=True)
    outcomes = serializers.DictField(child=serializers.IntegerField())
    deliveries = serializers.DictField(child=serializers.IntegerField())
    reasons = NotSentSerializer(many=True, help_text="Those that most decisions have.")
    over_time = PointSerializer(many=True)
    weeks = SliceSerializer(many=True, help_text="By week of the first decision.")
    bands = SliceSerializer(many=True, help_text="By band of the score at the decision.")
    tags = ContentTagSerializer(many=True)


class ReportAnswerSerializer(ReportSerializer):
    """The same, with what is asked for besides."""

    by_segment = SliceSerializer(many=True, help_text="Members at their first decision, and the others; of ?segment=.")


class ReportView(Door):
    """`campaigns/{id}/report/`."""

    required_scope = Scope.CAMPAIGNS_READ
    parameters: ClassVar[set[str]] = {"segment"}

    @extend_schema(
        operation_id="campaigns_report",
        parameters=[SEGMENT],
        responses={200: ReportAnswerSerializer, **refusals(400, 404, 409)},
    )
    def get(self, request: Request, public_id: str) -> Response:
        """Give what a campaign earned against those left alone, as of now."""
        campaign, key = campaign_of(public_id), request.query_params.get("segment")
        segment = Segment.objects.filter(key=key).first() if key is not None and "\x00" not in key else None
        if key is not None and segment is None:
            place = {"path": "segment", "code": "unknown_segment", "message": "There is no such segment."}
            raise Problem(400, "unknown_segment", f"There is no segment {key!r}.", [place])
        try:
            return Response(told(campaign, timezone.now(), segment))
        except by_segment.SplitError as error:
            raise Problem(409, "too_many", str(error)) from error


class ContactsSerializer(serializers.Serializer[Any]):
    """How many customers got so many messages and calls."""

    contacts = serializers.IntegerField()
    customers = serializers.IntegerField()


class DaySerializer(serializers.Serializer[Any]):
    """One campaign on one day."""

    day = serializers.DateField()
    campaign = serializers.CharField(source="campaign.key")
    kind = serializers.ChoiceField(choices=Kind.choices)
    deliveries = serializers.FloatField(allow_null=True, help_text="Null: nobody can know.")


class ProgrammeReportSerializer(serializers.Serializer[Any]):
    """What all campaigns did together, against those whom all of them leave alone."""

    as_of = serializers.DateTimeField()
    counted_at = serializers.DateTimeField(help_text="As of when the sums are.")
    goal = GoalSerializer()
    words = serializers.ListField(child=serializers.CharField(), help_text="What may be said, and nothing more.")
    is_balanced = serializers.BooleanField(source="split.is_balanced")
    split = SplitSerializer()
    looks = LooksSerializer()
    ripe_share = serializers.FloatField(allow_null=True, help_text="Of the customers, for whom the time has run out.")
    reached = ArmSerializer()
    holdout = ArmSerializer()
    against_holdout = ComparisonSerializer()
    over_time = PointSerializer(many=True)
    contacts_each = serializers.FloatField(
        source="contacts.mean", allow_null=True, help_text="Messages and calls within the goal's days."
    )


class LatelySerializer(serializers.Serializer[Any]):
    """How many messages and calls customers got in the days of the cap."""

    days = serializers.IntegerField()
    cap = serializers.IntegerField()
    contacts_each = serializers.FloatField(source="mean", allow_null=True)
    contacts = serializers.SerializerMethodField(help_text=f"{MOST} stands for {MOST} and more.")

    @extend_schema_field(ContactsSerializer(many=True))
    def get_contacts(self, lately: Lately) -> Any:
        """Give the customers by number of contacts."""
        return [{"contacts": contacts, "customers": many} for contacts, many in lately.customers.items()]


class ProgrammeAnswerSerializer(ProgrammeReportSerializer):
    """The same, with contacts per customer and what goes out when."""

    lately = LatelySerializer()
    calendar = DaySerializer(many=True, help_text="Four weeks back and two ahead.")


class ProgrammeReportView(Door):
    """`programme/report/`."""

    required_scope = Scope.CAMPAIGNS_READ

    @extend_schema(operation_id="programme_report", responses={200: ProgrammeAnswerSerializer, **refusals(400)})
    def get(self, request: Request) -> Response:
        """Give what all campaigns did against the holdout, and what goes out when, as of now."""
        return Response(told_of_all(timezone.now()))


def told(campaign: Campaign, as_of: datetime, segment: Segment | None = None) -> Any:
    """Give a campaign's report, split by a segment where one is named. Raises SplitError."""
    report = withheld.of_report(measure.measure(campaign, as_of))
    found = by_segment.slices(campaign, segment, as_of) if segment else ()
    parts = SliceSerializer(withheld.of_slices(found, report.split), many=True).data
    return {**ReportSerializer(report).data, "by_segment": parts}


def told_of_all(as_of: datetime) -> Any:
    """Give the programme's report."""
    whole = {
        **ProgrammeReportSerializer(withheld.of_verdict(measure.programme(as_of))).data,
        "lately": LatelySerializer(lately.read(programme.current(), as_of)).data,
        "calendar": DaySerializer(calendar.read(as_of).entries, many=True).data,
    }
    return whole
