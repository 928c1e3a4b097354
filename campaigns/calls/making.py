"""A delivery becomes a call in the queue: why, what to say, what it may gain, and until when it is worth making."""

from datetime import datetime, timedelta

from django.db import transaction

from campaigns import render
from campaigns.calls import why
from campaigns.channels import email
from campaigns.gate import Passed
from campaigns.models import CallTask, Campaign
from campaigns.render import Values
from campaigns.steps import CallStep
from campaigns.webhooks import notices

WAITS = timedelta(days=7)


def make(passed: Passed, step: CallStep) -> CallTask:
    """Put the call into the queue; raise TemplateRefused. Doing it again for the same delivery changes nothing."""
    decision, delivery = passed.delivery.decision, passed.delivery
    made = CallTask.objects.filter(delivery=delivery).first()
    if made is not None:
        return made
    at = delivery.began_at or decision.due_at
    reasons = why.reasons(decision, passed.customer, at)
    values = values_of(passed, reasons)
    told = {
        "customer": passed.customer,
        "campaign": decision.campaign,
        "title": render.line(step.title, values)[:200],
        "talking_points": render.prose(step.talking_points, values),
        "reasons": reasons,
        "expected_gain": why.gain(decision.campaign, decision.score).value,
        "due_at": at,
        "expires_at": expiry(decision.campaign, at),
    }
    with transaction.atomic():
        task, is_new = CallTask.objects.get_or_create(delivery=delivery, defaults=told)
        if is_new:
            notices.tell(notices.Type.CALL_TASK_MADE, about(task), at)
    return task


def renew(at: datetime) -> int:
    """Let open calls whose time is over wait anew, from a time on: after a calendar that lay in the past."""
    over = CallTask.objects.filter(state=CallTask.State.OPEN, expires_at__lte=at)
    return over.update(due_at=at, expires_at=at + WAITS)


def about(task: CallTask) -> dict[str, object]:
    """Give what other programs are told of a call: its customer by her external id, and nothing else of her."""
    ids = {"call_task": task.public_id, "customer": task.customer.external_id, "campaign": task.campaign.key}
    return {**ids, "due_at": task.due_at.isoformat(), "expected_gain": task.expected_gain}


def expiry(campaign: Campaign, at: datetime) -> datetime:
    """Give until when a call that was made at a time may wait: as long as the campaign waits, or a week."""
    waits = campaign.when_limited == Campaign.Limited.DELAY
    return at + (timedelta(hours=campaign.delay_hours) if waits else WAITS)


def values_of(passed: Passed, reasons: list[str]) -> Values:
    values: dict[str, object] = {
        "customer": passed.facts(),
        "company": passed.programme.company,
        "reasons": reasons,
    }
    if passed.code:
        values["offer"] = email.offer_values(passed.code, passed.customer.language or "")
    return values
