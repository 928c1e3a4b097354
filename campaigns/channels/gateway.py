"""SMS and push messages through a gateway: another program, called as Standard Webhooks 1.0.0 says, and its answer."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, ClassVar

from django.utils import timezone

from campaigns import render, sms_parts
from campaigns.channels import Receipt, Result, in_turn
from campaigns.channels.email import offer_values
from campaigns.gate import Passed
from campaigns.models import Gateway, Webhook, WebhookMessage
from campaigns.steps import PushStep, SmsStep
from campaigns.webhooks import signing
from customers import calling
from customers.calling import Answer
from customers.models import Channel

UNKNOWN = "unknown_address"
NOT_OURS = (401, 402, 403)  # the account is at fault, not the message
WAIT = (408, 425, 429)
GONE = (404, 410)
Caller = Callable[[str, bytes, Mapping[str, str]], Answer]


class Connection:
    """The gateway of one channel during a run; once it is in trouble, no more of this run."""

    def __init__(self, channel: Channel, call: Caller = calling.call) -> None:
        self._call = call
        found = Gateway.objects.select_related("webhook").filter(channel=channel).first()
        self._webhook = found.webhook if found else None
        self._trouble = ""
        if self._webhook is None:
            self._trouble = f"No gateway carries {channel.label}: choose one on the page of the programme."
        elif self._webhook.state != Webhook.State.LIVE:
            self._trouble = f"The webhook {self._webhook.key}, which carries {channel.label}, is disabled."

    def open(self) -> str:
        """Give why nothing can be handed over now, or nothing."""
        return self._trouble

    def trouble(self) -> str:
        """Give why this run hands nothing more over, or nothing."""
        return self._trouble

    def send_all(self, messages: Sequence[Passed], is_over: Callable[[], bool]) -> Iterator[Receipt]:
        """Hand messages over in turn and give the answers; what has none in the end was certainly not handed over."""
        return in_turn(self.send, messages, is_over)

    def send(self, passed: Passed) -> Receipt | None:
        """Hand one message over and give the answer; none when it was certainly not handed over. In no transaction."""
        if self._webhook is None or self._trouble:
            return None
        try:
            told = compose(passed)
        except render.TemplateRefused as error:
            return Receipt(Result.REFUSED, f"The message cannot be written: {error}.")
        answer = post(self._webhook, passed.delivery.public_id, told, self._call)
        if not answer.is_handed_over or answer.status in NOT_OURS:
            said = answer.error or f"it answers {answer.status}"
            self._trouble = f"The webhook {self._webhook.key} cannot be used: {said}"
            return None
        return meaning(answer, passed)


def post(webhook: Webhook, id: str, told: Mapping[str, Any], call: Caller = calling.call) -> Answer:
    """Call a gateway with one message, signed; `id` is the header webhook-id."""
    at = timezone.now()  # the signature's, which the other side compares with its own clock
    text = json.dumps({**told, "timestamp": at.isoformat()}, ensure_ascii=False, separators=(",", ":"))
    headers = signing.headers(webhook, WebhookMessage(public_id=id, body=text), at)
    return call(webhook.url, text.encode(), headers)


def compose(passed: Passed) -> dict[str, Any]:
    """Give what a gateway is told: type and data. Raises TemplateRefused."""
    step, customer = passed.step, passed.customer
    language = customer.language or ""
    values: dict[str, object] = {"customer": passed.facts(), "company": passed.programme.company}
    if passed.code and isinstance(step, SmsStep | PushStep):
        values["offer"] = offer_values(passed.code, language if language in step.said else step.language)
    about = {"delivery": passed.delivery.public_id, "campaign": passed.campaign.key, "topic": passed.campaign.topic}
    if isinstance(step, SmsStep):
        text = sms_parts.whole(step.text(values, language), passed.programme.sms_opt_out)
        return {"type": "message.sms", "data": {"to": customer.phone, "text": text, **about}}
    if isinstance(step, PushStep):
        note = step.note(values, language)
        said = {"title": note.title, "text": note.text, **({"url": note.url} if note.url else {})}
        return {"type": "message.push", "data": {"to": list(passed.devices), **said, **about}}
    raise render.TemplateRefused(f"{step.action.label} goes through no gateway")


class _Told:
    """What a gateway answers, read as far as it can be."""

    LONGEST: ClassVar[int] = 200

    def __init__(self, body: bytes) -> None:
        try:
            found = json.loads(body)
        except (ValueError, RecursionError):
            found = None
        self._found: dict[str, Any] = found if isinstance(found, dict) else {}

    def text(self, name: str) -> str:
        value = self._found.get(name)
        return str(value)[: self.LONGEST] if isinstance(value, str | int) and not isinstance(value, bool) else ""

    def texts(self, name: str) -> tuple[str, ...]:
        value = self._found.get(name)
        return tuple(one for one in value if isinstance(one, str)) if isinstance(value, list) else ()


def meaning(answer: Answer, passed: Passed) -> Receipt:
    """Give what an answer means: 2xx taken, 4xx never, 429 and 5xx later, none at all unknown."""
    status, told = answer.status, _Told(answer.body)
    if status is None:
        return Receipt(Result.UNCERTAIN, f"The gateway was told, and its answer is lost: {answer.error}")
    said = f"The gateway answers {status} {told.text('error')}".strip()
    if 200 <= status < 300:
        dead = tuple(set(told.texts("unknown")) & set(passed.devices))
        return Receipt(Result.ACCEPTED, "Accepted by the gateway.", provider_id=told.text("id"), dead=dead)
    if status in GONE and told.text("error") == UNKNOWN:
        return Receipt(Result.REFUSED, f"{said}.", is_address_dead=True, dead=passed.devices)
    if 400 <= status < 500 and status not in WAIT:
        return Receipt(Result.REFUSED, f"{said}.")
    return Receipt(Result.LATER, f"{said}.")
