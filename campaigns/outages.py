"""Channels that cannot be used for now: nobody begins anything of them, and one worker at a time looks again."""

from datetime import datetime, timedelta

from django.db import transaction

from campaigns.models import Outage
from customers import alerts
from customers.alerts import Cause
from customers.models import Alert, Channel

TRY = timedelta(minutes=2)  # longer than a worker needs to see that a channel is still out
RETRIES = tuple(timedelta(minutes=minutes) for minutes in (1, 2, 5, 10, 15))


def is_closed(channel: str, until: datetime) -> bool:
    """Give whether the channel is to be left alone now. Who gets a no while it is out makes the next try, alone."""
    outage = Outage.objects.filter(channel=channel).first()
    if outage is None:
        return False
    if outage.retry_at > until:
        return True
    mine = Outage.objects.filter(pk=outage.pk, retry_at=outage.retry_at)
    return not mine.update(retry_at=until + TRY)


def begin(channel: str, reason: str, until: datetime) -> None:
    """Note that a channel cannot be used, or still cannot, and tell it in the inbox."""
    with transaction.atomic():
        values = {"since": until, "retry_at": until + RETRIES[0], "reason": reason[:300]}
        outage, is_new = Outage.objects.select_for_update().get_or_create(channel=channel, defaults=values)
        if not is_new:
            pause = RETRIES[min(outage.tries, len(RETRIES) - 1)]
            outage.tries, outage.retry_at, outage.reason = outage.tries + 1, until + pause, reason[:300]
            outage.save(update_fields=["tries", "retry_at", "reason"])
        waits = f"{Channel(channel).label} waits since {outage.since:%Y-%m-%d %H:%M} UTC: {reason}"
        alerts.raise_(Cause(_key(channel), Alert.Kind.SENDING, waits), until)


def end(channel: str, until: datetime) -> None:
    """Note that a channel can be used again."""
    if Outage.objects.filter(channel=channel).delete()[0]:
        alerts.settle(_key(channel), until)


def _key(channel: str) -> str:
    return f"outage {channel}"
