"""The inbox as a page: open alerts first, then those that are silent for a while, then the latest that are done."""

from typing import Any, NamedTuple

from django.db.models import Count, QuerySet
from django.http import HttpRequest

from customers.models import Alert

SHOWN = 100
DONE_SHOWN = 20


class Part(NamedTuple):
    """The alerts of one state, and how many there are in all."""

    title: str
    alerts: list[Alert]
    many: int


def open_count() -> int:
    """Give how many alerts wait for somebody."""
    return Alert.objects.filter(state=Alert.State.OPEN).count()


def newest(many: int) -> list[Alert]:
    """Give the open alerts seen last."""
    return list(Alert.objects.filter(state=Alert.State.OPEN).select_related("owner").order_by("-last_at", "-pk")[:many])


def page(request: HttpRequest) -> dict[str, Any]:
    """Give what the page of the inbox shows: all alerts, one person's own, or those that hold some words."""
    found = _latest()
    is_own = "own" in request.GET
    if is_own:
        found = found.filter(owner=request.user.pk)
    words = request.GET.get("q", "").strip()
    if words:
        found = found.filter(sentence__icontains=words)
    counts = dict(found.order_by().values_list("state").annotate(n=Count("pk")))
    parts = [
        Part(title, list(found.filter(state=state)[:most]), counts.get(state, 0))
        for state, title, most in (
            (Alert.State.OPEN, "Open", SHOWN),
            (Alert.State.SNOOZED, "Silent for a while", SHOWN),
            (Alert.State.DONE, "Done", DONE_SHOWN),
        )
    ]
    return {"parts": [part for part in parts if part.alerts], "is_own": is_own, "words": words, "counts": counts}


def _latest() -> QuerySet[Alert]:
    return Alert.objects.select_related("owner").order_by("-last_at", "-pk")
