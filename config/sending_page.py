"""The page of the one button: all sending is stopped with a reason, and started again."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Count
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import SimpleLazyObject

from campaigns import sending
from campaigns.models import Delivery

MAY_SEE, MAY = "campaigns.view_programme", "campaigns.stop_programme"
STATES = Delivery.State


class StopForm(forms.Form):
    """Why all sending is to stop."""

    why = forms.CharField(
        label="Why?",
        max_length=sending.WHY_LENGTH,
        help_text="Everybody who works here reads it until sending is started again.",
        widget=forms.TextInput(attrs={"class": "cusp-input", "autofocus": True}),
    )


def page(request: HttpRequest) -> HttpResponse:
    """Show how sending stands; stop or start it on POST."""
    may = request.user.has_perm(MAY)
    if not may and not request.user.has_perm(MAY_SEE):
        raise PermissionDenied
    form = StopForm()
    if request.method == "POST":
        if not may:
            raise PermissionDenied
        form = StopForm(request.POST)
        if _is_done(request, form):
            return HttpResponseRedirect(reverse("sending"))
    context = {**admin.site.each_context(request), "title": "Sending", "form": form, "may": may, **_waiting()}
    return render(request, "admin/sending.html", context)


def shown(request: HttpRequest) -> dict[str, Any]:
    """Give how sending stands to every page that shows it."""
    return {
        "all_sending": SimpleLazyObject(sending.status),
        "may_stop_sending": SimpleLazyObject(lambda: request.user.has_perm(MAY)),
    }


def _is_done(request: HttpRequest, form: StopForm) -> bool:
    """Do what was asked for, and say so; False where the form has a fault."""
    by, at = request.user if request.user.is_authenticated else None, timezone.now()
    try:
        if request.POST.get("do") == "start":
            sending.start(by, at)
            messages.success(request, "Sending goes on.")
        elif not form.is_valid():
            return False
        elif sending.stop(by, form.cleaned_data["why"], at):
            messages.success(request, "All sending is stopped. Nothing begins any more.")
        else:
            messages.warning(request, "Sending was stopped already.")
    except sending.SendingError as refused:
        messages.error(request, str(refused))
    return True


def _waiting() -> dict[str, Any]:
    """Give what waits to be sent, what is just being sent, and what nobody knows the end of."""
    asked = Delivery.objects.filter(state__in=(STATES.PLANNED, STATES.CLAIMED, STATES.SENDING, STATES.UNCERTAIN))
    counts = dict(asked.order_by().values_list("state").annotate(n=Count("pk")))
    return {
        "planned": counts.get(STATES.PLANNED, 0) + counts.get(STATES.CLAIMED, 0),
        "begun": counts.get(STATES.SENDING, 0),
        "uncertain": counts.get(STATES.UNCERTAIN, 0),
    }
