"""REST about campaigns: their plans, made and changed, and their life from launch to stop."""

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

from django.db import IntegrityError, transaction
from django.db.models import Count
from django.http import Http404
from django.utils import timezone
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response

from campaigns import launch, steps, triggers
from campaigns.launch import InFlight, LaunchError, Unapproved
from campaigns.models import Campaign, Decision
from customers import tags
from customers.api import Door, who
from customers.keys import Scope
from customers.listing import NAMED, Listing, Narrowed
from customers.models import ApiKey
from customers.problems import Problem, StrictSerializer, refusals
from segments.api import KEY
from segments.definition import name_of
from segments.models import Segment

PLACE = re.compile(r"[a-z_]+[\w.\[\]]*\Z")
SHARE: dict[str, Any] = {"min_value": 0.0, "max_value": 0.9}
CODES: dict[type[LaunchError], str] = {InFlight: "in_flight", Unapproved: "needs_approval"}
COUNT: dict[str, Any] = {"min_value": 0, "max_value": 2**31 - 1}
POSITIVE: dict[str, Any] = {**COUNT, "min_value": 1}
MONEY: dict[str, Any] = {"min_value": 0.0, "max_value": 1e12}


def _said(name: str, values: Iterable[str]) -> dict[str, Any]:
    """Describe an object whose other fields follow from one."""
    return {"type": "object", "required": [name], "properties": {name: {"enum": list(values)}}}


@extend_schema_field(_said("kind", triggers.KINDS))
class TriggerField(serializers.DictField):
    """What begins a campaign."""


@extend_schema_field(_said("action", steps.ACTIONS))
class StepField(serializers.DictField):
    """What a campaign does."""


class CampaignInSerializer(StrictSerializer):
    """A plan as it is sent here. It begins as a draft, and acts once it is launched."""

    key = serializers.RegexField(KEY, max_length=60)
    name = serializers.CharField(max_length=120)
    trigger = TriggerField(help_text='{"kind": "score" | "segment" | "event" | "date" | "schedule" | "hand", …}')
    steps = serializers.ListField(child=StepField(), min_length=1, max_length=1, help_text="One action.")
    variants = serializers.ListField(
        child=serializers.DictField(), max_length=20, required=False, help_text='[{"key", "share", "step"}]'
    )
    split = serializers.ChoiceField(
        choices=Campaign.Split.choices, required=False, help_text="adaptive: the shares follow the results."
    )
    winner = serializers.ChoiceField(choices=Campaign.Winner.choices, required=False)
    winner_metric = serializers.ChoiceField(
        choices=Campaign.Metric.choices, required=False, help_text="What the variants are compared by."
    )
    chosen_variant = serializers.CharField(
        max_length=20, required=False, allow_blank=True, help_text="Everybody gets this variant; empty: by the shares."
    )
    audience = serializers.CharField(
        max_length=60, required=False, allow_null=True, help_text="The key of a segment; null for everybody."
    )
    topic = serializers.CharField(max_length=60, required=False)
    control_share = serializers.FloatField(required=False, **SHARE)
    pilot_share = serializers.FloatField(required=False, min_value=0.001, max_value=1.0)
    entry = serializers.ChoiceField(choices=Campaign.Entry.choices, required=False)
    cooldown_days = serializers.IntegerField(required=False, **COUNT)
    lateness_hours = serializers.IntegerField(required=False, **POSITIVE)
    when_limited = serializers.ChoiceField(choices=Campaign.Limited.choices, required=False)
    delay_hours = serializers.IntegerField(required=False, **POSITIVE)
    priority = serializers.IntegerField(required=False, min_value=-(2**31), max_value=2**31 - 1)
    budget = serializers.FloatField(required=False, allow_null=True, **MONEY)
    message_cost = serializers.FloatField(required=False, **MONEY)
    most_a_day = serializers.IntegerField(required=False, allow_null=True, **POSITIVE)
    value = serializers.FloatField(required=False, allow_null=True, **MONEY)
    margin = serializers.FloatField(
        required=False, allow_null=True, min_value=0.0, max_value=1.0, help_text="Null: as the programme says."
    )
    fires_on_import = serializers.BooleanField(required=False)
    goal_event = serializers.CharField(max_length=120, required=False)
    goal_days = serializers.IntegerField(required=False, **POSITIVE)
    planned_customers = serializers.IntegerField(
        required=False, allow_null=True, help_text="What its report is planned for, with control.", **POSITIVE
    )

    def validate_audience(self, key: str | None) -> Segment | None:
        """Give the segment of a key."""
        found = Segment.objects.filter(key=key).first() if key is not None else None
        if key is not None and found is None:
            raise serializers.ValidationError(f"There is no segment “{key}”.", "no_segment")
        return found


