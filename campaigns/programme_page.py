"""The page of what holds over all campaigns."""

from typing import Any

from django.conf import settings
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.views.decorators.http import require_POST

from campaigns import blocks, brand, composer, dns_check, programme, report_page
from campaigns.models import Programme
from campaigns.programme_form import ProgrammeForm
from campaigns.steps import EmailStep
from customers.admin import BaseAdmin
from customers.audit import note
from customers.panels import Panel, number, share

BRANDED = ("company", "postal_address", "colour", "background")
SAMPLE = {
    "subject": "How your mails look",
    "preheader": "A sample",
    "blocks": [
        {"kind": "heading", "text": "This is how your mails look", "background": "brand", "align": "center"},
        {
            "kind": "text",
            "text": "Hello {{ customer.first_name | default: 'there' }},\n\na [link](https://shop.invalid/).",
        },
        {"kind": "button", "label": "A button", "url": "https://shop.invalid/"},
        {"kind": "text", "text": "A light tint sets something apart.", "background": "tint"},
    ],
}


class ProgrammeAdmin(BaseAdmin):
    """What holds over all campaigns."""

    form = ProgrammeForm
    fieldsets = ((None, {"fields": ProgrammeForm.Meta.fields}),)
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

    def panels(self, request: HttpRequest, item: Programme) -> list[Panel]:
        """Give what the sender's domain publishes."""
        return [dns_check.panel(item)]

    def get_urls(self) -> list[URLPattern]:
        """Give the addresses, with the sample's and the report's."""
        view = require_POST(self.admin_site.admin_view(self.sample_view))
        sample_at = path("sample/", view, name="campaigns_programme_sample")
        return [sample_at, *report_page.urls_of_programme(self), *super().get_urls()]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Give the page of the programme, with a sample mail in its brand."""
        extra = {"sample": sample(programme.current()), **(extra_context or {})}
        return super().change_view(request, object_id, form_url, extra)

    def sample_view(self, request: HttpRequest) -> HttpResponse:
        """Give a mail in the brand that stands in the form; where that has faults, in the stored one."""
        if not self.has_change_permission(request):
            raise PermissionDenied
        house = programme.current()
        form = ProgrammeForm(request.POST, instance=house)
        names = [name for name in BRANDED if name in form.fields and name not in form.errors]
        shown = Programme.objects.get(pk=house.pk)
        for name in names:
            setattr(shown, name, form.cleaned_data[name])
        return JsonResponse({"html": sample(shown)})

    def save_model(self, request: HttpRequest, obj: Programme, form: ProgrammeForm, change: bool) -> None:
        """Store it with its logo and tables, and note who changed what."""
        by: Any = request.user
        with transaction.atomic():
            changed = form.keep(by)
            obj.save(update_fields=[*ProgrammeForm.Meta.fields, "logo"])
            if changed:
                note(timezone.now(), by, "programme changed", "programme", fields=sorted(changed))


def sample(house: Programme) -> str:
    """Give a short mail as a brand shows it."""
    content = blocks.parse(SAMPLE)
    mail = EmailStep(content.subject, content=content).mail(composer.values(house, None, ""), "", brand.of(house))
    return mail.html.replace(f"{settings.PUBLIC_URL}/a/", "/a/")
