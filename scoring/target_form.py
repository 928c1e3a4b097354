"""The form of a prediction: a ready question with what it asks, who, within how long, and what it is worth."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from django import forms
from django.contrib.auth.models import User
from django.forms.boundfield import BoundField
from django.utils import timezone

from customers.attributes import CORE
from customers.models import Attribute, EventName, Product
from scoring import questions, targets, words
from scoring.conditions import TargetError, column
from scoring.models import Target
from scoring.questions import QUESTIONS, Answer, Question, Type

EVERYBODY, DID, HAS = "all", "did", "has"
WHO = (
    (EVERYBODY, "Everybody the question is about"),
    (DID, "Only who did something"),
    (HAS, "Only who has an attribute"),
)
NARROWED_BY = {EVERYBODY: (), DID: ("who_event", "who_days"), HAS: ("who_attribute", "who_equals")}
NARROWING = ("who_event", "who_days", "who_attribute", "who_equals")
WORTH = ("value", "contact_cost", "offer_cost", "save_rate")
NAMED = ("label", "key")
HORIZON = "horizon_days"
MADE = ("question", "kind", "label", "key", "event", "where", "horizon_days", "attribute", "equals", "who", *WORTH)
MOST_OFFERED = 200
TELLING = (Attribute.Type.TEXT, Attribute.Type.NUMBER, Attribute.Type.YES_NO)
OWN = ("retrain_days", "rescore_hours", "owner", "excluded", "vouched")
CSS = {"class": "cusp-input"}
NUMBER = forms.NumberInput(attrs={**CSS, "min": 0})


def _fields(label: str, text: str) -> forms.MultipleChoiceField:
    """Give the boxes of fields that models may read; what is chosen is offered by `_offer_fields`."""
    boxes = forms.CheckboxSelectMultiple(attrs={"class": "cusp-boxes"})
    return forms.MultipleChoiceField(label=label, required=False, help_text=text, widget=boxes)


def _offer_fields(form: forms.ModelForm) -> None:  # type: ignore[type-arg]
    """Let the form's boxes be the fields there are, and those that were chosen before."""
    labels = {name: one.label for name, one in words.known().items()}
    own = Attribute.objects.order_by("name").values_list("name", flat=True)
    offered = {column(name): name for name in own} | labels
    for name in ("excluded", "vouched"):
        stored = {one: one for one in getattr(form.instance, name) or []}
        choices = sorted((stored | offered).items(), key=lambda one: one[1].casefold())
        form.fields[name].choices = choices  # type: ignore[attr-defined]


EXCLUDED = _fields("Never read", "Fields that no model of it may read.")
VOUCHED = _fields("Known in time", "Fields that the leakage guard never blocks, because you know them in time.")


class Card(NamedTuple):
    """A ready question on the form: whether it is chosen, what it asks besides the days, and the days."""

    name: str
    label: str
    help: str
    is_chosen: bool
    fields: list[BoundField]
    horizon: BoundField | None


class NewTargetForm(forms.ModelForm):  # type: ignore[type-arg]
    """A new prediction. What a question asks is named after it: `lapse-event`."""

    question = forms.ChoiceField(choices=[(one.name, one.label) for one in QUESTIONS], widget=forms.RadioSelect)
    who_kind = forms.ChoiceField(choices=WHO, required=False, initial=EVERYBODY, widget=forms.RadioSelect)

    retrain_days = forms.IntegerField(
        label="Trained again every so many days", initial=30, min_value=0, help_text="0 is never.", widget=NUMBER
    )
    rescore_hours = forms.IntegerField(
        label="Scored again every so many hours",
        initial=0,
        min_value=0,
        help_text="0 is every full cycle.",
        widget=NUMBER,
    )
    owner = forms.ModelChoiceField(
        User.objects.filter(is_staff=True).order_by("username"),
        required=False,
        help_text="Who is told when something is wrong with it.",
        widget=forms.Select(attrs=CSS),
    )

    excluded = EXCLUDED
    vouched = VOUCHED

    class Meta:
        model = Target
        fields = OWN

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Offer what exists: events, attributes, categories."""
        super().__init__(*args, **kwargs)
        _offer_fields(self)
        offered = Offered.read()
        for one in QUESTIONS:
            for answer in one.answers:
                self.fields[f"{one.name}-{answer.name}"] = offered.control(answer)
        for answer in questions.COMMON:
            self.fields[answer.name] = offered.control(answer)

    def cards(self) -> Iterator[Card]:
        """Give the ready questions with their fields."""
        chosen = self.chosen()
        for one in QUESTIONS:
            horizon = f"{one.name}-{HORIZON}"
            own = [self[f"{one.name}-{answer.name}"] for answer in one.answers if answer.name != HORIZON]
            yield Card(
                one.name,
                one.label,
                one.help,
                one == chosen,
                own,
                self[horizon] if horizon in self.fields else None,
            )

    def narrowing(self) -> list[tuple[str, str, bool, list[BoundField]]]:
        """Give the ways to say who: the name, its words, whether it is chosen, its fields."""
        chosen = self["who_kind"].value() or EVERYBODY
        return [(name, words, name == chosen, [self[one] for one in NARROWED_BY[name]]) for name, words in WHO]

    def worth(self) -> list[BoundField]:
        """Give the fields of value and cost."""
        return [self[name] for name in WORTH]

    def more(self) -> list[BoundField]:
        """Give the fields that have good defaults."""
        return [self[name] for name in (*NAMED, *OWN)]

    def chosen(self) -> Question | None:
        """Give the question that was chosen."""
        name = self["question"].value()
        return next((one for one in QUESTIONS if one.name == name), None)

    def clean(self) -> dict[str, Any]:
        """Make the target of the answers; what is wrong is said at the answer that makes it so."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        asked = self.chosen()
        if asked is None or self.errors:
            return cleaned
        try:
            made = questions.make(asked.name, self.answers(asked, cleaned), timezone.now())
        except TargetError as error:
            self.add_error(self._field_of(asked, error.answer), str(error))
            return cleaned
        self._check_new(made)
        for name in (*MADE, "created_at"):
            setattr(self.instance, name, getattr(made, name))
        return cleaned

    def _check_new(self, made: Target) -> None:
        """Refuse what another target foresees already, or a key that belongs to one."""
        other = Target.objects.filter(key=made.key).first()
        if other and targets.means_the_same(other, made):
            self.add_error("question", f"“{other.label}” foresees the same already.")
        elif other:
            self.add_error("key", f"The key “{other.key}” belongs to the prediction “{other.label}”.")

    def answers(self, asked: Question, cleaned: Mapping[str, Any]) -> dict[str, Any]:
        """Give the answers to the chosen question, without those that belong to another way to say who."""
        own = {one.name: cleaned.get(f"{asked.name}-{one.name}", "") for one in asked.answers}
        told = NARROWED_BY[cleaned.get("who_kind") or EVERYBODY]
        common = [one.name for one in questions.COMMON if one.name not in NARROWING or one.name in told]
        return {**own, **{name: cleaned.get(name, "") for name in common}}

    def _field_of(self, asked: Question, answer: str) -> str | None:
        own = f"{asked.name}-{answer}"
        return own if own in self.fields else answer if answer in self.fields else None