class CampaignChangeSerializer(CampaignInSerializer):
    """What is changed of a plan."""

    while_sending = serializers.BooleanField(
        required=False, help_text="Change what goes out also while messages are being handed over."
    )


class CampaignSerializer(serializers.Serializer[Any]):
    """A standing plan, with its decisions by outcome."""

    id = serializers.CharField(source="public_id")
    key = serializers.CharField()
    name = serializers.CharField()
    state = serializers.ChoiceField(choices=Campaign.State.choices)
    version = serializers.IntegerField()
    trigger = serializers.DictField()
    steps = serializers.ListField(child=serializers.DictField())
    variants = serializers.ListField(child=serializers.DictField())
    split = serializers.ChoiceField(choices=Campaign.Split.choices)
    winner = serializers.ChoiceField(choices=Campaign.Winner.choices)
    winner_metric = serializers.ChoiceField(choices=Campaign.Metric.choices)
    chosen_variant = serializers.CharField(allow_blank=True)
    audience = serializers.CharField(source="audience.key", default=None, allow_null=True)
    topic = serializers.CharField()
    control_share = serializers.FloatField()
    pilot_share = serializers.FloatField()
    entry = serializers.ChoiceField(choices=Campaign.Entry.choices)
    cooldown_days = serializers.IntegerField()
    lateness_hours = serializers.IntegerField()
    when_limited = serializers.ChoiceField(choices=Campaign.Limited.choices)
    delay_hours = serializers.IntegerField()
    priority = serializers.IntegerField()
    budget = serializers.FloatField(allow_null=True)
    message_cost = serializers.FloatField()
    most_a_day = serializers.IntegerField(allow_null=True)
    value = serializers.FloatField(allow_null=True)
    margin = serializers.FloatField(allow_null=True)
    fires_on_import = serializers.BooleanField()
    goal_event = serializers.CharField()
    goal_days = serializers.IntegerField()
    planned_customers = serializers.IntegerField(allow_null=True)
    paused_why = serializers.CharField(allow_blank=True, help_text="What paused it by itself, if anything.")
    created_at = serializers.DateTimeField()
    launched_at = serializers.DateTimeField(allow_null=True)
    decisions = serializers.DictField(child=serializers.IntegerField(), source="decisions_by_outcome")


class CampaignPageSerializer(serializers.Serializer[Any]):
    """A page of campaigns."""

    results = CampaignSerializer(many=True)
    next = serializers.URLField(allow_null=True)


LISTING = Listing(
    "campaigns",
    sorts={**NAMED, "created_at": "created_at"},
    narrowed={
        "state": Narrowed("state", Campaign.State.values),
        "audience": Narrowed("audience__key", description="Only those for the segment with this key."),
    },
)


class CampaignsView(Door):
    """`campaigns/`."""

    required_scope = Scope.CAMPAIGNS_READ
    write_scope = Scope.CAMPAIGNS_WRITE
    parameters: ClassVar[set[str]] = LISTING.parameters

    @extend_schema(
        operation_id="campaigns_list",
        parameters=LISTING.described,
        responses={200: CampaignPageSerializer, **refusals(400)},
    )
    def get(self, request: Request) -> Response:
        """List the campaigns."""
        rows = Campaign.objects.select_related("audience")
        return LISTING.page(request, rows, lambda found: CampaignSerializer(counted(found), many=True).data)

    @extend_schema(
        operation_id="campaigns_create",
        request=CampaignInSerializer,
        responses={201: CampaignSerializer, **refusals(400, 409)},
    )
    def post(self, request: Request) -> Response:
        """Make a draft. Nothing happens until it is launched."""
        body, now = _valid(CampaignInSerializer(data=request.data)), timezone.now()
        with refusing(body["key"]):
            campaign = Campaign.objects.create(created_at=now, edited_by=name_of(who(request))[:150], **body)
            launch.check(campaign)
            launch.note("made", campaign, who(request), now)
        return answer(campaign, 201)


