"""The admin of segments: a plain rule form, its sentence, its size and its members."""

from collections.abc import Sequence
from typing import Any

import polars as pl
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from unfold.views import ChangeList

from customers import charts
from customers.admin import BaseAdmin
from customers.customer_page import CUSTOMER_PANELS
from customers.models import Customer
from customers.panels import LAST, Cell, Panel, link, moment, number, tag
from scoring import ranking
from scoring.admin import band_kind
from scoring.models import ModelVersion, Score, Target
from segments import definition, views
from segments.fields import catalogue
from segments.forms import SegmentForm
from segments.models import Membership, MembershipChange, Segment

TIMES = 200
REACH = "admin:segments_segment_reach"
HEAD = ("Customer", "Name", "E-mail", "Since")


class SegmentList(ChangeList):  # type: ignore[misc]
    """A page of segments with their rules in words; what rules may ask is read once."""

    def get_results(self, request: HttpRequest) -> None:
        """Read the page."""
        super().get_results(request)
        known = catalogue()
        for segment in self.result_list:
            segment.sentence = views.sentence_of(segment, known)


@admin.register(Segment)
class SegmentAdmin(BaseAdmin):
    """Named rules with their members."""

    form = SegmentForm
    list_display = ("name", "sentence_shown", "size_shown", "as_of")
    next_step = "A segment says who belongs together: by facts, by what they did, by scores. Campaigns act on it."
    search_fields = ("name", "key")
    ordering = ("name",)
    fieldsets = ((None, {"fields": (("name", "key"), "description")}),)
    prepopulated_fields = {"key": ("name",)}

    @admin.display(description="Members", ordering="size")
    def size_shown(self, segment: Segment) -> Cell:
        """Give the size as of the last refresh, or that it could not be brought up to date."""
        return tag("has a problem", "bad") if segment.problem else size_of(segment)

    @admin.display(description="Who belongs to it")
    def sentence_shown(self, segment: Any) -> str:
        """Give the rule in words."""
        return str(segment.sentence)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        """Give the list that reads all rules at once."""
        return SegmentList

    def get_prepopulated_fields(self, request: HttpRequest, obj: Segment | None = None) -> dict[str, Any]:
        """Fill the key from the name of a new segment only: other rules name it."""
        return {"key": ("name",)} if obj is None else {}

    def get_readonly_fields(self, request: HttpRequest, obj: Segment | None = None) -> tuple[str, ...]:
        """Keep the key of a stored segment: other rules name it."""
        return ("key",) if obj else ()

    def get_urls(self) -> list[URLPattern]:
        """Give the addresses, with the preview of a rule that is being written."""
        view = self.admin_site.admin_view(self.preview_view)
        reach = self.admin_site.admin_view(self.reach_view)
        return [
            path("preview/", view, name="segments_segment_preview"),
            path("<int:segment_id>/reach/", reach, name="segments_segment_reach"),
            *super().get_urls(),
        ]

    def reach_view(self, request: HttpRequest, segment_id: int) -> HttpResponse:
        """Give how many of a segment can be reached: asked by its page, which does not wait for the count."""
        segment = get_object_or_404(Segment, pk=segment_id)
        if not self.has_view_permission(request, segment):
            raise PermissionDenied
        return views.reach(segment)

    def preview_view(self, request: HttpRequest) -> HttpResponse:
        """Give the sentence and the count of what stands in the form."""
        return views.preview(request, self.has_add_permission(request) or self.has_change_permission(request))

    def save_model(self, request: HttpRequest, obj: Segment, form: SegmentForm, change: bool) -> None:
        """Store it through the one door of definitions."""
        obj.created_at = obj.created_at or timezone.now()
        if not change:
            obj.created_by_id = request.user.pk
        definition.save(obj, request.user, timezone.now())

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Give what a deletion takes along, in numbers, and what uses the segment and so forbids it."""
        found = list(objs)
        counts = {
            "memberships": Membership.objects.filter(segment__in=found).count(),
            "entries and departures": MembershipChange.objects.filter(segment__in=found).count(),
        }
        return (
            [f"The segment {one}" for one in found],
            counts,
            set(),
            [user for one in found for user in definition.users(one)],
        )

    def lead(self, request: HttpRequest, item: Segment) -> list[Panel]:
        """Give the sentence with the size, who can be reached, and what is wrong."""
        return [meaning(item)]

    def panels(self, request: HttpRequest, item: Segment) -> list[Panel]:
        """Give the size over time, members, movement and versions."""
        return [growth(item), members(item), movement(item), versions(item)]


def size_of(segment: Segment) -> str:
    """Give the size as of the last refresh in words."""
    return "not counted yet" if segment.size is None else number(segment.size)


def meaning(segment: Segment) -> Panel:
    """Give the rule in words, how many it holds, and how many of them can be reached."""
    facts: list[tuple[str, Cell]] = [("Members", size_of(segment)), ("As of", moment(segment.as_of))]
    users = definition.users(segment)
    waiting = format_html('<span data-ask="{}">counting …</span>', reverse(REACH, args=[segment.pk]))
    facts += [("Reachable now", waiting), ("Used by", ", ".join(users) or "nothing")]
    problem = f"Its members could not be brought up to date. {segment.problem}" if segment.problem else ""
    return Panel("As it stands", views.sentence_of(segment), facts=facts, warning=problem)


def growth(segment: Segment) -> Panel:
    """Give the size over time, which the entries and departures add up to."""
    counted = (
        segment.changes.values("as_of")
        .annotate(entered=Count("pk", filter=Q(kind="entered")), left=Count("pk", filter=Q(kind="left")))
        .order_by("as_of")
    )
    size, points, rows = 0, [], []
    for one in counted:
        size += one["entered"] - one["left"]
        points.append((one["as_of"], float(size)))
        rows.append((moment(one["as_of"]), number(one["entered"]), number(one["left"]), number(size)))
    drawing = charts.over_time(points[-TIMES:], "members over time") if len(points) > 1 else None
    head = ("When", "Entered", "Left", "Members then")
    empty = "Nobody has entered or left yet."
    return Panel("Size over time", head=head, rows=rows[: -LAST // 2 - 1 : -1], drawing=drawing, empty=empty)


def members(segment: Segment) -> Panel:
    """Give the first members, those of the highest score of the first scored target first."""
    run = ranking.published()
    orders = ranking.orders_of(run)
    target = Target.objects.filter(pk__in=orders).order_by("pk").first()
    if target is None:
        found = segment.memberships.select_related("customer").order_by("customer_id")[:LAST]
        plain = [(link(m.customer), _name(m.customer), m.customer.email or "–", moment(m.since)) for m in found]
        return Panel("Members", _first(plain), head=HEAD, rows=plain, empty=_nobody(segment))
    top = list(
        Score.objects.filter(run=run, target=target, customer__memberships__segment=segment)
        .select_related("customer")
        .order_by("-value", "customer_id")[:LAST]
    )
    chosen = Membership.objects.filter(segment=segment, customer_id__in=[s.customer_id for s in top])
    since = dict(chosen.values_list("customer_id", "since"))
    live = ModelVersion.objects.filter(target=target, state=ModelVersion.State.LIVE).first()
    bands = orders[target.pk].band(pl.Series([s.value for s in top], dtype=pl.Float64)).to_list()
    rows = [
        (
            link(s.customer),
            _name(s.customer),
            s.customer.email or "–",
            moment(since.get(s.customer_id)),
            f"{s.value:.3f}",
            tag(band, band_kind(live, band)) if band else "–",
        )
        for s, band in zip(top, bands, strict=True)
    ]
    note = f"{_first(rows)} Highest score of “{target.label}” first." if rows else ""
    return Panel("Members", note, head=(*HEAD, target.label, "Band"), rows=rows, empty=_nobody(segment))


def _name(customer: Customer) -> str:
    return f"{customer.first_name or ''} {customer.last_name or ''}".strip() or "–"


def _first(rows: Sequence[object]) -> str:
    return f"The first {len(rows)}; all of them over REST, at segments/…/members/." if rows else ""


def _nobody(segment: Segment) -> str:
    return "The next cycle finds its members." if segment.as_of is None else "Nobody belongs to it now."


def movement(segment: Segment) -> Panel:
    """Give who entered and left last."""
    found = MembershipChange.objects.filter(segment=segment).select_related("customer").order_by("-as_of", "-pk")
    rows = [
        (moment(c.as_of), link(c.customer), tag(c.get_kind_display(), "good" if c.kind == "entered" else "wait"))
        for c in found[:LAST]
    ]
    head = ("When", "Customer", "What")
    return Panel("Entered and left lately", head=head, rows=rows, empty="Nobody has entered or left yet.")


def versions(segment: Segment) -> Panel:
    """Give what the rule was."""
    known = catalogue()
    rows = [
        (str(v.number), moment(v.at), str(v.by or "–"), views.sentence_of_rule(v.rule, "", known))
        for v in segment.versions.select_related("by").order_by("-number")[:LAST]
    ]
    return Panel("Versions of the rule", head=("Version", "Since", "By", "Rule"), rows=rows)


def customer_segments(customer: Customer) -> Panel:
    """Give the segments a customer belongs to."""
    found = customer.memberships.select_related("segment").order_by("segment__name")
    rows = [(link(m.segment), moment(m.since)) for m in found]
    return Panel("Segments", head=("Segment", "Since"), rows=rows, empty="In no segment.")


CUSTOMER_PANELS.append(customer_segments)
