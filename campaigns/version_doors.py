"""REST about a campaign's plans: its versions, what a change means for those in it, and a second person's approval."""

from typing import Any, ClassVar

from django.http import Http404
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from campaigns import approval, asking, in_flight, plan, plan_words, revert, versions
from campaigns.campaign_doors import (
    CampaignInSerializer,
    CampaignSerializer,
    answer,
    campaign_of,
    check_scope,
    check_tag,
    refusing,
)
from campaigns.models import Campaign, CampaignVersion
from customers import tags
from customers.api import Door, who
from customers.keys import Scope
from customers.problems import Problem, StrictSerializer, refusals
from segments.api import KEY

CHANGED = OpenApiParameter("changed", OpenApiTypes.STR, description="Fields of a plan, with commas between.")


class CampaignVersionSerializer(serializers.Serializer[Any]):
    """A plan as it was from a time on, and what was changed, in sentences."""

    number = serializers.IntegerField()
    at = serializers.DateTimeField()
    by = serializers.CharField(allow_blank=True)
    changed = serializers.ListField(child=serializers.CharField())


class CampaignVersionListSerializer(serializers.Serializer[Any]):
    """All versions, the newest first."""

    results = CampaignVersionSerializer(many=True)


class CampaignVersionWholeSerializer(CampaignVersionSerializer):
    """One version with its whole plan, and how that differs from the present one."""

    plan = serializers.DictField()
    since = serializers.ListField(child=serializers.CharField(), help_text="What was changed from it to the present.")


class RevertInSerializer(StrictSerializer):
    """How an earlier version is put back."""

    while_sending = serializers.BooleanField(default=False, help_text="Also while messages are being handed over.")


class DuplicateInSerializer(StrictSerializer):
    """How a copy is called, and of which version it is."""

    key = serializers.RegexField(KEY, max_length=60)
    name = serializers.CharField(max_length=120)
    version = serializers.IntegerField(required=False, min_value=1, help_text="Left out: of the present plan.")


class UnderWaySerializer(serializers.Serializer[Any]):
    """How many are in a campaign now, and what a change of some fields means for them."""

    planned = serializers.IntegerField()
    claimed = serializers.IntegerField()
    sending = serializers.IntegerField()
    deferred = serializers.IntegerField()
    calls = serializers.IntegerField(help_text="Calls that wait for an agent.")
    inside = serializers.IntegerField(help_text="Customers inside the trigger's line.")
    words = serializers.ListField(child=serializers.CharField())


class ApprovalSerializer(serializers.Serializer[Any]):
    """Whether a plan needs a second person, and how far that is."""

    plan = serializers.CharField(help_text="A digest of the plan, its offers and its segments.")
    is_needed = serializers.BooleanField()
    stand = serializers.ChoiceField(choices=approval.Stand.choices, allow_null=True)
    why = serializers.ListField(child=serializers.CharField())
    sentence = serializers.CharField(allow_blank=True)
    asked_by = serializers.CharField(allow_blank=True)
    asked_at = serializers.DateTimeField(allow_null=True)
    changes = serializers.DictField(help_text="What is to be changed of the plan; empty: nothing.")
    by = serializers.CharField(allow_blank=True)
    at = serializers.DateTimeField(allow_null=True)
    reason = serializers.CharField(allow_blank=True)


@extend_schema_field(CampaignInSerializer(partial=True))
class ChangesField(serializers.DictField):
    """Fields of a plan, as they are sent to change a campaign."""


class AskInSerializer(StrictSerializer):
    """What is asked about: the plan as it stands, or with changes, such as a wider pilot."""

    changes = ChangesField(required=False, help_text='{"pilot_share": 1.0}')

    def validate_changes(self, told: dict[str, Any]) -> plan.Plan:
        """Give the changes as a stored plan tells them."""
        inner = CampaignInSerializer(data=told, partial=True)
        inner.is_valid(raise_exception=True)
        read: plan.Plan = inner.validated_data
        return {**read, "audience": told["audience"]} if "audience" in read else read


class AnswerInSerializer(StrictSerializer):
    """The answer of a second person."""

    between: ClassVar[dict[str, Any]] = {"required": ["is_granted"]}
    is_granted = serializers.BooleanField()
    reason = serializers.CharField(max_length=300, required=False, allow_blank=True, default="")


def version_of(public_id: str, number: int) -> CampaignVersion:
    """Give one version. Raises Http404."""
    found = CampaignVersion.objects.filter(campaign=campaign_of(public_id), number=min(number, 2**31 - 1)).first()
    if found is None:
        raise Http404("The campaign has no such version.")
    return found


class VersionsView(Door):
    """`campaigns/{id}/versions/`."""

    required_scope = Scope.CAMPAIGNS_READ

    @extend_schema(
        operation_id="campaigns_versions", responses={200: CampaignVersionListSerializer, **refusals(400, 404)}
    )
    def get(self, request: Request, public_id: str) -> Response:
        """List who changed the plan since its launch, when, and what."""
        return Response(CampaignVersionListSerializer({"results": versions.of(campaign_of(public_id))}).data)


class VersionView(Door):
    """`campaigns/{id}/versions/{number}/`."""

    required_scope = Scope.CAMPAIGNS_READ

    @extend_schema(
        operation_id="campaigns_version", responses={200: CampaignVersionWholeSerializer, **refusals(400, 404)}
    )
    def get(self, request: Request, public_id: str, number: int) -> Response:
        """Give the whole plan of one version."""
        found: Any = version_of(public_id, number)
        found.since = plan_words.compared(found.plan, plan.of(campaign_of(public_id)))
        return Response(CampaignVersionWholeSerializer(found).data)


