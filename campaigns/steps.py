"""What a campaign does with a customer, parsed: e-mail, offer or call task. One step today.

Forms: {"action": "email", "subject": ..., "body": ...}
       {"action": "offer", "offer": "<key>", "subject": ..., "body": ...}
       {"action": "call", "title": ..., "talking_points": ...}
"""

from collections.abc import Collection
from dataclasses import dataclass, fields
from typing import ClassVar

from campaigns import render
from campaigns.models import Delivery
from customers.models import Channel

SUBJECT_LENGTH = 200
BODY_LENGTH = 100_000


class StepError(ValueError):
    """A step that cannot be used: `path` says where, `message` why."""

    def __init__(self, path: str, message: str) -> None:
        super().__init__(f"{path}: {message}")
        self.path = path
        self.message = message


@dataclass(frozen=True)
class EmailStep:
    subject: str
    body: str
    action: ClassVar[Delivery.Action] = Delivery.Action.EMAIL
    channel: ClassVar[Channel] = Channel.EMAIL
    texts: ClassVar[tuple[str, ...]] = ("subject", "body")
    names: ClassVar[frozenset[str]] = render.MAIL_NAMES


@dataclass(frozen=True)
class OfferStep:
    offer: str
    subject: str
    body: str
    action: ClassVar[Delivery.Action] = Delivery.Action.OFFER
    channel: ClassVar[Channel] = Channel.EMAIL
    texts: ClassVar[tuple[str, ...]] = ("subject", "body")
    names: ClassVar[frozenset[str]] = render.OFFER_NAMES


@dataclass(frozen=True)
class CallStep:
    title: str
    talking_points: str
    action: ClassVar[Delivery.Action] = Delivery.Action.CALL
    channel: ClassVar[Channel] = Channel.PHONE
    texts: ClassVar[tuple[str, ...]] = ("title", "talking_points")
    names: ClassVar[frozenset[str]] = render.CALL_NAMES


Step = EmailStep | OfferStep | CallStep
KINDS: dict[str, type[EmailStep] | type[OfferStep] | type[CallStep]] = {
    "email": EmailStep,
    "offer": OfferStep,
    "call": CallStep,
}


@dataclass(frozen=True)
class Known:
    """What exists and may be named in a step."""

    offers: frozenset[str]
    attributes: frozenset[str]


def parse(data: object, known: Known | None = None) -> tuple[Step, ...]:
    """Give the steps of a campaign; raise StepError that says where and why. With `known`, names must exist too."""
    if not isinstance(data, list):
        raise StepError("steps", f"expects a list, got {type(data).__name__}")
    if len(data) != 1:
        raise StepError("steps", f"expects exactly one step, got {len(data)}")
    return tuple(_step(f"steps[{i}]", one, known) for i, one in enumerate(data))


def unguarded(step: Step) -> list[str]:
    """Give the names that print nothing for a customer without a value, since no `default` is given."""
    return sorted({name for text in step.texts for name in render.unguarded(getattr(step, text))})


def _step(path: str, data: object, known: Known | None) -> Step:
    if not isinstance(data, dict):
        raise StepError(path, f"expects an object, got {type(data).__name__}")
    action = data.get("action")
    kind = KINDS.get(action) if isinstance(action, str) else None
    if kind is None:
        raise StepError(f"{path}.action", f"expects one of {', '.join(KINDS)}, got {action!r}")
    step = kind(**_values(path, data, tuple(one.name for one in fields(kind))))
    _check_texts(path, step, known)
    if isinstance(step, OfferStep):
        _check_offer(path, step, known)
    return step


def _values(path: str, data: dict[str, object], names: Collection[str]) -> dict[str, str]:
    for name in data:
        if name not in ("action", *names):
            raise StepError(f"{path}.{name}", f"is not known here; expects {', '.join(names)}")
    values = {}
    for name in names:
        value = data.get(name)
        if not isinstance(value, str) or not value.strip():
            raise StepError(f"{path}.{name}", "is missing" if value in (None, "") else "expects a text")
        values[name] = value
    return values


def _check_texts(path: str, step: Step, known: Known | None) -> None:
    one_line, long = step.texts
    heading, text = getattr(step, one_line), getattr(step, long)
    if "\r" in heading or "\n" in heading:
        raise StepError(f"{path}.{one_line}", "must be one line")
    for name, value, limit in ((one_line, heading, SUBJECT_LENGTH), (long, text, BODY_LENGTH)):
        if len(value) > limit:
            raise StepError(f"{path}.{name}", f"is longer than {limit:,} characters")
        _use(f"{path}.{name}", value, step, known)
    if step.channel == Channel.EMAIL:
        _check_body(f"{path}.{long}", text, step)


def _use(path: str, text: str, step: Step, known: Known | None) -> frozenset[str]:
    names = step.names
    attributes = known.attributes if known else None
    try:
        return render.check(text, names, attributes)
    except render.TemplateRefused as error:
        raise StepError(path, str(error)) from error


def _check_body(path: str, body: str, step: Step) -> None:
    """The mail can be built, and one written in MJML says who sends it and how to leave."""
    try:
        render.markup(body)
    except render.TemplateRefused as error:
        raise StepError(path, str(error)) from error
    if render.is_mjml(body):
        used = render.check(body, step.names)
        for name in ("unsubscribe_url", "postal_address"):
            if name not in used:
                raise StepError(path, f"a mail written in MJML must show {{{{ {name} }}}}")


def _check_offer(path: str, step: OfferStep, known: Known | None) -> None:
    if known is not None and step.offer not in known.offers:
        raise StepError(f"{path}.offer", f"there is no offer '{step.offer}'")
    if "offer.code" not in render.check(step.body, step.names):
        raise StepError(f"{path}.body", "must show {{ offer.code }}")
