"""What a campaign does with a customer, parsed: e-mail, offer or call task. One step today.

Forms: {"action": "email", "subject": ..., "body": ...}, or {"action": "email", "content": {...}} (campaigns.blocks)
       {"action": "offer", "offer": "<key>", ...} and either of these
       {"action": "call", "title": ..., "talking_points": ...}, and with a code to tell on the phone "offer": "<key>"
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from campaigns import blocks, letters, render
from campaigns.blocks import Content
from campaigns.brand import Brand
from campaigns.json_fields import ContentError
from campaigns.models import Delivery
from campaigns.render import Mail, Values
from customers.models import Channel

SUBJECT_LENGTH = 200
EXAMPLE = "https://www.example.com/"  # what the addresses in our designs begin with
BODY_LENGTH = 100_000


class StepError(ValueError):
    """A step that cannot be used: `path` says where, `message` why."""

    def __init__(self, path: str, message: str) -> None:
        super().__init__(f"{path}: {message}")
        self.path = path
        self.message = message


@dataclass(frozen=True)
class EmailStep:
    """A mail: a content of blocks, or else a body, which is one text or a page in MJML."""

    subject: str
    body: str = ""
    content: Content | None = None
    action: ClassVar[Delivery.Action] = Delivery.Action.EMAIL
    channel: ClassVar[Channel] = Channel.EMAIL
    names: ClassVar[frozenset[str]] = render.MAIL_NAMES

    def mail(self, values: Values, language: str, brand: Brand) -> Mail:
        """Give the mail for one customer, in her language where there is a variant of it; raise TemplateRefused.

        `values`: customer (its names in render.CUSTOMER, attributes), company, postal_address, unsubscribe_url; where
        they are, preferences_url and offer; for a rating rating_url, to which "1/" to "5/" is added; for products
        products ({key: {id, name, price}}), products_viewed and products_bought (lists of these), as campaigns.products
        gives them.
        """
        if self.content is None and letters.is_mjml(self.body):
            return letters.mail_of_mjml(self.subject, self.body, values)
        return letters.mail(self.whole, values, language, brand)

    @property
    def whole(self) -> Content:
        """The content, also of a mail that was written as one text."""
        return self.content or letters.of_body(self.subject, self.body)

    def texts(self) -> Iterator[tuple[str, str]]:
        """Give every text with its place in the step."""
        if self.content is not None:
            yield from blocks.texts(self.content)
        else:
            yield from (("subject", self.subject), ("body", self.body))


@dataclass(frozen=True)
class OfferStep(EmailStep):
    """A mail with a code of the customer's own."""

    offer: str = ""
    action: ClassVar[Delivery.Action] = Delivery.Action.OFFER
    names: ClassVar[frozenset[str]] = render.OFFER_NAMES


@dataclass(frozen=True)
class CallStep:
    title: str
    talking_points: str
    offer: str = ""
    action: ClassVar[Delivery.Action] = Delivery.Action.CALL
    channel: ClassVar[Channel] = Channel.PHONE
    names: ClassVar[frozenset[str]] = render.CALL_NAMES

    def texts(self) -> Iterator[tuple[str, str]]:
        """Give every text with its place in the step."""
        yield from (("title", self.title), ("talking_points", self.talking_points))


Step = EmailStep | OfferStep | CallStep
ACTIONS = ("email", "offer", "call")


@dataclass(frozen=True)
class Known:
    """What exists and may be named in a step; None: anything does."""

    offers: frozenset[str]
    attributes: frozenset[str]
    assets: frozenset[str] | None = None
    products: frozenset[str] | None = None


def parse(data: object, known: Known | None = None) -> tuple[Step, ...]:
    """Give the steps of a campaign; raise StepError that says where and why. With `known`, names must exist too."""
    if not isinstance(data, list):
        raise StepError("steps", f"expects a list, got {type(data).__name__}")
    if len(data) != 1:
        raise StepError("steps", f"expects exactly one step, got {len(data)}")
    return tuple(_step(f"steps[{i}]", one, known) for i, one in enumerate(data))


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
    match data.get("action"):
        case "email":
            return _email(path, data, known)
        case "offer":
            return _offer(path, data, known)
        case "call":
            return _call(path, data, known)
        case action:
            raise StepError(f"{path}.action", f"expects one of {', '.join(ACTIONS)}, got {action!r}")