class CampaignView(Door):
    """`campaigns/{id}/`."""

    required_scope = Scope.CAMPAIGNS_READ
    write_scope = Scope.CAMPAIGNS_WRITE
    parameters: ClassVar[set[str]] = set()

    @extend_schema(operation_id="campaigns_retrieve", responses={200: CampaignSerializer, **refusals(400, 404)})
    def get(self, request: Request, public_id: str) -> Response:
        """Give one campaign; its ETag says which plan this is."""
        return answer(campaign_of(public_id))

    @extend_schema(
        operation_id="campaigns_update",
        request=CampaignChangeSerializer(partial=True),
        parameters=[tags.IF_MATCH],
        responses={200: CampaignSerializer, **refusals(400, 404, 409, 412)},
    )
    def patch(self, request: Request, public_id: str) -> Response:
        """Change what is sent. Of one that was launched this is a new version; another trigger starts in silence.

        A message goes out by the version that holds when it begins. While messages are being handed over, what goes out
        is not changed (409 in_flight) unless `while_sending` says so. What is live already acts by what is written
        here: changing it needs the scope campaigns:send as well.
        """
        body = _valid(CampaignChangeSerializer(data=request.data, partial=True))
        with refusing():
            campaign = campaign_of(public_id, is_locked=True)
            check_scope(request, campaign)
            check_tag(request, campaign)
            if body.get("key", campaign.key) != campaign.key:
                raise LaunchError("key: stays as it is; make another campaign")
            changes = {name: value for name, value in body.items() if name != "key"}
            if changes.keys() - {"while_sending"}:
                launch.edit(campaign, who(request), timezone.now(), **changes)
                launch.check(campaign)
        return answer(campaign)


def campaign_of(public_id: str, *, is_locked: bool = False) -> Campaign:
    """Give a campaign by public id; raises Http404. Held until the commit with `is_locked`."""
    rows = Campaign.objects.select_for_update(of=("self",), no_key=True) if is_locked else Campaign.objects.all()
    campaign = rows.select_related("audience").filter(public_id=public_id.replace("\x00", "")).first()
    if campaign is None:
        raise Http404("No campaign has this id.")
    return campaign


def counted(campaigns: list[Campaign]) -> list[Campaign]:
    """Give campaigns with their decisions counted by outcome."""
    counts: dict[int, dict[str, int]] = {}
    rows = Decision.objects.filter(campaign__in=campaigns).values("campaign_id", "outcome").annotate(n=Count("pk"))
    for row in rows.order_by():
        counts.setdefault(row["campaign_id"], {})[row["outcome"]] = row["n"]
    for campaign in campaigns:
        campaign.decisions_by_outcome = counts.get(campaign.pk, {})  # type: ignore[attr-defined]
    return campaigns


def answer(campaign: Campaign, status: int = 200) -> Response:
    """Answer with a campaign and its ETag."""
    told = CampaignSerializer(counted([campaign])[0]).data
    return Response(told, status=status, headers={"ETag": f'"{launch.edition(campaign)}"'})


@contextmanager
def refusing(key: str = "") -> Iterator[None]:
    """Do something as one commit, or answer why not; `key` is the one that a campaign is to have."""
    try:
        with transaction.atomic():
            yield
    except LaunchError as error:
        raise refusal(str(error), CODES.get(type(error), "not_now")) from error
    except IntegrityError as error:
        if not key or not Campaign.objects.filter(key=key).exists():
            raise
        place = {"path": "key", "code": "taken", "message": "Another campaign has this key."}
        raise Problem(409, "taken", f"Another campaign has the key {key!r}.", [place]) from error


def refusal(message: str, code: str = "not_now") -> Problem:
    """Give the answer to what a campaign cannot do: 400 at its place, 409 where its state forbids it."""
    path, _, said = message.partition(": ")
    if said and PLACE.match(path):
        return Problem(400, "bad_campaign", message, [{"path": path, "code": "bad_campaign", "message": said}])
    return Problem(409, code, message)


def check_scope(request: Request, campaign: Campaign) -> None:
    """Raise PermissionDenied for a key that may write campaigns, not send, where the campaign is live."""
    held: list[str] = request.auth.scopes if isinstance(request.auth, ApiKey) else []
    if campaign.state == Campaign.State.LIVE and Scope.CAMPAIGNS_SEND not in held:
        raise PermissionDenied(f"A live campaign is changed with a key of the scope {Scope.CAMPAIGNS_SEND} too.")


def check_tag(request: Request, campaign: Campaign) -> None:
    """Refuse a request whose If-Match is of another plan or state."""
    tags.check(request, launch.edition(campaign), "The campaign")


def _valid(serializer: CampaignInSerializer) -> dict[str, Any]:
    serializer.is_valid(raise_exception=True)
    checked: dict[str, Any] = serializer.validated_data
    return checked
