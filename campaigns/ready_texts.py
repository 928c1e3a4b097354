"""What stands in a new campaign before anybody writes: texts that may be sent as they are, a line, and a name."""

import json
from collections.abc import Mapping
from typing import Any

from django.utils.text import slugify

from campaigns.models import Campaign, MailDesign
from campaigns.steps import EXAMPLE
from scoring.models import Target
from segments.models import Segment

HELLO = "Hello {{ customer.first_name | default: 'there' }}"
MAIL = {
    "subject": "A word from {{ company }}",
    "body": f"{HELLO},\n\nwe thought of you. Is there anything that we can do for you? Just answer this mail: we read "
    "every answer.\n\nWarm wishes,\nyour team of {{ company }}",
}
OFFER = {
    "subject": "Something for you from {{ company }}",
    "body": f"{HELLO},\n\nwe have something for you: {{{{ offer.value }}}} off, with a code of your own.\n\n"
    "{{ offer.code }}\n\nIt is good until {{ offer.valid_until }}.\n\nWarm wishes,\nyour team of {{ company }}",
}
REST = {
    "title": "Call {{ customer.first_name | default: 'the customer' }}",
    "talking_points": "Ask how things are, and whether we can help.",
    "sms_text": f"{HELLO}, is there anything that we can do for you? Just answer. Your team of {{{{ company }}}}",
    "push_title": "{{ company }}",
    "push_text": f"{HELLO}, it is good to have you here.",
}
LINE = {"enter": 90, "leave": 85}  # of percentiles: the highest tenth
KEY_LENGTH, NAME_LENGTH = 60, 120


def initial() -> dict[str, str]:
    """Give the texts that stand in the form of a new campaign."""
    return {**MAIL, **REST}


def of_action(texts: Mapping[str, str], action: str) -> dict[str, str]:
    """Give subject and body of a mail: one that nobody touched is that of its action."""
    ours, others = (OFFER, MAIL) if action == "offer" else (MAIL, OFFER)
    plain = {name: str(texts.get(name) or "").replace("\r\n", "\n") for name in MAIL}
    return {name: ours[name] if text == others[name] else text for name, text in plain.items()}


def by_action(name: str) -> dict[str, str]:
    """Give the texts of subject or body that the page puts in place of each other as the action changes."""
    return {"data-email": MAIL[name], "data-offer": OFFER[name]}


def name_of(asked: Mapping[str, Any]) -> str:
    """Give a name for a campaign that a link asks for; nothing where the link says too little."""
    kind = asked.get("trigger_kind")
    if kind == "segment":
        segment = Segment.objects.filter(key=asked.get("segment", "")).first()
        verb = {"left": "left", "stays": "stay in"}.get(str(asked.get("edge")), "enter")
        return f"Those who {verb} {segment}"[:NAME_LENGTH] if segment else ""
    if kind == "score":
        target = Target.objects.filter(key=asked.get("score", "")).first()
        return f"Act on {target.label}"[:NAME_LENGTH] if target else ""
    return ""


def key_of(name: str) -> str:
    """Give a key made from a name, which no other campaign has."""
    stem = slugify(name)[: KEY_LENGTH - 5] or "campaign"
    taken = set(Campaign.objects.filter(key__startswith=stem).values_list("key", flat=True))
    names = (f"{stem}{f'-{n}' if n else ''}" for n in range(len(taken) + 2))
    return next(one for one in names if one not in taken)


def written(design: MailDesign, leads_to: str) -> dict[str, Any]:
    """Give the content of a design whose example addresses lead to an address of one's own."""
    content: dict[str, Any] = json.loads(json.dumps(design.content))
    return _leading(content, leads_to) if leads_to else content


def _leading(part: Any, to: str) -> Any:
    if isinstance(part, dict):
        return {name: _leading(one, to) for name, one in part.items()}
    if isinstance(part, list):
        return [_leading(one, to) for one in part]
    if not isinstance(part, str) or EXAMPLE not in part:
        return part
    return to if part == EXAMPLE else part.replace(EXAMPLE, f"{to.rstrip('/')}/")
