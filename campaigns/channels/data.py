"""What ends in data: attributes, lists, messages to other programs. Done for a group at once, and safe to do again."""

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

import polars as pl
from django.conf import settings

from campaigns import action_words, render
from campaigns.channels import Receipt, Result
from campaigns.gate import Passed
from campaigns.models import Webhook
from campaigns.render import Values
from campaigns.steps import AttributeStep, ListStep, NothingStep, WebhookStep
from campaigns.webhooks import outbox
from customers import attributes
from segments import lists
from segments.models import Segment

ACTED = "campaign.acted"  # the type of messages to other programs
NOTHING = Receipt(Result.ACCEPTED, "Nothing was to be done.")


class Change(NamedTuple):
    """One attribute's new value for one customer, as JSON."""

    passed: Passed
    name: str
    value: str


class Message(NamedTuple):
    """One message to another program."""

    passed: Passed
    webhook_id: int
    body: str


def source(passed: Passed) -> str:
    """Say which campaign did it, as histories name it."""
    return f"campaign {passed.campaign.key}"


def on_lists(passed: Sequence[Passed], at: datetime) -> list[tuple[Passed, Receipt]]:
    """Put customers on lists and take them off; give the receipts of those steps."""
    alike: dict[tuple[ListStep, str], list[Passed]] = defaultdict(list)
    for one in passed:
        if isinstance(one.step, ListStep):
            alike[one.step, source(one)].append(one)
    keys = {step.list for step, _ in alike}
    known = {one.key: one for one in Segment.objects.filter(key__in=keys, kind=Segment.Kind.LIST)}
    found: list[tuple[Passed, Receipt]] = []
    for (step, by), people in alike.items():
        segment = known.get(step.list)
        if segment is None:
            receipt = Receipt(Result.REFUSED, f"There is no list '{step.list}'.")
        else:
            ids = pl.Series([one.customer.pk for one in people], dtype=pl.Int64)
            lists.put(segment, ids, by, at, is_on=step.does == "add")
            receipt = Receipt(Result.ACCEPTED, f"{'On' if step.does == 'add' else 'Off'} the list {segment.key}.")
        found += [(one, receipt) for one in people]
    return found


def in_data(passed: Sequence[Passed], at: datetime) -> list[tuple[Passed, Receipt]]:
    """Set attributes, plan messages, do nothing; give the receipts. In the caller's transaction."""
    changes: list[Change] = []
    messages: list[Message] = []
    found: list[tuple[Passed, Receipt]] = []
    types = attributes.known_types() if any(isinstance(one.step, AttributeStep) for one in passed) else {}
    keys = {one.step.webhook for one in passed if isinstance(one.step, WebhookStep)}
    webhooks = {one.key: one for one in Webhook.objects.filter(key__in=keys)} if keys else {}
    for one in passed:
        match one.step:
            case AttributeStep():
                found.append((one, _attribute(one, one.step, types, changes)))
            case WebhookStep():
                found.append((one, _webhook(one, one.step, webhooks, messages)))
            case NothingStep():
                found.append((one, NOTHING))
    _set(changes, at)
    _plan(messages, at)
    return found


def _attribute(one: Passed, step: AttributeStep, types: dict[str, str], changes: list[Change]) -> Receipt:
    if step.name not in types:
        return Receipt(Result.REFUSED, f"There is no attribute '{step.name}'.")
    try:
        told = step.told(values_of(one), types[step.name])
    except render.TemplateRefused as error:
        return Receipt(Result.REFUSED, f"Not set: {error}.")
    changes.append(Change(one, step.name, json.dumps(told, ensure_ascii=False)))
    return Receipt(Result.ACCEPTED, f"{step.name} set to {action_words.value({'value': told})}.")


def _webhook(one: Passed, step: WebhookStep, known: dict[str, Webhook], messages: list[Message]) -> Receipt:
    webhook = known.get(step.webhook)
    if webhook is None:
        return Receipt(Result.REFUSED, f"There is no webhook '{step.webhook}'.")
    at = one.delivery.began_at or one.delivery.due_at
    try:
        told = {**about(one), "data": step.told(values_of(one))}
        messages.append(Message(one, webhook.pk, outbox.body(ACTED, told, at)))
    except (render.TemplateRefused, outbox.TooLarge) as error:
        return Receipt(Result.REFUSED, f"Not told: {error}")
    return Receipt(Result.ACCEPTED, f"Handed to the webhook {webhook.key}.")


def about(one: Passed) -> dict[str, str]:
    """Give what a message tells of a delivery: whose it is, and what decided it."""
    decision = one.delivery.decision
    return {"customer": one.customer.external_id, **decision.told, "delivery": one.delivery.public_id}


def values_of(one: Passed) -> Values:
    began_at = one.delivery.began_at or one.delivery.due_at
    today = began_at.astimezone(ZoneInfo(settings.TIME_ZONE)).date().isoformat()
    return {"customer": one.facts(), "company": one.programme.company, "today": today}


def _set(changes: Sequence[Change], at: datetime) -> None:
    """Store the new values, those of a campaign together, with the campaign as their source."""
    for by, told in _by_source(changes):
        rows = [(one.passed.customer.pk, one.name, one.value, at) for one in told]
        attributes.store(pl.DataFrame(rows, schema=attributes.CHANGES, orient="row"), source=by)


def _by_source(changes: Sequence[Change]) -> Iterator[tuple[str, list[Change]]]:
    alike: dict[str, list[Change]] = defaultdict(list)
    for one in changes:
        alike[source(one.passed)].append(one)
    yield from alike.items()


def _plan(messages: Sequence[Message], at: datetime) -> None:
    rows = [(one.webhook_id, ACTED, one.body, one.passed.delivery.pk) for one in messages]
    outbox.put(pl.DataFrame(rows, schema={**outbox.BODIES, "delivery_id": pl.Int64}, orient="row"), at)
