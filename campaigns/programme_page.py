"""The page of what holds over all campaigns."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from campaigns import programme
from campaigns.models import Programme
from customers.admin import BaseAdmin
from customers.panels import number, share


class ProgrammeAdmin(BaseAdmin):
    """What holds over all campaigns."""

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
