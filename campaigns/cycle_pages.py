"""The operator's pages: cycles with their progress, what is scheduled, a full cycle begun or cancelled by hand."""

from datetime import datetime
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Count
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.loader import render_to_string
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST, require_safe
from unfold.views import ChangeList

from campaigns import control, progress, schedule
from campaigns.campaign_page import state_tag
from campaigns.models import Cycle, CycleTask, Schedule
from customers.admin import BaseAdmin, Button, ReadOnlyAdmin
from customers.models import AuditEntry
from customers.panels import LAST, Cell, Panel, link, moment, number, plain

COUNTS = ("customers", "events", "scored", "entered", "left", "decisions", "deliveries")
SPANS = ((86400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))
KINDS = {schedule.FULL_CYCLE: Cycle.Kind.FULL, schedule.SMALL_CYCLE: Cycle.Kind.SMALL}
RUN = Button("run", "Run a cycle now", "", "Rescore everybody, refresh the segments, decide and deliver now?")


def took(seconds: float) -> str:
    """Give a time in words."""
    return f"{seconds:,.1f} s" if seconds < 120 else f"{seconds / 60:,.0f} min"


def took_of(turned: Cycle, now: datetime) -> str:
    """Give how long a cycle took, or has been running."""
    text = took(((turned.finished_at or now) - turned.started_at).total_seconds())
    return text if turned.finished_at else f"running for {text}"


def running_cycle() -> Cycle | None:
    """Give the full cycle that runs."""
    return Cycle.objects.filter(kind=Cycle.Kind.FULL, state=Cycle.State.RUNNING).first()


def bar(turned: Cycle, now: datetime, *, is_own_page: bool = False) -> SafeString:
    """Give a running cycle's progress, which the page asks for again until it has ended."""
    name = format_html("{} cycle as of {}", turned.get_kind_display(), moment(turned.as_of))
    said = {"cycle": turned, "name": "" if is_own_page else name, "progress": progress.of(turned, now)}
    return render_to_string("admin/cycle_bar.html", said)


def begin_or_watch(request: HttpRequest, running: Cycle | None, now: datetime) -> SafeString | None:
    """Give the progress of the running cycle, or the button that begins one, if this person may use it."""
    if running is not None:
        return bar(running, now)
    if not request.user.has_perm("campaigns.add_cycle"):
        return None
    return render_to_string("admin/cycle_run.html", {"button": RUN}, request=request)


