"""The pages of a campaign's versions: the history, one version beside the present plan, put back, or copied."""

from collections.abc import Iterator
from dataclasses import replace
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
from django.utils.text import slugify
from django.views.decorators.http import require_POST, require_safe

from campaigns import (
    in_flight,
    launch_page,
    plan,
    plan_words,
    render,
    revert,
    step_preview,
    steps,
    trigger_words,
    versions,
)
from campaigns.launch import LaunchError
from campaigns.models import Campaign, CampaignVersion
from customers.panels import Cell, Panel, lines, number

PAGE = "campaigns_campaign_versions"
ONE, REVERT, COPY = "campaigns_campaign_version", "campaigns_campaign_revert", "campaigns_campaign_copy"


def urls(of: Any) -> list[URLPattern]:
    """Give the addresses of a campaign's versions."""
    site: AdminSite = of.admin_site

    def context(request: HttpRequest, campaign: Campaign) -> dict[str, Any]:
        may_change = of.has_change_permission(request, campaign) and campaign.state != Campaign.State.DRAFT
        return {
            **site.each_context(request),
            "opts": of.opts,
            "campaign": campaign,
            "may_revert": may_change,
            "may_copy": of.has_add_permission(request),
        }

    def page(request: HttpRequest, campaign_id: int) -> HttpResponse:
        campaign = _campaign(of, request, campaign_id)
        return _history(request, context(request, campaign))

    def one(request: HttpRequest, campaign_id: int, number: int) -> HttpResponse:
        campaign = _campaign(of, request, campaign_id)
        return _version(request, _stored(campaign, number), context(request, campaign))

    def put_back(request: HttpRequest, campaign_id: int, number: int) -> HttpResponse:
        campaign = _campaign(of, request, campaign_id)
        if not of.has_change_permission(request, campaign):
            raise PermissionDenied
        return _revert(request, _stored(campaign, number))

    def copy(request: HttpRequest, campaign_id: int) -> HttpResponse:
        campaign = _campaign(of, request, campaign_id)
        if not of.has_add_permission(request):
            raise PermissionDenied
        return _copy(request, campaign)

    at = site.admin_view
    base = "<int:campaign_id>/versions/"
    return [
        path(base, at(require_safe(page)), name=PAGE),
        path(f"{base}<int:number>/", at(require_safe(one)), name=ONE),
        path(f"{base}<int:number>/revert/", at(require_POST(put_back)), name=REVERT),
        path("<int:campaign_id>/copy/", at(require_POST(copy)), name=COPY),
    ]


def _campaign(of: Any, request: HttpRequest, campaign_id: int) -> Campaign:
    campaign = get_object_or_404(Campaign.objects.select_related("audience"), pk=campaign_id)
    if not of.has_view_permission(request, campaign):
        raise PermissionDenied
    return campaign


def _stored(campaign: Campaign, number: int) -> CampaignVersion:
    found = campaign.versions.filter(number=min(number, 2**31 - 1)).first()
    if found is None:
        raise Http404("The campaign has no such version.")
    return found


def _history(request: HttpRequest, context: dict[str, Any]) -> HttpResponse:
    campaign: Campaign = context["campaign"]
    told = {**context, "title": f"Versions of “{campaign}”", "versions": versions.of(campaign)}
    return TemplateResponse(request, "admin/campaign_versions.html", told)


def _version(request: HttpRequest, stored: CampaignVersion, context: dict[str, Any]) -> HttpResponse:
    """Show one version: what it changed, how it differs from the present plan, and both messages side by side."""
    campaign: Campaign = context["campaign"]
    now, names = plan.of(campaign), trigger_words.names()
    since = plan_words.compared(stored.plan, now, names)
    told = {
        **context,
        "title": f"Version {stored.number} of “{campaign}”",
        "stored": stored,
        "is_present": not since,
        "already": in_flight.said(in_flight.count(campaign), plan.differing(now, stored.plan)),
        "panels": [
            Panel("What it changed", lines(stored.changed) if stored.changed else "Nothing."),
            Panel("From it to the present plan", lines(since) if since else "It is the present plan."),
            _plans(stored, now, names),
            *_messages(stored.plan, now, f"Version {stored.number}"),
        ],
    }
    return TemplateResponse(request, "admin/campaign_version.html", told)


