"""The page of do-not-call lists: when the last one came, and where a new one is uploaded."""

from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin import AdminSite
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone

from campaigns.calls import lists
from campaigns.calls.lists import ListRefused, Taken
from customers.models import Channel, Suppression
from customers.panels import number, when

MAY = "customers.add_suppression"
MOST_BYTES = 25_000_000


class ListForm(forms.Form):
    """A list of numbers: a file, or pasted."""

    file = forms.FileField(
        label="File",
        required=False,
        help_text="One number a line; the first cell of each counts.",
        widget=forms.FileInput(
            attrs={"class": "cusp-input", "accept": ".csv,.txt,text/csv,text/plain", "data-plain": True}
        ),
    )
    numbers = forms.CharField(
        label="Or numbers, pasted",
        required=False,
        widget=forms.Textarea(attrs={"class": "cusp-input", "rows": 5}),
    )
    country = forms.CharField(
        label="Country of numbers without one",
        required=False,
        min_length=2,
        max_length=2,
        help_text="Two letters, such as DE. Empty: each begins with + and its country.",
        widget=forms.TextInput(attrs={"class": "cusp-input", "size": 4}),
    )

    def clean(self) -> dict[str, Any]:
        """Read the file as text."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        file = cleaned.get("file")
        if file and file.size > MOST_BYTES:
            self.add_error("file", "The file is larger than 25 MB.")
        elif file:
            try:
                cleaned["text"] = file.read().decode("utf-8-sig")
            except UnicodeDecodeError:
                self.add_error("file", "The file is no text in UTF-8.")
        elif cleaned.get("numbers"):
            cleaned["text"] = cleaned["numbers"]
        elif not self.errors:
            self.add_error("file", "Choose a file, or paste numbers.")
        return cleaned


def urls(of: Any) -> list[URLPattern]:
    """Give the address of the page."""
    site: AdminSite = of.admin_site

    def page(request: HttpRequest) -> HttpResponse:
        return _page(request, {**site.each_context(request), "opts": of.opts})

    return [path("do-not-call/", site.admin_view(page), name="campaigns_calltask_list")]


def _page(request: HttpRequest, context: dict[str, Any]) -> HttpResponse:
    if not request.user.has_perm(MAY):
        raise PermissionDenied
    is_posted = request.method == "POST"
    form = ListForm(request.POST if is_posted else None, request.FILES if is_posted else None, label_suffix="")
    taken: Taken | None = None
    if is_posted and form.is_valid():
        told, user = form.cleaned_data, request.user
        by: Any = user
        try:
            taken = lists.take(told["text"], told["country"].upper(), by, timezone.now())
        except ListRefused as error:
            form.add_error("file", str(error))
        else:
            many = "1 number" if taken.numbers == 1 else f"{taken.numbers:,} numbers"
            messages.success(request, f"Closed for calls: {many}, {taken.new:,} of them new.")
            if not taken.refused:
                return HttpResponseRedirect(reverse("admin:campaigns_calltask_list"))
    last = lists.last()
    closed = Suppression.objects.filter(channel=Channel.PHONE).count()
    shown = {
        "title": "Do-not-call list",
        "heading": "Do-not-call list",
        "form": form,
        "sees_load": request.user.has_perm("campaigns.view_agent"),
        "refused": lists.words(taken.refused) if taken else [],
        "last": f"{when(last.at)}: {last.about}" if last else "",
        "closed": number(closed),
    }
    return TemplateResponse(request, "admin/call_list.html", context | shown)
