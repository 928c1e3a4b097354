"""What the rule form asks while it is written: the sentence and the count."""

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, JsonResponse
from django.utils import timezone

from customers.models import Channel
from customers.panels import share, when
from segments import preview as previews
from segments.fields import catalogue
from segments.forms import SegmentForm
from segments.models import Segment
from segments.rules import RuleError, parse, sentence
from segments.rules.nodes import Fields


def preview(request: HttpRequest, is_allowed: bool) -> JsonResponse:
    """Answer a posted form with its rule in words and how many it holds now, or with what is wrong."""
    if not is_allowed or request.method != "POST":
        raise PermissionDenied
    form = SegmentForm(request.POST)
    try:
        rule = form.read()
    except RuleError as error:
        return JsonResponse({"text": f"Not yet a rule. {error}", "is_rule": False})
    return JsonResponse({"text": f"{told(sentence(parse(rule, catalogue())))} {counted(rule)}", "is_rule": True})


def reach(segment: Segment) -> JsonResponse:
    """Answer how many of a segment's people in the latest snapshot can be reached by each channel."""
    try:
        found = previews.preview(segment.rule, timezone.now())
    except (previews.NoSnapshot, RuleError) as error:
        return JsonResponse({"text": str(error)})
    by = [f"{n:,} by {Channel(name).label.lower()}" for name, n in found.reachable.items()]
    return JsonResponse({"text": f"{', '.join(by)}, of {found.count:,} ({share(found.share)} of all customers)"})


def counted(rule: object) -> str:
    """Give how many a rule holds as of the latest snapshot, and how many of them can be reached."""
    try:
        found = previews.preview(rule, timezone.now())
    except previews.NoSnapshot as error:
        return str(error)
    reach = ", ".join(f"{n:,} by {Channel(channel).label.lower()}" for channel, n in found.reachable.items())
    return f"{found.count:,} of {found.customers:,} customers as of {when(found.as_of)}; reachable: {reach}."


def told(words: str) -> str:
    """Give a rule's words as a sentence."""
    return f"{words[:1].upper()}{words[1:]}."


def sentence_of(segment: Segment, known: Fields | None = None) -> str:
    """Give a segment's rule in words, or why it cannot be read any more."""
    return sentence_of_rule(segment.rule, segment.key, known)


def sentence_of_rule(rule: object, key: str = "", known: Fields | None = None) -> str:
    """Give a stored rule in words, or why it cannot be read any more; `known` saves asking for the fields again."""
    try:
        return told(sentence(parse(rule, known or catalogue(), key)))
    except RuleError as error:
        return f"This rule cannot be read any more. {error}"
