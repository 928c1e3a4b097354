"""The questions of the launch page, whose answers become the stored plan."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from django import forms
from django.contrib.admin.widgets import RelatedFieldWidgetWrapper
from django.contrib.auth.models import User
from django.forms.boundfield import BoundField
from django.forms.utils import ErrorDict

from campaigns import (
    action_fields,
    approval,
    contest_rules,
    in_flight,
    launch,
    nameable,
    plan,
    plan_fields,
    ready_texts,
    start_fields,
    steps,
    triggers,
    variants,
)
from campaigns.models import Campaign, MailDesign, Offer
from campaigns.plan_fields import BLOCKS, CSS, NUMBER, TEXT, PercentField
from customers.models import Consent, EventName, Topic
from scoring.models import Target
from segments.fields import catalogue
from segments.models import Segment

MAIL_HELP = "May name the customer: Hello {{ customer.first_name | default: 'there' }}"
BODY_HELP = (
    "Paragraphs, or MJML. A line [Words](https://…) becomes a button. "
    "The unsubscribe link and the postal address are added."
)
WRITTEN = ((TEXT, "As plain text or MJML, right here"), (BLOCKS, "In the composer: pictures, buttons, columns"))
ENTRY = (("every", "Every time it happens"), ("days", "Again only after some days"), ("once", "Once, and never again"))
LIMITED = (("drop", "Leave it"), ("delay", "Wait until it may"))
EXPERIMENT = ("split", "winner", "winner_metric")
KEPT = (
    *("entry", "cooldown_days", "lateness_hours", "when_limited", "delay_hours", "priority", "message_cost"),
    *EXPERIMENT,
)
PARSED = ("trigger", "steps", "variants")  # put together of fields of their own
NOT_ASKED = ("chosen_variant",)
LABELS = {
    "name": "Name",
    "key": "Key",
    "audience": "Members of",
    "cooldown_days": "Days in between",
    "lateness_hours": "Too late after",
    "fires_on_import": "Imported events may trigger it, too",
    "delay_hours": "Wait at most",
    "budget": "Budget",
    "message_cost": "Cost of one message",
    "most_a_day": "Most messages a day",
    "goal_days": "Within days",
    "value": "What one is worth",
    "margin": "Part of an order that we earn",
    "planned_customers": "Customers its report is planned for",
    "owner": "Who looks after it",
    "split": "How they are shared out",
    "winner": "Where one does best",
    "winner_metric": "Compared by",
}
HELP = {
    "key": "Reports and addresses name it; it stays. Left empty, it is made from the name.",
    "audience": "Nobody else gets it. Empty: all customers.",
    "cooldown_days": "Nobody is considered again sooner.",
    "lateness_hours": "Hours. What happened longer ago triggers nothing.",
    "fires_on_import": "Usually not: a file tells of what is long past.",
    "priority": "Where several campaigns want the same customer, the lower number goes first.",
    "delay_hours": "Hours. What waited longer is left.",
    "budget": "Over all its time. The customers with the best scores get it first.",
    "most_a_day": "Empty: as many as are due.",
    "goal_days": "After the decision.",
    "split": "More to what does better: once a day, by what is known; each keeps 2 % at least.",
    "winner": "Known only when the intervals say so, however often one looks. It can be taken back.",
    "winner_metric": "Of customers whose days for the goal are over; clicks count after 3 days.",
    "value": "Of one more customer who does it, in your currency. May be left.",
    "margin": "0.3 is 30 %. Empty: as the programme says.",
    "planned_customers": "With control. Its intervals are narrowest there; empty: what is foreseen for 28 days.",
}


class Card(NamedTuple):
    """A choice of its own look, with what else it asks."""

    name: str
    label: str
    help: str
    is_chosen: bool
    rows: list[list[BoundField]]


class CampaignForm(forms.ModelForm):  # type: ignore[type-arg]
    """A campaign whose trigger, step and variants are parsed before they are stored."""

    topic = plan_fields.choice("Who agreed to", text="Only they get it; a campaign never writes to anybody else.")
    trigger_kind = forms.ChoiceField(
        choices=[one[:2] for one in plan_fields.KINDS],
        widget=forms.RadioSelect,
        error_messages={"required": "Choose what makes a customer due."},
    )
    score = plan_fields.choice("Score")
    direction = plan_fields.choice("Direction", plan_fields.DIRECTIONS)
    enter = plan_fields.decimal("Line", "0 to 1, or 0 to 100 for percentiles.")
    leave = plan_fields.decimal("Way back", "Due again only after the score came back across this.")
    is_percentile = forms.BooleanField(label="Compare percentiles, 0 to 100", required=False)
    segment = plan_fields.choice("Segment")
    edge = plan_fields.choice("The customer", plan_fields.EDGES)
    stays_days = plan_fields.whole("Days", least=1)
    event = plan_fields.choice("Event")
    where_json = forms.JSONField(
        label="Conditions, as JSON",
        required=False,
        help_text="These are more than the rows above can say: as where in a rule.",
        widget=forms.Textarea(attrs={**CSS, "rows": 4, "spellcheck": "false"}),
    )
    date_field = plan_fields.choice("Date")
    date_side = plan_fields.choice("When", plan_fields.SIDES)
    date_days = plan_fields.whole("Days", least=1)
    date_hour = plan_fields.whole("At what hour", "0 to 23, of the customer's day.", least=0)
    yearly = forms.BooleanField(label="Every year again: an anniversary", required=False)
    every = plan_fields.choice("Every", plan_fields.EVERY)
    weekday = plan_fields.choice("On", plan_fields.WEEKDAYS)
    month_day = plan_fields.choice("On", plan_fields.MONTH_DAYS)
    at = forms.TimeField(
        label="At", required=False, widget=forms.TimeInput(format="%H:%M", attrs={**CSS, "type": "time"})
    )
    action = forms.ChoiceField(choices=[one[:2] for one in action_fields.ACTIONS], widget=forms.RadioSelect)
    offer = plan_fields.choice("Offer", text="Only an offer by e-mail needs one; of a call the agent tells the code.")
    written = forms.ChoiceField(choices=WRITTEN, required=False, widget=forms.RadioSelect)
    design = plan_fields.choice("Begin with a design", text="Every word of it may be changed in the composer.")
    leads_to = plan_fields.line("Its buttons lead to", "Your own address: https://…", inputmode="url")
    subject = plan_fields.line("Subject", MAIL_HELP)
    body = plan_fields.prose("Text", BODY_HELP)
    title = plan_fields.line("Title of the task")
    talking_points = plan_fields.prose("Talking points", "May name the customer: {{ customer.first_name }}.")
    entry = forms.ChoiceField(choices=ENTRY, required=False, widget=forms.RadioSelect)
    when_limited = forms.ChoiceField(choices=LIMITED, required=False, widget=forms.RadioSelect)
    control_share = PercentField("Left alone as control, %", "Nothing is sent to them: they show what it earns.", 90)
    whom = start_fields.whom()
    how_many = start_fields.how_many()
    pilot_share = PercentField("Begin with, %", "A button widens it later.", required=False)
    goal_event = forms.ChoiceField(
        label="The customer is hoped to do", widget=forms.Select(attrs=CSS), help_text="An event that was seen before."
    )

    lacks_approval = False  # of what was to be started
    is_in_flight = False  # of what was to be changed: its messages are just being handed over

    class Meta:
        model = Campaign
        fields = ("key", *(name for name in launch.EDITABLE if name not in (*PARSED, *NOT_ASKED)))
        labels = LABELS
        help_texts = HELP
        widgets = {
            **dict.fromkeys(("name", "key"), forms.TextInput(attrs=CSS)),
            **dict.fromkeys(("audience", "owner", *EXPERIMENT), forms.Select(attrs=CSS)),
            **dict.fromkeys(
                ("cooldown_days", "lateness_hours", "delay_hours", "priority"), forms.NumberInput(attrs=CSS)
            ),
            **dict.fromkeys(("most_a_day", "goal_days", "planned_customers"), forms.NumberInput(attrs=CSS)),
            **dict.fromkeys(("budget", "message_cost", "value", "margin"), forms.TextInput(attrs=NUMBER)),
            "fires_on_import": forms.CheckboxInput,
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Offer what exists, and show the stored plan."""
        super().__init__(*args, **kwargs)
        self.known = catalogue()
        self.stored = {name: getattr(self.instance, name) for name in launch.EDITABLE}
        self.edition = launch.edition(self.instance)
        self._add_rows()
        self._drop_settled()
        action_fields.add(self, self.stored["steps"][0] if self.stored["steps"] else {})
        for name in (*KEPT, "key"):
            if name in self.fields:
                self.fields[name].required = False
        self._offer_all()
        for name, value in {**self._answers(), **dict(self._shown_variants())}.items():
            self.initial.setdefault(name, value)
        for name in self.stored:
            self.initial.setdefault(name, getattr(self.instance, name))
        for name, field in self.fields.items():
            if isinstance(field.widget, RelatedFieldWidgetWrapper):
                field.widget = field.widget.widget
            field.when = action_fields.when(name)  # type: ignore[attr-defined]
        for name in ready_texts.MAIL:
            self.fields[name].widget.attrs |= ready_texts.by_action(name)

    def _add_rows(self) -> None:
        where = self.instance.trigger.get("where") if isinstance(self.instance.trigger, dict) else None
        stored = len(where) if isinstance(where, list) else 0
        self.conditions = range(plan_fields.rows("where", self.data, stored))
        self.others = range(plan_fields.rows("variant", self.data, len(self.instance.variants)))
        for row in self.conditions:
            self.fields[f"where_{row}_name"] = plan_fields.choice(f"Condition {row + 1}")
            self.fields[f"where_{row}_op"] = plan_fields.choice("compared", plan_fields.OPS)
            self.fields[f"where_{row}_value"] = plan_fields.line("with")
        for row in self.others:
            self.fields[f"variant_{row}_key"] = plan_fields.line(f"Variant {row + 1}", maxlength=20)
            self.fields[f"variant_{row}_share"] = PercentField("Share, %", required=False)

    def _drop_settled(self) -> None:
        """Ask nothing that is settled: how to begin, once it was launched; of designs, once there is a mail."""
        stored: dict[str, Any] = self.stored["steps"][0] if self.stored["steps"] else {}
        if self.instance.state != Campaign.State.DRAFT:
            del self.fields["whom"], self.fields["how_many"]
        if stored.get("content"):
            del self.fields["design"], self.fields["leads_to"]

    def _offer_all(self) -> None:
        self._offer("score", Target.objects.order_by("label").values_list("key", "label"))
        segments = list(Segment.objects.order_by("name").values_list("key", "name"))
        self._offer("segment", segments)
        self._offer("offer", Offer.objects.order_by("name").values_list("key", "name"))
        if "design" in self.fields:
            self._offer(
                "design", MailDesign.objects.order_by("name").values_list("key", "name"), "None: it is empty yet"
            )
        events = sorted(set(EventName.objects.values_list("name", flat=True)))
        self._offer("event", [(name, name) for name in events])
        goals = sorted({*events, self.instance.goal_event})
        self.initial.setdefault("goal_event", self.instance.goal_event)
        self._offer("goal_event", [(name, name) for name in goals])
        self._offer("date_field", plan_fields.dates(self.known))
        asked = plan_fields.asked_of_events(self.known)
        for row in self.conditions:
            self._offer(f"where_{row}_name", asked, "No condition")
        names = dict(Topic.objects.order_by("position", "name").values_list("key", "name"))
        topics = {*names, *Consent.objects.order_by().values_list("topic", flat=True).distinct(), self.instance.topic}
        self._offer("topic", [(key, names.get(key, key)) for key in sorted(topics)], "")
        self.fields["audience"].empty_label = "All customers"  # type: ignore[attr-defined]
        if "owner" in self.fields:
            self.fields["owner"].queryset = User.objects.filter(is_staff=True, is_active=True)  # type: ignore[attr-defined]

    def _offer(self, name: str, choices: Any, nothing: str = "Choose") -> None:
        first = [("", nothing)] if nothing else []
        self.fields[name].choices = [*first, *choices]  # type: ignore[attr-defined]

    def _answers(self) -> dict[str, Any]:
        trigger = self.instance.trigger if isinstance(self.instance.trigger, dict) else {}
        step: dict[str, Any] = self.instance.steps[0] if self.instance.steps else {}
        told = plan_fields.answers_of(trigger) if trigger else {}
        texts = {name: step.get(name) for name in ("offer", "subject", "body", "title", "talking_points")}
        written = TEXT if "body" in step or not step else BLOCKS
        told = told or {**ready_texts.LINE, "is_percentile": "enter" not in self.initial}
        shown = {**told, **(texts if step else ready_texts.initial()), "action": step.get("action", "email")}
        return {**shown, "written": written, "how_many": start_fields.how_many_of(self.instance)}

    def _shown_variants(self) -> Iterator[tuple[str, Any]]:
        for row, one in enumerate(self.instance.variants[: len(self.others)]):
            yield f"variant_{row}_key", one.get("key")
            yield f"variant_{row}_share", one.get("share")

    def is_valid(self) -> bool:
        """Store nothing where only the check is asked for: then the form comes again with it."""
        return super().is_valid() and "_check" not in self.data

    def full_clean(self) -> None:
        """Check the answers, unless only one more row is asked for: then the form comes again with it."""
        super().full_clean()
        if self.is_bound and self.data.get("_row") in plan_fields.KINDS_OF_ROWS:
            self._errors = ErrorDict()
            self.add_error(None, "There is one more row now. Nothing is saved yet.")

    def clean(self) -> dict[str, Any]:
        """Put the plan together and parse it; a fault is shown at its field."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        self._refuse_stale()
        if "key" in self.fields and cleaned.get("name") and not cleaned.get("key"):
            cleaned["key"] = ready_texts.key_of(cleaned["name"])
        cleaned["pilot_share"] = start_fields.share_of(cleaned)
        for name in ("written", *KEPT, "pilot_share", "topic"):
            if cleaned.get(name) in (None, ""):
                cleaned[name] = self._else(name)
        for name in ("action", "trigger_kind"):
            if name not in cleaned:
                return cleaned
        self.instance.trigger = plan_fields.trigger_of(cleaned, self.known)
        self.nameable = nameable.known()
        step = self._step(cleaned)
        self.instance.steps = [step]
        self.instance.variants = plan_fields.variants_of(cleaned, step, self.stored["variants"])
        self._parse_trigger(cleaned)
        self._parse_steps(step)
        if cleaned["trigger_kind"] in ("schedule", "hand") and not cleaned.get("audience"):
            self.add_error("audience", "Choose the segment that it acts on.")
        return cleaned

    def _refuse_stale(self) -> None:
        """Refuse what was written above a plan that somebody changed meanwhile."""
        told = self.data.get("edition")
        if told and told != self.edition:
            self.add_error(None, "Somebody changed this campaign after you opened it: nothing is saved. Open it again.")

    def _step(self, cleaned: dict[str, Any]) -> dict[str, Any]:
        """Give the step that the answers describe; a mail nobody wrote yet is that of a design, if one is chosen."""
        stored: dict[str, Any] = self.stored["steps"][0] if self.stored["steps"] else {}
        if cleaned["action"] in plan_fields.MAILS and cleaned["written"] == TEXT:
            cleaned |= ready_texts.of_action(cleaned, cleaned["action"])
        step = action_fields.step_of(cleaned, stored, self.nameable.types or {})
        chosen = MailDesign.objects.filter(key=cleaned.get("design") or "").first()
        if step.get("content") == {} and chosen:
            step["content"] = ready_texts.written(chosen, (cleaned.get("leads_to") or "").strip())
        return step

    def _post_clean(self) -> None:
        """Let what is to be started be read as it is at a launch."""
        super()._post_clean()  # type: ignore[misc]
        state = self.instance.state
        if ({"_start", "_ask"} & set(self.data) or state != Campaign.State.DRAFT) and not self.errors:
            self.check_launch()
        is_asking = "_ask" in self.data
        if ("_start" in self.data or (self.is_felt and not is_asking)) and not self.errors:
            self._refuse_unapproved()
        if state != Campaign.State.DRAFT and not self.errors and not is_asking:
            self._refuse_sudden()

    @property
    def is_felt(self) -> bool:
        """Say whether what runs is changed in what a second person may have to approve."""
        changed = self.changes().keys() - {*plan.FREE, "owner"}
        return self.instance.state == Campaign.State.LIVE and bool(changed)

    def asked_changes(self) -> plan.Plan:
        """Give what was changed as a stored plan tells it."""
        whole = plan.of(self.instance)
        return {name: whole[name] for name in self.changes() if name in whole}

    def _refuse_unapproved(self) -> None:
        """Refuse to start what a second person must approve first."""
        need = approval.needed(launch.as_stored(self.instance))
        if need and not need.is_met:
            self.lacks_approval = True
            self.add_error(None, need.sentence)

    def _refuse_sudden(self) -> None:
        """Refuse what changes messages that are just being handed over, unless that is asked for."""
        goes_out = plan.GOES_OUT & self.changes().keys()
        refused = in_flight.refusal(in_flight.count(self.instance)) if goes_out else ""
        if refused and not self.data.get("while_sending"):
            self.is_in_flight = True
            self.add_error(None, refused)

    def check_launch(self) -> None:
        """Add what stands against a launch of the plan, at its field."""
        try:
            launch.check(self.instance)
        except launch.LaunchError as refused:
            self._say(str(refused).partition(": ")[0], str(refused))

    def _else(self, name: str) -> Any:
        """Give what holds where a question was not answered."""
        return TEXT if name == "written" else self.stored[name]

    def _parse_trigger(self, cleaned: dict[str, Any]) -> None:
        lacking = plan_fields.lacking(cleaned, dict.fromkeys(self.errors, "faulty"))
        for name, said in lacking.items():
            self.add_error(name, said)
        if lacking:
            return
        try:
            triggers.parse(self.instance.trigger, self.known)
        except triggers.TriggerError as error:
            self._say(error.path, str(error))

    def _parse_steps(self, step: dict[str, Any]) -> None:
        """Let the steps be read as they will be; a mail that is still to be composed is read when it is launched."""
        known = self.nameable
        if step["action"] == "offer" and step["offer"] not in known.offers:
            self.add_error("offer", "Choose an offer.")
        else:
            try:
                if step.get("content") != {}:
                    steps.parse([step], known)
                    variants.parse(self.instance, known)
                self._check_contest()
            except steps.StepError as error:
                self._say(error.path, str(error))

    def _check_contest(self) -> None:
        for name in EXPERIMENT:
            setattr(self.instance, name, self.cleaned_data[name])
        self.instance.goal_event = self.cleaned_data.get("goal_event", self.instance.goal_event)
        contest_rules.check(self.instance)

    def changes(self) -> dict[str, Any]:
        """Give what was changed of the plan, as launch.edit takes it."""
        now = {**self.cleaned_data, **{name: getattr(self.instance, name) for name in ("trigger", "steps", "variants")}}
        return {name: now[name] for name in launch.EDITABLE if name in now and now[name] != self.stored[name]}

    def _say(self, path: str, message: str) -> None:
        """Show a fault at the field that its path ends in."""
        last = path.rsplit(".", 1)[-1].partition("[")[0]
        name = {"kind": "trigger_kind", "key": "variant_0_key", "share": "variant_0_share"}.get(last, last)
        if path.startswith("steps"):
            name = action_fields.place_of(path, self.instance.steps[0]) or self._of_mail(path, message) or name
        if path.startswith("trigger"):
            name = plan_fields.AT.get(str(self.instance.trigger.get("kind")), {}).get(last, name)
        if path.startswith("variants[") and last in ("key", "share"):
            name = f"variant_{path[len('variants[') :].partition(']')[0]}_{last}"
        if path.startswith("trigger.where[") and not self.cleaned_data.get("where_json"):
            name = f"where_{path[len('trigger.where[') :].partition(']')[0]}_value"
        if name not in self.errors:
            where = "In the mail: " if ".content" in path and name not in self.fields else ""
            self.add_error(name if name in self.fields else None, f"{where}{message.split(': ', 1)[-1]}")

    def _of_mail(self, path: str, message: str) -> str:
        """Give the field that a fault of a mail in blocks belongs to, while it is a design."""
        if ".content" not in path or "design" not in self.fields:
            return ""
        return "leads_to" if steps.EXAMPLE in message else "design"

    # What the page draws.

    def bound(self, *names: str) -> list[BoundField]:
        """Give the fields of these names that the form has: a stored key has none."""
        return [self[name] for name in names if name in self.fields]

    @property
    def edition_shown(self) -> str:
        """Give the edition that these answers were written above."""
        return str(self.data.get("edition") or self.edition)

    @property
    def designs(self) -> list[BoundField]:
        return self.bound("design", "leads_to")

    @property
    def who(self) -> list[BoundField]:
        return self.bound("audience", "topic")

    @property
    def kinds(self) -> list[Card]:
        """Give the kinds of triggers, each with what it asks."""
        asked: dict[str, list[list[str]]] = {
            "score": [["score", "direction", "enter", "leave"], ["is_percentile"]],
            "segment": [["segment", "edge", "stays_days"]],
            "event": [["event"], *([f"where_{i}_{part}" for part in ("name", "op", "value")] for i in self.conditions)],
            "date": [["date_field", "date_side", "date_days", "date_hour"], ["yearly"]],
            "schedule": [["every", "weekday", "month_day", "at"]],
            "hand": [],
        }
        if self["where_json"].value() not in (None, "", "null", "[]"):
            asked["event"].append(["where_json"])
        chosen = self["trigger_kind"].value()
        return [
            Card(*told, told[0] == chosen, [self.bound(*names) for names in asked[told[0]]])
            for told in plan_fields.KINDS
        ]

    @property
    def actions(self) -> list[Card]:
        """Give the actions."""
        chosen = self["action"].value()
        return [Card(*told, told[0] == chosen, []) for told in action_fields.ACTIONS]

    @property
    def sms(self) -> list[BoundField]:
        return self.bound("sms_text")

    @property
    def push(self) -> list[BoundField]:
        return self.bound("push_title", "push_text", "push_url")

    @property
    def attribute(self) -> list[BoundField]:
        return self.bound("attribute_name", "attribute_value")

    @property
    def listing(self) -> list[BoundField]:
        return self.bound("list_key", "list_does")

    @property
    def said_rows(self) -> list[list[BoundField]]:
        return action_fields.rows(self, "said_", ("language", "title", "text"))

    @property
    def data_rows(self) -> list[list[BoundField]]:
        return action_fields.rows(self, "data_", ("name", "text"))

    @property
    def again(self) -> list[BoundField]:
        return self.bound("cooldown_days", "lateness_hours", "fires_on_import")

    @property
    def limits(self) -> list[BoundField]:
        return self.bound("control_share", "most_a_day", "budget", "delay_hours")

    @property
    def goal(self) -> list[BoundField]:
        return self.bound("goal_event", "goal_days")

    @property
    def more(self) -> list[BoundField]:
        """Give what is seldom asked for."""
        wider = () if "how_many" in self.fields else ("pilot_share",)
        return self.bound("priority", "message_cost", "value", "margin", "planned_customers", *wider, "owner", "key")

    @property
    def more_has_errors(self) -> bool:
        return any(field.errors for field in self.more)

    @property
    def experiment(self) -> list[BoundField]:
        return self.bound(*EXPERIMENT)

    @property
    def variant_rows(self) -> list[list[BoundField]]:
        return [self.bound(f"variant_{row}_key", f"variant_{row}_share") for row in self.others]
