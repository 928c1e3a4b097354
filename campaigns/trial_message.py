"""An SMS or push message sent to one's own phone or device. It is no delivery: nothing of it is counted."""

import re
from datetime import datetime

from django.contrib.auth.models import User
from django.http import HttpRequest
from django.middleware.csrf import get_token
from django.urls import reverse
from django.utils.html import format_html

from campaigns import composer, programme, render, sms_parts, steps, trial
from campaigns.channels import gateway
from campaigns.channels.gateway import Caller
from campaigns.models import Campaign, Gateway
from campaigns.steps import PushStep, SmsStep
from customers import audit, calling
from customers.models import AuditEntry, new_public_id
from customers.panels import Panel

SENT = "test message sent"
NUMBER = re.compile(r"\+[1-9]\d{6,14}")  # E.164
TOKEN = re.compile(r"[\x21-\x7e]{8,200}")


class TrialError(ValueError):
    """A test that cannot be sent; the sentence says why."""


def send(campaign: Campaign, to: str, by: User, at: datetime, call: Caller = calling.call) -> str:
    """Send a campaign's message, as Ada gets it, to a number or device. Raises TrialError."""
    step = _step(campaign)
    house = programme.current()
    if house.is_sending_stopped:
        raise TrialError("All sending is stopped, tests too.")
    if AuditEntry.objects.filter(what=SENT, by=by, at__gt=at - trial.WITHIN).count() >= trial.MOST:
        raise TrialError(f"You sent {trial.MOST} tests within the hour. Wait a little.")
    to = re.sub(r"[\s()-]", "", to) if isinstance(step, SmsStep) else to.strip()
    if not (NUMBER if isinstance(step, SmsStep) else TOKEN).fullmatch(to):
        raise TrialError("Write a number as +49301234567." if isinstance(step, SmsStep) else "Write a device's token.")
    carried = Gateway.objects.select_related("webhook").filter(channel=step.channel).first()
    if carried is None:
        raise TrialError(f"No gateway carries {step.channel.label}: choose one on the page of the programme.")
    values = composer.values(house, None, step.offer)
    try:
        if isinstance(step, SmsStep):
            said: dict[str, object] = {
                "to": to,
                "text": f"[Test] {sms_parts.whole(step.text(values, ''), house.sms_opt_out)}",
            }
        else:
            note = step.note(values, "")
            said = {"to": [to], "title": f"[Test] {note.title}", "text": note.text, "url": note.url}
    except render.TemplateRefused as error:
        raise TrialError(f"The message cannot be written: {error}.") from error
    audit.note(at, by, SENT, campaign.key, channel=step.channel.value)
    told = {"type": f"message.{step.channel.value}", "data": {**said, "is_test": True}}
    answer = gateway.post(carried.webhook, new_public_id(), told, call)
    if not answer.is_taken:
        raise TrialError(f"The gateway did not take it: {answer.error or answer.status}.")
    return "The gateway took it: look at your phone."


def _step(campaign: Campaign) -> SmsStep | PushStep:
    try:
        step = steps.parse(campaign.steps)[0]
    except steps.StepError as error:
        raise TrialError(str(error)) from error
    if not isinstance(step, SmsStep | PushStep):
        raise TrialError("Only SMS and push messages are tried so.")
    return step


def panels(request: HttpRequest, campaign: Campaign) -> list[Panel]:
    """Give the way to try a campaign's SMS or push message; nothing for other actions."""
    action = campaign.steps[0].get("action") if campaign.steps else ""
    if action not in ("sms", "push") or not request.user.has_perm("campaigns.change_campaign"):
        return []
    label = "Your number, as +49301234567" if action == "sms" else "The token of your device"
    text = (
        '<form method="post" action="{}" class="cusp-row"><input type="hidden" name="csrfmiddlewaretoken" value="{}">'
        '<label class="cusp-label" for="trial-to">{}</label>'
        '<input class="cusp-input" id="trial-to" name="to" required maxlength="200" autocomplete="off">'
        '<button class="cusp-button">Send a test</button></form>'
    )
    url = reverse("admin:campaigns_campaign_try", args=[campaign.pk])
    said = "To yourself, as Ada Example gets it. It counts nowhere; twenty an hour."
    return [Panel("Try it", said, drawing=format_html(text, url, get_token(request), label))]
