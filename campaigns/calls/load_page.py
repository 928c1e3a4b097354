"""The page of who looks after the agents: load, age, outcomes, and claims to take back or give to somebody else."""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import polars as pl
from django.contrib import messages
from django.contrib.admin import AdminSite
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.timesince import timesince
from django.views.decorators.http import require_POST

from campaigns.calls import load, queue, roles
from campaigns.calls.queue import CallRefused
from campaigns.models import CallTask
from customers import audit, charts
from customers.charts import Part
from customers.panels import Cell, Panel, moment, number, share
from customers.plain_cells import FORMULA

MAY = "campaigns.view_agent"
OUTCOMES = CallTask.Outcome
KINDS = {"reached": "good", "no_answer": "plain", "call_back": "wait", "refused": "main", "do_not_call": "bad"}
BACKS = 15
COLUMNS = ("at", "campaign", "customer", "try", "outcome", "seconds", "agent", "note")


def may(request: HttpRequest) -> bool:
    """Say whether this person looks after the agents."""
    return bool(request.user.has_perm(MAY))


def urls(of: Any) -> list[URLPattern]:
    """Give the addresses of the page and of what is done there."""
    site: AdminSite = of.admin_site

    def page(request: HttpRequest) -> HttpResponse:
        return _page(request, {**site.each_context(request), "opts": of.opts})

    return [
        path("load/", site.admin_view(page), name="campaigns_calltask_load"),
        path("load/calls.csv", require_POST(site.admin_view(_export)), name="campaigns_calltask_export"),
        path("load/<int:task_id>/", require_POST(site.admin_view(_move)), name="campaigns_calltask_move"),
    ]


def _page(request: HttpRequest, context: dict[str, Any]) -> HttpResponse:
    if not may(request):
        raise PermissionDenied
    now = timezone.now()
    agents = User.objects.filter(is_active=True, groups__name=roles.AGENTS).order_by("username")
    shown = {
        "title": "Load of the agents",
        "heading": "Load of the agents",
        "panels": list(_panels(now)),
        "held": [(task, timesince(task.claimed_at, now) if task.claimed_at else "") for task in load.held()],
        "agents": agents,
    }
    return TemplateResponse(request, "admin/call_load.html", context | shown)


def _panels(now: datetime) -> Iterator[Panel]:
    campaigns, agents, days = load.campaigns(now), load.agents(now), load.days(now)
    together: Counter[str] = sum((one.outcomes for one in days), Counter())
    empty = "No call has been made in the last 30 days. Agents work from the call queue."
    yield Panel(
        "Waiting, by campaign",
        "Ended ones are of the last 30 days.",
        head=("Campaign", "Open", "Taken", "Oldest waits", "Done", "Expired", "Cancelled", "Reached", "Outcomes"),
        rows=[
            (
                one.campaign,
                number(one.open),
                number(one.claimed),
                timesince(one.oldest, now) if one.oldest else "–",
                number(one.done),
                number(one.expired),
                number(one.cancelled),
                _share(one.outcomes, "reached"),
                _told(one.outcomes),
            )
            for one in campaigns
        ],
        empty="There are no calls. Campaigns with a call task make them.",
    )
    yield Panel(
        "Agents",
        "Calls of the last 30 days; a day begins at midnight here.",
        head=("Agent", "Has now", "Today", "Calls", "Reached", "Minutes a call", "Left lying", "Outcomes"),
        rows=[
            (
                one.agent,
                number(one.held),
                f"{one.today} of {one.most}" if one.most else number(one.today),
                number(one.calls),
                _share(one.outcomes, "reached"),
                number(one.seconds / 60, 1) if one.seconds is not None else "–",
                number(one.abandoned),
                _told(one.outcomes),
            )
            for one in agents
        ],
        empty="Nobody has called yet.",
    )
    yield _over_time(days, together, empty)
    backs = load.call_backs(now, BACKS)
    yield Panel(
        "To be called again",
        head=("When", "Customer", "Campaign", "Task"),
        rows=[(moment(one.due_at), str(one.customer), str(one.campaign), one.title) for one in backs],
        empty="Nobody is to be called again.",
    )


def _over_time(days: list[load.Day], together: Counter[str], empty: str) -> Panel:
    """Give the outcomes of all calls, and the calls of each day with a table that says the same."""
    if not together:
        return Panel("Outcomes", empty=empty)
    parts = [Part(str(one.label), together[one.value], KINDS[one.value]) for one in OUTCOMES if together[one.value]]
    a_day = [Part(f"{one.day:%-d %b}", sum(one.outcomes.values())) for one in days]
    rows: list[tuple[Cell, ...]] = [
        (f"{one.day:%-d %b %Y}", *(number(one.outcomes[outcome.value]) for outcome in OUTCOMES)) for one in days
    ]
    return Panel(
        "Outcomes of the last 30 days",
        drawing=charts.stack(parts) + charts.columns(a_day, "Calls a day"),
        head=("Day", *(str(one.label) for one in OUTCOMES)),
        rows=list(reversed(rows)),
        is_folded=True,
    )


def _share(outcomes: Counter[str], name: str) -> str:
    whole = sum(outcomes.values())
    return share(outcomes[name] / whole, 0) if whole else "–"


def _told(outcomes: Counter[str]) -> str:
    said = [f"{n} {OUTCOMES(name).label.lower()}" for name, n in outcomes.most_common()]
    return ", ".join(said) or "–"


def _move(request: HttpRequest, task_id: int) -> HttpResponse:
    """Take a call back from its agent, and give it to another where one is named."""
    if not request.user.has_perm("campaigns.change_agent"):
        raise PermissionDenied
    task, by, now = get_object_or_404(CallTask, pk=task_id), request.user, timezone.now()
    try:
        actor: Any = by
        queue.take_back(task, actor, now)
        said = f"“{task}” is back in the queue."
        if name := request.POST.get("agent"):
            agent = get_object_or_404(User, username=name, is_active=True)
            queue.claim(task, agent, now)
            said = f"“{task}” is {agent}'s now."
        messages.success(request, said)
    except CallRefused as error:
        messages.error(request, str(error))
    return HttpResponseRedirect(reverse("admin:campaigns_calltask_load"))


def _export(request: HttpRequest) -> HttpResponse:
    """Give the calls of the last 30 days as a file; who took it out is noted."""
    if not (may(request) and request.user.has_perm("customers.view_customer")):
        raise PermissionDenied
    now, actor = timezone.now(), request.user
    by: Any = actor
    rows = list(load.calls(now - timedelta(days=load.DAYS), now))
    audit.note(now, by, "calls exported", f"{len(rows)} calls", rows=len(rows), days=load.DAYS)
    name = {"Content-Disposition": 'attachment; filename="calls.csv"', "Cache-Control": "no-store"}
    return HttpResponse(as_csv(rows), content_type="text/csv; charset=utf-8", headers=name)


def as_csv(rows: list[tuple[object, ...]]) -> str:
    """Give calls as CSV in which no cell is taken for a formula."""
    schema = {name: pl.Int64 if name in ("try", "seconds") else pl.String for name in COLUMNS}
    told = [(at.isoformat() if isinstance(at, datetime) else at, *rest) for at, *rest in rows]
    frame = pl.DataFrame(told, schema=schema, orient="row")
    texts = [name for name, dtype in schema.items() if dtype == pl.String]
    guarded = pl.when(pl.col(texts).str.contains(FORMULA)).then("'" + pl.col(texts)).otherwise(pl.col(texts))
    return frame.with_columns(guarded.name.keep()).write_csv()
