"""Filters of the lists of decisions and deliveries: choices that are known without reading the lists."""

from collections.abc import Iterable
from datetime import datetime, time, timedelta
from typing import Any

from django.contrib import admin
from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest
from django.utils import timezone

from campaigns import slots
from campaigns.assignment import CONTROL, HOLDOUT
from campaigns.ledger_panels import CAUSES
from campaigns.models import Campaign, Decision, Slot
from campaigns.variants import MAIN

Choices = Iterable[tuple[str, str]]
DAYS = (
    ("today", "Today", 0, 1),
    ("yesterday", "Yesterday", 1, 1),
    ("week", "Last 7 days", 6, 7),
    ("month", "Last 30 days", 29, 30),
)


class CauseFilter(admin.SimpleListFilter):
    """By what made the customer due."""

    title, parameter_name = "cause", "cause"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        """Give the causes in words."""
        return [(cause, words[:1].upper() + words[1:]) for cause, words in CAUSES.items()]

    def queryset(self, request: HttpRequest, queryset: "QuerySet[Any]") -> "QuerySet[Any]":
        """Keep the decisions of one cause."""
        return queryset.filter(cause=self.value()) if self.value() else queryset


class DrawnFilter(admin.SimpleListFilter):
    """By the arm that was drawn."""

    title, parameter_name = "arm", "arm"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        """Give the arms."""
        return [("treated", "Treated"), (CONTROL, "Control"), (HOLDOUT, "Held out by all campaigns")]

    def queryset(self, request: HttpRequest, queryset: "QuerySet[Any]") -> "QuerySet[Any]":
        """Keep the decisions of one arm."""
        return queryset.filter(arm=self.value()) if self.value() else queryset


class VariantFilter(admin.SimpleListFilter):
    """By the variant that was drawn."""

    title, parameter_name = "variant", "variant"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        """Give the variants of all campaigns that have some."""
        plans = Campaign.objects.exclude(variants=[]).values_list("variants", flat=True)
        keys = {str(one.get("key")) for plan in plans for one in plan if isinstance(one, dict)}
        return [(key, key) for key in sorted(keys | {MAIN})] if keys else []

    def queryset(self, request: HttpRequest, queryset: "QuerySet[Any]") -> "QuerySet[Any]":
        """Keep the decisions of one variant."""
        return queryset.filter(variant=self.value()) if self.value() else queryset


class SlotFilter(admin.SimpleListFilter):
    """By the run of a campaign by schedule or by hand, where a run's page asks for it."""

    title, parameter_name = "run", "slot"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        """Give the run that is asked for."""
        slot = self._slot(request.GET.get("slot", ""))
        return [(str(slot.pk), str(slot))] if slot else []

    def queryset(self, request: HttpRequest, queryset: "QuerySet[Any]") -> "QuerySet[Any]":
        """Keep the decisions of one run."""
        slot = self._slot(self.value() or "")
        return queryset.filter(pk__in=slots.decided(slot).values("pk")) if slot else queryset

    def _slot(self, value: str) -> Slot | None:
        is_id = value.isdecimal() and len(value) < 19
        return Slot.objects.select_related("campaign").filter(pk=int(value)).first() if is_id else None


class DayFilter(admin.SimpleListFilter):
    """By the day on which it was decided, in the installation's zone."""

    title, parameter_name = "day", "day"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        """Give the last days."""
        return [(key, words) for key, words, _, _ in DAYS]

    def queryset(self, request: HttpRequest, queryset: "QuerySet[Any]") -> "QuerySet[Any]":
        """Keep the decisions of these days; a day is also taken as 2026-03-01."""
        span = self._span(timezone.localdate())
        return queryset.filter(as_of__gte=span[0], as_of__lt=span[1]) if span else queryset

    def _span(self, today: Any) -> tuple[datetime, datetime] | None:
        for key, _, back, length in DAYS:
            if self.value() == key:
                return _midnight(today - timedelta(days=back)), _midnight(today + timedelta(days=length - back))
        try:
            day = datetime.strptime(self.value() or "", "%Y-%m-%d").date()  # noqa: DTZ007  a day has no zone
        except ValueError:
            return None
        return _midnight(day), _midnight(day + timedelta(days=1))


class CampaignFilter(admin.SimpleListFilter):
    """By the campaign of the decision behind a delivery."""

    title, parameter_name = "campaign", "campaign"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        """Give the campaigns."""
        return [(str(pk), name) for pk, name in Campaign.objects.order_by("name").values_list("pk", "name")]

    def queryset(self, request: HttpRequest, queryset: "QuerySet[Any]") -> "QuerySet[Any]":
        """Keep the deliveries of one campaign."""
        value = self.value() or ""
        if not (value.isdecimal() and len(value) < 19):
            return queryset
        return queryset.filter(Exists(Decision.objects.filter(pk=OuterRef("decision"), campaign=int(value))))


def _midnight(day: Any) -> datetime:
    return timezone.make_aware(datetime.combine(day, time()))
