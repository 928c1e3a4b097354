"""The plain campaign form: trigger and step as labelled fields that become the stored JSON."""

from typing import Any

from django import forms
from unfold.widgets import (
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from campaigns import launch, steps, triggers
from campaigns.models import Campaign, Offer
from customers.models import Attribute, EventName
from scoring.models import Target
from segments.fields import catalogue
from segments.models import Segment

KINDS = (("score", "A score crosses a line"), ("segment", "A customer enters or leaves a segment"))
DIRECTIONS = (("above", "rises above"), ("below", "falls below"))
EDGES = (("entered", "enters it"), ("left", "leaves it"))
ACTIONS = (("email", "Send an e-mail"), ("offer", "Send an offer with a code"), ("call", "Make a call task"))
STEP_FIELDS = {"email": ("subject", "body"), "offer": ("offer", "subject", "body"), "call": ("title", "talking_points")}
MAIL_HELP = "May name the customer: Hello {{ customer.first_name | default: 'there' }}"
BODY_HELP = (
    "Paragraphs, or MJML. A line [Words](https://…) becomes a button. "
    "The unsubscribe link and the postal address are added."
)
OFFER_HELP = "The text must show {{ offer.code }}."
LABELS = {
    "topic": "Topic of consent",
    "control_share": "Left alone as control",
    "cooldown_days": "Days of rest",
    "fires_on_import": "Imports may trigger it",
    "goal_days": "Within days",
}
HELP = {
    "audience": "Only members of this segment get it; empty for everybody.",
    "topic": "Only customers who agreed to this topic get it.",
    "control_share": "A share of 1: 0.1 is one in ten. Nothing is sent to them, so that the effect can be measured.",
    "cooldown_days": "A customer is not considered again within so many days.",
    "priority": "Where several campaigns want the same customer, the lower number goes first.",
    "goal_days": "After the decision.",
}


def _choice(label: str, choices: Any = (), text: str = "") -> forms.ChoiceField:
    return forms.ChoiceField(
        label=label, choices=choices, required=False, help_text=text, widget=UnfoldAdminSelectWidget
    )


def _text(label: str, text: str = "", *, is_long: bool = False) -> forms.CharField:
    widget = UnfoldAdminTextareaWidget(attrs={"rows": 8}) if is_long else UnfoldAdminTextInputWidget()
    return forms.CharField(label=label, required=False, help_text=text, widget=widget)


def _number(label: str, text: str) -> forms.FloatField:
    widget = UnfoldAdminTextInputWidget(attrs={"inputmode": "decimal"})
    return forms.FloatField(label=label, required=False, help_text=text, widget=widget)


class CampaignForm(forms.ModelForm):  # type: ignore[type-arg]
    """A campaign whose trigger and step are parsed before they are stored."""

    trigger_kind = forms.ChoiceField(label="A customer is due when", choices=KINDS, widget=UnfoldAdminSelectWidget)
    score = _choice("Score")
    direction = _choice("Direction", DIRECTIONS)
    enter = _number("Line", "Due when the score crosses this: 0 to 1, or 0 to 100 for percentiles.")
    leave = _number("Line back", "Due again only after the score came back across this one.")
    is_percentile = forms.BooleanField(
        label="Compare percentiles, 0 to 100, in place of chances", required=False, widget=UnfoldBooleanSwitchWidget
    )
    segment = _choice("Segment")
    edge = _choice("The customer", EDGES)
    action = forms.ChoiceField(label="Then", choices=ACTIONS, widget=UnfoldAdminSelectWidget)
    offer = _choice("Offer", text=OFFER_HELP)
    subject = _text("Subject", MAIL_HELP)
    body = _text("Text", BODY_HELP, is_long=True)
    title = _text("Title of the task")
    talking_points = _text("Talking points", "May name the customer, as above.", is_long=True)
    goal_event = forms.ChoiceField(
        label="The customer is hoped to do", widget=UnfoldAdminSelectWidget, help_text="An event that was seen before."
    )

    class Meta:
        model = Campaign
        fields = (
            "name",
            "key",
            "audience",
            "topic",
            "control_share",
            "cooldown_days",
            "priority",
            "fires_on_import",
            "goal_event",
            "goal_days",
        )
        labels = LABELS
        help_texts = HELP

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Offer what exists, and show the stored trigger and step."""
        super().__init__(*args, **kwargs)
        self.changed_plan: list[str] = []
        self._offer("score", Target.objects.order_by("label").values_list("key", "label"))
        self._offer("segment", Segment.objects.order_by("name").values_list("key", "name"))
        self._offer("offer", Offer.objects.order_by("name").values_list("key", "name"))
        seen = set(EventName.objects.values_list("name", flat=True)) | {self.instance.goal_event}
        self.initial.setdefault("goal_event", self.instance.goal_event)
        self._offer("goal_event", [(name, name) for name in sorted(seen)])
        trigger, steps_ = self.instance.trigger or {}, self.instance.steps or []
        step = steps_[0] if steps_ else {}
        self.initial.setdefault("trigger_kind", trigger.get("kind", "score"))
        self.initial.setdefault("is_percentile", trigger.get("of") == "percentile")
        for name in ("score", "direction", "enter", "leave", "segment", "edge"):
            self.initial.setdefault(name, trigger.get(name))
        for name in ("action", "offer", "subject", "body", "title", "talking_points"):
            self.initial.setdefault(name, step.get(name))

    def _offer(self, name: str, choices: Any) -> None:
        self.fields[name].choices = [("", "Choose"), *choices]  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        """Put trigger and step together and parse them; a fault is shown at its field."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        trigger, step = self._trigger(cleaned), self._step(cleaned)
        known = steps.Known(
            offers=frozenset(Offer.objects.values_list("key", flat=True)),
            attributes=frozenset(Attribute.objects.values_list("name", flat=True)),
        )
        for parse in (lambda: triggers.parse(trigger, catalogue()), lambda: steps.parse([step], known)):
            try:
                parse()
            except (triggers.TriggerError, steps.StepError) as error:
                self._say(error.path, str(error))
        self.changed_plan = [
            *(["trigger"] if trigger != self.instance.trigger else []),
            *(["steps"] if [step] != self.instance.steps else []),
        ]
        self.instance.trigger, self.instance.steps = trigger, [step]
        return cleaned

    def _trigger(self, cleaned: dict[str, Any]) -> dict[str, Any]:
        kind = cleaned.get("trigger_kind")
        if kind == "segment":
            return {"kind": kind, "segment": cleaned.get("segment"), "edge": cleaned.get("edge") or "entered"}
        direction = cleaned.get("direction") or "above"
        plain = {
            "kind": kind,
            "direction": direction,
            **{name: cleaned.get(name) for name in ("score", "enter", "leave")},
        }
        return {**plain, "of": "percentile"} if cleaned.get("is_percentile") else plain

    def _step(self, cleaned: dict[str, Any]) -> dict[str, Any]:
        action = str(cleaned.get("action"))
        fields = {name: cleaned.get(name) or "" for name in STEP_FIELDS.get(action, ())}
        return {"action": action, **{name: text.replace("\r\n", "\n") for name, text in fields.items()}}

    def changes(self) -> dict[str, Any]:
        """Give what was changed of the plan, as launch.edit takes it."""
        plain = {name: self.cleaned_data[name] for name in self.changed_data if name in launch.EDITABLE}
        return {**plain, **{name: getattr(self.instance, name) for name in self.changed_plan}}

    def _say(self, path: str, message: str) -> None:
        """Show a fault at the field that its path ends in."""
        name = {"kind": "trigger_kind", "of": "is_percentile"}.get(path.rsplit(".", 1)[-1], path.rsplit(".", 1)[-1])
        if name not in self.errors:
            self.add_error(name if name in self.fields else None, message.split(": ", 1)[-1])
