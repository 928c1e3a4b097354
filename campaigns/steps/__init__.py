"""What a campaign does with a customer, parsed. One step today.

Forms: {"action": "email", "subject": ..., "body": ...}, or {"action": "email", "content": {...}} (campaigns.blocks)
       {"action": "offer", "offer": "<key>", ...} and either of these
       {"action": "call", "title": ..., "talking_points": ...}, and with a code to tell on the phone "offer": "<key>"
       {"action": "sms", "text": ..., "offer"?: "<key>", "language"?: "en", "languages"?: {"de": {"text": ...}}}
       {"action": "push", "title": ..., "text": ..., "url"?: ..., and the same as an SMS}
       {"action": "webhook", "webhook": "<key>", "data": {"<name>": <text>}}
       {"action": "attribute", "name": "<attribute>", "value": <text, number, yes/no or date>}
       {"action": "list", "list": "<key of a segment that is a list>", "does": "add" or "remove"}
       {"action": "nothing"}
"""

from collections.abc import Callable

from campaigns import render
from campaigns.render import Values
from campaigns.steps import calls, changes, mails, messages
from campaigns.steps.calls import CallStep
from campaigns.steps.changes import AttributeStep, ListStep, NothingStep, WebhookStep
from campaigns.steps.mails import EmailStep, OfferStep
from campaigns.steps.messages import Note, PushStep, SmsStep
from campaigns.steps.reading import Known, StepError

__all__ = [
    "ACTIONS",
    "EXAMPLE",
    "AttributeStep",
    "CallStep",
    "EmailStep",
    "Known",
    "ListStep",
    "Note",
    "NothingStep",
    "OfferStep",
    "PushStep",
    "SmsStep",
    "Step",
    "StepError",
    "WebhookStep",
    "check_ready",
    "lacking",
    "offer_of",
    "parse",
    "unguarded",
]

EXAMPLE = "https://www.example.com/"  # what the addresses in our designs begin with
Step = EmailStep | OfferStep | CallStep | SmsStep | PushStep | WebhookStep | AttributeStep | ListStep | NothingStep
READERS: dict[str, Callable[[str, dict[str, object], Known | None], Step]] = {
    "email": mails.email,
    "offer": mails.offer,
    "call": calls.call,
    "sms": messages.sms,
    "push": messages.push,
    "webhook": changes.webhook,
    "attribute": changes.attribute,
    "list": changes.listing,
    "nothing": changes.nothing,
}
ACTIONS = tuple(READERS)


def parse(data: object, known: Known | None = None) -> tuple[Step, ...]:
    """Give the steps of a campaign; raise StepError that says where and why. With `known`, names must exist too."""
    if not isinstance(data, list):
        raise StepError("steps", f"expects a list, got {type(data).__name__}")
    if len(data) != 1:
        raise StepError("steps", f"expects exactly one step, got {len(data)}")
    return tuple(_step(f"steps[{i}]", one, known) for i, one in enumerate(data))


def offer_of(step: Step) -> str:
    """Give the key of the offer whose code a step shows, or nothing."""
    return step.offer if isinstance(step, OfferStep | CallStep | SmsStep | PushStep) else ""


def unguarded(step: Step) -> list[str]:
    """Give the names that print nothing for a customer without a value, since no `default` is given."""
    return sorted({name for _, text in step.texts() for name in render.unguarded(text)})


def check_ready(plan: tuple[Step, ...]) -> None:
    """Raise StepError for what may be stored and not be sent: a text that prints nothing for a customer without a
    value, and an address that a design came with.
    """
    for i, step in enumerate(plan):
        for place, text in step.texts():
            path = f"steps[{i}].{place}"
            for name in render.unguarded(text):
                words = f"{{{{ {name} | default: '…' }}}}"
                raise StepError(path, f"not every customer has {name}: say what stands there then, as {words}")
            if EXAMPLE in text:
                raise StepError(path, f"leads to {EXAMPLE}, an example: write your own address")


def lacking(step: Step, values: Values) -> list[tuple[str, str]]:
    """Give place and name of what this customer has no value for and the step gives no `default` for."""
    return [(place, name) for place, text in step.texts() for name in render.lacking(text, values)]


def _step(path: str, data: object, known: Known | None) -> Step:
    if not isinstance(data, dict):
        raise StepError(path, f"expects an object, got {type(data).__name__}")
    action = data.get("action")
    if not isinstance(action, str) or action not in READERS:
        raise StepError(f"{path}.action", f"expects one of {', '.join(ACTIONS)}, got {action!r}")
    return READERS[action](path, data, known)
