"""Alerts by e-mail: to whoever looks after them, else to those the programme names; one mail a person."""

import logging
from collections import defaultdict
from datetime import datetime, timedelta

from django.conf import settings
from django.core import mail
from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from campaigns import programme
from campaigns.models import Outage, Programme
from customers import alerts
from customers.models import Alert, Channel
from customers.panels import when

AGAIN = timedelta(hours=1)  # before the same alert is mailed again, where it opened again
SUBJECT_LENGTH = 120
log = logging.getLogger(__name__)


def tell(now: datetime) -> int:
    """Mail the open alerts of which nobody was told yet; give how many mails went out.

    Where the mail server cannot be used they wait: nothing is noted as told that was not handed over.
    """
    if Outage.objects.filter(channel=Channel.EMAIL).exists():
        return 0
    ours = programme.current()
    waiting = defaultdict(list)
    for alert in alerts.untold(now, AGAIN):
        for address in _addresses(alert, ours):
            waiting[address].append(alert)
    for number, (address, theirs) in enumerate(sorted(waiting.items())):
        try:
            compose(theirs, address, ours).send()
        except (OSError, ValueError) as error:
            log.warning("Alerts cannot be mailed to %s now: %s", address, error)
            return number
        alerts.note_told(theirs, now)
    return len(waiting)


def compose(theirs: list[Alert], address: str, ours: Programme) -> mail.EmailMessage:
    """Give the mail that tells one person of some alerts, in plain text, with addresses that begin at PUBLIC_URL."""
    said = [" ".join(one.sentence.split()) for one in theirs]
    subject = said[0] if len(said) == 1 else f"{len(said)} things to look after"
    if len(subject) > SUBJECT_LENGTH:
        subject = f"{subject[:SUBJECT_LENGTH].rsplit(' ', 1)[0]} …"
    parts = [_told(one, sentence) for one, sentence in zip(theirs, said, strict=True)]
    inbox = f"All alerts: {settings.PUBLIC_URL}/admin/customers/alert/"
    body = "\n\n".join([*parts, inbox])
    return mail.EmailMessage(f"{ours.company}: {subject}", f"{body}\n", ours.sender, [address])


def _told(alert: Alert, sentence: str) -> str:
    lines = [alert.get_kind_display(), sentence, f"Since {when(alert.first_at)}."]
    if alert.link.startswith("/"):
        lines.append(f"{settings.PUBLIC_URL}{alert.link}")
    return "\n".join(lines)


def _addresses(alert: Alert, ours: Programme) -> list[str]:
    owner = alert.owner
    if owner is not None and owner.is_active and owner.email:
        return [owner.email]
    named = {one.strip() for one in ours.alert_emails.split(",")}
    return sorted(one for one in named if _is_address(one))


def _is_address(text: str) -> bool:
    try:
        validate_email(text)
    except ValidationError:
        return False
    return True
