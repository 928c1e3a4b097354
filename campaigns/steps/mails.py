"""Mails, with and without a code of the customer's own, parsed."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from campaigns import blocks, letters, render
from campaigns.blocks import Content
from campaigns.brand import Brand
from campaigns.json_fields import ContentError
from campaigns.models import Delivery, Way
from campaigns.render import Mail, Values
from campaigns.steps import reading
from campaigns.steps.reading import LINE_LENGTH, TEXT_LENGTH, Known, StepError


@dataclass(frozen=True)
class EmailStep:
    """A mail: a content of blocks, or else a body, which is one text or a page in MJML."""

    subject: str
    body: str = ""
    content: Content | None = None
    action: ClassVar[Delivery.Action] = Delivery.Action.EMAIL
    channel: ClassVar[Way] = Way.EMAIL
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


def email(path: str, data: dict[str, object], known: Known | None) -> EmailStep:
    """Read a mail."""
    if "content" in data:
        reading.only(path, data, "content")
        content = _content(path, data, EmailStep.names, known)
        return EmailStep(content.subject, content=content)
    reading.only(path, data, "subject", "body")
    subject, body = (reading.text(path, data, name) for name in ("subject", "body"))
    step = EmailStep(subject, body)
    _check(path, step, known)
    return step


def offer(path: str, data: dict[str, object], known: Known | None) -> OfferStep:
    """Read a mail with a code."""
    if "content" in data:
        reading.only(path, data, "offer", "content")
        key = reading.text(path, data, "offer")
        content = _content(path, data, OfferStep.names, known)
        step = OfferStep(content.subject, content=content, offer=key)
    else:
        reading.only(path, data, "offer", "subject", "body")
        key, subject, body = (reading.text(path, data, name) for name in ("offer", "subject", "body"))
        step = OfferStep(subject, body, offer=key)
        _check(path, step, known)
    reading.existing(f"{path}.offer", "offer", step.offer, known.offers if known else None)
    if step.content is None and "offer.code" not in render.check(step.body, step.names):
        raise StepError(f"{path}.body", "must show {{ offer.code }}")
    if step.content is not None and not blocks.shows_code(step.content):
        raise StepError(f"{path}.content.blocks", "must show {{ offer.code }}, or hold a block of the kind code")
    return step


def _content(path: str, data: dict[str, object], names: frozenset[str], known: Known | None) -> Content:
    terms = blocks.Terms(names, *((known.attributes, known.assets, known.products) if known else ()))
    try:
        return blocks.parse(data["content"], terms)
    except ContentError as error:
        raise StepError(f"{path}.{error.path}", error.message) from error


def _check(path: str, step: EmailStep, known: Known | None) -> None:
    """The mail can be built, and one written in MJML says who sends it and how to leave."""
    reading.check_line(f"{path}.subject", step.subject, LINE_LENGTH)
    reading.check_length(f"{path}.body", step.body, TEXT_LENGTH)
    for name, text in step.texts():
        reading.check_liquid(f"{path}.{name}", text, step.names, known)
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
