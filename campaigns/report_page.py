"""The pages of reports: of one campaign, and of the programme over all campaigns; and their figures as files."""

from datetime import datetime
from typing import Any

from django.contrib.admin import AdminSite
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from campaigns import (
    api,
    calendar,
    calendar_panel,
    lately,
    measure,
    programme,
    programme_panels,
    report_file,
    report_panels,
    withheld,
)
from campaigns.models import Campaign
from customers import audit
from customers.admin import user_of

MAY = "campaigns.view_campaign"
OF_CAMPAIGN, OF_PROGRAMME = "campaigns_campaign_report", "campaigns_programme_report"


def urls_of_campaign(of: Any) -> list[URLPattern]:
    """Give the addresses of a campaign's report and its file."""
    site: AdminSite = of.admin_site

    def page(request: HttpRequest, campaign_id: int) -> HttpResponse:
        return _campaign(request, _campaign_of(request, campaign_id), {**site.each_context(request), "opts": of.opts})

    return [
        path("<int:campaign_id>/report/", site.admin_view(require_safe(page)), name=OF_CAMPAIGN),
        path(
            "<int:campaign_id>/report/report.csv",
            site.admin_view(require_POST(_campaign_file)),
            name=f"{OF_CAMPAIGN}_export",
        ),
    ]


def urls_of_programme(of: Any) -> list[URLPattern]:
    """Give the addresses of the programme's report and its file."""
    site: AdminSite = of.admin_site

    def page(request: HttpRequest) -> HttpResponse:
        return _programme(request, {**site.each_context(request), "opts": of.opts})

    return [
        path("report/", site.admin_view(require_safe(page)), name=OF_PROGRAMME),
        path("report/report.csv", site.admin_view(require_POST(_programme_file)), name=f"{OF_PROGRAMME}_export"),
    ]


def _campaign_of(request: HttpRequest, campaign_id: int) -> Campaign:
    if not request.user.has_perm(MAY):
        raise PermissionDenied
    return get_object_or_404(Campaign.objects.select_related("audience"), pk=campaign_id)


def _campaign(request: HttpRequest, campaign: Campaign, context: dict[str, Any]) -> HttpResponse:
    now = timezone.now()
    shown = {
        "title": f"What “{campaign}” did",
        "object": campaign,
        "panels": report_panels.panels(campaign, withheld.of_report(measure.measure(campaign, now))),
        "export": reverse(f"admin:{OF_CAMPAIGN}_export", args=[campaign.pk]),
        "ways": [
            ("The campaign", reverse("admin:campaigns_campaign_change", args=[campaign.pk])),
            ("All campaigns together", reverse(f"admin:{OF_PROGRAMME}")),
        ],
        "report_name": _name(campaign.key, now),
    }
    return TemplateResponse(request, "admin/report.html", context | shown)


def _campaign_file(request: HttpRequest, campaign_id: int) -> HttpResponse:
    """Give all figures of a campaign's report as a file; who took it out is noted."""
    campaign, now = _campaign_of(request, campaign_id), timezone.now()
    figures = report_file.figures(api.told(campaign, now))
    audit.note(now, user_of(request), "report exported", campaign.key, rows=len(figures))
    return report_file.answer(figures, _name(campaign.key, now))


def _programme(request: HttpRequest, context: dict[str, Any]) -> HttpResponse:
    if not request.user.has_perm(MAY):
        raise PermissionDenied
    now, house = timezone.now(), programme.current()
    shown = {
        "title": "What all campaigns did together",
        "panels": [
            *programme_panels.panels(withheld.of_verdict(measure.programme(now)), house, lately.read(house, now)),
            calendar_panel.panel(calendar.read(now)),
        ],
        "export": reverse(f"admin:{OF_PROGRAMME}_export"),
        "ways": [("All campaigns", reverse("admin:campaigns_campaign_changelist"))],
        "report_name": _name("programme", now),
    }
    return TemplateResponse(request, "admin/report.html", context | shown)


def _programme_file(request: HttpRequest) -> HttpResponse:
    """Give all figures of the programme's report as a file; who took it out is noted."""
    if not request.user.has_perm(MAY):
        raise PermissionDenied
    now = timezone.now()
    figures = report_file.figures(api.told_of_all(now))
    audit.note(now, user_of(request), "report exported", "programme", rows=len(figures))
    return report_file.answer(figures, _name("programme", now))


def _name(key: str, at: datetime) -> str:
    return f"{key}-{timezone.localtime(at):%Y-%m-%d}"
