"""What an operator's tools ask: does the process live, and can it work."""

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import Error, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, JsonResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from campaigns.models import Cycle


@require_safe
def healthz(request: HttpRequest) -> JsonResponse:
    """Answer 200 as long as the process lives."""
    return JsonResponse({"status": "alive"})


@require_safe
def readyz(request: HttpRequest) -> JsonResponse:
    """Answer 200 if the database answers and has all migrations, else 503; with the age of the last full cycle."""
    try:
        pending = _pending_migrations()
        last = Cycle.objects.filter(kind=Cycle.Kind.FULL).order_by("-pk").first() if not pending else None
    except Error as error:
        reason = f"The database does not answer: {error}".strip()
        return JsonResponse({"status": "not ready", "reason": reason}, status=503)
    if pending:
        reason = f"{pending} migrations are not applied. Run `manage.py migrate`."
        return JsonResponse({"status": "not ready", "reason": reason}, status=503)
    return JsonResponse({"status": "ready", "last_cycle": _told(last)})


def _pending_migrations() -> int:
    executor = MigrationExecutor(connection)
    return len(executor.migration_plan(executor.loader.graph.leaf_nodes()))


def _told(last: Cycle | None) -> dict[str, Any] | None:
    if last is None:
        return None
    age: timedelta = timezone.now() - (last.finished_at or last.started_at)
    return {
        "as_of": last.as_of.isoformat(),
        "state": last.state,
        "age_seconds": round(age.total_seconds()),
        "is_late": age > 2 * settings.CYCLE_EVERY,
    }
