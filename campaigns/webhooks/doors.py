"""REST about webhooks: which there are, what was sent to each, and sending it again."""

from dataclasses import replace
from typing import Any, ClassVar

from django.db import transaction
from django.http import Http404
from django.utils import timezone
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from campaigns.models import Webhook, WebhookMessage
from campaigns.webhooks import hooks, outbox
from campaigns.webhooks.hooks import WebhookError
from campaigns.webhooks.notices import Type
from customers import tags
from customers.api import Door, who
from customers.keys import Scope
from customers.listing import NAMED, Listing, Narrowed
from customers.problems import Problem, StrictSerializer, refusals

MESSAGES = Listing("messages", narrowed={"state": Narrowed("state", WebhookMessage.State.values)})
WANTED = [choice for choice in Type.choices if choice[0] != Type.WEBHOOK_TEST]


@extend_schema_field({"type": "string", "pattern": r"^https://\S+$", "maxLength": 500})
class UrlField(serializers.CharField):
    """An address of the open internet."""


class WebhookInSerializer(StrictSerializer):
    """A webhook as it is told."""

    key = serializers.SlugField(max_length=60)
    name = serializers.CharField(max_length=120)
    url = UrlField(max_length=500, help_text="Begins with https:// and leads to the open internet.")
    types = serializers.ListField(
        child=serializers.ChoiceField(choices=WANTED), default=list, help_text="The kinds of notices that it gets."
    )
    segments = serializers.ListField(
        child=serializers.CharField(max_length=60), default=list, help_text="Keys of segments; none: of all."
    )
    per_minute = serializers.IntegerField(default=600, min_value=1, max_value=hooks.MOST_A_MINUTE)


class WebhookSerializer(serializers.Serializer[Any]):
    """A webhook, without its secret."""

    id = serializers.CharField(source="public_id")
    key = serializers.CharField()
    name = serializers.CharField()
    url = serializers.CharField()
    types = serializers.ListField(child=serializers.CharField())
    segments = serializers.ListField(child=serializers.CharField())
    per_minute = serializers.IntegerField()
    state = serializers.ChoiceField(choices=Webhook.State.choices)
    disabled_why = serializers.CharField(allow_blank=True)
    failing_since = serializers.DateTimeField(allow_null=True, help_text="Since then nothing was taken.")
    old_secret_until = serializers.DateTimeField(
        source="old_until", allow_null=True, help_text="Until then the secret before this one signs too."
    )
    created_at = serializers.DateTimeField()


class SecretWebhookSerializer(WebhookSerializer):
    """A webhook with its new secret, which is never shown again."""

    secret = serializers.CharField()


class WebhookPageSerializer(serializers.Serializer[Any]):
    """A page of webhooks."""

    results = WebhookSerializer(many=True)
    next = serializers.URLField(allow_null=True)


LISTING = Listing(
    "webhooks",
    sorts={**NAMED, "created_at": "created_at"},
    narrowed={"state": Narrowed("state", Webhook.State.values)},
)


class WhySerializer(StrictSerializer):
    """Why a webhook is to be sent nothing more."""

    why = serializers.CharField(max_length=300, help_text="For the audit.")


class SinceSerializer(StrictSerializer):
    """Since when messages were given up that are to be sent again."""

    since = serializers.DateTimeField()


class MessageCountSerializer(serializers.Serializer[Any]):
    """How many messages that are."""

    messages = serializers.IntegerField()


class TrySerializer(serializers.Serializer[Any]):
    """One call, and the first of what was answered."""

    number = serializers.IntegerField()
    at = serializers.DateTimeField()
    seconds = serializers.FloatField()
    status = serializers.IntegerField(allow_null=True)
    answer = serializers.CharField(allow_blank=True)


class MessageSerializer(serializers.Serializer[Any]):
    """One message: its id is the header webhook-id."""

    id = serializers.CharField(source="public_id")
    type = serializers.CharField()
    state = serializers.ChoiceField(choices=WebhookMessage.State.choices)
    created_at = serializers.DateTimeField()
    ended_at = serializers.DateTimeField(allow_null=True)
    next_try_at = serializers.SerializerMethodField(allow_null=True)
    body = serializers.CharField(allow_blank=True, help_text="As it is sent; empty 30 days after it ended.")
    attempts = TrySerializer(source="tries", many=True)

    def get_next_try_at(self, message: WebhookMessage) -> str | None:
        """Give when it is tried next."""
        return message.due_at.isoformat() if message.state == WebhookMessage.State.PLANNED else None


class MessagePageSerializer(serializers.Serializer[Any]):
    """A page of messages, in the order in which they were planned."""

    results = MessageSerializer(many=True)
    next = serializers.URLField(allow_null=True)


