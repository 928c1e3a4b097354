"""Imports that people asked for: rows that wait, claimed by one worker at a time, held by a lease."""

from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import F, Q
from django.db.models.functions import Now

from customers import imports, leases
from customers.customer_mapping import CustomerColumns, Permission
from customers.event_mapping import EventColumns
from customers.ingest import Result
from customers.models import Import

State = Import.State
LEASE = timedelta(minutes=20)  # longer than a task may last
MOST_ATTEMPTS = 3
LOST = "Its workers were lost three times. What they stored stands, and counts as repeated when it is imported again."
Columns = CustomerColumns | EventColumns


class ImportLost(Exception):
    """An import that somebody else holds."""


def ask(uploaded: Import, columns: Columns, source_key: str, at: datetime) -> bool:
    """Let an uploaded file be stored by these columns; False where it was asked for already."""
    waiting = {"state": State.WAITING, "stage": "Waits for a worker", "started_at": at}
    source = imports.source_of(source_key)
    still = Import.objects.filter(pk=uploaded.pk, state=State.UPLOADED)
    return bool(still.update(**waiting, mapping=asdict(columns), source=source))


def columns_of(asked: Import) -> Columns:
    """Give the columns by which an import was asked for."""
    told: dict[str, Any] = {
        name: tuple(tuple(one) if isinstance(one, list) else one for one in value) if isinstance(value, list) else value
        for name, value in asked.mapping.items()
    }
    if asked.kind == Import.Kind.EVENTS:
        return EventColumns(**told)
    return CustomerColumns(**{**told, "permissions": tuple(Permission(**one) for one in told["permissions"])})


def claim() -> Import | None:
    """Claim the import that has waited longest, or whose worker was lost; None where there is none."""
    with transaction.atomic():
        lapsed = Q(state=State.RUNNING, lease_until__lte=Now())
        Import.objects.filter(lapsed, attempts__gte=MOST_ATTEMPTS).update(
            state=State.FAILED, error=LOST, finished_at=Now(), **leases.FREE
        )
        free = Import.objects.filter(lapsed | Q(state=State.WAITING)).order_by("started_at", "pk")
        asked = free.select_for_update(skip_locked=True).first()
        if asked is None:
            return None
        Import.objects.filter(pk=asked.pk).update(**leases.taken(LEASE), attempts=F("attempts") + 1)
    asked.refresh_from_db()
    return asked


def tell(asked: Import, stage: str, portion: float) -> None:
    """Store how far a claimed import is, and hold it longer. Raises ImportLost."""
    if not leases.held(asked).update(stage=stage[:60], portion=portion, lease_until=Now() + LEASE):
        raise ImportLost(f"The import of {asked.file_name} is held by somebody else.")


def finish(asked: Import, result: Result, at: datetime) -> None:
    """Store what became of the lines of a claimed import."""
    told = {name: getattr(result, name) for name in imports.COUNTS}
    leases.held(asked).update(**told, state=State.DONE, finished_at=at, stage="Done", portion=1.0, **leases.FREE)


def fail(asked: Import, sentence: str, at: datetime) -> None:
    """Store why a claimed import ended early."""
    leases.held(asked).update(state=State.FAILED, error=sentence[:2000], finished_at=at, **leases.FREE)
