"""The page of a segment: what its rule says, its size over time, its members, who moved, and what the rule was."""

from django.conf import settings
from django.db.models import Exists, OuterRef
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from customers import charts
from customers.panels import LAST, Cell, Panel, link, moment, number, tag
from segments import definition, growth, movement, words
from segments.members_panel import Wanted, members
from segments.models import ListChange, ListRefused, MembershipChange, Segment

REACH = "admin:segments_segment_reach"


def panels(segment: Segment, request: HttpRequest) -> list[Panel]:
    """Give what stands below the sentence."""
    may_change = request.user.has_perm("segments.change_segment")
    sees_customers = request.user.has_perm("customers.view_customer")
    return [
        *([explained(segment)] if sees_customers else []),
        size_over_time(segment),
        *([members(segment, Wanted.of(request.GET))] if sees_customers else []),
        moved(segment, sees_customers),
        pins(segment, request if may_change and sees_customers else None),
        listed(segment, may_change and sees_customers)
        if segment.kind == Segment.Kind.LIST
        else versions(segment, may_change),
    ]


def size_of(segment: Segment) -> str:
    """Give the size as of the last refresh in words."""
    return "not counted yet" if segment.size is None else number(segment.size)


def meaning(segment: Segment) -> Panel:
    """Give the rule in words, how many it holds, and how many of them can be reached."""
    facts: list[tuple[str, Cell]] = [("Members", size_of(segment)), ("As of", moment(segment.as_of))]
    users = definition.users(segment)
    waiting = format_html('<span data-ask="{}">counting …</span>', reverse(REACH, args=[segment.pk]))
    facts += [("Reachable now", waiting), ("Used by", ", ".join(users) or "nothing")]
    if segment.folder or segment.tags:
        facts.append(("Folder and tags", ", ".join([segment.folder, *segment.tags]).strip(", ")))
    problem = f"Its members could not be brought up to date. {segment.problem}" if segment.problem else ""
    return Panel("As it stands", _said(segment), facts=facts, warning=problem)


def _said(segment: Segment) -> str:
    said = words.sentence_of(segment)
    return f"{said}\n\n{segment.description}" if segment.description else said


def api_address(segment: Segment) -> str:
    """Give where the segment stands in the interface."""
    return f"{settings.PUBLIC_URL}/api/v1/segments/{segment.public_id}/"


def explained(segment: Segment) -> Panel:
    """Give a search for a customer: why she is in the segment, or is not."""
    address = reverse("admin:segments_segment_explain", args=[segment.pk])
    form = render_to_string("admin/segment_explain.html", {"address": address})
    return Panel("Why is somebody in it, or not?", drawing=form, is_half=True)