class RevertView(Door):
    """`campaigns/{id}/versions/{number}/revert/`."""

    required_scope = Scope.CAMPAIGNS_WRITE

    @extend_schema(
        operation_id="campaigns_revert",
        request=RevertInSerializer,
        parameters=[tags.IF_MATCH],
        responses={200: CampaignSerializer, **refusals(400, 404, 409, 412)},
    )
    def post(self, request: Request, public_id: str, number: int) -> Response:
        """Put an earlier plan back as a new version; a live campaign's with the scope campaigns:send too."""
        body = RevertInSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        version_of(public_id, number)
        with refusing():
            campaign = campaign_of(public_id, is_locked=True)
            check_scope(request, campaign)
            check_tag(request, campaign)
            revert.revert(campaign, number, who(request), timezone.now(), **body.validated_data)
        return answer(campaign)


class DuplicateView(Door):
    """`campaigns/{id}/duplicate/`."""

    required_scope = Scope.CAMPAIGNS_WRITE

    @extend_schema(
        operation_id="campaigns_duplicate",
        request=DuplicateInSerializer,
        responses={201: CampaignSerializer, **refusals(400, 404, 409)},
    )
    def post(self, request: Request, public_id: str) -> Response:
        """Make a draft with the same plan, or with that of an earlier version."""
        body = DuplicateInSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        asked, campaign = body.validated_data, campaign_of(public_id)
        if Campaign.objects.filter(key=asked["key"]).exists():
            place = {"path": "key", "code": "taken", "message": "Another campaign has this key."}
            raise Problem(409, "taken", f"Another campaign has the key {asked['key']!r}.", [place])
        called = revert.Called(asked["name"], asked["key"])
        with refusing():
            made = revert.duplicate(campaign, called, who(request), timezone.now(), asked.get("version"))
        return answer(made, 201)


class UnderWayView(Door):
    """`campaigns/{id}/under-way/`."""

    required_scope = Scope.CAMPAIGNS_READ
    parameters: ClassVar[set[str]] = {"changed"}

    @extend_schema(
        operation_id="campaigns_under_way",
        parameters=[CHANGED],
        responses={200: UnderWaySerializer, **refusals(400, 404)},
    )
    def get(self, request: Request, public_id: str) -> Response:
        """Say what a change of some fields would mean for those who are already in the campaign."""
        changed = [name for name in request.query_params.get("changed", "").split(",") if name]
        if wrong := sorted(set(changed) - set(plan.FIELDS)):
            place = {"path": "changed", "code": "unknown", "message": f"A plan has no field {wrong[0]!r}."}
            raise Problem(400, "unknown", place["message"], [place])
        already: Any = in_flight.count(campaign_of(public_id))
        told = {name: getattr(already, name) for name in already.__dataclass_fields__}
        return Response(UnderWaySerializer({**told, "words": in_flight.said(already, changed)}).data)


class ApprovalView(Door):
    """`campaigns/{id}/approval/`."""

    required_scope = Scope.CAMPAIGNS_READ
    write_scope = Scope.CAMPAIGNS_WRITE

    def check_permissions(self, request: Request) -> None:
        """Let those answer who may send."""
        if request.method == "PATCH":
            self.write_scope = Scope.CAMPAIGNS_SEND
        super().check_permissions(request)

    @extend_schema(operation_id="campaigns_approval", responses={200: ApprovalSerializer, **refusals(400, 404)})
    def get(self, request: Request, public_id: str) -> Response:
        """Say whether the plan needs a second person, and how far that is."""
        return approved(campaign_of(public_id))

    @extend_schema(
        operation_id="campaigns_approval_ask",
        request=AskInSerializer,
        responses={201: ApprovalSerializer, **refusals(400, 404, 409)},
    )
    def post(self, request: Request, public_id: str) -> Response:
        """Ask a second person to approve the plan as it stands, or with changes. Any other change makes it void."""
        body = AskInSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        with refusing():
            campaign = campaign_of(public_id, is_locked=True)
            asking.ask(campaign, who(request), timezone.now(), body.validated_data.get("changes"))
        return approved(campaign, 201)

    @extend_schema(
        operation_id="campaigns_approval_answer",
        request=AnswerInSerializer,
        parameters=[tags.IF_MATCH],
        responses={200: ApprovalSerializer, **refusals(400, 404, 409, 412)},
    )
    def patch(self, request: Request, public_id: str) -> Response:
        """Grant or refuse what was asked. Neither who asked nor who changed the plan last may; campaigns:send."""
        body = AnswerInSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        with refusing():
            campaign = campaign_of(public_id, is_locked=True)
            tags.check(request, tags.tag(_approval(campaign)), "The plan or its approval")
            asking.answer(campaign, who(request), timezone.now(), **body.validated_data)
        return approved(campaign)


def approved(campaign: Campaign, status: int = 200) -> Response:
    """Answer with how far the approval of a campaign is; the ETag is another with every change of its plan."""
    told = _approval(campaign)
    return Response(ApprovalSerializer(told).data, status=status, headers=tags.header(told))


def _approval(campaign: Campaign) -> dict[str, Any]:
    """Give the last question about a campaign, where there is one, and whether its plan needs an answer."""
    need, last = approval.needed(campaign), campaign.approvals.order_by("-pk").first()
    names = ("asked_by", "asked_at", "changes", "by", "at", "reason")
    empty: dict[str, Any] = {"asked_by": "", "asked_at": None, "changes": {}, "by": "", "at": None, "reason": ""}
    told = {name: getattr(last, name) for name in names} if last else empty
    stand = {
        "plan": plan.digest(campaign),
        "is_needed": need is not None,
        "stand": need.stand if need else None,
        "why": need.why if need else (),
        "sentence": need.sentence if need else "",
    }
    return {**told, **stand}
