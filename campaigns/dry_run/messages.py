"""What some of the customers would get, drawn by what draws the real messages; their links lead to examples."""

import json
from collections.abc import Mapping
from typing import Any

import polars as pl

from campaigns import brand, composer, offers, programme, render
from campaigns.calls import making, why
from campaigns.channels import data, email, gateway
from campaigns.dry_run.shapes import MESSAGES, Message
from campaigns.dry_run.tried import Tried
from campaigns.gate import Passed
from campaigns.models import Decision, Delivery, Offer, OfferCode, Programme
from campaigns.offers import terms
from campaigns.render import Values
from campaigns.steps import AttributeStep, CallStep, EmailStep, ListStep, PushStep, SmsStep, Step, WebhookStep
from customers.draws import draw
from customers.models import Attribute, Customer

CODE = "EXAMPLE-CODE"
Drawn = tuple[str, str, str]


def of(tried: Tried) -> tuple[Message, ...]:
    """Give the messages of a sample that stays: those who get theirs at once first, then those who wait."""
    rows = pl.concat([sample(part, tried.campaign.key) for part in (tried.going, tried.waiting)]).head(MESSAGES)
    people = Customer.objects.in_bulk(rows["customer_id"].to_list())
    writing = _Writing(tried)
    known = [row for row in rows.iter_rows(named=True) if row["customer_id"] in people]
    return tuple(writing.message(people[row["customer_id"]], row) for row in known)


def sample(decisions: pl.DataFrame, key: str) -> pl.DataFrame:
    """Give up to MESSAGES of some decisions, the same each time: those whose draw is lowest."""
    drawn = decisions.with_columns(draw(decisions["seed"], f"sample:{key}").alias("place"))
    return drawn.bottom_k(MESSAGES, by=["place", "customer_id"]).sort("place", "customer_id")


class _Writing:
    """All that the messages of one campaign have in common."""

    def __init__(self, tried: Tried) -> None:
        self.tried = tried
        self.house: Programme = programme.current()
        self.steps = {one.key: one.step for one in tried.shared}
        self.offers: Mapping[str, Offer] = offers.of_variants(tried.shared)

    def message(self, customer: Customer, row: Mapping[str, Any]) -> Message:
        """Give what one customer would get, or why it cannot be drawn."""
        key = str(row["variant"])
        step = self.steps[key]
        passed = self._passed(customer, step, row)
        about = {"customer": customer.external_id, "variant": key, "action": step.action.value}
        try:
            values = _values(passed)
            subject, text, html = _drawn(passed, values)
        except ValueError as refused:  # as its channel would refuse it; a TemplateRefused is one
            return Message(**about, subject="", text="", html="", problem=f"It cannot be written: {refused}.")
        return Message(**about, subject=subject, text=text, html=html)

    def _passed(self, customer: Customer, step: Step, row: Mapping[str, Any]) -> Passed:
        """Give a delivery as the gate hands it on; nothing of it is stored."""
        at, campaign, offer = self.tried.as_of, self.tried.campaign, self.offers.get(str(row["variant"]))
        decision = Decision(campaign=campaign, customer=customer, reason=row["reason"], score=row["score"], due_at=at)
        delivery = Delivery(decision=decision, customer=customer, action=step.action, channel=step.channel)
        delivery.due_at = delivery.began_at = at
        code = OfferCode(offer=offer, code=CODE, valid_until=terms.end_of(offer, at)) if offer else None
        return Passed(delivery, customer, self.house, step, offer, code)


def _values(passed: Passed) -> Values:
    """Give what the texts may name, as their channel gives it."""
    step = passed.step
    if isinstance(step, EmailStep):
        examples = composer.links()
        return {**email.values(passed, examples["unsubscribe_url"]), **examples}
    if isinstance(step, CallStep):
        reasons = why.reasons(passed.delivery.decision, passed.customer, passed.delivery.due_at)
        return making.values_of(passed, reasons)
    return data.values_of(passed)


def _drawn(passed: Passed, values: Values) -> Drawn:
    """Give subject, text and page of a message; what has no subject or page has an empty one."""
    step, language = passed.step, passed.customer.language or ""
    match step:
        case EmailStep():
            mail = step.mail(values, language, brand.of(passed.programme))
            return mail.subject, mail.text, mail.html
        case SmsStep() | PushStep():
            told = gateway.compose(passed)["data"]
            return told.get("title", ""), "\n".join(part for part in (told["text"], told.get("url")) if part), ""
        case CallStep():
            return render.line(step.title, values), render.prose(step.talking_points, values), ""
    return "", _changed(step, values), ""


def _changed(step: Step, values: Values) -> str:
    """Say what a step changes."""
    match step:
        case WebhookStep():
            return json.dumps(step.told(values), ensure_ascii=False)
        case AttributeStep():
            known = Attribute.objects.filter(name=step.name).first()
            return f"{step.name} = {step.told(values, known.type if known else Attribute.Type.TEXT)}"
        case ListStep():
            return f"{'Leaves' if step.does == 'remove' else 'Joins'} the list {step.list}."
    return "Nothing is done."