class CycleAdmin(ReadOnlyAdmin):
    """Turns of the loop, with their progress."""

    list_display = ("as_of", "kind", "state_shown", "took_shown", "did_shown", "started_at")
    next_step = "A cycle scores everybody, refreshes segments, decides and delivers: manage.py cycle, or manage.py run."
    list_filter = ("kind", "state")
    search_fields = ("kind",)
    ordering = ("-started_at",)
    fields = (("kind", "state"), ("stage", "as_of"), ("started_at", "finished_at"))
    list_before_template = "admin/cycle_now.html"

    @admin.display(description="Decisions")
    def did_shown(self, item: Cycle) -> str:
        """Give the decisions by outcome."""
        return plain(item.summary.get("decisions", {}))

    @admin.display(description="State", ordering="state")
    def state_shown(self, item: Cycle) -> Cell:
        """Give the state in its colour."""
        return state_tag(item.state, item.get_state_display())

    @admin.display(description="Took")
    def took_shown(self, item: Cycle) -> str:
        """Give how long it took."""
        return took_of(item, timezone.now())

    def get_urls(self) -> list[URLPattern]:
        """Give the addresses, with the progress of a cycle and the one that begins a cycle."""
        wrap = self.admin_site.admin_view
        return [
            path("run/", require_POST(wrap(self.run_view)), name="campaigns_cycle_run"),
            path("<int:cycle_id>/progress/", require_safe(wrap(self.progress_view)), name="campaigns_cycle_progress"),
            *super().get_urls(),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Give the list, below what runs now."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        now = timezone.now()
        drawing = begin_or_watch(request, running_cycle(), now)
        panel = Panel("Full cycles", facts=due(ended_cycle(), now), drawing=drawing)
        answer: HttpResponse = super().changelist_view(request, {"panel": panel, **(extra_context or {})})
        return answer

    def run_view(self, request: HttpRequest) -> HttpResponse:
        """Begin a full cycle and show it, or say why that cannot be now."""
        if not request.user.has_perm("campaigns.add_cycle"):
            raise PermissionDenied
        by: Any = request.user
        try:
            begun = schedule.run_now(by, timezone.now())
        except (control.CycleRunning, control.CycleBehind) as error:
            messages.error(request, str(error))
            return HttpResponseRedirect(reverse("admin:campaigns_cycle_changelist"))
        control.wake(begun.pk)
        messages.success(request, f"The {begun} has begun.")
        return HttpResponseRedirect(reverse("admin:campaigns_cycle_change", args=[begun.pk]))

    def progress_view(self, request: HttpRequest, cycle_id: int) -> HttpResponse:
        """Give the bar of a running cycle; nothing once it has ended."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        turned = get_object_or_404(Cycle, pk=cycle_id)
        if turned.state != Cycle.State.RUNNING:
            return HttpResponse(status=204)
        said = {"cycle": turned, "progress": progress.of(turned, timezone.now())}
        return HttpResponse(render_to_string("admin/cycle_progress.html", said))

    def buttons(self, request: HttpRequest, item: Cycle) -> list[Button]:
        """Offer to cancel what runs."""
        if item.state != Cycle.State.RUNNING or not request.user.has_perm("campaigns.change_cycle"):
            return []
        asked = "Cancel this cycle? What is committed stands; the next cycle does the rest."
        return [Button("cancel", "Cancel this cycle", "bad", asked)]

    def do(self, request: HttpRequest, item: Cycle, name: str) -> str:
        """Cancel it."""
        by: Any = request.user
        control.cancel(item, by, timezone.now())
        return f"The {item} is cancelled. Workers finish the piece in hand; the next cycle may begin now."

    def lead(self, request: HttpRequest, item: Cycle) -> list[Panel]:
        """Give how far it is while it runs, or what went wrong."""
        if item.state == Cycle.State.RUNNING:
            return [Panel("Progress", drawing=bar(item, timezone.now(), is_own_page=True))]
        if item.state == Cycle.State.CANCELLED:
            return [_cancelled(item)]
        return [_failed(item)] if item.state == Cycle.State.FAILED else []

    def panels(self, request: HttpRequest, item: Cycle) -> list[Panel]:
        """Give what it did, and its work by stage."""
        did = [(name.capitalize(), plain(item.summary[name])) for name in COUNTS if name in item.summary]
        return [Panel("What it did", facts=did, empty="Nothing is summed up before its end."), _stages(item)]


def _stages(item: Cycle) -> Panel:
    """Give a cycle's pieces of work by stage."""
    seconds = item.summary.get("seconds", {})
    found: dict[str, dict[str, int]] = {}
    for row in item.tasks.values("stage", "state").annotate(n=Count("pk")).order_by():
        found.setdefault(row["stage"], {})[row["state"]] = row["n"]
    rows = []
    for stage in Cycle.Stage:
        counts = found.get(stage.value)
        if counts:
            done, bad = counts.get("done", 0), counts.get("failed", 0)
            left = sum(counts.values()) - done - bad
            spent = f"{seconds[stage.value]:,.2f} s" if stage.value in seconds else "–"
            rows.append((stage.label, number(done), number(left), number(bad), spent))
    head = ("Stage", "Pieces done", "Left", "Set aside", "Seconds of work")
    return Panel("Stages", head=head, rows=rows, empty="It has no work.")


def _failed(item: Cycle) -> Panel:
    """Give the pieces that were set aside, each with its error."""
    rows = [
        (
            task.get_stage_display(),
            "all" if task.bucket < 0 else number(task.bucket),
            number(task.attempts),
            task.error,
        )
        for task in item.tasks.filter(state=CycleTask.State.FAILED).order_by("id")[:LAST]
    ]
    said = "What failed three times was set aside. The others' work stands, and the next cycle does these again."
    return Panel("Set aside", warning=said, head=("Stage", "Bucket", "Attempts", "Error"), rows=rows)


def ended_cycle() -> Cycle | None:
    """Give the last full cycle that has ended."""
    return Cycle.objects.filter(kind=Cycle.Kind.FULL).exclude(state=Cycle.State.RUNNING).order_by("-pk").first()


def _cancelled(item: Cycle) -> Panel:
    """Give who ended it, and what that means."""
    entry = AuditEntry.objects.select_related("by").filter(what="cycle cancelled", about=str(item)).last()
    by = str(entry.by) if entry and entry.by else "the program"
    said = f"Ended by {by}. What it had committed stands; the next cycle does the rest."
    return Panel("Cancelled", said)


def due(last: Cycle | None, now: datetime) -> list[tuple[str, Cell]]:
    """Give the last full cycle and the next one."""
    planned = Schedule.objects.filter(key=schedule.FULL_CYCLE).first()
    facts: list[tuple[str, Cell]] = []
    if last is not None:
        facts = [
            ("Last", link(last, moment(last.started_at))),
            ("State", state_tag(last.state, last.get_state_display())),
            ("Took", took_of(last, now)),
        ]
    return [*facts, ("Next", next_of(planned, now)), *([("How often", every(planned))] if planned else [])]


def every(planned: Schedule) -> str:
    """Give how often something happens in words."""
    size, unit = next(one for one in SPANS if planned.every_seconds % one[0] == 0)
    many = planned.every_seconds // size
    return f"every {unit}" if many == 1 else f"every {number(many)} {unit}s"


def next_of(planned: Schedule | None, now: datetime) -> Cell:
    """Give when something happens next."""
    if planned is None:
        return "not scheduled: manage.py run starts it"
    if not planned.is_enabled:
        return "switched off"
    return moment(planned.next_at) if planned.next_at > now else "due now"


class ScheduleList(ChangeList):  # type: ignore[misc]
    """A page of schedules with the last cycle of each kind, read once."""

    def get_results(self, request: HttpRequest) -> None:
        """Read the page."""
        super().get_results(request)
        for planned in self.result_list:
            planned.turned = last_of(planned)


def last_of(planned: Schedule) -> Cycle | None:
    """Give the last cycle that a schedule began."""
    kind = KINDS.get(planned.key)  # type: ignore[call-overload]
    return Cycle.objects.filter(kind=kind).order_by("-pk").first() if kind else None


class ScheduleAdmin(BaseAdmin):
    """What happens again and again; how often is a setting."""

    list_display = ("what_shown", "every_shown", "on_shown", "last_shown", "took_shown", "state_shown", "next_shown")
    search_fields = ("key",)
    ordering = ("pk",)
    readonly_fields = ("key", "every_shown", "last_at")
    fields = (("key", "every_shown"), "is_enabled", ("next_at", "last_at"))
    next_step = "Schedules are made when manage.py run, or a Celery beat, starts for the first time."

    @admin.display(description="What", ordering="key")
    def what_shown(self, planned: Schedule) -> str:
        """Give what happens in words."""
        return Schedule.Key(planned.key).label if planned.key in Schedule.Key else planned.key

    @admin.display(description="How often", ordering="every_seconds")
    def every_shown(self, planned: Schedule) -> str:
        """Give how often it happens in words."""
        return every(planned)

    @admin.display(description="On", ordering="is_enabled", boolean=True)
    def on_shown(self, planned: Schedule) -> bool:
        """Say whether it happens at all."""
        return planned.is_enabled

    @admin.display(description="Last", ordering="last_at")
    def last_shown(self, planned: Schedule) -> Cell:
        """Give when it happened last."""
        return moment(planned.last_at)

    @admin.display(description="Took")
    def took_shown(self, planned: Any) -> Cell:
        """Give how long the last one took."""
        if planned.turned is not None:
            return took_of(planned.turned, timezone.now())
        return "–" if planned.seconds is None else took(planned.seconds)

    @admin.display(description="State")
    def state_shown(self, planned: Any) -> Cell:
        """Give how the last one ended, in its colour."""
        return _state(planned, planned.turned)

    @admin.display(description="Next", ordering="next_at")
    def next_shown(self, planned: Schedule) -> Cell:
        """Give when it happens next."""
        return next_of(planned, timezone.now())

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        """Give the list that reads the last cycles."""
        return ScheduleList

    def lead(self, request: HttpRequest, item: Schedule) -> list[Panel]:
        """Give how the last one went; for the full cycle its progress, or the button that begins one."""
        now, turned = timezone.now(), last_of(item)
        seconds = "–" if item.seconds is None else took(item.seconds)
        facts: list[tuple[str, Cell]] = [
            ("Last", link(turned, moment(turned.started_at)) if turned else moment(item.last_at)),
            ("State", _state(item, turned)),
            ("Took", took_of(turned, now) if turned else seconds),
            ("Next", next_of(item, now)),
        ]
        drawing = begin_or_watch(request, running_cycle(), now) if item.key == schedule.FULL_CYCLE else None
        return [Panel(self.what_shown(item), facts=facts, drawing=drawing, warning=item.error)]

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Refuse: the program makes them."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse: the program would make it again; it can be switched off."""
        return False


def _state(planned: Schedule, turned: Cycle | None) -> Cell:
    if planned.error:
        return state_tag("failed", "Failed")
    if turned is not None:
        return link(turned, state_tag(turned.state, turned.get_state_display()))
    return "–" if planned.seconds is None else state_tag("done", "Done")
