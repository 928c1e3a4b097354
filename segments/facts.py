"""What the linter knows beside a rule and its customers: from the database, asked only as far as a rule needs it."""

from collections.abc import Mapping
from typing import Any

from django.conf import settings

from customers.models import EventName
from scoring.models import ModelVersion
from scoring.ranking import BANDS
from segments.linter import Facts
from segments.models import Membership, Segment
from segments.rules import Fields, Rule, needs


def gather(rule: Rule, fields: Fields, key: str, seconds: float) -> Facts:
    """Give the facts for a rule that was answered in so many seconds; `key` is the segment's whose rule it is."""
    asked = needs(rule)
    bands = _live() if any(name.startswith("scores.") for name in asked.columns) else {}
    others = Segment.objects.exclude(key=key).exclude(size=None)
    return Facts(
        seconds=seconds,
        cycle=settings.CYCLE_EVERY,
        events=set(EventName.objects.values_list("name", flat=True)) if asked.events else set(),
        properties=fields.properties,
        live=set(bands),
        bands=bands,
        sizes={name: size for name, size in others.values_list("key", "size") if size is not None},
        shared=_shared,
    )


def _live() -> Mapping[str, list[dict[str, Any]]]:
    """Give the bands of every target with a live model, by its key."""
    live = ModelVersion.objects.filter(state=ModelVersion.State.LIVE)
    return {key: bands or BANDS for key, bands in live.values_list("target__key", "bands")}


def _shared(key: str, customers: list[int]) -> float:
    """Give the share of some customers who are members of a segment."""
    found = Membership.objects.filter(segment__key=key, customer__in=customers).count()
    return found / len(customers) if customers else 0.0
