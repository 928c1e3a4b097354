"""The inbox: what somebody should mend, who looks after it, and what may wait.

Who finds a cause raises it again and again and settles it when it is gone; a row stands for a cause, not for a look.
"""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import NamedTuple

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.db.models import F, Q

from customers.models import Alert

State = Alert.State


class AlertError(ValueError):
    """An alert that cannot be changed so: the message says why."""


class Cause(NamedTuple):
    """What is wrong, in a sentence that names the thing, and the page where it can be mended."""

    key: str
    kind: str
    sentence: str
    link: str = ""
    owner_id: int | None = None


def raise_(cause: Cause, at: datetime) -> Alert:
    """Open the alert of a cause, or note that the cause is still there. A snoozed one is silent until its time.

    An owner stays; one that was done opens again.
    """
    with transaction.atomic():
        sentence = cause.sentence[:600]
        alert, is_new = Alert.objects.select_for_update().get_or_create(
            key=cause.key,
            defaults={
                "kind": cause.kind,
                "sentence": sentence,
                "link": cause.link,
                "owner_id": cause.owner_id,
                "first_at": at,
                "last_at": at,
            },
        )
        if is_new:
            return alert
        if alert.state == State.DONE:
            alert.first_at = at
        if alert.state != State.SNOOZED or (alert.snoozed_until and alert.snoozed_until <= at):
            alert.state, alert.snoozed_until = State.OPEN, None
        alert.kind, alert.sentence, alert.link, alert.last_at = cause.kind, sentence, cause.link, at
        alert.owner_id = alert.owner_id or cause.owner_id
        alert.save()
        return alert


def settle(key: str, at: datetime) -> bool:
    """Close the alert whose cause is gone. Give whether there was one."""
    there = Alert.objects.filter(key=key).exclude(state=State.DONE)
    return there.update(state=State.DONE, snoozed_until=None, last_at=at) == 1


def settle_others(prefix: str, raised: Collection[str], at: datetime) -> int:
    """Close the alerts whose key begins so and whose cause was not found again. Give how many there were."""
    others = Alert.objects.filter(key__startswith=prefix).exclude(state=State.DONE).exclude(key__in=list(raised))
    return others.update(state=State.DONE, snoozed_until=None, last_at=at)


def snooze(alert: Alert, until: datetime, at: datetime) -> None:
    """Let an alert be silent until a time, also where its cause is found again. Raises AlertError."""
    if until <= at:
        raise AlertError("An alert is snoozed until a time that lies ahead.")
    there = Alert.objects.filter(pk=alert.pk).exclude(state=State.DONE)
    if not there.update(state=State.SNOOZED, snoozed_until=until):
        raise AlertError("It is done: its cause was gone when it was last looked for.")
    alert.refresh_from_db()


def assign(alert: Alert, owner: AbstractBaseUser | None) -> None:
    """Say who looks after an alert; nobody is an answer too."""
    Alert.objects.filter(pk=alert.pk).update(owner_id=owner.pk if owner else None)
    alert.refresh_from_db()


def finish(alert: Alert, at: datetime) -> None:
    """Call an alert done; it opens again if its cause is found again."""
    settle(alert.key, at)
    alert.refresh_from_db()


def wake(at: datetime) -> int:
    """Open what was snoozed until now. Give how many there were."""
    over = Alert.objects.filter(state=State.SNOOZED, snoozed_until__lte=at)
    return over.update(state=State.OPEN, snoozed_until=None)


def untold(at: datetime, again_after: timedelta) -> list[Alert]:
    """Give the open alerts of which nobody was told by e-mail since they opened, nor within `again_after`."""
    opened = Q(mailed_at=None) | Q(mailed_at__lt=F("first_at"), mailed_at__lte=at - again_after)
    return list(Alert.objects.filter(opened, state=State.OPEN).select_related("owner").order_by("first_at", "pk"))


def note_told(told: Collection[Alert], at: datetime) -> None:
    """Note that somebody was told of these alerts by e-mail."""
    Alert.objects.filter(pk__in=[one.pk for one in told]).update(mailed_at=at)
