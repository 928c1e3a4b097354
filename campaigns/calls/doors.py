"""REST about calls: the queue for other programs' agents, and do-not-call lists."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

from django.contrib.auth.models import User
from django.http import Http404
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from campaigns.calls import lists, outcomes, queue
from campaigns.calls.lists import ListRefused
from campaigns.calls.outcomes import Said
from campaigns.calls.queue import CallRefused
from campaigns.models import CallTask, Campaign
from customers.api import Door, who
from customers.keys import Scope
from customers.listing import Listing, Narrowed, refusal
from customers.problems import Problem, StrictSerializer, refusals

CALLS = Listing("call tasks", narrowed={"state": Narrowed("state", CallTask.State.values)})
CAMPAIGN = OpenApiParameter("campaign", OpenApiTypes.STR, description="The key of a campaign.")
MOST_NUMBERS = 20_000


class CallSerializer(serializers.Serializer[Any]):
    """One call that was made."""

    number = serializers.IntegerField()
    agent = serializers.CharField(source="agent.username", allow_null=True, default=None)
    at = serializers.DateTimeField()
    seconds = serializers.IntegerField(allow_null=True)
    outcome = serializers.ChoiceField(choices=CallTask.Outcome.choices)
    call_again_at = serializers.DateTimeField(allow_null=True)
    note = serializers.CharField(allow_blank=True)


class CallTaskSerializer(serializers.Serializer[Any]):
    """A call to make: who, why, what to say, and what came of it."""

    id = serializers.CharField(source="public_id")
    campaign = serializers.CharField(source="campaign.key")
    customer = serializers.CharField(source="customer.external_id")
    phone = serializers.CharField(source="customer.phone", allow_null=True)
    state = serializers.ChoiceField(choices=CallTask.State.choices)
    outcome = serializers.CharField(allow_blank=True)
    title = serializers.CharField()
    talking_points = serializers.CharField(allow_blank=True)
    reasons = serializers.ListField(child=serializers.CharField())
    expected_gain = serializers.FloatField(allow_null=True, help_text="An estimate; null where it is unknown.")
    offer_code = serializers.SerializerMethodField(help_text="The code to tell on the phone; null: there is none.")
    tries = serializers.IntegerField(help_text="How many calls were made.")
    due_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField(allow_null=True)
    agent = serializers.CharField(source="agent.username", allow_null=True, default=None)
    lease_until = serializers.DateTimeField(allow_null=True, help_text="Claim again before then to keep it.")
    why_cancelled = serializers.SerializerMethodField()
    calls = CallSerializer(many=True)

    def get_offer_code(self, task: CallTask) -> str | None:
        """Give the code."""
        code = getattr(task.delivery, "offer_code", None)
        return code.code if code else None

    def get_why_cancelled(self, task: CallTask) -> str:
        """Give why nobody is to call any more, or nothing."""
        return task.delivery.reason if task.state == CallTask.State.CANCELLED else ""


class CallTaskPageSerializer(serializers.Serializer[Any]):
    """A page of call tasks, in the order in which they were made."""

    results = CallTaskSerializer(many=True)
    next = serializers.URLField(allow_null=True)


class AgentInSerializer(StrictSerializer):
    """Which agent."""

    agent = serializers.CharField(max_length=150, help_text="The name that the agent logs in with.")


class OutcomeInSerializer(AgentInSerializer):
    """What came of a call."""

    number = serializers.IntegerField(min_value=1, help_text="Which call of the task: said twice, it is written once.")
    outcome = serializers.ChoiceField(choices=CallTask.Outcome.choices)
    note = serializers.CharField(max_length=outcomes.NOTE_LENGTH, required=False, allow_blank=True, default="")
    call_again_at = serializers.DateTimeField(required=False, allow_null=True, default=None)


class NumbersInSerializer(StrictSerializer):
    """Numbers that must not be called."""

    numbers = serializers.ListField(
        child=serializers.CharField(max_length=60),
        min_length=1,
        max_length=MOST_NUMBERS,
        help_text="In clear; only hashes are kept.",
    )
    country = serializers.CharField(
        min_length=2, max_length=2, allow_null=True, default=None, help_text="Of numbers without theirs, such as DE."
    )


class RefusedSerializer(serializers.Serializer[Any]):
    """A line that is no phone number."""

    line = serializers.IntegerField(help_text="From 1.")
    text = serializers.CharField()


class TakenSerializer(serializers.Serializer[Any]):
    """What came of a list."""

    numbers = serializers.IntegerField()
    new = serializers.IntegerField()
    refused = RefusedSerializer(many=True)


class LastListSerializer(serializers.Serializer[Any]):
    """When the last list came."""

    last_at = serializers.DateTimeField(allow_null=True)


class CallTasksView(Door):
    """`call-tasks/`."""

    required_scope = Scope.CALLS_READ
    parameters: ClassVar[set[str]] = CALLS.parameters | {"campaign"}

    @extend_schema(
        operation_id="call_tasks_list",
        parameters=[*CALLS.described, CAMPAIGN],
        responses={200: CallTaskPageSerializer, **refusals(400)},
    )
    def get(self, request: Request) -> Response:
        """List call tasks."""
        rows = _whole()
        if (key := request.query_params.get("campaign")) is not None:
            campaign = Campaign.objects.filter(key=key.replace("\x00", "")).first()
            if campaign is None:
                raise refusal("campaign", f"There is no campaign {key!r}.")
            rows = rows.filter(campaign=campaign)
        return CALLS.page(request, rows, lambda found: CallTaskSerializer(found, many=True).data)


class CallTaskView(Door):
    """`call-tasks/{id}/`."""

    required_scope = Scope.CALLS_READ

    @extend_schema(operation_id="call_tasks_retrieve", responses={200: CallTaskSerializer, **refusals(400, 404)})
    def get(self, request: Request, public_id: str) -> Response:
        """Give one call task."""
        return Response(CallTaskSerializer(_task(public_id)).data)


class ClaimView(Door):
    """`call-tasks/{id}/claim/`."""

    required_scope = Scope.CALLS_WRITE

    @extend_schema(
        operation_id="call_tasks_claim",
        request=AgentInSerializer,
        responses={200: CallTaskSerializer, **refusals(400, 404, 409)},
    )
    def post(self, request: Request, public_id: str) -> Response:
        """Claim a call for an agent, or keep the claim up. 409 with the reason where it cannot be had now."""
        told = _told(AgentInSerializer, request)
        with _refusing():
            queue.claim(_task(public_id), _agent(told["agent"]), timezone.now())
        return Response(CallTaskSerializer(_task(public_id)).data)


class ReleaseView(Door):
    """`call-tasks/{id}/release/`."""

    required_scope = Scope.CALLS_WRITE

    @extend_schema(
        operation_id="call_tasks_release",
        request=AgentInSerializer,
        responses={200: CallTaskSerializer, **refusals(400, 404, 409)},
    )
    def post(self, request: Request, public_id: str) -> Response:
        """Give an agent's call back to the queue."""
        told = _told(AgentInSerializer, request)
        with _refusing():
            queue.give_back(_task(public_id), _agent(told["agent"]))
        return Response(CallTaskSerializer(_task(public_id)).data)


