"""A mail that is being composed, sent to people who work here. It is no delivery: nothing of it is counted."""

from datetime import datetime, timedelta

from django.conf import settings
from django.contrib.auth.models import User
from django.core.mail import EmailMultiAlternatives

from campaigns import programme
from campaigns.composer import Asked, ComposerError, Place, show
from customers import audit
from customers.models import AuditEntry

MOST, WITHIN = 20, timedelta(hours=1)
SENT = "test mail sent"


def send(place: Place, asked: Asked, to: list[int], by: User, at: datetime) -> str:
    """Send what is being composed to people who work here, marked as a test. Raises ComposerError.

    It is no delivery: nothing of it is counted, followed or kept, but who sent it when.
    """
    people = [one for one in colleagues() if one.pk in set(to)]
    if not people:
        raise ComposerError("Choose who gets it: people who work here and have an e-mail address.")
    house = programme.current()
    if house.is_sending_stopped:
        raise ComposerError("All sending is stopped, tests too.")
    sent = AuditEntry.objects.filter(what=SENT, by=by, at__gt=at - WITHIN).count()
    if sent >= MOST:
        raise ComposerError(f"You sent {MOST} tests within the hour. Wait a little.")
    shown = show(place.step, asked)
    if faults := [one for one in shown.problems if one.is_fault]:
        raise ComposerError(f"Mend this first. {faults[0].where}: {faults[0].text}")
    audit.note(at, by, SENT, place.campaign.key, people=len(people))
    html = shown.html.replace('"/a/', f'"{settings.PUBLIC_URL}/a/')
    for one in people:
        message = EmailMultiAlternatives(
            subject=f"[Test] {shown.subject}",
            body=shown.text,
            from_email=house.sender,
            to=[one.email],
            reply_to=[house.reply_to or house.sender],
        )
        message.attach_alternative(html, "text/html")
        try:
            message.send()
        except (OSError, ValueError) as error:  # of which every SMTPException is one
            raise ComposerError(f"The mail server did not take it: {error}") from error
    return f"Sent to {', '.join(one.email for one in people)}."


def colleagues() -> list[User]:
    """Give the people who work here and have an address."""
    return list(User.objects.filter(is_staff=True, is_active=True).exclude(email="").order_by("email"))
