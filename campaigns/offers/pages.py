"""Pages of offers: what they say, what came of them, the files that bring codes, and the till."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import accumulate
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Q, QuerySet
from django.db.models.functions import TruncDate
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join

from campaigns import campaign_page
from campaigns.models import Offer, OfferCode
from campaigns.offers import definition, files, imports, pool, till
from campaigns.offers.files import FileRefused
from campaigns.offers.report import Report, report
from customers import charts
from customers.admin import BaseAdmin, LargeAdmin
from customers.panels import LAST, Cell, Panel, link, moment, number, share, tag

OUT = ("given", "redeemed", "lapsed")
TAGS = {"free": "", "reserved": "wait", "given": "wait", "redeemed": "good", "lapsed": "bad", "released": "bad"}
MOST_BYTES = 8 * 1024 * 1024
MAY_REDEEM = till.MAY
FILES = "campaigns_offer_files"


class OfferForm(forms.ModelForm):  # type: ignore[type-arg]
    """What an offer may say."""

    class Meta:
        model = Offer
        fields = (
            *("name", "key", "value", "is_percent", "cost", "margin", "terms"),
            *("valid_days", "stock", "starts_at", "ends_at", "audience", "codes_from"),
        )
        labels = {
            "is_percent": "The value is in percent",
            "cost": "What one costs us",
            "valid_days": "A code is good for (days)",
            "starts_at": "Given from",
            "ends_at": "No code is good after",
            "codes_from": "Where the codes come from",
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in ("starts_at", "ends_at"):
            if name in self.fields:
                for part, one in zip(("day", "time"), self.fields[name].widget.widgets, strict=True):
                    one.attrs["aria-label"] = f"{self.fields[name].label}: {part}"

    def clean(self) -> dict[str, Any]:
        """Refuse what cannot be, at its field."""
        cleaned = super().clean() or self.cleaned_data
        known = {name: value for name, value in cleaned.items() if name in definition.NAMES}
        if self.errors:
            return cleaned
        try:
            definition.check(Offer(pk=self.instance.pk, **known))
        except definition.OfferError as error:
            self.add_error(error.path, error.message)
        return cleaned


class OfferAdmin(BaseAdmin):
    """Codes that are worth something, with those given."""

    form = OfferForm
    list_display = ("name", "key", "worth_shown", "valid_shown", "given", "redeemed", "codes_from")
    next_step = "An offer is a code of the customer's own, worth an amount or a percentage for some days."
    search_fields = ("name", "key")
    fieldsets = (
        (None, {"fields": (("name", "key"), ("value", "is_percent"), ("cost", "margin"), "terms")}),
        ("When, for whom, how many", {"fields": (("valid_days", "stock"), "starts_at", "ends_at", "audience")}),
        ("Codes", {"fields": ("codes_from",)}),
    )

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Offer]":
        """Give the offers with the numbers of their codes."""
        rows: QuerySet[Offer] = super().get_queryset(request)
        return rows.annotate(
            given_count=Count("codes", filter=Q(codes__state__in=OUT)),
            redeemed_count=Count("codes", filter=Q(codes__state="redeemed")),
        )

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Keep the key, which campaigns name."""
        return ("key",) if obj is not None else ()

    def save_model(self, request: HttpRequest, obj: Offer, form: Any, change: bool) -> None:
        """Store the offer, and end the codes that would outlive it."""
        definition.save(obj, _user(request), timezone.now())

    def get_urls(self) -> list[URLPattern]:
        """Give the addresses, with the one that takes files."""
        view = self.admin_site.admin_view(self.files_view)
        return [path("<int:offer_id>/files/", view, name=FILES), *super().get_urls()]

    @admin.display(description="Worth", ordering="value")
    def worth_shown(self, offer: Offer) -> str:
        """Give the value with its unit."""
        return campaign_page.worth(offer)

    @admin.display(description="Valid for", ordering="valid_days")
    def valid_shown(self, offer: Offer) -> str:
        """Give how long a code is good."""
        return f"{number(offer.valid_days)} days"

    @admin.display(description="Given")
    def given(self, offer: Any) -> str:
        """Give how many codes went out."""
        return number(offer.given_count)

    @admin.display(description="Redeemed")
    def redeemed(self, offer: Any) -> str:
        """Give how many codes were used."""
        return number(offer.redeemed_count)

    def lead(self, request: HttpRequest, item: Offer) -> list[Panel]:
        """Give what came of the offer."""
        return [came(report(item, timezone.now()))]

    def panels(self, request: HttpRequest, item: Offer) -> list[Panel]:
        """Give what was given and redeemed over time, and the last codes."""
        may = self.has_change_permission(request, item) or request.user.has_perm(MAY_REDEEM)
        sees = request.user.has_perm("campaigns.view_offercode")
        return [over_time(item), *([last_codes(item, may)] if sees or may else [])]

    def files_view(self, request: HttpRequest, offer_id: int) -> HttpResponse:
        """Take a list of codes, or a table of redemptions, and say what came of it."""
        offer = self.get_object(request, str(offer_id))
        if offer is None:
            raise Http404
        may = {"codes": self.has_change_permission(request, offer), "redemptions": request.user.has_perm(MAY_REDEEM)}
        if not any(may.values()):
            raise PermissionDenied
        refused: FileRefused | None = None
        read: imports.Read | None = None
        what = request.POST.get("what", "")
        if request.method == "POST":
            if not may.get(what):
                raise PermissionDenied
            try:
                read = _take(request, offer, what)
                if read is None:
                    return HttpResponseRedirect(reverse("admin:campaigns_offer_change", args=[offer.pk]))
            except FileRefused as error:
                refused = error
        told = {"offer": offer, "may": may, "refused": refused, "read": read, "what": what, "most": number(files.MOST)}
        context = {**self.admin_site.each_context(request), "opts": self.opts, "title": f"Files of {offer}", **told}
        return TemplateResponse(request, "admin/offer_files.html", context)


