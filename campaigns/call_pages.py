"""The agents' pages: the queue of calls, and every call with what came of it."""

from datetime import datetime
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.views.decorators.http import require_POST

from campaigns import calls
from campaigns.models import CallTask
from customers.admin import ReadOnlyAdmin
from customers.models import Customer, Event
from customers.panels import Cell, Panel, lines, moment, number, tag, zone

SHOWN = 30
LATELY = 3
STATE_TAGS = {"open": "wait", "claimed": "", "done": "good"}


class OutcomeForm(forms.Form):
    """What came of a call."""

    outcome = forms.ChoiceField(choices=CallTask.Outcome.choices, widget=forms.RadioSelect)
    call_again_at = forms.DateTimeField(
        label="Call back at",
        help_text="A time after now, in the zone of this installation.",
        required=False,
        widget=forms.DateTimeInput(attrs={"class": "cusp-input", "type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
    )
    note = forms.CharField(
        required=False, max_length=2000, widget=forms.Textarea(attrs={"class": "cusp-input", "rows": 2})
    )


class CallTaskAdmin(ReadOnlyAdmin):
    """Every call task; agents work from the queue."""

    list_display = ("title", "customer", "state_shown", "outcome", "agent", "due_at", "ended_at")
    list_select_related = ("customer", "agent")
    list_filter = ("state", "outcome", "agent")
    search_fields = ("title", "customer__external_id")
    ordering = ("-pk",)
    fields = (("title", "customer"), ("state", "outcome"), ("agent", "due_at"), ("claimed_at", "ended_at"))
    next_step = "Campaigns with a call task fill this list. Agents work from the call queue."

    def panels(self, request: HttpRequest, item: CallTask) -> list[Panel]:
        """Give why the customer is called, what to say, and what was noted."""
        return [
            Panel("Why", drawing=lines(item.reasons) if item.reasons else None, empty="No reason was noted."),
            Panel("Talking points", item.talking_points, empty="" if item.talking_points else "None."),
            Panel("Notes", item.note, empty="" if item.note else "Nothing was noted."),
        ]

    @admin.display(description="State", ordering="state")
    def state_shown(self, task: CallTask) -> Cell:
        """Give the state in its colour."""
        return tag(task.get_state_display(), STATE_TAGS[task.state])

    def get_urls(self) -> list[URLPattern]:
        """Give the addresses, with the queue and what an agent does in it."""
        wrap = self.admin_site.admin_view
        return [
            path("queue/", wrap(self.queue_view), name="campaigns_calltask_queue"),
            path(
                "queue/<int:task_id>/<slug:what>/", require_POST(wrap(self.work_view)), name="campaigns_calltask_work"
            ),
            *super().get_urls(),
        ]

    def queue_view(self, request: HttpRequest) -> HttpResponse:
        """Show the agent's own calls, then the next open ones."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        now = timezone.now()
        waiting = CallTask.objects.filter(state=CallTask.State.OPEN, due_at__lte=now).count()
        tasks = list(calls.queue(request.user, now)[:SHOWN])  # type: ignore[arg-type]
        mine = [
            (task, OutcomeForm(auto_id=f"call-{task.pk}-%s", label_suffix=""), lately(task.customer))
            for task in tasks
            if task.state == CallTask.State.CLAIMED
        ]
        context = {
            **self.admin_site.each_context(request),
            "title": "Call queue",
            "opts": self.opts,
            "mine": mine,
            "open": [task for task in tasks if task.state == CallTask.State.OPEN],
            "waiting": waiting,
            "waiting_shown": number(waiting),
            "zone": zone(now),
            "may_work": request.user.has_perm("campaigns.change_calltask"),
        }
        return TemplateResponse(request, "admin/call_queue.html", context)

    def work_view(self, request: HttpRequest, task_id: int, what: str) -> HttpResponse:
        """Claim, give back or close a call, and go back to the queue."""
        if not request.user.has_perm("campaigns.change_calltask"):
            raise PermissionDenied
        task = get_object_or_404(
            CallTask.objects.select_related("customer", "delivery__decision__campaign"), pk=task_id
        )
        try:
            messages.success(request, self._work(request, task, what))
        except calls.CallRefused as error:
            messages.error(request, str(error))
        return HttpResponseRedirect(reverse("admin:campaigns_calltask_queue"))

    def _work(self, request: HttpRequest, task: CallTask, what: str) -> str:
        agent: Any = request.user
        now = timezone.now()
        if what == "claim":
            calls.claim(task, agent, now)
            return f"The call to {task.customer} is yours."
        if what == "give-back":
            calls.give_back(task, agent)
            return f"The call to {task.customer} is back in the queue."
        if what != "close":
            raise calls.CallRefused("There is nothing of that name to do with a call.")
        return self._close(request, task, now)

    def _close(self, request: HttpRequest, task: CallTask, now: datetime) -> str:
        if task.state != CallTask.State.CLAIMED or task.agent_id != request.user.pk:
            raise calls.CallRefused("This call is not yours. Take it first.")
        form = OutcomeForm(request.POST)
        if not form.is_valid():
            said = "; ".join(f"{name}: {' '.join(map(str, errors))}" for name, errors in form.errors.items())
            raise calls.CallRefused(f"Not written down. {said}")
        done = form.cleaned_data
        calls.close(task, done["outcome"], done["note"], now, done["call_again_at"])
        return f"Written down: {CallTask.Outcome(done['outcome']).label}."


def lately(customer: Customer) -> list[tuple[Cell, str, str]]:
    """Give when a customer last did something that has a value, what, and its value."""
    worth: list[Event] = list(customer.events.filter(value__isnull=False).order_by("-occurred_at", "-pk")[:LATELY])
    return [(moment(event.occurred_at), event.name, number(event.value, 2)) for event in worth]
