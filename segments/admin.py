"""The admin of segments: a plain rule form, its sentence, its size and its members."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path
from django.utils import timezone

from customers.admin import CUSTOMER_PANELS, BaseAdmin, Panel, link, moment, number
from customers.models import Customer
from scoring.models import Score
from segments import definition, views
from segments.forms import SegmentForm
from segments.models import Membership, MembershipChange, Segment

LAST = 20


@admin.register(Segment)
class SegmentAdmin(BaseAdmin):
    """Named rules with their members."""

    form = SegmentForm
    list_display = ("name", "key", "size_shown", "as_of", "rule_version")
    search_fields = ("name", "key")
    ordering = ("name",)
    fieldsets = ((None, {"fields": (("name", "key"), "description")}),)
    prepopulated_fields = {"key": ("name",)}

    @admin.display(description="Members", ordering="size")
    def size_shown(self, segment: Segment) -> str:
        """Give the size as of the last refresh."""
        return "not counted yet" if segment.size is None else number(segment.size)

    def get_prepopulated_fields(self, request: HttpRequest, obj: Segment | None = None) -> dict[str, Any]:
        """Fill the key from the name of a new segment only: other rules name it."""
        return {"key": ("name",)} if obj is None else {}

    def get_readonly_fields(self, request: HttpRequest, obj: Segment | None = None) -> tuple[str, ...]:
        """Keep the key of a stored segment: other rules name it."""
        return ("key",) if obj else ()

    def get_urls(self) -> list[URLPattern]:
        """Give the addresses, with the preview of a rule that is being written."""
        view = self.admin_site.admin_view(self.preview_view)
        return [path("preview/", view, name="segments_segment_preview"), *super().get_urls()]

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
        """Protect what the rules of other segments refer to."""
        going, counts, forbidden, protected = super().get_deleted_objects(objs, request)
        return going, counts, forbidden, [*protected, *(user for one in objs for user in definition.users(one))]

    def panels(self, request: HttpRequest, item: Segment) -> list[Panel]:
        """Give the sentence with the size, members, movement and versions."""
        return [meaning(item), members(item), movement(item), versions(item)]


def meaning(segment: Segment) -> Panel:
    """Give the rule in words, and how many it holds."""
    facts = [
        ("Members", "not counted yet" if segment.size is None else number(segment.size)),
        ("As of", moment(segment.as_of)),
        ("Rule version", str(segment.rule_version)),
    ]
    return Panel("What it says", views.sentence_of(segment), facts=facts)


def members(segment: Segment) -> Panel:
    """Give the first members, those of the highest score of the first scored target first."""
    scored = (
        Score.objects.filter(run__state="published").order_by("target_id").values_list("target_id", "target__label")
    )
    target = scored.first()
    head = ["Customer", "E-mail", "Since"]
    if target is None:
        found = segment.memberships.select_related("customer").order_by("customer_id")[:LAST]
        rows = [(link(m.customer), m.customer.email or "–", moment(m.since)) for m in found]
        return Panel("Members", f"The first {len(rows)}." if rows else "", head=head, rows=rows, empty=_nobody(segment))
    top = list(
        Score.objects.filter(run__state="published", target=target[0], customer__memberships__segment=segment)
        .select_related("customer")
        .order_by("-value", "customer_id")[:LAST]
    )
    since = dict(
        Membership.objects.filter(segment=segment, customer_id__in=[s.customer_id for s in top]).values_list(
            "customer_id", "since"
        )
    )
    ranked = [
        (link(s.customer), s.customer.email or "–", moment(since.get(s.customer_id)), f"{s.value:.3f}", s.band or "–")
        for s in top
    ]
    note = f"The {len(ranked)} with the highest score of {target[1]}." if ranked else ""
    return Panel("Members", note, head=[*head, str(target[1]), "Band"], rows=ranked, empty=_nobody(segment))


def _nobody(segment: Segment) -> str:
    return "The next cycle finds its members." if segment.as_of is None else "Nobody belongs to it now."


def movement(segment: Segment) -> Panel:
    """Give who entered and left lately."""
    found = MembershipChange.objects.filter(segment=segment).select_related("customer").order_by("-as_of", "-pk")[:LAST]
    rows = [(moment(c.as_of), link(c.customer), c.get_kind_display()) for c in found]
    head = ("When", "Customer", "What")
    return Panel("Entered and left", head=head, rows=rows, empty="Nobody has entered or left yet.")


def versions(segment: Segment) -> Panel:
    """Give what the rule was."""
    rows = [
        (str(v.number), moment(v.at), str(v.by or "–"), views.sentence_of_rule(v.rule))
        for v in segment.versions.select_related("by").order_by("-number")[:LAST]
    ]
    return Panel("Versions of the rule", head=("Version", "Since", "By", "Rule"), rows=rows)


def customer_segments(customer: Customer) -> Panel:
    """Give the segments a customer belongs to."""
    found = customer.memberships.select_related("segment").order_by("segment__name")
    rows = [(link(m.segment), moment(m.since)) for m in found]
    return Panel("Segments", head=("Segment", "Since"), rows=rows, empty="In no segment.")


CUSTOMER_PANELS.append(customer_segments)
