"""A step as one customer would meet it, drawn: the mail, the task, the text on her phone, the data that changes."""

import json

from django.utils.html import format_html
from django.utils.safestring import SafeString

from campaigns import brand, composer, programme, render, sms_parts, steps
from campaigns.models import Programme
from campaigns.steps import (
    AttributeStep,
    CallStep,
    EmailStep,
    ListStep,
    Note,
    NothingStep,
    PushStep,
    SmsStep,
    WebhookStep,
)
from customers.models import Attribute, Customer
from segments.models import Segment


def title(step: steps.Step) -> str:
    """Give the heading above it."""
    if isinstance(step, CallStep):
        return "What the agent reads"
    return "What the customer gets" if step.channel.is_contact else "What happens"


def draw(step: steps.Step, customer: Customer | None = None) -> SafeString:
    """Draw a step for a customer, or for Ada, whom we invented. Raises TemplateRefused."""
    house = programme.current()
    language = (customer.language or "") if customer else ""
    match step:
        case EmailStep():
            drawn = _mail(step, house, customer, language)
        case CallStep():
            drawn = _call(step, _values(house, customer, step.offer))
        case SmsStep():
            drawn = sms(sms_parts.whole(step.text(_values(house, customer, step.offer), language), house.sms_opt_out))
        case PushStep():
            drawn = _push(step.note(_values(house, customer, step.offer), language))
        case WebhookStep():
            drawn = _data(step, _values(house, customer, ""))
        case AttributeStep():
            drawn = _attribute(step, _values(house, customer, ""))
        case ListStep():
            drawn = _list(step)
        case NothingStep():
            said = "Nothing is done. What the customers do is measured against those left alone."
            drawn = format_html("<p>{}</p>", said)
    return drawn


def sms(text: str) -> SafeString:
    """Draw an SMS with how long it is, and what that comes to."""
    said = '<div class="cusp-phone"><p>{}</p></div><p class="cusp-quiet cusp-small">{}</p>'
    return format_html(said, text, sms_parts.of(text).sentence())


def _mail(step: EmailStep, house: Programme, customer: Customer | None, language: str) -> SafeString:
    content = step.mail(composer.values(house, customer, steps.offer_of(step)), language, brand.of(house))
    text = (
        '<p class="cusp-subject"><span class="cusp-quiet">Subject</span> {}</p>'
        '<iframe class="cusp-mail" title="Preview of the mail" sandbox="" srcdoc="{}"></iframe>'
    )
    return format_html(text, content.subject, content.html)


def _call(step: CallStep, values: dict[str, object]) -> SafeString:
    title, points = (render.prose(text, values) for text in (step.title, step.talking_points))
    return format_html('<p><strong>{}</strong></p><p class="cusp-talk">{}</p>', title, points)


def _push(note: Note) -> SafeString:
    url = format_html('<p class="cusp-quiet cusp-small">Opens {}</p>', note.url) if note.url else ""
    return format_html('<div class="cusp-phone"><b>{}</b><p>{}</p>{}</div>', note.title, note.text, url)


def _values(house: Programme, customer: Customer | None, offer: str) -> dict[str, object]:
    return {**composer.values(house, customer, offer), "reasons": [], "today": "2026-12-24"}


def _data(step: WebhookStep, values: dict[str, object]) -> SafeString:
    who = values["customer"]
    external_id = who.get("external_id", "") if isinstance(who, dict) else ""
    told = {"customer": external_id, "campaign": "…", "data": step.told(values)}
    said = '<p>{}</p><pre class="cusp-code" tabindex="0">{}</pre>'
    shown = json.dumps(told, indent=2, ensure_ascii=False)
    return format_html(said, f"The webhook {step.webhook} is sent:", shown)


def _attribute(step: AttributeStep, values: dict[str, object]) -> SafeString:
    known = Attribute.objects.filter(name=step.name).first()
    told = step.told(values, known.type if known else Attribute.Type.TEXT)
    shown = {True: "yes", False: "no"}.get(told, told) if isinstance(told, bool) else told
    return format_html("<p>{} is set to <strong>{}</strong>.</p>", known or step.name, shown)


def _list(step: ListStep) -> SafeString:
    name = Segment.objects.filter(key=step.list).values_list("name", flat=True).first() or step.list
    does = "goes off" if step.does == "remove" else "comes on"
    return format_html("<p>The customer {} the list <strong>{}</strong>.</p>", does, name)
