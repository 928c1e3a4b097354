"""REST about a campaign's life: launched, paused, resumed, stopped, widened, sent by hand. Each is one POST.

What lets messages go asks for a scope of its own.
"""

from datetime import datetime
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from campaigns import launch, slots
from campaigns.campaign_doors import CampaignSerializer, answer, campaign_of, check_tag, refusing
from campaigns.models import Slot
from campaigns.reconcile import reconcile
from customers import tags
from customers.api import Door, who
from customers.keys import Scope
from customers.problems import NothingSerializer, StrictSerializer, refusals


class LaunchInSerializer(StrictSerializer):
    """How to begin."""

    fires_on_start = serializers.BooleanField(
        default=False, help_text="Act also on those who match already, at its first look."
    )


class LifeDoor(Door):
    """What the doors of a campaign's life share."""

    required_scope = Scope.CAMPAIGNS_WRITE

    def do(self, request: Request, public_id: str, act: Any, **asked: Any) -> Response:
        """Do it under the campaign's lock, and give the campaign as it is then."""
        with refusing():
            campaign = campaign_of(public_id, is_locked=True)
            check_tag(request, campaign)
            act(campaign, who(request), timezone.now(), **asked)
        return answer(campaign)


class SendingDoor(LifeDoor):
    """Those that let messages go."""

    required_scope = Scope.CAMPAIGNS_SEND


class LaunchView(SendingDoor):
    """`campaigns/{id}/launch/`."""

    @extend_schema(
        operation_id="campaigns_launch",
        parameters=[tags.IF_MATCH],
        request=LaunchInSerializer,
        responses={200: CampaignSerializer, **refusals(400, 404, 409, 412)},
    )
    def post(self, request: Request, public_id: str) -> Response:
        """Set a draft live; 409 for any other."""
        body = LaunchInSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        return self.do(request, public_id, launch.launch, **body.validated_data)


class ResumeView(SendingDoor):
    """`campaigns/{id}/resume/`."""

    @extend_schema(
        operation_id="campaigns_resume",
        parameters=[tags.IF_MATCH],
        request=NothingSerializer,
        responses={200: CampaignSerializer, **refusals(400, 404, 409, 412)},
    )
    def post(self, request: Request, public_id: str) -> Response:
        """Set a paused campaign live again. What was crossed during the pause never fires."""
        NothingSerializer(data=request.data).is_valid(raise_exception=True)
        return self.do(request, public_id, launch.resume)


class PauseView(LifeDoor):
    """`campaigns/{id}/pause/`."""

    @extend_schema(
        operation_id="campaigns_pause",
        parameters=[tags.IF_MATCH],
        request=NothingSerializer,
        responses={200: CampaignSerializer, **refusals(400, 404, 409, 412)},
    )
    def post(self, request: Request, public_id: str) -> Response:
        """Let a live campaign rest: nothing that is planned begins."""
        NothingSerializer(data=request.data).is_valid(raise_exception=True)
        return self.do(request, public_id, launch.pause)


class StopView(LifeDoor):
    """`campaigns/{id}/stop/`."""

    @extend_schema(
        operation_id="campaigns_stop",
        parameters=[tags.IF_MATCH],
        request=NothingSerializer,
        responses={200: CampaignSerializer, **refusals(400, 404, 409, 412)},
    )
    def post(self, request: Request, public_id: str) -> Response:
        """End a campaign for good; what it has planned is cancelled."""
        NothingSerializer(data=request.data).is_valid(raise_exception=True)
        return self.do(request, public_id, launch.stop)


class WidenInSerializer(StrictSerializer):
    """To which share a pilot grows."""

    share = serializers.FloatField(min_value=0.0, max_value=1.0)
    fires_for_waiting = serializers.BooleanField(
        default=False, help_text="Act also on those who match already and were outside of it."
    )


class WidenView(SendingDoor):
    """`campaigns/{id}/widen/`."""

    @extend_schema(
        operation_id="campaigns_widen",
        parameters=[tags.IF_MATCH],
        request=WidenInSerializer,
        responses={200: CampaignSerializer, **refusals(400, 404, 409, 412)},
    )
    def post(self, request: Request, public_id: str) -> Response:
        """Let a pilot take in more customers; who was in stays in."""
        body = WidenInSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        asked = body.validated_data
        with refusing():
            campaign = campaign_of(public_id, is_locked=True)
            waits = {"fires_for_waiting": asked["fires_for_waiting"]}
            launch.widen(campaign, asked["share"], who(request), timezone.now(), **waits)
        return answer(campaign)


class SendInSerializer(StrictSerializer):
    """When it is sent by hand: the same time told again is the same sending."""

    at = serializers.DateTimeField(help_text="Not ahead of now. Send the same time again where no answer came.")

    def validate_at(self, at: datetime) -> datetime:
        """Refuse a time that lies ahead."""
        if at > timezone.now():
            raise serializers.ValidationError("This lies ahead.", "bad_at")
        return at


class SlotSerializer(serializers.Serializer[Any]):
    """One time at which a campaign acts on its whole audience."""

    campaign = serializers.CharField(source="campaign.key")
    at = serializers.DateTimeField()
    began_at = serializers.DateTimeField(allow_null=True, help_text="As of when the first were decided about.")
    done_at = serializers.DateTimeField(allow_null=True, help_text="When everybody was decided about.")


class SendView(SendingDoor):
    """`campaigns/{id}/send/`."""

    @extend_schema(
        operation_id="campaigns_send",
        request=SendInSerializer,
        responses={200: SlotSerializer, 201: SlotSerializer, **refusals(400, 404, 409)},
    )
    def post(self, request: Request, public_id: str) -> Response:
        """Let a live campaign by hand act on its whole audience; 200 where this time was told before."""
        body = SendInSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        at = body.validated_data["at"]
        with refusing():
            campaign = campaign_of(public_id, is_locked=True)
            told = Slot.objects.filter(campaign=campaign, at=at).first()
            slot = told or slots.by_hand(campaign, who(request), at)
        return Response(SlotSerializer(slot).data, status=200 if told else 201)


class BalanceSerializer(serializers.Serializer[Any]):
    """What must be equal."""

    words = serializers.CharField()
    left = serializers.IntegerField()
    right = serializers.IntegerField()
    is_equal = serializers.BooleanField()


class OpenSerializer(serializers.Serializer[Any]):
    """Rows that have not come to their end."""

    words = serializers.CharField()
    number = serializers.IntegerField()


class ReconciliationSerializer(serializers.Serializer[Any]):
    """The books of a campaign. It is done when all sums hold and nothing is open."""

    campaign = serializers.CharField(source="campaign.key")
    as_of = serializers.DateTimeField()
    is_done = serializers.BooleanField()
    sentence = serializers.CharField()
    due = serializers.IntegerField()
    decisions = serializers.IntegerField()
    outcomes = serializers.DictField(child=serializers.IntegerField())
    deliveries = serializers.DictField(child=serializers.IntegerField())
    balances = BalanceSerializer(many=True)
    open = OpenSerializer(many=True)


class ReconciliationView(Door):
    """`campaigns/{id}/reconciliation/`."""

    required_scope = Scope.CAMPAIGNS_READ

    @extend_schema(
        operation_id="campaigns_reconciliation", responses={200: ReconciliationSerializer, **refusals(400, 404)}
    )
    def get(self, request: Request, public_id: str) -> Response:
        """Say whether everything that was decided has come to its end, and list what has not."""
        return Response(ReconciliationSerializer(reconcile(campaign_of(public_id), timezone.now())).data)