class OutcomeView(Door):
    """`call-tasks/{id}/outcome/`."""

    required_scope = Scope.CALLS_WRITE

    @extend_schema(
        operation_id="call_tasks_outcome",
        request=OutcomeInSerializer,
        responses={200: CallTaskSerializer, **refusals(400, 404, 409)},
    )
    def post(self, request: Request, public_id: str) -> Response:
        """Write down what came of a call. The same said twice is written once."""
        told = _told(OutcomeInSerializer, request)
        said = Said(told["outcome"], told["note"], told["call_again_at"], told["number"])
        with _refusing():
            outcomes.close(_task(public_id), _agent(told["agent"]), said, timezone.now())
        return Response(CallTaskSerializer(_task(public_id)).data)


class DoNotCallView(Door):
    """`suppressions/do-not-call/`."""

    required_scope = Scope.SUPPRESSIONS_READ
    write_scope = Scope.SUPPRESSIONS_WRITE

    @extend_schema(operation_id="do_not_call_retrieve", responses={200: LastListSerializer, **refusals(400)})
    def get(self, request: Request) -> Response:
        """Say when the last list came."""
        last = lists.last()
        return Response(LastListSerializer({"last_at": last.at if last else None}).data)

    @extend_schema(
        operation_id="do_not_call_upload",
        request=NumbersInSerializer,
        responses={200: TakenSerializer, **refusals(400)},
    )
    def post(self, request: Request) -> Response:
        """Close numbers for calls; lines that are no numbers are told and left out."""
        told = _told(NumbersInSerializer, request)
        text = "\n".join(" ".join(one.split()) for one in told["numbers"])
        try:
            taken = lists.take(text, (told["country"] or "").upper(), who(request), timezone.now())
        except ListRefused as error:
            raise refusal("numbers", str(error)) from error
        return Response(TakenSerializer(taken).data)


@contextmanager
def _refusing() -> Iterator[None]:
    """Do something with a call, or answer why it cannot be done now."""
    try:
        yield
    except CallRefused as error:
        raise Problem(409, "refused", str(error)) from error


def _told(form: type[StrictSerializer], request: Request) -> dict[str, Any]:
    body = form(data=request.data)
    body.is_valid(raise_exception=True)
    found: dict[str, Any] = body.validated_data
    return found


def _whole() -> Any:
    """Give the tasks with all that is told of them."""
    rows = CallTask.objects.select_related("customer", "campaign", "agent", "delivery__offer_code")
    return rows.prefetch_related("calls__agent")


def _task(public_id: str) -> CallTask:
    found: CallTask | None = _whole().filter(public_id=public_id.replace("\x00", "")).first()
    if found is None:
        raise Http404("No call task has this id.")
    return found


def _agent(name: str) -> User:
    """Give the agent of that name, who may work in the queue."""
    found = User.objects.filter(username=name.replace("\x00", ""), is_active=True).first()
    if found is None or not found.has_perm("campaigns.change_calltask"):
        raise refusal("agent", f"Nobody named {name!r} may work in the call queue.")
    return found
