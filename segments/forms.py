"""The plain rule form: rows of conditions that become the JSON rule, and back where a rule is plain enough."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from django import forms

from segments import fields as known
from segments.models import Segment
from segments.rules import parser
from segments.rules.nodes import Fields, RuleError
from segments.rules.operators import OPERATORS

MAX_ROWS = 12
VERSION = 1
PARTS = {"op": "comparison", "value": "value", "count": "value", "within": "days"}
MATCHES = (("all", "all of these"), ("any", "any of these"), ("none", "none of these"))
COUNTS = {
    "count >=": "at least … times",
    "count =": "exactly … times",
    "count <=": "at most … times",
    "count >": "more than … times",
    "count <": "fewer than … times",
    "count between": "from … to … times",
}
BELONGS = {"in": "belongs to it", "not_in": "does not belong to it"}
HINTS = {
    "text": "DE",
    "texts": "DE, AT, CH",
    "number": "100",
    "numbers": "1, 2, 3",
    "number_range": "10 to 20",
    "percent": "10",
    "percent_range": "80 to 95",
    "count": "500",
    "day": "2026-01-31",
    "point": "2026-01-31",
    "time_range": "2026-01-01 to 2026-02-01",
    "duration": "30 days",
    "times": "2",
    "times_range": "2 to 5",
}


@dataclass(frozen=True)
class Row:
    """One line of the form, as typed: `what` is field:<name>, event:<name> or segment:<key>."""

    index: int
    what: str = ""
    op: str = ""
    value: str = ""
    days: str = ""
    error: str = ""


@dataclass(frozen=True)
class Choice:
    """One entry of a list: `types` says which kinds of `what` it fits, `hint` what a value looks like."""

    value: str
    label: str
    types: str = ""
    hint: str = ""
    is_bare: bool = False


def subjects(catalogue: Fields) -> dict[str, list[Choice]]:
    """Give what a condition may ask about, by group."""
    groups: dict[str, list[Choice]] = {}
    for field in catalogue.fields.values():
        label = f"{field.label} ({field.unit})" if field.unit else field.label
        groups.setdefault(field.group, []).append(Choice(f"field:{field.name}", label, str(field.type)))
    if catalogue.events:
        groups["Events"] = [Choice(f"event:{name}", name, "event") for name in sorted(catalogue.events)]
    if catalogue.segments:
        groups["Segments"] = [Choice(f"segment:{key}", key, "segment") for key in sorted(catalogue.segments)]
    return groups


def operators() -> list[Choice]:
    """Give every comparison once, with the types it fits."""
    found: dict[str, Choice] = {}
    for row in OPERATORS.values():
        label = row.words.replace(" {}", " …").replace("{}", "…")
        form = row.argument.form
        new = Choice(row.name, label, str(row.type), HINTS.get(form, ""), is_bare=form == "nothing")
        old = found.get(row.name)
        found[row.name] = replace(old, types=f"{old.types} {new.types}") if old else new
    for name, label in COUNTS.items():
        found[name] = Choice(name, label, "event", HINTS["times_range" if "between" in name else "times"])
    for name, label in BELONGS.items():
        found[name] = Choice(name, label, "segment", is_bare=True)
    return list(found.values())


def node_of(row: Row, catalogue: Fields) -> dict[str, Any]:
    """Give the condition that a row describes; what cannot be read is left as typed, for the parser to refuse."""
    kind, _, name = row.what.partition(":")
    if kind == "segment":
        return {"segment": name, "op": row.op}
    if kind == "event":
        op = row.op.removeprefix("count ")
        node: dict[str, Any] = {
            "event": name,
            "count": {op: _read("number_range" if op == "between" else "number", row.value)},
        }
        return {**node, "within": {"last": _number(row.days), "unit": "days"}} if row.days.strip() else node
    field = catalogue.fields.get(name)
    operator = OPERATORS.get((field.type, row.op)) if field else None
    node = {"field": name, "op": row.op}
    if operator is not None and operator.argument.form == "nothing":
        return node
    return {**node, "value": _read(operator.argument.form if operator else "text", row.value)}


def row_of(index: int, node: Mapping[str, Any], catalogue: Fields) -> Row | None:
    """Give the row of a condition, or None where the plain form cannot say it."""
    row = Row(index)
    if "segment" in node:
        row = replace(row, what=f"segment:{node['segment']}", op=str(node.get("op")))
    elif "event" in node and isinstance(node.get("count"), dict) and len(node["count"]) == 1:
        ((op, value),) = node["count"].items()
        within = node.get("within") or {}
        row = Row(index, f"event:{node['event']}", f"count {op}", _written(value), str(within.get("last", "")))
    elif "field" in node:
        row = Row(index, f"field:{node['field']}", str(node.get("op")), _written(node.get("value")))
    return row if row.what and node_of(row, catalogue) == node else None


def rows_of(data: object, catalogue: Fields) -> tuple[str, list[Row]] | None:
    """Give how the rows match and the rows, or None where the rule is richer than the plain form."""
    node = data.get("rule") if isinstance(data, dict) else None
    if not isinstance(node, dict):
        return None
    match, nodes = next(((kind, node[kind]) for kind, _ in MATCHES if set(node) == {kind}), ("all", [node]))
    if not isinstance(nodes, list) or len(nodes) > MAX_ROWS or not all(isinstance(one, dict) for one in nodes):
        return None
    rows = [row for index, one in enumerate(nodes) if (row := row_of(index, one, catalogue)) is not None]
    return (match, rows) if len(rows) == len(nodes) else None


def _read(form: str, text: str) -> Any:
    return READERS.get(form, str.strip)(text)


def _number(text: str) -> Any:
    plain = text.strip().replace(" ", "")
    if re.fullmatch(r"[+-]?\d{1,18}", plain):
        return int(plain)
    return float(plain) if re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,2})?", plain) else text.strip()


def _many(text: str) -> list[str]:
    return [part.strip() for part in re.split(r"[,\n;]", text) if part.strip()]


def _two(text: str) -> list[str]:
    return [part.strip() for part in re.split(r"\s+to\s+|\s+and\s+|\.\.|,", text.strip())]


def _duration(text: str) -> Any:
    parts = text.split()
    return {"n": _number(parts[0]), "unit": parts[1] if len(parts) > 1 else "days"} if 1 <= len(parts) <= 2 else text


READERS: dict[str, Callable[[str], Any]] = {
    **dict.fromkeys(("number", "percent", "count"), _number),
    **dict.fromkeys(("number_range", "percent_range"), lambda text: [_number(part) for part in _two(text)]),
    "numbers": lambda text: [_number(part) for part in _many(text)],
    "texts": _many,
    "time_range": _two,
    "duration": _duration,
}


def _written(value: Any) -> str:
    if isinstance(value, dict):
        return f"{value.get('n')} {value.get('unit')}"
    if isinstance(value, list):
        is_range = len(value) == 2 and all(_is_point(one) for one in value)
        return (" to " if is_range else ", ").join(map(_written, value))
    return f"{value:.15g}" if isinstance(value, float) else "" if value is None else str(value)


def _is_point(value: object) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number or bool(re.match(r"\d{4}-\d\d-\d\d", str(value)))


class SegmentForm(forms.ModelForm):  # type: ignore[type-arg]
    """Name and rule of a segment. The JSON, where it was edited, goes before the rows."""

    match = forms.ChoiceField(choices=MATCHES, required=False)
    rule_json = forms.CharField(required=False, strip=True)
    rule_json_before = forms.CharField(required=False, widget=forms.HiddenInput)

    class Meta:
        model = Segment
        fields = ("name", "key", "description")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Read the stored rule, or what was typed, into rows."""
        super().__init__(*args, **kwargs)
        if "description" in self.fields:
            self.fields["description"].widget.attrs["rows"] = 2
        self.catalogue = known.catalogue()
        self.stored = json.dumps(self.instance.rule, indent=2, ensure_ascii=False) if self.instance.pk else ""
        plain = rows_of(self.instance.rule, self.catalogue) if self.instance.pk else ("all", [])
        self.is_rich = plain is None
        self.matched, self.rows = plain or ("all", [])
        if self.is_bound:
            self.matched = str(self.data.get("match") or "all")
            self.rows = [row for row in self._typed() if row.what or row.value]

    def _typed(self) -> Iterator[Row]:
        for index in range(MAX_ROWS):
            parts = (str(self.data.get(f"row-{index}-{name}", ""))[:2000] for name in ("what", "op", "value", "days"))
            yield Row(index, *parts)

    def all_rows(self) -> list[Row]:
        """Give MAX_ROWS rows, the filled ones first."""
        filled = [replace(row, index=index) for index, row in enumerate(self.rows)]
        return filled + [Row(index) for index in range(len(filled), MAX_ROWS)]

    def json_text(self) -> str:
        """Give the text of the JSON box."""
        return str(self.data.get("rule_json", "")) if self.is_bound else self.stored

    def json_before(self) -> str:
        """Give the text that the JSON box had when the page was made."""
        return str(self.data.get("rule_json_before", "")) if self.is_bound else self.stored

    def subjects(self) -> dict[str, list[Choice]]:
        """Give the entries of the picker."""
        return subjects(self.catalogue)

    def operators(self) -> list[Choice]:
        """Give the entries of the comparison list."""
        return operators()

    def clean(self) -> dict[str, Any]:
        """Put the rule together and parse it; a fault is shown at its row, or at the JSON."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        try:
            self.instance.rule = self.read()
        except RuleError as error:
            self._say(error)
        return cleaned

    @property
    def is_json(self) -> bool:
        """Say whether the JSON counts: it was edited, or it says more than the rows can."""
        return self._lines("rule_json") != self._lines("rule_json_before") or (self.is_rich and not self.rows)

    def read(self) -> dict[str, Any]:
        """Give the rule that the form holds, parsed once; raises RuleError."""
        data = self._from_json(self._lines("rule_json")) if self.is_json else self._from_rows()
        parser.parse(data, self.catalogue, str(self.instance.key or self.data.get("key") or ""))
        return data

    def _lines(self, name: str) -> str:
        return "\n".join(str(self.data.get(name, "")).split("\r\n")).strip()

    def _from_json(self, text: str) -> dict[str, Any]:
        try:
            data = json.loads(text)
        except (ValueError, RecursionError) as error:
            where = f"line {error.lineno}, column {error.colno}" if isinstance(error, json.JSONDecodeError) else "JSON"
            raise RuleError("rule", f"is not readable at {where}") from error
        return data if isinstance(data, dict) and "rule" in data else {"version": VERSION, "rule": data}

    def _from_rows(self) -> dict[str, Any]:
        if not self.rows:
            raise RuleError("rule", "add at least one condition")
        return {"version": VERSION, "rule": {self.matched: [node_of(row, self.catalogue) for row in self.rows]}}

    def _say(self, error: RuleError) -> None:
        """Show a fault where it is."""
        at = re.match(r"rule\.(?:all|any|none)\[(\d+)\]\.?(.*)", error.path)
        if self.is_json or not at or int(at[1]) >= len(self.rows):
            self.add_error("rule_json" if self.is_json else None, str(error))
            return
        part = PARTS.get(at[2].split(".")[0], "condition")
        self.rows[int(at[1])] = replace(self.rows[int(at[1])], error=f"{part}: {error.message}")
        self.add_error(None, f"Condition {int(at[1]) + 1}: {error.message}")