def _plans(stored: CampaignVersion, now: plan.Plan, names: trigger_words.Names) -> Panel:
    then, present = plan_words.facts(stored.plan, names), dict(plan_words.facts(now, names))
    if stored.plan == now:
        return Panel("The plan", facts=then)
    rows: list[tuple[Cell, ...]] = [
        (label, words, present.get(label, "–")) for label, words in then if words != present.get(label)
    ]
    empty = "They differ in their messages alone."
    return Panel("Where the plans differ", head=("", f"Version {stored.number}", "Now"), rows=rows, empty=empty)


def _messages(then: plan.Plan, now: plan.Plan, title: str) -> Iterator[Panel]:
    """Give the messages of both, side by side; a variant's too, where either has it."""
    keys = dict.fromkeys(("", *(str(one["key"]) for told in (then, now) for one in told.get("variants", []))))
    for key in keys:
        pair = [_step(told, key) for told in (then, now)]
        of = f", variant {key}" if key else ""
        if pair[0] == pair[1]:
            yield replace(_drawn(f"The message{of}, then and now", pair[0]), is_half=False)
            continue
        yield _drawn(f"{title}{of}", pair[0])
        yield _drawn(f"Now{of}", pair[1])


def _step(told: plan.Plan, key: str) -> dict[str, Any] | None:
    if not key:
        return next(iter(told.get("steps") or []), None)
    return next((one.get("step") for one in told.get("variants", []) if one.get("key") == key), None)


def _drawn(title: str, step: dict[str, Any] | None) -> Panel:
    if step is None:
        return Panel(title, is_half=True, empty="There is none.")
    try:
        return Panel(title, drawing=step_preview.draw(steps.parse([step])[0]), is_half=True)
    except (render.TemplateRefused, steps.StepError) as error:
        return Panel(title, is_half=True, warning=f"It cannot be shown: {error}")


def _revert(request: HttpRequest, stored: CampaignVersion) -> HttpResponse:
    campaign, by, now = stored.campaign, _user(request), timezone.now()
    page = reverse(f"admin:{ONE}", args=[campaign.pk, stored.number])
    try:
        revert.revert(campaign, stored.number, by, now, while_sending="while_sending" in request.POST)
    except LaunchError as refused:
        messages.error(request, launch_page.sentence(str(refused)))
        return HttpResponseRedirect(page)
    messages.success(request, f"Version {stored.number} holds again, as version {number(campaign.version)}.")
    return HttpResponseRedirect(reverse(f"admin:{PAGE}", args=[campaign.pk]))


def _copy(request: HttpRequest, campaign: Campaign) -> HttpResponse:
    """Make a draft of the present plan, or of a version, and open it."""
    told = request.POST.get("version", "")
    name = " ".join(request.POST.get("name", "").split())[:120] or f"Copy of {campaign.name}"[:120]
    called = revert.Called(name, _free_key(name))
    try:
        version = int(told) if told.isdecimal() and len(told) < 10 else None
        made = revert.duplicate(campaign, called, _user(request), timezone.now(), version)
    except LaunchError as refused:
        messages.error(request, launch_page.sentence(str(refused)))
        return HttpResponseRedirect(reverse(f"admin:{PAGE}", args=[campaign.pk]))
    messages.success(request, f"“{made}” is made, as a draft. Nobody gets anything before it is started.")
    return HttpResponseRedirect(reverse("admin:campaigns_campaign_launch", args=[made.pk]))


def _free_key(name: str) -> str:
    """Give a key made of a name that no campaign has yet."""
    base = slugify(name)[:50] or "campaign"
    taken = set(Campaign.objects.filter(key__startswith=base).values_list("key", flat=True))
    return next(key for key in (base, *(f"{base}-{i}" for i in range(2, len(taken) + 3))) if key not in taken)


def _user(request: HttpRequest) -> Any:
    return request.user


def linked(campaign: Campaign, version: int) -> Cell:
    """Give a version with the way to its page, where it is kept."""
    if not campaign.versions.filter(number=version).exists():
        return f"version {version}"
    url = reverse(f"admin:{ONE}", args=[campaign.pk, version])
    return format_html('<a class="cusp-link" href="{}">version {}</a>', url, version)
