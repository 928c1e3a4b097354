"""The page of a campaign's back-test: begun, watched, cancelled, read, and taken out as a file."""

from typing import Any

from django.contrib import messages
from django.contrib.admin import AdminSite
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from campaigns import report_file
from campaigns.backtest import asking, panels
from campaigns.backtest.asking import BacktestError
from campaigns.models import Backtest, Campaign
from customers import audit
from customers.admin import user_of
from customers.generations import LakeError
from customers.panels import Panel

MAY, MAY_SEE_CUSTOMERS = "campaigns.view_campaign", "campaigns.view_decision"
PAGE = "campaigns_campaign_backtest"


def urls(of: Any) -> list[URLPattern]:
    """Give the addresses of a campaign's back-test, of its progress and of its file."""
    site: AdminSite = of.admin_site

    def page(request: HttpRequest, campaign_id: int) -> HttpResponse:
        return _page(request, _campaign(request, campaign_id), {**site.each_context(request), "opts": of.opts})

    at = site.admin_view
    own = "<int:campaign_id>/backtest/"
    return [
        path(own, at(require_http_methods(["GET", "HEAD", "POST"])(page)), name=PAGE),
        path(f"{own}<int:backtest_id>/progress/", at(require_safe(_progress)), name=f"{PAGE}_progress"),
        path(f"{own}backtest.csv", at(require_POST(_file)), name=f"{PAGE}_export"),
    ]


def way(campaign: Campaign) -> Panel:
    """Give the way to the page, for that of the campaign."""
    said = "Act its plan out on the last weeks, as they were: who would have become due, and what would have gone out."
    text = '{} <a class="cusp-link" href="{}">What would it have done?</a>'
    return Panel("Before you trust it", format_html(text, said, reverse(f"admin:{PAGE}", args=[campaign.pk])))


def _campaign(request: HttpRequest, campaign_id: int) -> Campaign:
    if not request.user.has_perm(MAY):
        raise PermissionDenied
    return get_object_or_404(Campaign.objects.select_related("audience"), pk=campaign_id)


def _page(request: HttpRequest, campaign: Campaign, context: dict[str, Any]) -> HttpResponse:
    if request.method == "POST":
        _act(request, campaign)
        return HttpResponseRedirect(reverse(f"admin:{PAGE}", args=[campaign.pk]))
    last = asking.latest(campaign)
    shown = {
        "title": f"What would “{campaign}” have done?",
        "panels": panels.panels(last, may_see_customers=request.user.has_perm(MAY_SEE_CUSTOMERS), reloads=True),
        "choices": asking.DAYS,
        "is_open": last is not None and last.state in asking.OPEN,
        "is_done": last is not None and last.state == Backtest.State.DONE,
        "export": reverse(f"admin:{PAGE}_export", args=[campaign.pk]),
        "back": reverse("admin:campaigns_campaign_change", args=[campaign.pk]),
    }
    return TemplateResponse(request, "admin/backtest.html", context | shown)


def _act(request: HttpRequest, campaign: Campaign) -> None:
    """Begin one over the days that were chosen, or cancel the one that waits or runs."""
    by, now = user_of(request), timezone.now()
    if "_cancel" in request.POST:
        last = asking.latest(campaign)
        if last is None or not asking.cancel(last, by, now):
            messages.warning(request, "It had ended already.")
        return
    told = request.POST.get("days", "")
    days = int(told) if told.isascii() and told.isdigit() and len(told) <= 4 else 0
    try:
        asking.ask(campaign, days, by, now)
    except (BacktestError, LakeError) as refused:
        messages.error(request, str(refused))


def _progress(request: HttpRequest, campaign_id: int, backtest_id: int) -> HttpResponse:
    """Give how far a back-test is, for the page that follows it; 204 where it ended and its own page asks."""
    campaign = _campaign(request, campaign_id)
    asked = get_object_or_404(Backtest.objects.defer("working", "result"), pk=backtest_id, campaign=campaign)
    if "then" in request.GET and asked.state not in asking.OPEN:
        return HttpResponse(status=204)
    return HttpResponse(panels.progress(asked))


def _file(request: HttpRequest, campaign_id: int) -> HttpResponse:
    """Give all figures of the last back-test as a file; who took it out is noted."""
    campaign = _campaign(request, campaign_id)
    asked = asking.latest(campaign)
    if asked is None or asked.state != Backtest.State.DONE:
        raise Http404("No back-test of this campaign is done.")
    rows = list(panels.figures(asked))
    audit.note(timezone.now(), user_of(request), "back-test exported", campaign.key, rows=len(rows))
    return report_file.answer(rows, f"{campaign.key}-backtest-{timezone.localtime(asked.until):%Y-%m-%d}")
