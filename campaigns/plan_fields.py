"""What the campaign form asks, and how its answers are written as the stored JSON, and read from it."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from django import forms

from segments.rules.event_fields import of_event
from segments.rules.nodes import Fields, Type

CSS = {"class": "cusp-input"}
NUMBER = {**CSS, "inputmode": "decimal", "autocomplete": "off"}
ROWS, MOST_ROWS = 3, 20  # of conditions, of variants beside the campaign's own mail, of languages, of data
KINDS_OF_ROWS = ("where", "variant", "said", "data")
ROW = re.compile(rf"({'|'.join(KINDS_OF_ROWS)})_(\d{{1,2}})_\w+")
KINDS = (
    ("score", "A score crosses a line", "Such as: the chance to leave rises above 70 %."),
    ("segment", "Somebody enters or leaves a segment", "Or stays in it for some days."),
    ("event", "Somebody does something", "An order, a visit, an abandoned basket: within seconds."),
    ("date", "A date comes round", "A birthday, a renewal: on the day, before or after."),
    ("schedule", "At set times", "Every day, week or month, to a whole segment."),
    ("hand", "When you press a button", "Once, to a whole segment."),
)
ACTIONS = (
    ("email", "Send an e-mail", "Written in the composer, or as text."),
    ("offer", "Send an offer", "An e-mail with a code of the customer's own."),
    ("call", "Make a call task", "For the agents of the call queue."),
)
DIRECTIONS = (("above", "rises above"), ("below", "falls below"))
EDGES = (("entered", "enters it"), ("left", "leaves it"), ("stays", "stays in it for"))
SIDES = (("on", "on the day"), ("before", "days before"), ("after", "days after"))
EVERY = (("day", "day"), ("week", "week"), ("month", "month"))
WEEKDAYS = tuple(enumerate(("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"), start=1))
MONTH_DAYS = tuple((day, f"day {day}") for day in range(1, 29))
OPS = (("is", "is"), ("is_not", "is not"), ("least", "is at least"), ("most", "is at most"), ("contains", "contains"))
OPS_OF = {
    Type.NUMBER: {"is": "=", "is_not": "!=", "least": ">=", "most": "<="},
    Type.DATE: {"is": "on", "least": "after", "most": "before"},
}
YES = ("yes", "true", "1", "on")
STEP_FIELDS = {
    "email": ("subject", "body"),
    "offer": ("offer", "subject", "body"),
    "call": ("offer", "title", "talking_points"),
}
BLOCKS, TEXT = "blocks", "text"
MAILS = ("email", "offer")
SCORE = ("score", "direction", "enter", "leave")
# The answers that another question shows.
WHEN = {
    "stays_days": "edge=stays",
    "date_days": "date_side=before|after",
    "weekday": "every=week",
    "month_day": "every=month",
    "cooldown_days": "entry=days",
    "delay_hours": "when_limited=delay",
    "lateness_hours": "trigger_kind=event|date",
    "fires_on_import": "trigger_kind=event|segment|score",
    "pilot_share": "how_many=own",
}
# What each kind of trigger must be told, by the field that asks for it.
NEEDED = {
    "score": {"score": "Choose a score.", "enter": "Write the line.", "leave": "Write the way back."},
    "segment": {"segment": "Choose a segment.", "stays_days": "Write how many days."},
    "event": {"event": "Choose an event."},
    "date": {
        "date_field": "Choose a date.",
        "date_days": "Write how many days.",
        "date_hour": "Write the hour, 0 to 23.",
    },
    "schedule": {"at": "Write the time of day."},
}
# Where a fault of the trigger is shown, if its place ends in another word than the field's.
AT: dict[str, dict[str, str]] = {
    "score": {"of": "is_percentile"},
    "segment": {"days": "stays_days"},
    "event": {"where": "where_json"},
    "date": {"field": "date_field", "days": "date_days", "hour": "date_hour"},
    "schedule": {},
    "hand": {},
}


class PercentField(forms.FloatField):
    """A share that is shown and typed in percent."""

    def __init__(self, label: str, text: str = "", most: float = 100, **more: Any) -> None:
        """Make the field; `most` is in percent."""
        widget = forms.TextInput(attrs=NUMBER)
        super().__init__(label=label, help_text=text, min_value=0, max_value=most, widget=widget, **more)

    def prepare_value(self, value: Any) -> Any:
        """Give what is shown."""
        return f"{100 * value:g}" if isinstance(value, int | float) else value

    def clean(self, value: Any) -> float | None:
        """Give the share of 1."""
        percent: float | None = super().clean(value.rstrip("% ") if isinstance(value, str) else value)
        return None if percent is None else round(percent / 100, 6)


def choice(label: str, choices: Any = (), text: str = "") -> forms.ChoiceField:
    """Give a list to pick from."""
    widget = forms.Select(attrs=CSS)
    return forms.ChoiceField(label=label, choices=choices, required=False, help_text=text, widget=widget)


def line(label: str, text: str = "", **attributes: Any) -> forms.CharField:
    """Give a line to type."""
    return forms.CharField(
        label=label, required=False, help_text=text, widget=forms.TextInput(attrs={**CSS, **attributes})
    )


def prose(label: str, text: str = "", rows: int = 8) -> forms.CharField:
    """Give a text to type."""
    widget = forms.Textarea(attrs={**CSS, "rows": rows})
    return forms.CharField(label=label, required=False, help_text=text, widget=widget)


def decimal(label: str, text: str = "") -> forms.FloatField:
    """Give a number to type."""
    return forms.FloatField(label=label, required=False, help_text=text, widget=forms.TextInput(attrs=NUMBER))


def whole(label: str, text: str = "", least: int | None = None) -> forms.IntegerField:
    """Give a whole number to type."""
    widget = forms.NumberInput(attrs=CSS)
    return forms.IntegerField(label=label, required=False, help_text=text, min_value=least, widget=widget)


def rows(kind: str, posted: Mapping[str, Any], stored: int) -> int:
    """Give how many rows a form has: those that were posted or are stored, three at least, and one if asked for."""
    told = (ROW.fullmatch(name) for name in posted)
    last = max((int(one[2]) for one in told if one and one[1] == kind), default=-1)
    return min(max(ROWS, stored, last + 1) + (posted.get("_row") == kind), MOST_ROWS)


def lacking(cleaned: Mapping[str, Any], shown: Mapping[str, str]) -> dict[str, str]:
    """Give what a trigger still needs: the sentence for each field that was left empty. `shown` has what was posted."""
    asked = NEEDED.get(str(cleaned.get("trigger_kind")), {})
    rules = {name: WHEN[name].partition("=")[::2] for name in asked if name in WHEN}
    return {
        name: said
        for name, said in asked.items()
        if cleaned.get(name) in (None, "") and not shown.get(name)
        if name not in rules or cleaned.get(rules[name][0]) in rules[name][1].split("|")
    }


def trigger_of(cleaned: Mapping[str, Any], known: Fields) -> dict[str, Any]:
    """Give the trigger that the answers describe; what was not answered is left for the parser to name."""
    kind = str(cleaned.get("trigger_kind"))
    return {"kind": kind, **WRITERS[kind](cleaned, known)} if kind in WRITERS else {"kind": kind}


def _score(cleaned: Mapping[str, Any], _: Fields) -> dict[str, Any]:
    told = {**{name: cleaned.get(name) for name in SCORE}, "direction": cleaned.get("direction") or "above"}
    return {**told, "of": "percentile"} if cleaned.get("is_percentile") else told


def _segment(cleaned: Mapping[str, Any], _: Fields) -> dict[str, Any]:
    told = {"segment": cleaned.get("segment"), "edge": cleaned.get("edge") or "entered"}
    return {**told, "days": cleaned.get("stays_days")} if told["edge"] == "stays" else told


def _event(cleaned: Mapping[str, Any], known: Fields) -> dict[str, Any]:
    told = of_event(str(cleaned.get("event")), known)
    where: list[Any] = list(cleaned.get("where_json") or [])
    for row in range(MOST_ROWS):
        if name := cleaned.get(f"where_{row}_name"):
            op, value = (
                str(cleaned.get(f"where_{row}_op") or "is"),
                str(cleaned.get(f"where_{row}_value") or "").strip(),
            )
            where.append(_condition(name, op, value, told[name].type if name in told else Type.TEXT))
    return {"event": cleaned.get("event"), **({"where": where} if where else {})}


def _condition(name: str, op: str, value: str, type: Type) -> dict[str, Any]:
    if type == Type.YES_NO:
        return {"field": name, "op": "is_true" if (value.lower() in YES) == (op == "is") else "is_false"}
    return {
        "field": name,
        "op": OPS_OF.get(type, {}).get(op, op),
        "value": _number(value) if type == Type.NUMBER else value,
    }


def _number(value: str) -> float | str:
    try:
        return float(value)
    except ValueError:
        return value


def _date(cleaned: Mapping[str, Any], _: Fields) -> dict[str, Any]:
    sign = {"on": 0, "before": -1, "after": 1}[cleaned.get("date_side") or "on"]
    days = cleaned.get("date_days")
    return {
        "field": cleaned.get("date_field"),
        "days": sign * days if days is not None else 0 if not sign else None,
        "hour": cleaned.get("date_hour"),
        "yearly": bool(cleaned.get("yearly")),
    }


def _schedule(cleaned: Mapping[str, Any], _: Fields) -> dict[str, Any]:
    every, at = cleaned.get("every") or "day", cleaned.get("at")
    on = {"week": "weekday", "month": "month_day"}.get(every)
    told: dict[str, Any] = {"every": every, "at": at.strftime("%H:%M") if at else None}
    return {**told, "on": int(cleaned.get(on) or 1)} if on else told


WRITERS: dict[str, Callable[[Mapping[str, Any], Fields], dict[str, Any]]] = {
    "score": _score,
    "segment": _segment,
    "event": _event,
    "date": _date,
    "schedule": _schedule,
    "hand": lambda cleaned, known: {},
}


def answers_of(trigger: Mapping[str, Any]) -> dict[str, Any]:
    """Give the answers that a stored trigger was written from."""
    kind = trigger.get("kind", "score")
    told: dict[str, Any] = {"trigger_kind": kind, "is_percentile": trigger.get("of") == "percentile"}
    told |= {name: trigger.get(name) for name in (*SCORE, "segment", "edge", "event", "every", "at")}
    if kind == "segment":
        told["stays_days"] = trigger.get("days")
    elif kind == "event":
        told |= _where_answers(trigger.get("where") or [])
    elif kind == "date":
        days = trigger.get("days") or 0
        told |= {"date_field": trigger.get("field"), "date_hour": trigger.get("hour"), "yearly": trigger.get("yearly")}
        told |= {"date_side": "on" if not days else "before" if days < 0 else "after", "date_days": abs(days) or None}
    elif kind == "schedule":
        told[{"week": "weekday", "month": "month_day"}.get(str(trigger.get("every")), "weekday")] = trigger.get("on")
    return told


def _where_answers(where: list[Any]) -> dict[str, Any]:
    rows = [_row(one) for one in where]
    if len(where) > MOST_ROWS or None in rows:
        return {"where_json": where}
    return {f"where_{i}_{name}": value for i, row in enumerate(rows) if row for name, value in row.items()}


def _row(condition: Any) -> dict[str, Any] | None:
    """Give a condition as name, comparison and value, if it is as simple as that."""
    if not isinstance(condition, dict) or not set(condition) <= {"field", "op", "value"}:
        return None
    op, value = condition.get("op"), condition.get("value", "")
    if op in ("is_true", "is_false"):
        return {"name": condition.get("field"), "op": "is", "value": "yes" if op == "is_true" else "no"}
    simple = {stored: name for names in OPS_OF.values() for name, stored in names.items()} | {
        name: name for name in ("is", "is_not", "contains")
    }
    if op not in simple or not isinstance(value, str | int | float):
        return None
    return {
        "name": condition.get("field"),
        "op": simple[op],
        "value": value if isinstance(value, str) else f"{value:g}",
    }


def step_of(cleaned: Mapping[str, Any], stored: Mapping[str, Any]) -> dict[str, Any]:
    """Give the step that the answers describe; a mail of blocks keeps what the composer stored."""
    action = str(cleaned.get("action"))
    if action != "call" and cleaned.get("written") == BLOCKS:
        offer = {"offer": cleaned.get("offer") or ""} if action == "offer" else {}
        return {"action": action, **offer, "content": stored.get("content") or {}}
    texts = {name: cleaned.get(name) or "" for name in STEP_FIELDS.get(action, ())}
    if action == "call" and not texts["offer"]:
        texts.pop("offer")
    return {"action": action, **{name: text.replace("\r\n", "\n") for name, text in texts.items()}}


def variants_of(cleaned: Mapping[str, Any], step: dict[str, Any], stored: list[Any]) -> list[dict[str, Any]]:
    """Give the variants that the answers describe: a new one begins as a copy of the campaign's own step."""
    steps = {one["key"]: one["step"] for one in stored if isinstance(one, dict) and {"key", "step"} <= set(one)}
    found = []
    for row in range(MOST_ROWS):
        key = (cleaned.get(f"variant_{row}_key") or "").strip()
        if key:
            kept = steps.get(key)
            own = (
                kept
                if kept and kept.get("action") == step["action"] and ("content" in kept or kept["action"] not in MAILS)
                else step
            )
            merged = {**own, "offer": step["offer"]} if "offer" in step else own
            found.append({"key": key, "share": cleaned.get(f"variant_{row}_share"), "step": merged})
    return found


def dates(known: Fields) -> list[tuple[str, str]]:
    """Give the fields whose date may come round."""
    found = [(name, field.label) for name, field in known.fields.items() if field.type == Type.DATE]
    return [(name, label) for name, label in found if name == "birth_date" or name.startswith("attributes.")]


def asked_of_events(known: Fields) -> list[tuple[str, str]]:
    """Give everything that may be asked of an event, under the name of what it is part of."""
    found = {
        name: (field.group, field.label)
        for event in sorted(known.events)
        for name, field in of_event(event, known).items()
    }
    return [(name, f"{group}: {label}") for name, (group, label) in found.items()]
