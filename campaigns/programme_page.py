"""The page of what holds over all campaigns, with the big stop button."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from campaigns import programme
from campaigns.models import Programme
from customers.admin import BaseAdmin, Button
from customers.audit import note
from customers.panels import number, share


class ProgrammeAdmin(BaseAdmin):
    """What holds over all campaigns, and the big stop button."""

    fieldsets = (
        (None, {"fields": (("holdout_share",), ("cap_messages", "cap_days"))}),
        ("Who writes", {"fields": (("company", "sender"), "postal_address")}),
    )
    list_display = ("__str__", "is_sending_stopped", "holdout_shown", "cap_shown", "company")

    @admin.display(description="Left alone by all campaigns")
    def holdout_shown(self, row: Programme) -> str:
        """Give the share of the holdout."""
        return share(row.holdout_share, 0)

    @admin.display(description="Most that a customer gets")
    def cap_shown(self, row: Programme) -> str:
        """Give the cap in words."""
        return f"{number(row.cap_messages)} messages in {number(row.cap_days)} days"

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Programme]":
        """Give the one row, made where it is missing."""
        programme.current()
        rows: QuerySet[Programme] = super().get_queryset(request)
        return rows

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Refuse: there is one."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse: there is one."""
        return False

    def buttons(self, request: HttpRequest, item: Programme) -> list[Button]:
        """Offer to stop all sending, or to let it go on."""
        if not request.user.has_perm("campaigns.change_programme"):
            return []
        if item.is_sending_stopped:
            return [Button("go", "Let sending go on", "main", "Let sending go on?")]
        return [Button("halt", "Stop all sending", "bad", "Stop all sending now?")]

    def do(self, request: HttpRequest, item: Programme, name: str) -> str:
        """Stop all sending, or let it go on."""
        halt = name == "halt"
        Programme.objects.filter(pk=item.pk).update(is_sending_stopped=halt)
        audit(request, "sending stopped" if halt else "sending resumed", "programme")
        return "Nothing is sent any more." if halt else "Sending goes on."


def audit(request: HttpRequest, what: str, about: str) -> None:
    """Note who did what."""
    note(timezone.now(), request.user if request.user.is_authenticated else None, what, about)
