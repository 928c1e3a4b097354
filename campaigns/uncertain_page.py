"""The page of deliveries in doubt: why each is, and the two words that settle it, for one or a selection."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone

from campaigns import uncertain
from campaigns.deliver import ResolveError
from campaigns.models import Delivery
from customers.admin import Button

MAY_SETTLE = "campaigns.change_delivery"
ARRIVED, AGAIN = "arrived", "again"
BUTTONS = [
    Button(ARRIVED, "It arrived", "main", "Mark it as sent?", "How you know"),
    Button(AGAIN, "Plan a new one", "bad", "Send it once more? If it did arrive, the customer gets it twice.", "Why"),
]


def answer(request: HttpRequest, context: dict[str, Any]) -> HttpResponse:
    """Give the page, or settle what was selected and come back to it."""
    if request.method == "POST":
        return _settle(request)
    rows = uncertain.waiting().select_related("customer", "decision__campaign").prefetch_related("tries")
    shown = list(rows[: uncertain.MOST])
    for one in shown:
        one.last_try = max(one.tries.all(), key=lambda each: each.number, default=None)  # type: ignore[attr-defined]
    told = {"rows": shown, "count": uncertain.waiting().count(), "may_settle": request.user.has_perm(MAY_SETTLE)}
    return TemplateResponse(request, "admin/uncertain.html", {**context, "title": "In doubt", **told})


def _settle(request: HttpRequest) -> HttpResponse:
    if not request.user.has_perm(MAY_SETTLE):
        raise PermissionDenied
    ids = [int(one) for one in request.POST.getlist("delivery") if one.isdecimal() and len(one) < 19]
    arrived = request.POST.get("what") == ARRIVED
    try:
        if request.POST.get("what") not in (ARRIVED, AGAIN):
            raise ResolveError("Say whether they arrived, or are to be planned anew.")
        done = uncertain.resolve(
            set(ids), _user(request), timezone.now(), request.POST.get("reason", ""), arrived=arrived
        )
    except ResolveError as error:
        messages.error(request, str(error))
    else:
        what = "marked as sent" if arrived else "planned anew"
        gone = f" {done.gone:,} had been settled already." if done.gone else ""
        messages.success(request, f"{done.settled:,} {what}.{gone}")
    return HttpResponseRedirect(reverse("admin:campaigns_delivery_uncertain"))


def settle_one(request: HttpRequest, delivery: Delivery, what: str) -> str:
    """Settle the delivery of a page, and give a sentence about it. Raises ResolveError."""
    said, arrived = request.POST.get("said", ""), what == ARRIVED
    done = uncertain.resolve([delivery.pk], _user(request), timezone.now(), said, arrived=arrived)
    if not done.settled:
        raise ResolveError("It is not uncertain any more: somebody settled it just now.")
    return "It is marked as sent." if arrived else "A new one is planned."


def _user(request: HttpRequest) -> Any:
    return request.user
