"""What the campaign form asks of each action beside mails and calls, and how its answers become the stored step."""

from collections.abc import Iterator, Mapping
from copy import deepcopy
from typing import Any

from django import forms
from django.forms.boundfield import BoundField

from campaigns import plan_fields
from campaigns.models import Webhook
from campaigns.steps import changes
from customers.models import Attribute
from segments.models import Segment

ACTIONS = (
    *plan_fields.ACTIONS,
    ("sms", "Send an SMS", "A short text to the customer's phone."),
    ("push", "Send a push message", "To all devices of the customer."),
    ("webhook", "Tell another program", "Its webhook gets the data that you choose."),
    ("attribute", "Change an attribute", "Such as: set plan to gold. Nobody is contacted."),
    ("list", "Change a list", "The customer comes on it, or goes off it."),
    ("nothing", "Do nothing", "And measure: what happens anyway."),
)
DOES = ((changes.ADD, "comes on it"), (changes.REMOVE, "goes off it"))
NAMES_HELP = "May name the customer: {{ customer.first_name | default: 'there' }}"
MESSAGES = ("sms", "push")
FIELDS = {
    "sms": {"text": "sms_text", "offer": "offer", "language": "own_language"},
    "push": {
        "title": "push_title",
        "text": "push_text",
        "url": "push_url",
        "offer": "offer",
        "language": "own_language",
    },
    "webhook": {"webhook": "webhook"},
    "attribute": {"name": "attribute_name", "value": "attribute_value"},
    "list": {"list": "list_key", "does": "list_does"},
    "nothing": {},
}
DECLARED = {
    "sms_text": plan_fields.prose("Text", f"{NAMES_HELP}. Its length stands beside it.", rows=4),
    "push_title": plan_fields.line("Title", NAMES_HELP),
    "push_text": plan_fields.prose("Text", rows=3),
    "push_url": plan_fields.line("Opens", "An address: https://…, or what your app is opened by. May be left."),
    "own_language": plan_fields.line("Language of this text", "en, de, pt-br …", maxlength=20),
    "webhook": plan_fields.choice("Webhook"),
    "attribute_name": plan_fields.choice("Attribute"),
    "attribute_value": plan_fields.line("New value", "A value, or {{ today }}, or {{ customer.country }}."),
    "list_key": plan_fields.choice("List"),
    "list_does": plan_fields.choice("The customer", DOES),
}


def add(form: forms.Form | forms.ModelForm, stored: Mapping[str, Any]) -> None:  # type: ignore[type-arg]
    """Give a form these fields, with what exists to choose from and the stored step in them."""
    for name, field in DECLARED.items():
        form.fields[name] = deepcopy(field)
    for row in range(plan_fields.rows("said", form.data, len(_pairs(stored, "languages")))):
        form.fields[f"said_{row}_language"] = plan_fields.line(f"Language {row + 1}", maxlength=20)
        form.fields[f"said_{row}_title"] = plan_fields.line("Title")
        form.fields[f"said_{row}_text"] = plan_fields.line("Text")
    for row in range(plan_fields.rows("data", form.data, len(_pairs(stored, "data")))):
        form.fields[f"data_{row}_name"] = plan_fields.line(f"Name {row + 1}", maxlength=60)
        form.fields[f"data_{row}_text"] = plan_fields.line("Value")
    attributes = Attribute.objects.exclude(type=Attribute.Type.LIST).order_by("label", "name")
    known = [(one.name, str(one)) for one in attributes if one.name not in changes.OWN]
    lists = Segment.objects.filter(kind=Segment.Kind.LIST).order_by("name")
    for name, choices in (
        ("webhook", list(Webhook.objects.order_by("name").values_list("key", "name"))),
        ("attribute_name", known),
        ("list_key", list(lists.values_list("key", "name"))),
    ):
        form.fields[name].choices = [("", "Choose"), *choices]  # type: ignore[attr-defined]
    for name, value in answers(stored):
        form.initial.setdefault(name, value)


