"""REST about what was decided and delivered: pages by keyset, one customer's share of them, and what is in doubt."""

from dataclasses import replace
from typing import Any, ClassVar

from django.db.models import Q
from django.http import Http404
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from campaigns import deliver, uncertain
from campaigns.explain import explain
from campaigns.models import Campaign, Decision, Delivery
from customers.api import Door, customer_of, who
from customers.keys import Scope
from customers.listing import Listing, refusal
from customers.models import Customer
from customers.problems import Problem, StrictSerializer, refusals

SINCE = OpenApiParameter("since", OpenApiTypes.DATETIME, description="Only what was decided, or is due, from then on.")
CAMPAIGN = OpenApiParameter("campaign", OpenApiTypes.STR, description="The key of a campaign.")
CUSTOMER = OpenApiParameter("customer", OpenApiTypes.STR, description="An external id.")
OUTCOME = OpenApiParameter("outcome", OpenApiTypes.STR, enum=Decision.Outcome.values)
STATE = OpenApiParameter("state", OpenApiTypes.STR, enum=Delivery.State.values)
DECISIONS, DELIVERIES = Listing("decisions"), Listing("deliveries")


class ScoredBySerializer(serializers.Serializer[Any]):
    """The version of a model whose score was used."""

    target = serializers.CharField(source="target.key")
    number = serializers.IntegerField()


class DecisionSerializer(serializers.Serializer[Any]):
    """What was decided about one customer, and why."""

    id = serializers.CharField(source="public_id")
    campaign = serializers.CharField(source="campaign.key")
    customer = serializers.CharField(source="customer.external_id")
    round = serializers.IntegerField()
    outcome = serializers.ChoiceField(choices=Decision.Outcome.choices)
    reason = serializers.CharField()
    cause = serializers.CharField()
    as_of = serializers.DateTimeField()
    due_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField(allow_null=True)
    arm = serializers.CharField()
    variant = serializers.CharField(allow_blank=True)
    draw = serializers.FloatField()
    probability = serializers.FloatField()
    score = serializers.FloatField(allow_null=True)
    model_version = ScoredBySerializer(allow_null=True)
    rule_version = serializers.IntegerField(allow_null=True)
    campaign_version = serializers.IntegerField()
    deliveries = serializers.SerializerMethodField(help_text="Their ids.")

    def get_deliveries(self, decision: Decision) -> list[str]:
        """Give the ids of what was planned for it."""
        return [one.public_id for one in decision.deliveries.all()]


class AttemptSerializer(serializers.Serializer[Any]):
    """One call of the channel, and its answer."""

    number = serializers.IntegerField()
    began_at = serializers.DateTimeField()
    ended_at = serializers.DateTimeField(allow_null=True)
    result = serializers.CharField(allow_blank=True)
    receipt = serializers.CharField(allow_blank=True)
    provider_id = serializers.CharField(allow_blank=True)


class DeliverySerializer(serializers.Serializer[Any]):
    """One step of a decision on its way through a channel."""

    id = serializers.CharField(source="public_id")
    decision = serializers.CharField(source="decision.public_id")
    campaign = serializers.CharField(source="decision.campaign.key")
    customer = serializers.CharField(source="customer.external_id")
    action = serializers.ChoiceField(choices=Delivery.Action.choices)
    channel = serializers.CharField()
    state = serializers.ChoiceField(choices=Delivery.State.choices)
    reason = serializers.CharField(allow_blank=True)
    resolution = serializers.CharField(allow_blank=True)
    due_at = serializers.DateTimeField()
    began_at = serializers.DateTimeField(allow_null=True)
    ended_at = serializers.DateTimeField(allow_null=True)
    attempts = AttemptSerializer(source="tries", many=True)


class DecisionPageSerializer(serializers.Serializer[Any]):
    """A page of decisions, in the order in which they were stored."""

    results = DecisionSerializer(many=True)
    next = serializers.URLField(allow_null=True)


class DeliveryPageSerializer(serializers.Serializer[Any]):
    """A page of deliveries, in the order in which they were planned."""

    results = DeliverySerializer(many=True)
    next = serializers.URLField(allow_null=True)


class ResolveInSerializer(StrictSerializer):
    """How it was with a delivery in doubt."""

    arrived = serializers.BooleanField(help_text="true: it is marked as sent. false: a new one is planned.")
    reason = serializers.CharField(max_length=200, help_text="How you know. For the audit.")


class ToldSerializer(serializers.Serializer[Any]):
    """One decision with its sentences."""

    decision = DecisionSerializer()
    sentences = serializers.ListField(child=serializers.CharField())


class ExplanationSerializer(serializers.Serializer[Any]):
    """Where a customer stands for a campaign, what would have to change, and what was decided, the newest first."""

    customer = serializers.CharField(source="customer.external_id")
    campaign = serializers.CharField(source="campaign.key")
    as_of = serializers.DateTimeField()
    standing = serializers.ListField(child=serializers.CharField())
    to_change = serializers.ListField(child=serializers.CharField())
    decisions = ToldSerializer(many=True)


class DecisionsView(Door):
    """`decisions/`."""

    required_scope = Scope.CAMPAIGNS_READ
    parameters: ClassVar[set[str]] = DECISIONS.parameters | {"since", "campaign", "customer", "outcome"}

    @extend_schema(
        operation_id="decisions_list",
        parameters=[*DECISIONS.described, SINCE, CAMPAIGN, CUSTOMER, OUTCOME],
        responses={200: DecisionPageSerializer, **refusals(400, 404)},
    )
    def get(self, request: Request) -> Response:
        """List decisions."""
        which = _of(request, "campaign") & _chosen(request, "outcome", Decision.Outcome.values)
        if since := _since(request):
            which &= Q(as_of__gte=since)
        if customer := _customer(request):
            which &= Q(customer=customer)
        return _decisions(request, which, "decisions")


