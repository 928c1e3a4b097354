"""The agents' pages: the queue of calls, and every call with what came of it."""

from datetime import datetime
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.views.decorators.http import require_POST

from campaigns.calls import desk, list_page, load_page, outcomes, queue
from campaigns.calls.outcomes import Said
from campaigns.calls.queue import CallRefused, Clock
from campaigns.models import CallTask
from customers.admin import ReadOnlyAdmin
from customers.panels import Cell, Panel, lines, number, tag, when, zone

SHOWN = 15
STATE_TAGS = {"open": "wait", "claimed": "", "done": "good"}
WORK, VIEW = "campaigns.change_calltask", "campaigns.view_calltask"


class OutcomeForm(forms.Form):
    """What came of a call."""

    outcome = forms.ChoiceField(choices=CallTask.Outcome.choices, widget=forms.RadioSelect)
    call_again_at = forms.CharField(
        label="Call back at",
        required=False,
        max_length=60,
        widget=forms.TextInput(attrs={"class": "cusp-input", "autocomplete": "off", "placeholder": "tomorrow 15:00"}),
    )
    note = forms.CharField(
        required=False,
        max_length=outcomes.NOTE_LENGTH,
        widget=forms.Textarea(attrs={"class": "cusp-input", "rows": 2}),
    )
    number = forms.IntegerField(widget=forms.HiddenInput)
    then = forms.CharField(required=False, widget=forms.HiddenInput)


class CallTaskAdmin(ReadOnlyAdmin):
    """Every call task; agents work from the queue."""

    list_display = ("title", "customer", "state_shown", "outcome", "agent", "due_at", "ended_at")
    list_select_related = ("customer", "agent")
    list_filter = ("state", "outcome", "campaign", "agent")
    search_fields = ("title", "customer__external_id")
    ordering = ("-pk",)
    fields = (
        ("title", "customer", "campaign"),
        ("state", "outcome", "tries"),
        ("agent", "due_at", "expires_at"),
        ("claimed_at", "ended_at"),
    )
    next_step = "Campaigns with a call task fill this list. Agents work from the call queue."

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Let those see all calls who may; agents see their queue."""
        return bool(request.user.has_perm(VIEW))

    def panels(self, request: HttpRequest, item: CallTask) -> list[Panel]:
        """Give why the customer is called, what to say, and what came of each call."""
        rows = [
            (when(one.at), str(one.agent or "–"), one.get_outcome_display(), one.note or "–")
            for one in item.calls.select_related("agent").order_by("number")
        ]
        gone = item.delivery.reason if item.state == CallTask.State.CANCELLED else ""
        return [
            Panel("Why", desk.gain_words(item), drawing=lines(item.reasons) if item.reasons else None, warning=gone),
            Panel("Talking points", item.talking_points, empty="" if item.talking_points else "None."),
            Panel("Calls", head=("When", "Agent", "Outcome", "Note"), rows=rows, empty="Nobody has called yet."),
        ]

    @admin.display(description="State", ordering="state")
    def state_shown(self, task: CallTask) -> Cell:
        """Give the state in its colour."""
        return tag(task.get_state_display(), STATE_TAGS.get(task.state, "bad"))

    def get_urls(self) -> list[URLPattern]:
        """Give the addresses, with the queue and what an agent does in it."""
        wrap = self.admin_site.admin_view
        return [
            path("queue/", wrap(self.queue_view), name="campaigns_calltask_queue"),
            path("queue/next/", require_POST(wrap(self.next_view)), name="campaigns_calltask_next"),
            path("queue/<int:task_id>/keep/", require_POST(wrap(self.keep_view)), name="campaigns_calltask_keep"),
            path(
                "queue/<int:task_id>/<slug:what>/", require_POST(wrap(self.work_view)), name="campaigns_calltask_work"
            ),
            *load_page.urls(self),
            *list_page.urls(self),
            *super().get_urls(),
        ]

    def queue_view(self, request: HttpRequest) -> HttpResponse:
        """Show the agent's own calls, then the best ones that may be made now, then those of later."""
        return self._queue(request, {})

    def _queue(self, request: HttpRequest, typed: dict[int, QueryDict]) -> HttpResponse:
        """Show the queue, with what was typed about a call that could not be written down."""
        if not (request.user.has_perm(VIEW) or request.user.has_perm(WORK)):
            raise PermissionDenied
        agent: Any = request.user
        now, clock = timezone.now(), Clock()
        found = queue.waiting(agent, now, SHOWN, clock)
        mine = desk.lay(queue.mine(agent), clock, now)
        due = CallTask.objects.filter(state=CallTask.State.OPEN, due_at__lte=now).count()
        soon = CallTask.objects.filter(state=CallTask.State.OPEN, due_at__gt=now).order_by("due_at")
        context = {
            **self.admin_site.each_context(request),
            "title": "Call queue",
            "heading": "Call queue",
            "opts": self.opts,
            "mine": [(one, OutcomeForm(typed.get(one.task.pk), **_form(one))) for one in mine],
            "open": [(task, desk.name_of(task.customer), desk.gain_words(task)) for task in found.now],
            "later": [(one.task, desk.name_of(one.task.customer), one.at) for one in found.later],
            "waiting_shown": number(due),
            "next_due": soon.values_list("due_at", flat=True).first(),
            "zone": zone(now),
            "may_work": request.user.has_perm(WORK),
            "sees_all": request.user.has_perm(VIEW),
            "sees_load": load_page.may(request),
            "sees_customers": request.user.has_perm("customers.view_customer"),
        }
        return TemplateResponse(request, "admin/call_queue.html", context)

    def next_view(self, request: HttpRequest) -> HttpResponse:
        """Claim the best call that may be made now."""
        _check_work(request)
        agent: Any = request.user
        try:
            taken = queue.take_next(agent, timezone.now())
            messages.success(request, f"The call to {desk.name_of(taken.customer)} is yours.")
        except CallRefused as error:
            messages.error(request, str(error))
        return HttpResponseRedirect(reverse("admin:campaigns_calltask_queue"))

    def keep_view(self, request: HttpRequest, task_id: int) -> HttpResponse:
        """Keep a claim up: 204, or 409 once it is somebody else's."""
        _check_work(request)
        agent: Any = request.user
        is_held = queue.keep(get_object_or_404(CallTask, pk=task_id), agent, timezone.now())
        return HttpResponse(status=204 if is_held else 409)

    def work_view(self, request: HttpRequest, task_id: int, what: str) -> HttpResponse:
        """Claim, give back or close a call, and go back to the queue."""
        _check_work(request)
        task = get_object_or_404(
            CallTask.objects.select_related("customer", "delivery__decision__campaign"), pk=task_id
        )
        try:
            messages.success(request, _work(request, task, what))
        except CallRefused as error:
            messages.error(request, str(error))
            if what == "close":
                return self._queue(request, {task_id: request.POST})
        if request.POST.get("then") == "next" and what == "close":
            return self.next_view(request)
        return HttpResponseRedirect(reverse("admin:campaigns_calltask_queue"))