def size_over_time(segment: Segment) -> Panel:
    """Give the size at the end of every day."""
    found = growth.by_day(segment, segment.as_of or timezone.now())
    points = [(one.as_of, float(one.size)) for one in found]
    rows = [(moment(one.as_of), number(one.size), number(one.entered), number(one.left)) for one in reversed(found)]
    drawing = charts.over_time(points, "members over time") if len(points) > 1 else None
    head = ("Day", "Members", "Entered", "Left")
    empty = "The size is noted by every full cycle; there was none yet."
    return Panel("Size over time", head=head, rows=rows[: LAST // 2], drawing=drawing, empty=empty, is_half=True)


def moved(segment: Segment, sees_customers: bool) -> Panel:
    """Give who entered and left last, and why; by which values only for who may see those of customers."""
    found = MembershipChange.objects.filter(segment=segment).select_related("customer").order_by("-as_of", "-pk")
    latest = list(found[:LAST])
    reasons = movement.reasons(segment, latest, has_values=sees_customers)
    rows = [
        (
            moment(c.as_of),
            link(c.customer),
            tag(c.get_kind_display(), "good" if c.kind == "entered" else "wait"),
            _wide(why),
        )
        for c, why in zip(latest, reasons, strict=True)
    ]
    head = ("When", "Customer", "What", "Why")
    return Panel("Entered and left lately", head=head, rows=rows, empty="Nobody has entered or left yet.")


def _wide(text: str) -> Cell:
    """Give a sentence that keeps some width where the screen is narrow."""
    return format_html('<span class="cb-told">{}</span>', text)


def pins(segment: Segment, request: HttpRequest | None) -> Panel:
    """Give who was set by hand, with a form to set more for the request of who may."""
    found = segment.pins.select_related("customer").order_by("-at", "-pk")
    take_away = reverse("admin:segments_segment_unpin", args=[segment.pk])
    rows = [
        (
            link(one.customer),
            tag(one.get_kind_display(), "good" if one.kind == "include" else "bad"),
            one.reason or "–",
            one.by or "–",
            moment(one.at),
            *([_unpin(take_away, one.customer.external_id)] if request else []),
        )
        for one in found[: 2 * LAST]
    ]
    head = ("Customer", "What", "Why", "By", "Since", *([""] if request else []))
    form = {"address": reverse("admin:segments_segment_pin", args=[segment.pk])}
    drawing = render_to_string("admin/segment_pin.html", form, request) if request else None
    empty = "Nobody is set by hand. Who is goes before the rule."
    return Panel("Set by hand", head=head, rows=rows, drawing=drawing, empty=empty)


def _unpin(address: str, external_id: str) -> Cell:
    text = (
        '<button class="cb-add-small" form="unpin" formaction="{}" name="customer" value="{}"'
        ' aria-label="Let the rule decide about {}">Let the rule decide</button>'
    )
    return format_html(text, address, external_id, external_id)


def listed(segment: Segment, may_see_refused: bool) -> Panel:
    """Give what was done to a list, with the lines of nobody as a file."""
    kept = ListRefused.objects.filter(change=OuterRef("pk"))
    rows = [
        (
            moment(c.at),
            c.get_how_display(),
            c.source,
            c.by or "–",
            number(c.added),
            number(c.removed),
            _refused(segment, c) if may_see_refused and c.is_kept else number(c.unknown),
        )
        for c in segment.list_changes.annotate(is_kept=Exists(kept)).order_by("-at", "-pk")[:LAST]
    ]
    head = ("When", "What", "From", "By", "Came on", "Went off", "Ids of nobody")
    return Panel("What was done to the list", head=head, rows=rows, empty="Nobody was put on it yet.")


def _refused(segment: Segment, change: ListChange) -> SafeString:
    address = reverse("admin:segments_segment_refused", args=[segment.pk, change.public_id])
    text = '{} <button class="cb-add-small" form="unpin" formaction="{}">Download them</button>'
    return format_html(text, number(change.unknown), address)


def versions(segment: Segment, may_change: bool) -> Panel:
    """Give what the rule was, who changed it, how the members changed, and a way back."""
    rows = []
    for one in segment.versions.select_related("by").order_by("-number")[:LAST]:
        after = growth.after(segment, one.at)
        change = (
            f"{number(after.size)} members, {after.entered:+,} and {-after.left:+,}" if after else "no full cycle yet"
        )
        is_older = may_change and one.number != segment.rule_version
        rows.append(
            (
                str(one.number),
                moment(one.at),
                one.by_name or str(one.by or "–"),
                _wide(words.told(one.sentence) if one.sentence else words.sentence_of_rule(one.rule, segment.key)),
                change,
                _restore(segment, one.number) if is_older else "",
            )
        )
    head = ("Version", "Since", "By", "Rule", "The full cycle after it", "")
    return Panel("Versions of the rule", head=head, rows=rows)


def _restore(segment: Segment, version: int) -> Cell:
    address = f"{reverse('admin:segments_segment_edit', args=[segment.pk])}?version={version}"
    return format_html('<a class="cusp-link" href="{}">Open in the builder</a>', address)