class Offered(NamedTuple):
    """What answers may be picked from."""

    events: list[str]
    attributes: list[tuple[str, str]]
    categories: list[str]

    @classmethod
    def read(cls) -> "Offered":
        """Read what exists."""
        told = Attribute.objects.filter(type__in=TELLING).order_by("name").values_list("name", "label")
        core = [(name, name.replace("_", " ")) for name in CORE if name != "birth_date"]
        own = [(name, label or name) for name, label in told if name not in CORE]
        categories = Product.objects.exclude(category="").order_by("category").values_list("category", flat=True)
        return cls(
            list(EventName.objects.order_by("name").values_list("name", flat=True)),
            [*own, *core],
            list(categories.distinct()[:MOST_OFFERED]),
        )

    def control(self, answer: Answer) -> forms.Field:
        """Give the field of an answer. Nothing is required here: the target's own check says what is missing."""
        choices = self._choices(answer)
        initial = "" if answer.default is None else answer.default
        said: dict[str, Any] = {"label": answer.label, "help_text": answer.help, "initial": initial, "required": False}
        if choices is not None:
            return forms.ChoiceField(choices=choices, widget=forms.Select(attrs=CSS), **said)
        attrs = {**CSS, "autocomplete": "off"}
        if answer.type == Type.DAYS:
            return forms.CharField(widget=forms.NumberInput(attrs={**attrs, "min": 1, "max": 365}), **said)
        if answer.type in questions.NUMBERS:
            return forms.CharField(widget=forms.TextInput(attrs={**attrs, "inputmode": "decimal"}), **said)
        return forms.CharField(widget=forms.TextInput(attrs=attrs), **said)

    def _choices(self, answer: Answer) -> list[tuple[str, str]] | None:
        """Give what an answer is picked from; None where it is typed."""
        none = ("", "None" if answer.is_optional else "Choose")
        if answer.type == Type.EVENT:
            names = dict.fromkeys([*([str(answer.default)] if answer.default else []), *self.events])
            return [none, *((name, name) for name in names)]
        if answer.type == Type.ATTRIBUTE:
            return [none, *self.attributes]
        if answer.type == Type.CATEGORY and self.categories:
            return [none, *((name, name) for name in self.categories)]
        return list(answer.choices) if answer.type == Type.CHOICE else None


class TargetForm(forms.ModelForm):  # type: ignore[type-arg]
    """How a stored prediction is used. What it foresees stays: another question is another prediction."""

    excluded = EXCLUDED
    vouched = VOUCHED

    class Meta:
        model = Target
        fields = ("label", "is_active", *WORTH, "retrain_days", "rescore_hours", "owner", "excluded", "vouched")
        labels = {
            "label": "Name",
            "is_active": "Is scored",
            "value": "What one is worth",
            "contact_cost": "What contacting one costs",
            "offer_cost": "What the offer costs if taken",
            "save_rate": "Share that the contact wins",
        }
        help_texts = {"save_rate": "0.3 is 3 in 10."}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Offer the fields there are."""
        super().__init__(*args, **kwargs)
        _offer_fields(self)