class WebhookDoor(Door):
    """What all doors of webhooks ask for."""

    required_scope = Scope.WEBHOOKS_READ
    write_scope = Scope.WEBHOOKS_WRITE


class WebhooksView(WebhookDoor):
    """`webhooks/`."""

    parameters: ClassVar[set[str]] = LISTING.parameters

    @extend_schema(
        operation_id="webhooks_list",
        parameters=LISTING.described,
        responses={200: WebhookPageSerializer, **refusals(400)},
    )
    def get(self, request: Request) -> Response:
        """List the webhooks."""
        return LISTING.page(request, Webhook.objects.all(), lambda found: WebhookSerializer(found, many=True).data)

    @extend_schema(
        operation_id="webhooks_create",
        request=WebhookInSerializer,
        responses={201: SecretWebhookSerializer, **refusals(400, 409)},
    )
    def post(self, request: Request) -> Response:
        """Make a webhook. Its secret stands in this answer, and never again."""
        body = WebhookInSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        if Webhook.objects.filter(key=body.validated_data["key"]).exists():
            raise Problem(409, "taken", f"There is a webhook {body.validated_data['key']!r} already.")
        webhook = Webhook(**body.validated_data)
        try:
            hooks.add(webhook, who(request), timezone.now())
        except WebhookError as error:
            raise refused(error) from error
        return Response(SecretWebhookSerializer(webhook).data, status=201)


class WebhookView(WebhookDoor):
    """`webhooks/{id}/`."""

    @extend_schema(operation_id="webhooks_retrieve", responses={200: WebhookSerializer, **refusals(400, 404)})
    def get(self, request: Request, public_id: str) -> Response:
        """Give one webhook; its ETag says which state of it this is."""
        return _answer(webhook_of(public_id))

    @extend_schema(
        operation_id="webhooks_change",
        request=WebhookInSerializer(partial=True),
        parameters=[tags.IF_MATCH],
        responses={200: WebhookSerializer, **refusals(400, 404, 412)},
    )
    def patch(self, request: Request, public_id: str) -> Response:
        """Change what is sent; the key stays."""
        webhook = webhook_of(public_id)
        body = WebhookInSerializer(data=request.data, partial=True)
        body.is_valid(raise_exception=True)
        if body.validated_data.get("key", webhook.key) != webhook.key:
            raise refused(WebhookError("key", "It stays: campaigns name it."))
        asked = {name: told for name, told in body.validated_data.items() if name in hooks.CHANGED}
        try:
            hooks.check(_with(webhook, asked))  # asks the name server, so before anything is locked
        except WebhookError as error:
            raise refused(error) from error
        with transaction.atomic():
            webhook = webhook_of(public_id, is_locked=True)
            _check_tag(request, webhook)
            hooks.store(_with(webhook, asked), who(request), timezone.now())
        return _answer(webhook)

    @extend_schema(
        operation_id="webhooks_delete",
        parameters=[tags.IF_MATCH],
        responses={204: None, **refusals(400, 404, 409, 412)},
    )
    def delete(self, request: Request, public_id: str) -> Response:
        """Delete a webhook with its messages. 409 where a channel is carried by it."""
        try:
            with transaction.atomic():
                webhook = webhook_of(public_id, is_locked=True)
                _check_tag(request, webhook)
                hooks.remove(webhook, who(request), timezone.now())
        except WebhookError as error:
            raise Problem(409, "in_use", str(error)) from error
        return Response(status=204)


class RotateView(WebhookDoor):
    """`webhooks/{id}/rotate/`."""

    required_scope = Scope.WEBHOOKS_WRITE

    @extend_schema(
        operation_id="webhooks_rotate", request=None, responses={200: SecretWebhookSerializer, **refusals(400, 404)}
    )
    def post(self, request: Request, public_id: str) -> Response:
        """Make a new secret; it stands in this answer, and never again. The old one signs too for a day."""
        webhook = webhook_of(public_id)
        hooks.rotate(webhook, who(request), timezone.now())
        webhook.refresh_from_db()
        return Response(SecretWebhookSerializer(webhook).data)


class EnableView(WebhookDoor):
    """`webhooks/{id}/enable/`."""

    required_scope = Scope.WEBHOOKS_WRITE

    @extend_schema(
        operation_id="webhooks_enable", request=None, responses={200: MessageCountSerializer, **refusals(400, 404, 409)}
    )
    def post(self, request: Request, public_id: str) -> Response:
        """Send it what it wants again; give how many messages waited. 409 where it is live."""
        try:
            waiting = hooks.enable(webhook_of(public_id), who(request), timezone.now())
        except WebhookError as error:
            raise Problem(409, "not_disabled", str(error)) from error
        return Response(MessageCountSerializer({"messages": waiting}).data)


