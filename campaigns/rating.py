"""How a customer liked it: a number from 1 to 5 and a few words, by a signed link of a mail."""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl
from django.conf import settings
from django.db import transaction

from campaigns import blocks, links, steps, variants
from campaigns.blocks import Rating
from campaigns.links import LinkRefused, Purpose
from campaigns.models import Delivery
from customers import events
from customers.bulk import UTC_MICROSECONDS
from customers.models import Customer, Event

SOURCE = "campaigns"
RATED = "Rated"
QUESTION = "How satisfied are you?"
SCORES = range(1, 6)
COMMENT_LENGTH = 1_000
CHANGEABLE = timedelta(days=1)


class RatingRefused(ValueError):
    """An answer that cannot be used; the message says why."""


@dataclass(frozen=True)
class Answer:
    """A score, and what was said with it."""

    score: int
    comment: str


def link(delivery: Delivery) -> str:
    """Give the address to which a mail adds 1/ to 5/. It never expires."""
    return f"{settings.PUBLIC_URL}/r/{links.token(Purpose.RATING, delivery.public_id)}/"


def read(token: str) -> Delivery:
    """Give the delivery that asked; raise LinkRefused when the link is forged, of another purpose, or hers is gone."""
    (public_id,) = links.read(Purpose.RATING, token, 1)
    found = Delivery.objects.select_related("decision__campaign", "customer").filter(public_id=public_id).first()
    if found is None:
        raise LinkRefused("There is nobody behind this link any more.")
    return found


def asked(delivery: Delivery) -> Rating:
    """Give the block of the mail that asked, in the customer's language; where it is gone, one that asks plainly."""
    plain = Rating(question=QUESTION, event=RATED)
    try:
        step = variants.step_of(delivery.decision.campaign, delivery.decision.variant)
    except steps.StepError:
        return plain
    if not isinstance(step, steps.EmailStep):
        return plain
    letter = step.whole.letter(delivery.customer.language or "")
    return next((one for one in blocks.walk(letter.blocks) if isinstance(one, Rating)), plain)


def parse(score: str, comment: str) -> Answer:
    """Give an answer; raise RatingRefused for a score that is none. Of a long comment the beginning counts."""
    if score not in map(str, SCORES):
        raise RatingRefused("Choose a number from 1 to 5.")
    said = "".join(char for char in comment if char.isprintable() or char in "\n\t")
    return Answer(int(score), said.strip()[:COMMENT_LENGTH])


def rate(delivery: Delivery, answer: Answer, at: datetime) -> bool:
    """Store the answer as an event, one for each delivery: the last within a day counts. False: it is too late."""
    with transaction.atomic():
        Customer.objects.select_for_update(no_key=True).get(pk=delivery.customer_id)
        message_id = f"rated-{delivery.public_id}"
        earlier = Event.objects.filter(source__key=SOURCE, message_id=message_id)
        first = earlier.values_list("occurred_at", flat=True).first()
        if first and at - first > CHANGEABLE:
            return False
        events.replace(_event(delivery, answer, message_id, at), SOURCE, at)
    return True


def _event(delivery: Delivery, answer: Answer, message_id: str, at: datetime) -> pl.DataFrame:
    decision = delivery.decision
    told: dict[str, object] = {"score": answer.score, "campaign": decision.campaign.key, "delivery": delivery.public_id}
    told |= {"comment": answer.comment} if answer.comment else {}
    bought = _order(delivery)
    return pl.DataFrame(
        {
            "customer_id": [delivery.customer_id],
            "message_id": [message_id],
            "name": [_name(asked(delivery))],
            "occurred_at": [at],
            "properties": [json.dumps(told | ({"order": bought} if bought else {}))],
        },
        schema_overrides={"occurred_at": UTC_MICROSECONDS},
    )


def _name(block: Rating) -> str:
    """Give the event that the block names, unless it is one of those that mean something else."""
    return RATED if block.event in (*events.NEVER_COUNTED, "") else block.event


def _order(delivery: Delivery) -> str:
    """Give the order that the mail was about: the last before it was decided."""
    orders = Event.objects.filter(customer_id=delivery.customer_id, name=events.ORDER_COMPLETED)
    before = orders.filter(occurred_at__lte=delivery.decision.as_of).order_by("-occurred_at", "-pk")
    return before.values_list("order_id", flat=True).first() or ""
