"""The admin of segments: the list, the page of one, and the builder of its rule."""

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.views.decorators.http import require_POST
from unfold.views import ChangeList

from customers.admin import BaseAdmin, LargeAdmin, ReadOnlyAdmin
from customers.customer_page import CUSTOMER_PANELS
from customers.models import Customer, FieldQuality
from customers.panels import Cell, Panel, column, link, moment, number, tag
from segments import (
    by_hand_page,
    definition,
    field_alerts,
    list_page,
    quality_page,
    quality_rules,
    segment_page,
    views,
    words,
)
from segments.fields import catalogue
from segments.forms import SegmentForm, written
from segments.models import Membership, MembershipChange, Segment, SegmentExport, SegmentVersion

UNKNOWN_SHOWN = 10
SEES_CUSTOMERS, SEES_QUALITY = "customers.view_customer", "customers.view_fieldquality"


class SegmentList(ChangeList):  # type: ignore[misc]
    """A page of segments with their rules in words; what rules may ask is read once."""

    def get_results(self, request: HttpRequest) -> None:
        """Read the page."""
        super().get_results(request)
        known = catalogue()
        for segment in self.result_list:
            segment.sentence = words.sentence_of(segment, known)


@admin.register(Segment)
class SegmentAdmin(BaseAdmin):
    """Named rules with their members."""

    form = SegmentForm
    list_display = ("name", "sentence_shown", "size_shown", "as_of")
    next_step = "A segment says who belongs together: by facts, by what they did, by scores. Campaigns act on it."
    search_fields = ("name", "key", "folder", "tags")
    list_filter = ("kind", "folder")
    ordering = ("name",)
    fieldsets = ((None, {"fields": (("name", "key"), "description", ("folder", "tag_words"))}),)
    prepopulated_fields = {"key": ("name",)}
    change_form_outer_before_template = "admin/segment_above.html"
    list_before_template = "admin/segments_before.html"

    @admin.display(description="Members", ordering="size")
    def size_shown(self, segment: Segment) -> Cell:
        """Give the size as of the last refresh, or that it could not be brought up to date."""
        return tag("has a problem", "bad") if segment.problem else segment_page.size_of(segment)

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

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Begin with a copy of another segment, or with those whose data is odd, where a link asks for it."""
        if begun := _begun(request):
            return begun
        found = Segment.objects.filter(pk=_number(request.GET.get("from", ""))).first()
        if found is None:
            return {"kind": request.GET.get("kind", "")}
        name = f"Copy of {found.name}"[:120]
        return {"name": name, "description": found.description, "rule_json": written(found.rule)}

    def get_urls(self) -> list[URLPattern]:
        """Give the addresses, with those that the builder and the page of a segment ask."""
        at = self.admin_site.admin_view
        own = [
            path("catalogue/", at(self.catalogue_view), name="segments_segment_catalogue"),
            path("preview/", at(require_POST(self.preview_view)), name="segments_segment_preview"),
            path("effect/", at(require_POST(self.effect_view)), name="segments_segment_effect"),
            path("<int:segment_id>/effect/", at(require_POST(self.effect_view)), name="segments_segment_effect_on"),
            path("<int:segment_id>/reach/", at(self.reach_view), name="segments_segment_reach"),
            path("<int:segment_id>/explain/", at(self.explain_view), name="segments_segment_explain"),
            path("<int:segment_id>/pin/", at(require_POST(self.pin_view)), name="segments_segment_pin"),
            path("<int:segment_id>/unpin/", at(require_POST(self.unpin_view)), name="segments_segment_unpin"),
            path("<int:segment_id>/freeze/", at(require_POST(self.freeze_view)), name="segments_segment_freeze"),
            path("<int:segment_id>/export/", at(require_POST(self.export_view)), name="segments_segment_export"),
            path(
                "<int:segment_id>/refused/<str:change>/",
                at(require_POST(self.refused_view)),
                name="segments_segment_refused",
            ),
            path("overlap/", at(self.overlap_view), name="segments_segment_overlap"),
            path("<path:object_id>/edit/", at(self.edit_view), name="segments_segment_edit"),
        ]
        return [*own, *super().get_urls()]

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Give the form of a segment; where somebody saves in the same moment, give it with what they saved."""
        try:
            answer: HttpResponse = super().changeform_view(request, object_id, form_url, extra_context)
        except definition.SegmentChanged:
            answer = super().changeform_view(request, object_id, form_url, extra_context)
        return answer

    def edit_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Give the builder with a segment's rule in it."""
        extra: dict[str, Any] = {"is_editing": True}
        number = _number(request.GET.get("version", ""))
        if number and (version := SegmentVersion.objects.filter(segment=_number(object_id), number=number).first()):
            extra["rule_shown"] = written(version.rule)
        answer: HttpResponse = self.changeform_view(request, object_id, "", extra)
        return answer

    def catalogue_view(self, request: HttpRequest) -> HttpResponse:
        """Give what a rule may ask."""
        self._check_builder(request)
        return views.offered()

    def preview_view(self, request: HttpRequest) -> HttpResponse:
        """Give the sentence and the count of what stands in the builder."""
        self._check_builder(request)
        return views.preview(request)

    def effect_view(self, request: HttpRequest, segment_id: int = 0) -> HttpResponse:
        """Give who would enter and leave if what stands in the builder were saved."""
        self._check_builder(request)
        return views.effect(request, get_object_or_404(Segment, pk=segment_id) if segment_id else None)

    def _check_builder(self, request: HttpRequest) -> None:
        if not (self.has_add_permission(request) or self.has_change_permission(request)):
            raise PermissionDenied

    def _seen(self, request: HttpRequest, segment_id: int) -> Segment:
        segment = get_object_or_404(Segment, pk=segment_id)
        if not self.has_view_permission(request, segment):
            raise PermissionDenied
        return segment

    def explain_view(self, request: HttpRequest, segment_id: int) -> HttpResponse:
        """Give why a customer is in a segment, or is not, to those who may see customers."""
        segment = self._seen(request, segment_id)
        if not request.user.has_perm(SEES_CUSTOMERS):
            raise PermissionDenied
        return views.explain(request, segment)

    def export_view(self, request: HttpRequest, segment_id: int) -> HttpResponseBase:
        """Give the members as a file to those who may take customers out; who took it is noted."""
        if not request.user.has_perms((SEES_CUSTOMERS, "segments.add_segmentexport")):
            raise PermissionDenied
        return views.export(request, self._seen(request, segment_id))

    def refused_view(self, request: HttpRequest, segment_id: int, change: str) -> HttpResponse:
        """Give the lines that put nobody on a list, to those who may change it and see customers."""
        segment = get_object_or_404(Segment, pk=segment_id)
        if not (self.has_change_permission(request, segment) and request.user.has_perm(SEES_CUSTOMERS)):
            raise PermissionDenied
        return list_page.refused(request, segment, change)

    def overlap_view(self, request: HttpRequest) -> HttpResponse:
        """Give how some segments overlap."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        context = {**self.admin_site.each_context(request), "opts": self.model._meta, "title": "Compare segments"}
        return views.overlap(request, context)

    def pin_view(self, request: HttpRequest, segment_id: int) -> HttpResponse:
        """Set a customer by hand."""
        if not request.user.has_perm(SEES_CUSTOMERS):
            raise PermissionDenied
        return self._set_by_hand(request, segment_id, by_hand_page.pin)

    def unpin_view(self, request: HttpRequest, segment_id: int) -> HttpResponse:
        """Let the rule decide about a customer again."""
        if not request.user.has_perm(SEES_CUSTOMERS):
            raise PermissionDenied
        return self._set_by_hand(request, segment_id, by_hand_page.unpin)

    def freeze_view(self, request: HttpRequest, segment_id: int) -> HttpResponse:
        """Keep those who are in a segment now as a list."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        return self._set_by_hand(request, segment_id, by_hand_page.freeze)

    def _set_by_hand(
        self, request: HttpRequest, segment_id: int, do: Callable[[HttpRequest, Segment], str]
    ) -> HttpResponse:
        segment = get_object_or_404(Segment, pk=segment_id)
        if not self.has_change_permission(request, segment):
            raise PermissionDenied
        try:
            messages.success(request, do(request, segment))
        except (LookupError, ValueError) as error:
            messages.error(request, str(error))
        return HttpResponseRedirect(reverse("admin:segments_segment_change", args=[segment_id]))

    def reach_view(self, request: HttpRequest, segment_id: int) -> HttpResponse:
        """Give how many of a segment can be reached: asked by its page, which does not wait for the count."""
        return views.reach(self._seen(request, segment_id))

    def save_model(self, request: HttpRequest, obj: Segment, form: SegmentForm, change: bool) -> None:
        """Store it through the one door of definitions."""
        obj.created_at = obj.created_at or timezone.now()
        if not change:
            obj.created_by_id = request.user.pk
        definition.save(obj, request.user, timezone.now(), form.read_edition() if change else None)
        done = form.keep_list(obj, definition.name_of(request.user), timezone.now())
        if done and done.unknown:
            few = ", ".join(done.unknown_ids[:UNKNOWN_SHOWN])
            more = " …" if done.unknown > UNKNOWN_SHOWN else ""
            where = "All of them, with their lines, stand below under “What was done to the list”."
            messages.warning(request, f"{done.unknown:,} of {done.read:,} are of nobody: {few}{more}. {where}")

    def response_post_save_add(self, request: HttpRequest, obj: Model) -> HttpResponse:
        """Go to the page of what was saved."""
        return HttpResponseRedirect(reverse("admin:segments_segment_change", args=[obj.pk]))

    response_post_save_change = response_post_save_add

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

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Give the page of a segment, with the addresses that lead on from it."""
        segment = self.get_object(request, object_id)
        extra = {"api_address": segment_page.api_address(segment)} if segment else {}
        return super().change_view(request, object_id, form_url, {**extra, **(extra_context or {})})

    def lead(self, request: HttpRequest, item: Segment) -> list[Panel]:
        """Give the sentence with the size, who can be reached, and what is wrong."""
        return [segment_page.meaning(item)]

    def panels(self, request: HttpRequest, item: Segment) -> list[Panel]:
        """Give the size over time, members, movement and versions."""
        return segment_page.panels(item, request)


@admin.register(SegmentExport)
class SegmentExportAdmin(LargeAdmin):
    """Who took the members of which segment out."""

    list_display = ("at", "segment", "by", "format", column("rows", "Members", number))
    list_select_related = ("segment",)
    list_filter = ("format",)
    search_fields = ("by",)
    fields = (("at", "segment"), ("by", "format"), ("rows", "fields"))
    next_step = "Nobody has taken the members of a segment out yet."


@admin.register(FieldQuality)
class FieldQualityAdmin(ReadOnlyAdmin):
    """What the values of every field are like."""

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Give all fields, or the page of the one that is asked for."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        context = {**self.admin_site.each_context(request), "opts": self.opts}
        if name := request.GET.get("field", "").replace("\x00", ""):
            shown = quality_page.of_one(name, request)
            if shown is None:
                raise Http404("No field has this name.")
            return TemplateResponse(request, "admin/quality_field.html", context | shown)
        listed = {"title": "Data quality", **quality_page.listed(request)}
        return TemplateResponse(request, "admin/quality.html", context | listed)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Lead to the page of the field that was counted."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        row = get_object_or_404(FieldQuality, pk=object_id if object_id.isdecimal() else 0)
        return HttpResponseRedirect(field_alerts.page(row.field))


def _begun(request: HttpRequest) -> dict[str, Any]:
    """Give the rule of customers whose value of a field is missing or odd, where a link asks for them."""
    row = FieldQuality.objects.filter(pk=_number(request.GET.get("quality", ""))).first()
    where = request.GET.get("where", "")
    if row is None or where not in quality_rules.offered(row) or not request.user.has_perm(SEES_QUALITY):
        return {}
    name = f"{row.label}: {quality_rules.WORDS[where].lower()}"[:120]
    return {"name": name, "rule_json": written(quality_rules.rule_of(row, where))}


def _number(text: str) -> int:
    return int(text) if text.isdecimal() and len(text) < 19 else 0


def customer_segments(customer: Customer) -> Panel:
    """Give the segments a customer belongs to."""
    found = customer.memberships.select_related("segment").order_by("segment__name")
    rows = [(link(m.segment), moment(m.since)) for m in found]
    return Panel("Segments", head=("Segment", "Since"), rows=rows, empty="In no segment.")


CUSTOMER_PANELS.append(customer_segments)