def _email(path: str, data: dict[str, object], known: Known | None) -> EmailStep:
    if "content" in data:
        _values(path, data, (), other=("content",))
        content = _content(path, data, EmailStep.names, known)
        return EmailStep(content.subject, content=content)
    values = _values(path, data, ("subject", "body"))
    step = EmailStep(values["subject"], values["body"])
    _check_mail(path, step, known)
    return step


def _offer(path: str, data: dict[str, object], known: Known | None) -> OfferStep:
    if "content" in data:
        values = _values(path, data, ("offer",), other=("content",))
        content = _content(path, data, OfferStep.names, known)
        step = OfferStep(content.subject, content=content, offer=values["offer"])
    else:
        values = _values(path, data, ("offer", "subject", "body"))
        step = OfferStep(values["subject"], values["body"], offer=values["offer"])
        _check_mail(path, step, known)
    _check_offer(path, step.offer, known)
    if step.content is None and "offer.code" not in render.check(step.body, step.names):
        raise StepError(f"{path}.body", "must show {{ offer.code }}")
    if step.content is not None and not blocks.shows_code(step.content):
        raise StepError(f"{path}.content.blocks", "must show {{ offer.code }}, or hold a block of the kind code")
    return step


def _call(path: str, data: dict[str, object], known: Known | None) -> CallStep:
    values = _values(path, data, ("title", "talking_points"), other=("offer",))
    offer = _values(path, {"offer": data["offer"]}, ("offer",))["offer"] if "offer" in data else ""
    step = CallStep(**values, offer=offer)
    _check_texts(path, step, values, known)
    if offer:
        _check_offer(path, offer, known)
        return step
    for place, text in step.texts():
        if any(name.startswith("offer.") for name in render.check(text, step.names)):
            raise StepError(f"{path}.{place}", "speaks of an offer, and the step names none")
    return step


def _check_offer(path: str, key: str, known: Known | None) -> None:
    if known is not None and key not in known.offers:
        raise StepError(f"{path}.offer", f"there is no offer '{key}'")


def _content(path: str, data: dict[str, object], names: frozenset[str], known: Known | None) -> Content:
    terms = blocks.Terms(names, *((known.attributes, known.assets, known.products) if known else ()))
    try:
        return blocks.parse(data["content"], terms)
    except ContentError as error:
        raise StepError(f"{path}.{error.path}", error.message) from error


def _values(path: str, data: dict[str, object], names: tuple[str, ...], other: tuple[str, ...] = ()) -> dict[str, str]:
    for name in data:
        if name not in ("action", *names, *other):
            raise StepError(f"{path}.{name}", f"is not known here; expects {', '.join((*names, *other))}")
    values = {}
    for name in names:
        value = data.get(name)
        if not isinstance(value, str) or not value.strip():
            raise StepError(f"{path}.{name}", "is missing" if value in (None, "") else "expects a text")
        values[name] = value
    return values


def _check_mail(path: str, step: EmailStep, known: Known | None) -> None:
    """The mail can be built, and one written in MJML says who sends it and how to leave."""
    _check_texts(path, step, {"subject": step.subject, "body": step.body}, known)
    try:
        if not letters.is_mjml(step.body):
            letters.built(step.whole, "en", Brand())
            return
        letters.built_of_mjml(step.body)
    except render.TemplateRefused as error:
        raise StepError(f"{path}.body", str(error)) from error
    used = render.check(step.body, step.names)
    for name in ("unsubscribe_url", "postal_address"):
        if name not in used:
            raise StepError(f"{path}.body", f"a mail written in MJML must show {{{{ {name} }}}}")


def _check_texts(path: str, step: Step, values: dict[str, str], known: Known | None) -> None:
    one_line, long = values
    if "\r" in values[one_line] or "\n" in values[one_line]:
        raise StepError(f"{path}.{one_line}", "must be one line")
    for name, limit in ((one_line, SUBJECT_LENGTH), (long, BODY_LENGTH)):
        if len(values[name]) > limit:
            raise StepError(f"{path}.{name}", f"is longer than {limit:,} characters")
        try:
            render.check(values[name], step.names, known.attributes if known else None)
        except render.TemplateRefused as error:
            raise StepError(f"{path}.{name}", str(error)) from error
