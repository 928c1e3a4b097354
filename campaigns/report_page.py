"""The pages of reports: of one campaign, and of the programme over all campaigns; and their figures as files."""

from datetime import datetime
from typing import Any

from django.contrib.admin import AdminSite
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from campaigns import (
    api,
    by_segment,
    calendar,
    calendar_panel,
    lately,
    measure,
    programme,
    programme_panels,
    report_effects,
    report_file,
    report_panels,
    withheld,
)
from campaigns.models import Campaign
from campaigns.report import Report
from customers import audit
from customers.admin import user_of
from customers.panels import Panel
from segments.models import Segment

MAY, MAY_SPLIT = "campaigns.view_campaign", "segments.view_segment"
MOST_SEGMENTS = 500  # to choose from
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
    now, asked = timezone.now(), _segment_of(request, request.GET)
    report = withheld.of_report(measure.measure(campaign, now))
    names = Segment.objects.order_by("name").values_list("key", "name")[:MOST_SEGMENTS]
    shown = {
        "title": f"What “{campaign}” did",
        "object": campaign,
        "panels": [*report_panels.panels(campaign, report), *_by_segment(campaign, report, asked, now)],
        "segments": names if report.outcomes and request.user.has_perm(MAY_SPLIT) else [],
        "segment": asked,
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
    try:
        figures = report_file.figures(api.told(campaign, now, _segment_of(request, request.POST)))
    except by_segment.SplitError:  # the page said so
        figures = report_file.figures(api.told(campaign, now))
    audit.note(now, user_of(request), "report exported", campaign.key, rows=len(figures))
    return report_file.answer(figures, _name(campaign.key, now))


def _segment_of(request: HttpRequest, asked: QueryDict) -> Segment | None:
    """Give the segment that a report is to be split by, to those who may see segments."""
    key = asked.get("segment", "").replace("\x00", "")
    return Segment.objects.filter(key=key).first() if key and request.user.has_perm(MAY_SPLIT) else None


def _by_segment(campaign: Campaign, report: Report, segment: Segment | None, at: datetime) -> list[Panel]:
    if segment is None:
        return []
    title = f"By “{segment}”"
    try:
        found = by_segment.slices(campaign, segment, at)
    except by_segment.SplitError as error:
        return [Panel(title, empty=str(error))]
    return [report_effects.slices(found, report.split, title, "member or not", "Nobody was decided about yet.")]


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