class DisableView(WebhookDoor):
    """`webhooks/{id}/disable/`."""

    required_scope = Scope.WEBHOOKS_WRITE

    @extend_schema(
        operation_id="webhooks_disable",
        request=WhySerializer,
        responses={200: WebhookSerializer, **refusals(400, 404, 409)},
    )
    def post(self, request: Request, public_id: str) -> Response:
        """Send it nothing more; what waits is kept. 409 where it is disabled."""
        webhook, body = webhook_of(public_id), WhySerializer(data=request.data)
        body.is_valid(raise_exception=True)
        if not hooks.disable(webhook, body.validated_data["why"], who(request), timezone.now()):
            raise Problem(409, "disabled", "It is disabled already.")
        webhook.refresh_from_db()
        return Response(WebhookSerializer(webhook).data)


class TestView(WebhookDoor):
    """`webhooks/{id}/test/`."""

    required_scope = Scope.WEBHOOKS_WRITE

    @extend_schema(
        operation_id="webhooks_test", request=None, responses={202: MessageSerializer, **refusals(400, 404, 409)}
    )
    def post(self, request: Request, public_id: str) -> Response:
        """Plan a message of the kind webhook.test. 409 where the webhook is disabled."""
        try:
            message = hooks.test(webhook_of(public_id), who(request), timezone.now())
        except WebhookError as error:
            raise Problem(409, "disabled", str(error)) from error
        return Response(MessageSerializer(message).data, status=202)


class ReplayAllView(WebhookDoor):
    """`webhooks/{id}/replay/`."""

    required_scope = Scope.WEBHOOKS_WRITE

    @extend_schema(
        operation_id="webhooks_replay",
        request=SinceSerializer,
        responses={200: MessageCountSerializer, **refusals(400, 404)},
    )
    def post(self, request: Request, public_id: str) -> Response:
        """Send once more all that was given up since a time, each message under its id; give how many these are."""
        webhook, body = webhook_of(public_id), SinceSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        count = outbox.replay_failed(webhook, body.validated_data["since"], who(request), timezone.now())
        return Response(MessageCountSerializer({"messages": count}).data)


class MessagesView(WebhookDoor):
    """`webhooks/{id}/deliveries/`."""

    parameters: ClassVar[set[str]] = MESSAGES.parameters

    @extend_schema(
        operation_id="webhooks_deliveries",
        parameters=MESSAGES.described,
        responses={200: MessagePageSerializer, **refusals(400, 404)},
    )
    def get(self, request: Request, public_id: str) -> Response:
        """List what was sent to a webhook, or is to be."""
        webhook = webhook_of(public_id)
        listing = replace(MESSAGES, name=f"messages to {webhook.public_id}")
        rows = webhook.messages.prefetch_related("tries")
        return listing.page(request, rows, lambda found: MessageSerializer(found, many=True).data)


class ReplayView(WebhookDoor):
    """`webhooks/{id}/deliveries/{message}/replay/`."""

    required_scope = Scope.WEBHOOKS_WRITE

    @extend_schema(
        operation_id="webhooks_delivery_replay",
        request=None,
        responses={202: MessageSerializer, **refusals(400, 404, 409)},
    )
    def post(self, request: Request, public_id: str, message: str) -> Response:
        """Send a message that has ended once more, under its id. 409 where it waits, or its body was removed."""
        webhook = webhook_of(public_id)
        found = webhook.messages.filter(public_id=message.replace("\x00", "")).first()
        if found is None:
            raise Http404("No message to this webhook has this id.")
        try:
            outbox.replay(found, who(request), timezone.now())
        except outbox.ReplayRefused as error:
            raise Problem(409, "not_again", str(error)) from error
        found.refresh_from_db()
        return Response(MessageSerializer(found).data, status=202)


def webhook_of(public_id: str, *, is_locked: bool = False) -> Webhook:
    """Give the webhook of an id. Held until the commit with `is_locked`."""
    rows = Webhook.objects.select_for_update() if is_locked else Webhook.objects.all()
    found = rows.filter(public_id=public_id.replace("\x00", "")).first()
    if found is None:
        raise Http404("No webhook has this id.")
    return found


def _with(webhook: Webhook, asked: dict[str, Any]) -> Webhook:
    for name, told in asked.items():
        setattr(webhook, name, told)
    return webhook


def _answer(webhook: Webhook, status: int = 200) -> Response:
    told = WebhookSerializer(webhook).data
    return Response(told, status=status, headers=tags.header(told))


def _check_tag(request: Request, webhook: Webhook) -> None:
    tags.check(request, tags.tag(WebhookSerializer(webhook).data), "The webhook")


def refused(error: WebhookError) -> Problem:
    """Give the problem document of a field that cannot be so."""
    code = f"bad_{error.path}"
    return Problem(400, code, str(error), [{"path": error.path, "code": code, "message": error.message}])