def when(name: str) -> str:
    """Give the answer that shows a field; nothing: it is always asked."""
    return "action=push" if name.startswith("said_") and name.endswith("_title") else plan_fields.WHEN.get(name, "")


def answers(step: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Give the answers that a stored step was written from."""
    for name, field in FIELDS.get(str(step.get("action")), {}).items():
        value = step.get(name)
        yield field, ("yes" if value else "no") if isinstance(value, bool) else value
    for row, (language, said) in enumerate(_pairs(step, "languages")):
        yield f"said_{row}_language", language
        if isinstance(said, dict):
            yield from ((f"said_{row}_{part}", said.get(part)) for part in ("title", "text"))
    for row, (name, text) in enumerate(_pairs(step, "data")):
        yield from ((f"data_{row}_name", name), (f"data_{row}_text", text))


def _pairs(step: Mapping[str, Any], name: str) -> list[tuple[str, Any]]:
    found = step.get(name)
    return list(found.items()) if isinstance(found, dict) else []


def step_of(cleaned: Mapping[str, Any], stored: Mapping[str, Any], types: Mapping[str, str]) -> dict[str, Any]:
    """Give the step that the answers describe."""
    action = str(cleaned.get("action"))
    if action not in FIELDS:
        return plan_fields.step_of(cleaned, stored)
    told = {name: _text(cleaned.get(field)) for name, field in FIELDS[action].items()}
    if action in MESSAGES:
        told = {name: text for name, text in told.items() if text or name not in ("offer", "url", "language")}
        languages = dict(_said(cleaned, action))
        return {"action": action, **told, **({"languages": languages} if languages else {})}
    if action == "webhook":
        return {"action": action, **told, "data": dict(_data(cleaned))}
    if action == "attribute":
        value = changes.fitting(told["value"], types.get(told["name"], "")) if "{" not in told["value"] else None
        return {"action": action, **told, "value": told["value"] if value is None else value}
    return {"action": action, **told}


def _text(value: object) -> str:
    return str(value or "").replace("\r\n", "\n")


def _said(cleaned: Mapping[str, Any], action: str) -> Iterator[tuple[str, dict[str, str]]]:
    for row in _numbers(cleaned, "said_", "_language"):
        language = _text(cleaned.get(f"said_{row}_language")).strip()
        parts = ("title", "text") if action == "push" else ("text",)
        texts = {part: text for part in parts if (text := _text(cleaned.get(f"said_{row}_{part}")))}
        if language or texts:
            yield language, texts


def _data(cleaned: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for row in _numbers(cleaned, "data_", "_name"):
        name, text = (_text(cleaned.get(f"data_{row}_{part}")) for part in ("name", "text"))
        if name.strip() or text:
            yield name.strip(), text


def _numbers(cleaned: Mapping[str, Any], before: str, after: str) -> list[int]:
    found = (one.removeprefix(before).removesuffix(after) for one in cleaned if one.startswith(before))
    return sorted({int(one) for one in found if one.isdecimal()})


def place_of(path: str, step: Mapping[str, Any]) -> str:
    """Give the field that a fault of a step belongs to, by its place; nothing where it is no field of these."""
    action = str(step.get("action"))
    parts = path.partition("].")[2].split(".")
    if action not in FIELDS or not parts[0]:
        return ""
    if parts[0] in ("languages", "data") and len(parts) > 1:
        keys = [key for key, _ in _pairs(step, parts[0])]
        row = keys.index(parts[1]) if parts[1] in keys else 0
        said = parts[2] if len(parts) > 2 else "language"
        return f"said_{row}_{said}" if parts[0] == "languages" else f"data_{row}_text"
    return {"languages": "said_0_language", "data": "data_0_name"}.get(parts[0], FIELDS[action].get(parts[0], ""))


def rows(form: forms.BaseForm, before: str, parts: tuple[str, ...]) -> list[list[BoundField]]:
    """Give the rows of fields that begin so."""
    numbers = _numbers(form.fields, before, f"_{parts[0]}")
    return [[form[f"{before}{row}_{part}"] for part in parts] for row in numbers]
