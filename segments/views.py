"""What the builder and the page of a segment ask while they are open: fields, counts, effects, reach."""

from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.shortcuts import render
from django.utils import timezone

from customers.models import Channel
from customers.panels import share
from segments import definition, exports, overlap_page, picker
from segments import effect as effects
from segments import preview as previews
from segments.fields import catalogue
from segments.forms import rule_of
from segments.models import Segment
from segments.one_customer import NobodyFound, find
from segments.rules import RuleError, parse, sentence
from segments.rules.event_fields import PREFIX, of_event
from segments.rules.meaning import NeedsFullCycle
from segments.rules.measures import MEASURES
from segments.rules.nodes import Type
from segments.rules.operators import OPERATORS
from segments.rules.parser import HISTORY
from segments.why import NotYetKnown, why

MOST_ASKED = 20
WAYS = ["in", "not_in", *HISTORY]


def offered() -> JsonResponse:
    """Answer with everything that a rule may name, and what may be asked of it."""
    known = catalogue()
    listed = picker.listed()
    for one in listed["results"]:
        one["has_history"] = bool(known.fields[one["name"]].told_as)
    for one in listed["events"]:
        values = {f"{PREFIX}{told['name']}": told["values"] for told in one["properties"]} | listed["bought"]
        one["properties"] = [
            {"name": f.name, "label": f.label, "type": str(f.type), "group": f.group, "values": values.get(f.name, [])}
            for f in of_event(one["name"], known).values()
        ]
    language = {"operators": {str(one): _operators(one) for one in Type}, "measures": list(MEASURES), "ways": WAYS}
    return JsonResponse({**listed, **language})


def _operators(type: Type) -> list[dict[str, Any]]:
    """Give the operators of a type with what their inputs need to know."""
    return [
        {
            **one,
            "other": str(row.other or ""),
            "is_negative": row.is_negative,
            "asks_for_value": row.asks_for_value,
            "compares_all": row.cut_point is not None,
        }
        for one in picker.operators(type)
        for row in [OPERATORS[type, one["name"]]]
    ]


def preview(request: HttpRequest) -> JsonResponse:
    """Answer a posted rule with its sentence, its count and some of its customers, or with what is wrong and where."""
    key = request.POST.get("key", "")
    try:
        rule = rule_of(request.POST.get("rule", ""))
        return JsonResponse(previews.preview(rule, timezone.now(), key).as_json())
    except RuleError as error:
        return JsonResponse({"error": {"path": error.path, "message": error.message}})
    except previews.NoSnapshot as error:
        said = sentence(parse(rule, catalogue(), key))
        return JsonResponse({"sentence": said, "problem": str(error)})


def effect(request: HttpRequest, segment: Segment | None) -> JsonResponse:
    """Answer who would enter and leave if a posted rule were saved, and whether somebody saved meanwhile."""
    answer: dict[str, Any] = {}
    if segment and str(segment.edition) != request.POST.get("opened", ""):
        answer["saved_by"] = segment.changed_by or "Somebody else"
    try:
        rule = rule_of(request.POST.get("rule", ""))
        answer["is_changed"] = segment is None or rule != segment.rule
        found = effects.effect(rule, segment, timezone.now())
    except RuleError as error:
        return JsonResponse({"error": {"path": error.path, "message": error.message}})
    except previews.NoSnapshot as error:
        return JsonResponse({**answer, "problem": f"{error} It will find the members."})
    for name, move in (("entering", found.entering), ("leaving", found.leaving)):
        answer |= {name: move.count, f"{name}_examples": move.examples}
    return JsonResponse(answer)


def explain(request: HttpRequest, segment: Segment) -> HttpResponse:
    """Answer why a customer is in a segment, or is not, as a part of a page."""
    try:
        found = why(segment, find(request.GET.get("customer", "")), timezone.now())
    except (NobodyFound, NotYetKnown, NeedsFullCycle, RuleError, previews.NoSnapshot) as error:
        return render(request, "admin/segment_story.html", {"problem": str(error)})
    return render(request, "admin/segment_story.html", {"story": found})


def export(request: HttpRequest, segment: Segment) -> StreamingHttpResponse:
    """Answer with the members as a file."""
    by = definition.name_of(request.user)
    return exports.Export(segment, exports.CSV, (), by, timezone.now()).answer()


def overlap(request: HttpRequest, context: dict[str, Any]) -> HttpResponse:
    """Answer with the page that compares segments."""
    keys = list(dict.fromkeys(request.GET.getlist("segment")))[:MOST_ASKED]
    return render(request, "admin/segment_overlap.html", {**context, **overlap_page.compared(keys)})


def reach(segment: Segment) -> JsonResponse:
    """Answer how many of a segment's people in the latest snapshot can be reached by each channel."""
    try:
        found = previews.preview(segment.rule, timezone.now(), segment.key)
    except (previews.NoSnapshot, RuleError) as error:
        return JsonResponse({"text": str(error)})
    by = [f"{n:,} by {Channel(name).label.lower()}" for name, n in found.reachable.items()]
    return JsonResponse({"text": f"{', '.join(by)}, of {found.count:,} ({share(found.share)} of all customers)"})
