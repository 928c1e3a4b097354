"""The form of a segment: its name, and its rule as JSON. The builder writes the JSON; without scripts it is a text."""

import json
from datetime import datetime
from typing import Any, NamedTuple

from django import forms
from django.utils.text import slugify
from unfold.widgets import UnfoldAdminTextInputWidget

from segments import fields as known
from segments import lists, ready, words
from segments.models import ListChange, Segment
from segments.rules import parser
from segments.rules.nodes import RuleError

VERSION = 1
KEY_LENGTH = 60
TAG_LENGTH, MOST_TAGS = 40, 20


def rule_of(text: str) -> dict[str, Any]:
    """Give the rule that a text holds, with its version; raises RuleError where it is no JSON."""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        where = f"line {error.lineno}, column {error.colno}" if isinstance(error, json.JSONDecodeError) else "JSON"
        raise RuleError("rule", f"is not readable at {where}") from error
    return data if isinstance(data, dict) and "rule" in data else {"version": VERSION, "rule": data}


def written(rule: object) -> str:
    """Give a rule as the text that the form shows."""
    return json.dumps(rule, indent=2, ensure_ascii=False)


HOW = (("add", "Add these customers"), ("remove", "Take these customers off"), ("replace", "Hold these and no others"))
DO = {"add": lists.add, "remove": lists.remove, "replace": lists.replace}


class ReadyRule(NamedTuple):
    """A rule to start from, as text, and what it lacks."""

    name: str
    why: str
    rule: str
    lacks: str


class SegmentForm(forms.ModelForm):  # type: ignore[type-arg]
    """Name and rule of a segment. `opened` is the edition that was opened, `over` a later one that may be replaced."""

    rule_json = forms.CharField(required=False, strip=True)
    opened = forms.IntegerField(required=False, widget=forms.HiddenInput)
    over = forms.IntegerField(required=False)
    ids = forms.CharField(required=False)
    ids_file = forms.FileField(required=False)
    list_how = forms.ChoiceField(required=False, choices=HOW)
    tag_words = forms.CharField(
        required=False, max_length=400, label="Tags", help_text="Words to find it by, with commas: spring, shoes."
    )

    class Meta:
        model = Segment
        fields = ("name", "key", "description", "folder")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Take what is stored, or what a link asks to begin with."""
        super().__init__(*args, **kwargs)
        if "description" in self.fields:
            self.fields["description"].widget.attrs["rows"] = 2
        if "key" in self.fields:
            self.fields["key"].required = False
        if "tag_words" in self.fields:
            self.fields["tag_words"].widget = UnfoldAdminTextInputWidget()
            self.initial.setdefault("tag_words", ", ".join(self.instance.tags))
        self.theirs: Segment | None = None
        self.given: lists.Given | None = None
        asked = str((self.data if self.is_bound else self.initial).get("kind", ""))
        self.is_list = (self.instance.kind if self.instance.pk else asked) == Segment.Kind.LIST
        self.stored = written(self.instance.rule) if self.instance.pk else str(self.initial.get("rule_json", ""))

    def ready_rules(self) -> list[ReadyRule]:
        """Give the rules to start a new segment from, those that lack nothing first."""
        if self.instance.pk or self.is_list or self.json_text():
            return []
        found = sorted(ready.rules(known.catalogue()), key=lambda one: bool(one.lacks))
        return [ReadyRule(one.name, one.why, written(one.rule), ", ".join(one.lacks)) for one in found]

    def json_text(self) -> str:
        """Give the text of the rule."""
        return str(self.data.get("rule_json", "")) if self.is_bound else self.stored

    def edition(self) -> str:
        """Give the edition that this page was opened with."""
        if self.is_bound:
            return str(self.data.get("opened", ""))
        return str(self.instance.edition) if self.instance.pk else ""

    def theirs_json(self) -> str:
        """Give the rule that somebody else saved meanwhile."""
        return written(self.theirs.rule) if self.theirs else ""

    def theirs_said(self) -> str:
        """Give the rule that somebody else saved meanwhile, in words."""
        return words.sentence_of(self.theirs) if self.theirs else ""

    def clean(self) -> dict[str, Any]:
        """Read the rule, and see whether somebody saved since the page was opened."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        self._see_others(cleaned)
        self._read_tags(cleaned)
        if not self.instance.pk and not cleaned.get("key"):
            cleaned["key"] = slugify(cleaned.get("name", ""))[:KEY_LENGTH]
        if self.is_list:
            self._read_list(cleaned)
            return cleaned
        try:
            self.instance.rule = self.read(str(self.instance.key or cleaned.get("key") or ""))
        except RuleError as error:
            self.add_error("rule_json", str(error))
        return cleaned

    def _read_tags(self, cleaned: dict[str, Any]) -> None:
        words = [word.strip() for word in cleaned.get("tag_words", "").split(",") if word.strip()]
        if too_long := next((word for word in words if len(word) > TAG_LENGTH), None):
            self.add_error("tag_words", f"“{too_long[:TAG_LENGTH]}…” is too long for a tag ({TAG_LENGTH} letters).")
        elif len(words) > MOST_TAGS:
            self.add_error("tag_words", f"There are {len(words)} tags; at most {MOST_TAGS} can be kept.")
        elif "tag_words" in self.data:
            self.instance.tags = list(dict.fromkeys(words))

    def _read_list(self, cleaned: dict[str, Any]) -> None:
        self.instance.kind = Segment.Kind.LIST
        file, text = cleaned.get("ids_file"), cleaned.get("ids", "")
        try:
            if file and file.size > lists.MOST_BYTES:
                self.add_error("ids", f"The file is larger than {lists.MOST_BYTES // 2**20} MB; split it.")
            elif file or text:
                self.given = lists.uploaded(file.name, file.read()) if file else lists.pasted(text)
            elif not self.instance.pk:
                self.add_error("ids", "Paste the ids of some customers, or choose a file with them.")
        except lists.ListError as error:
            self.add_error("ids", str(error))

    def keep_list(self, segment: Segment, by: str, at: datetime) -> ListChange | None:
        """Do with the list of a stored segment what the form asks."""
        if self.given is None:
            return None
        return DO[self.cleaned_data.get("list_how") or "add"](segment, self.given, by, at)

    def read(self, key: str) -> dict[str, Any]:
        """Give the rule that the form holds, parsed once; raises RuleError."""
        text = str(self.data.get("rule_json", "")).strip()
        if not text:
            raise RuleError("rule", "add at least one condition")
        data = rule_of(text)
        parser.parse(data, known.catalogue(), key)
        return data

    def read_edition(self) -> int | None:
        """Give the edition that saving may replace; none where the page did not say which it shows."""
        over: int | None = self.cleaned_data.get("over") or self.cleaned_data.get("opened")
        return over

    def _see_others(self, cleaned: dict[str, Any]) -> None:
        expected = cleaned.get("over") or cleaned.get("opened")
        if not self.instance.pk or not expected:
            return
        stored = Segment.objects.get(pk=self.instance.pk)
        if stored.edition != expected:
            self.theirs = stored
            self.add_error(None, f"{stored.changed_by or 'Somebody'} saved this segment meanwhile; nothing is lost.")
