"""The mail that is being composed: shown as a customer would get it, and stored."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, NamedTuple

from django.conf import settings
from django.contrib.auth.models import User

from campaigns import blocks, brand, findings, launch, nameable, products, programme, render, steps
from campaigns.findings import Problem
from campaigns.models import Asset, Campaign, Offer, Programme
from customers.models import Attribute, Customer

OWN_PAGES = {"unsubscribe": "u", "preferences": "p", "rating": "r"}
ADA = {
    "first_name": "Ada",
    "last_name": "Example",
    "name": "Ada Example",
    "email": "ada@example.test",
    "phone": "+12025550100",
    "external_id": "example-1",
    "country": "",
    "city": "",
    "language": "",
}
NAMES = ("email", "phone", "external_id", "first_name", "last_name", "country", "city", "language")


class ComposerError(ValueError):
    """What the composer cannot do; the sentence says why."""


class Changed(ComposerError):
    """Somebody else stored the mail meanwhile."""


class Place(NamedTuple):
    """Whose mail is composed: a campaign's own, or that of one of its variants."""

    campaign: Campaign
    variant: str
    step: dict[str, Any]

    @property
    def content(self) -> dict[str, Any]:
        """Give the stored content; a mail that was written as text is one block of it."""
        if isinstance(self.step.get("content"), dict):
            return dict(self.step["content"])
        text = [{"kind": "text", "text": self.step["body"]}] if self.step.get("body") else []
        return {"subject": self.step.get("subject", ""), "blocks": text}

    @property
    def edition(self) -> str:
        """Give what changes whenever the stored mail does."""
        return hashlib.sha256(json.dumps(self.step, sort_keys=True).encode()).hexdigest()[:16]


def place_of(campaign: Campaign, variant: str) -> Place:
    """Give the place of a campaign's mail, or of a variant's. Raises ComposerError where there is none."""
    found: Any = campaign.steps[0] if campaign.steps else None
    if variant:
        found = next((one["step"] for one in campaign.variants if one.get("key") == variant), None)
    if not isinstance(found, dict) or found.get("action") not in ("email", "offer"):
        raise ComposerError("There is no mail to be composed here.")
    return Place(campaign, variant, found)


class Shown(NamedTuple):
    """The mail as somebody would get it."""

    subject: str
    preheader: str
    html: str
    text: str
    problems: list[Problem]
    who: str


class Written(NamedTuple):
    """A mail that is to be stored, above which edition it was written, and whether also while messages go out."""

    content: dict[str, Any]
    edition: str = ""
    while_sending: bool = False


class Asked(NamedTuple):
    """What is to be shown: in which language, and as whom; nobody: as Ada, whom we invented."""

    content: dict[str, Any]
    language: str
    customer: Customer | None


def store(place: Place, written: Written, by: User, at: datetime) -> Place:
    """Store a mail through the one door of edits. An empty edition stores it whatever stands there.

    A draft may still have faults. Raises Changed, or LaunchError for a launched campaign that could not go on.
    """
    if written.edition and written.edition != place.edition:
        raise Changed("Somebody else saved this mail after you opened it.")
    campaign = place.campaign
    kept = {name: value for name, value in place.step.items() if name in ("action", "offer")}
    step = {**kept, "content": written.content}
    how = {"while_sending": written.while_sending}
    if place.variant:
        others = [{**one, "step": step} if one["key"] == place.variant else one for one in campaign.variants]
        launch.edit(campaign, by, at, **how, variants=others)
    else:
        launch.edit(campaign, by, at, **how, steps=[step])
    return place_of(campaign, place.variant)


def terms(has_offer: bool) -> blocks.Terms:
    """Give what a mail may name, and what exists."""
    return blocks.Terms(
        names=render.OFFER_NAMES if has_offer else render.MAIL_NAMES,
        attributes=frozenset(Attribute.objects.values_list("name", flat=True)),
        assets=frozenset(Asset.objects.values_list("public_id", flat=True)),
    )


def known() -> steps.Known:
    """Give what steps may name."""
    return replace(nameable.known(), assets=nameable.pictures())


def show(step: Mapping[str, Any], asked: Asked) -> Shown:
    """Give the mail with what is wrong about it: blocks that cannot be drawn are left out, and named."""
    has_offer = step.get("action") == "offer"
    read, faults = findings.sound(asked.content, terms(has_offer))
    house = programme.current()
    problems = [*faults, *findings.remarks(asked.content, read), *_codeless(read, has_offer)]
    who = _who(asked)
    try:
        made = steps.EmailStep(subject=read.subject, content=read)
        mail = made.mail(values(house, asked.customer, str(step.get("offer", ""))), asked.language, brand.of(house))
    except render.TemplateRefused as refused:
        return Shown(
            "", "", "", "", [*problems, Problem(findings.capital(str(refused)), "The mail", is_fault=True)], who
        )
    letter = read.letter(asked.language)
    html = mail.html.replace(f"{settings.PUBLIC_URL}/a/", "/a/")
    return Shown(mail.subject, letter.preheader, html, mail.text, problems, who)


def _codeless(read: blocks.Content, has_offer: bool) -> Iterator[Problem]:
    if has_offer and not blocks.shows_code(read):
        yield Problem("Add the block “Code of the offer”: the customer needs it.", "The mail", is_fault=True)


def _who(asked: Asked) -> str:
    if asked.customer is None:
        return "As Ada Example gets it, whom we invented."
    speaks = f", who speaks {asked.customer.language}" if asked.customer.language else ""
    return f"As {asked.customer.external_id} gets it{speaks}."


def values(house: Programme, customer: Customer | None, offer_key: str) -> dict[str, object]:
    """Give what a mail's texts may name: of a customer, or of Ada; the links of an example lead to nobody's pages."""
    facts: dict[str, object] = {**ADA, "attributes": {}}
    if customer is not None:
        facts = {name: getattr(customer, name) or "" for name in NAMES}
        facts |= {"name": f"{facts['first_name']} {facts['last_name']}".strip(), "attributes": customer.attributes}
    offer = Offer.objects.filter(key=offer_key).first()
    given = {
        "code": "EXAMPLE-CODE",
        "name": offer.name if offer else "An offer",
        "value": (f"{offer.value:g} %" if offer.is_percent else f"{offer.value:g}") if offer else "10 %",
        "valid_until": f"{offer.valid_days if offer else 14} days after it was sent",
        "terms": offer.terms if offer else "",
    }
    return {
        "customer": facts,
        "company": house.company,
        "postal_address": house.postal_address,
        "offer": given,
        **links(),
        **_products(),
    }


def links() -> dict[str, str]:
    """Give the links to a customer's own pages as an example has them: they lead to nobody's."""
    return {f"{name}_url": f"{settings.PUBLIC_URL}/{letter}/example/" for name, letter in OWN_PAGES.items()}


def _products() -> dict[str, object]:
    found = products.examples(12)
    return {"products": {one["id"]: one for one in found}, "products_viewed": found, "products_bought": found}