class OfferCodeAdmin(LargeAdmin):
    """Every code, found by the code itself, and the till."""

    list_display = ("code", "offer", "state_shown", "customer", "valid_until", "redeemed_at", "order_value")
    list_select_related = ("offer", "customer")
    list_filter = ("state", "offer")
    search_fields = ("code",)

    @admin.display(description="State", ordering="state")
    def state_shown(self, code: OfferCode) -> Cell:
        """Give the state in its colour."""
        return tag(code.get_state_display(), TAGS[code.state])

    def get_urls(self) -> list[URLPattern]:
        """Give the addresses, with the till."""
        view = self.admin_site.admin_view(self.till_view)
        return [path("till/", view, name="campaigns_offercode_till"), *super().get_urls()]

    def till_view(self, request: HttpRequest) -> HttpResponse:
        """Look at a code and redeem it."""
        return till.answer(request, {**self.admin_site.each_context(request), "opts": self.opts})


def came(told: Report) -> Panel:
    """Give what came of an offer so far."""
    used = number(told.redeemed)
    if told.share is not None:
        used = f"{used} ({share(told.share.value)}; {share(told.share.low)} to {share(told.share.high)})"
    left = "no limit" if told.left is None else f"{number(told.left)} of {number(told.stock.total)}"
    facts: list[tuple[str, Cell]] = [
        ("Given", number(told.given)),
        ("Redeemed", used),
        ("Lapsed", number(told.lapsed)),
        ("Reserved", number(told.reserved)),
        ("Left", left),
        ("Cost", number(told.cost, 2)),
        ("Revenue with codes", number(told.revenue, 2)),
    ]
    how = "By the control groups of its campaigns: how many of them did it without the offer."
    note = format_html("<p><strong>{}</strong></p><p>{}</p>", told.anyway.words, how)
    return Panel("What came of it", note=note, facts=facts)


def over_time(offer: Offer) -> Panel:
    """Give the codes given and redeemed so far, day by day."""
    days = {name: _days(offer, at) for name, at in (("Given", "given_at"), ("Redeemed", "redeemed_at"))}
    drawn = [charts.over_time(points, f"{name} so far") for name, points in days.items() if points]
    rows = [(name, moment(at), number(many)) for name, points in days.items() for at, many in points[-LAST:]]
    drawing = format_html_join("", "{}", ((one,) for one in drawn)) if drawn else None
    head = ("What", "Until", "Codes")
    return Panel("Over time", drawing=drawing, head=head, rows=rows, empty="No code was given yet.", is_folded=True)


def last_codes(offer: Offer, may_change: bool) -> Panel:
    """Give the last codes, and the way to files of them."""
    rows = [
        (
            c.code,
            link(c.customer) if c.customer else "nobody yet",
            tag(c.get_state_display(), TAGS[c.state]),
            moment(c.valid_until),
            moment(c.redeemed_at),
        )
        for c in offer.codes.select_related("customer").order_by("-pk")[:LAST]
    ]
    address = reverse(f"admin:{FILES}", args=[offer.pk])
    words = "Upload codes, or redemptions" if offer.codes_from == Offer.Codes.POOL else "Upload redemptions"
    note = format_html('<a class="cusp-link" href="{}">{}</a>', address, words) if may_change else ""
    next_step = (
        "No code was given yet: make a campaign that sends this offer."
        if offer.codes_from == Offer.Codes.GENERATED
        else "There are no codes yet: upload a list of them."
    )
    head = ("Code", "Customer", "State", "Valid until", "Redeemed")
    return Panel("Codes", note=note, head=head, rows=rows, empty=next_step)


def _days(offer: Offer, name: str) -> list[tuple[datetime, float]]:
    days = offer.codes.filter(**{f"{name}__isnull": False}).annotate(day=TruncDate(name)).order_by("day")
    counted: Iterable[tuple[Any, int]] = days.values_list("day").annotate(Count("pk"))
    return list(_cumulated(counted))


def _cumulated(counted: Iterable[tuple[Any, int]]) -> Iterator[tuple[datetime, float]]:
    rows = list(counted)
    zone = timezone.get_current_timezone()
    for (day, _), total in zip(rows, accumulate(many for _, many in rows), strict=True):
        yield datetime(day.year, day.month, day.day, tzinfo=zone), float(total)


def _take(request: HttpRequest, offer: Offer, what: str) -> imports.Read | None:
    """Take an uploaded file; give what came of redemptions, and nothing for codes that were stored."""
    file = request.FILES.get("file")
    if file is None:
        raise FileRefused("Choose a file.")
    if (file.size or 0) > MOST_BYTES:
        raise FileRefused(f"The file is larger than {MOST_BYTES // 1024 // 1024} MB.")
    if what == "redemptions":
        return imports.redeem(offer, file.read(), _user(request), timezone.now())
    added = pool.add(offer, file.read(), _user(request), timezone.now(), request.POST.get("column", ""))
    messages.success(request, f"{added.added:,} codes were stored.")
    for warning in added.warnings:
        messages.warning(request, warning)
    return None


def _user(request: HttpRequest) -> Any:
    return request.user