class DeliveriesView(Door):
    """`deliveries/`."""

    required_scope = Scope.CAMPAIGNS_READ
    parameters: ClassVar[set[str]] = DELIVERIES.parameters | {"since", "campaign", "customer", "state"}

    @extend_schema(
        operation_id="deliveries_list",
        parameters=[*DELIVERIES.described, SINCE, CAMPAIGN, CUSTOMER, STATE],
        responses={200: DeliveryPageSerializer, **refusals(400, 404)},
    )
    def get(self, request: Request) -> Response:
        """List deliveries."""
        which = _of(request, "decision__campaign") & _chosen(request, "state", Delivery.State.values)
        if since := _since(request):
            which &= Q(due_at__gte=since)
        if customer := _customer(request):
            which &= Q(customer=customer)
        rows = _whole().filter(which)
        return DELIVERIES.page(request, rows, lambda found: DeliverySerializer(found, many=True).data)


class DeliveryView(Door):
    """`deliveries/{id}/`."""

    required_scope = Scope.CAMPAIGNS_READ

    @extend_schema(operation_id="deliveries_retrieve", responses={200: DeliverySerializer, **refusals(400, 404)})
    def get(self, request: Request, public_id: str) -> Response:
        """Give one delivery."""
        return Response(DeliverySerializer(_delivery(public_id)).data)


class ResolveView(Door):
    """`deliveries/{id}/resolve/`."""

    required_scope = Scope.CAMPAIGNS_SEND

    @extend_schema(
        operation_id="deliveries_resolve",
        request=ResolveInSerializer,
        responses={200: DeliverySerializer, **refusals(400, 404, 409)},
    )
    def post(self, request: Request, public_id: str) -> Response:
        """Settle a delivery in doubt; give the one that stands now. 409 where it is not in doubt, or not any more."""
        body = ResolveInSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        asked, now = body.validated_data, timezone.now()
        try:
            stands = deliver.resolve(_delivery(public_id), who(request), now, asked["reason"], asked["arrived"])
        except deliver.ResolveError as error:
            raise Problem(409, "not_in_doubt", str(error)) from error
        uncertain.tell(now)
        return Response(DeliverySerializer(_delivery(stands.public_id)).data)


class CustomerDecisionsView(Door):
    """`customers/{external_id}/decisions/`."""

    required_scope = Scope.CUSTOMERS_READ
    parameters: ClassVar[set[str]] = DECISIONS.parameters

    @extend_schema(
        operation_id="customers_decisions",
        parameters=DECISIONS.described,
        responses={200: DecisionPageSerializer, **refusals(400, 404)},
    )
    def get(self, request: Request, external_id: str) -> Response:
        """List the decisions about a customer."""
        customer = customer_of(external_id)
        return _decisions(request, Q(customer=customer), f"decisions about {customer.public_id}")


class CustomerExplainView(Door):
    """`customers/{external_id}/explain/`."""

    required_scope = Scope.CUSTOMERS_READ
    parameters: ClassVar[set[str]] = {"campaign"}

    @extend_schema(
        operation_id="customers_explain",
        parameters=[
            OpenApiParameter("campaign", OpenApiTypes.STR, required=True, description="The key of a campaign.")
        ],
        responses={200: ExplanationSerializer, **refusals(400, 404)},
    )
    def get(self, request: Request, external_id: str) -> Response:
        """Say why a customer did or did not get something of a campaign, and what would have to change."""
        customer, key = customer_of(external_id), request.query_params.get("campaign", "")
        campaign = Campaign.objects.select_related("audience").filter(key=key.replace("\x00", "")).first()
        if campaign is None:
            raise refusal("campaign", f"There is no campaign {key!r}." if key else "campaign is missing: its key.")
        return Response(ExplanationSerializer(explain(customer, campaign, timezone.now())).data)


def _decisions(request: Request, which: Q, name: str) -> Response:
    rows = Decision.objects.filter(which).select_related("campaign", "customer", "model_version__target")
    rows = rows.prefetch_related("deliveries")
    listing = replace(DECISIONS, name=name)
    return listing.page(request, rows, lambda found: DecisionSerializer(found, many=True).data)


def _whole() -> Any:
    """Give the deliveries with all that is told of them."""
    return Delivery.objects.select_related("customer", "decision__campaign").prefetch_related("tries")


def _delivery(public_id: str) -> Delivery:
    found: Delivery | None = _whole().filter(public_id=public_id.replace("\x00", "")).first()
    if found is None:
        raise Http404("No delivery has this id.")
    return found


def _of(request: Request, path: str) -> Q:
    key = request.query_params.get("campaign")
    if key is None:
        return Q()
    found = Campaign.objects.filter(key=key.replace("\x00", "")).values_list("pk", flat=True).first()
    if found is None:
        raise refusal("campaign", f"There is no campaign {key!r}.")
    return Q(**{path: found})


def _customer(request: Request) -> Customer | None:
    told = request.query_params.get("customer")
    return None if told is None else customer_of(told)


def _chosen(request: Request, name: str, values: list[str]) -> Q:
    told = request.query_params.get(name)
    if told is None:
        return Q()
    if told not in values:
        raise refusal(name, f"{name} is one of {', '.join(values)}.")
    return Q(**{name: told})


def _since(request: Request) -> Any:
    told = request.query_params.get("since")
    if told is None:
        return None
    try:
        found = parse_datetime(told.replace(" ", "+"))
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise refusal("since", "since is a time with its zone, such as 2026-03-01T12:00:00Z.")
    return found