def _form(one: desk.Desk) -> dict[str, Any]:
    return {"auto_id": f"call-{one.task.pk}-%s", "label_suffix": "", "initial": {"number": one.number}}


def _check_work(request: HttpRequest) -> None:
    if not request.user.has_perm(WORK):
        raise PermissionDenied


def _work(request: HttpRequest, task: CallTask, what: str) -> str:
    agent: Any = request.user
    now, name = timezone.now(), desk.name_of(task.customer)
    if what == "claim":
        queue.claim(task, agent, now)
        return f"The call to {name} is yours."
    if what == "give-back":
        queue.give_back(task, agent)
        return f"The call to {name} is back in the queue."
    if what != "close":
        raise CallRefused("There is nothing of that name to do with a call.")
    return _close(request, task, now)


def _close(request: HttpRequest, task: CallTask, now: datetime) -> str:
    agent: Any = request.user
    form = OutcomeForm({"number": task.tries + 1, **request.POST.dict()})
    if not form.is_valid():
        said = "; ".join(f"{name}: {' '.join(map(str, errors))}" for name, errors in form.errors.items())
        raise CallRefused(f"Not written down. {said}")
    told, clock = form.cleaned_data, Clock()
    is_call_back = told["outcome"] == CallTask.Outcome.CALL_BACK
    again_at = desk.call_back(told["call_again_at"], task.customer, clock, now) if is_call_back else None
    done = outcomes.close(task, agent, Said(told["outcome"], told["note"], again_at, told["number"]), now)
    again = f" {desk.call_back_words(done, clock)}" if done.state == CallTask.State.OPEN else ""
    return f"Written down: {CallTask.Outcome(told['outcome']).label}.{again}"
