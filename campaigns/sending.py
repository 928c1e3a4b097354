"""The one button over all sending: who stopped it, why, and when it goes on."""

from datetime import datetime
from typing import NamedTuple

from django.db import connection, transaction
from django.urls import reverse

from campaigns import programme, whereabouts
from campaigns.models import Programme
from customers import alerts, audit
from customers.audit import Actor
from customers.models import Alert, AuditEntry

ALERT = "sending.stopped"
STOPPED, STARTED = "sending stopped", "sending started"
LOCK = 7_301_001  # of PostgreSQL's advisory locks: shared by every message that begins, held alone by the button
WHY_LENGTH = 300


class SendingError(ValueError):
    """Sending cannot be stopped or started so; the sentence says why."""


class Status(NamedTuple):
    """Whether sending is stopped; if so, why, since when, and by whom (nobody: the program itself)."""

    is_stopped: bool
    why: str = ""
    at: datetime | None = None
    by: str = ""


def is_stopped() -> bool:
    """Say whether nothing may begin. Within a transaction the answer holds until its end: `stop` waits for it."""
    return rules().is_sending_stopped


def rules() -> Programme:
    """Give the programme; within a transaction, what it says of the button holds until its end."""
    if connection.vendor == "postgresql" and connection.in_atomic_block:
        _lock("pg_advisory_xact_lock_shared")
    return programme.current()


def stop(by: Actor, why: str, at: datetime) -> bool:
    """Stop all sending: once this returns, nothing is begun any more. False: it was stopped before, which stays.

    Raises SendingError without a reason.
    """
    said = " ".join(why.split())[:WHY_LENGTH]
    if not said:
        raise SendingError("Say why all sending is to stop.")
    with transaction.atomic():
        if connection.vendor == "postgresql":
            _lock("pg_advisory_xact_lock")
        programme.current()
        going = Programme.objects.filter(pk=1, is_sending_stopped=False)
        if not going.update(is_sending_stopped=True, stopped_why=said, stopped_at=at):
            return False
        audit.note(at, by, STOPPED, "programme", why=said)
        alerts.raise_(_cause(said), at)
    return True


def start(by: Actor, at: datetime) -> None:
    """Let sending go on. Raises SendingError when it is not stopped, or when there is a doubt that nobody was told."""
    with transaction.atomic():
        ours = Programme.objects.select_for_update().get(pk=programme.current().pk)
        if not ours.is_sending_stopped:
            raise SendingError("Sending is not stopped.")
        doubt = whereabouts.doubt(ours)
        untold = doubt and not ours.stopped_why.startswith(doubt)
        if untold:
            Programme.objects.filter(pk=1).update(stopped_why=doubt, stopped_at=at)
            audit.note(at, None, STOPPED, "programme", why=doubt)
            alerts.raise_(_cause(doubt), at)
        else:
            Programme.objects.filter(pk=1).update(is_sending_stopped=False, stopped_why="", stopped_at=None)
            whereabouts.accept(ours)
            audit.note(at, by, STARTED, "programme", why=ours.stopped_why)
            alerts.settle(ALERT, at)
    if untold:
        raise SendingError(f"{doubt} Look what was sent meanwhile, and then start again.")


def status() -> Status:
    """Give how sending stands."""
    ours = programme.current()
    if not ours.is_sending_stopped:
        return Status(is_stopped=False)
    last = AuditEntry.objects.filter(what=STOPPED).select_related("by").order_by("-pk").first()
    who = "" if last is None else str(last.by) if last.by else str(last.detail.get("key", ""))
    return Status(True, ours.stopped_why, ours.stopped_at, who)


def _lock(function: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {function}(%s)", [LOCK])


def _cause(why: str) -> alerts.Cause:
    return alerts.Cause(ALERT, Alert.Kind.SENDING, f"All sending is stopped: {why}", reverse("sending"))
