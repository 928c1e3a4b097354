"""The form of the programme: who writes, how mails look, and what holds over all campaigns."""

from email.utils import parseaddr
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.forms.boundfield import BoundField
from django.utils import timezone

from campaigns import assets
from campaigns.models import FrequencyCap, Gateway, Programme, Throughput, Webhook
from campaigns.plan_fields import CSS, PercentField
from customers.models import Channel, Topic

CHANNELS = [("", "any channel"), *Channel.choices]
GATEWAYS = (Channel.SMS.value, Channel.PUSH.value)
GATEWAY_HELP = "The webhook of your provider, or of a program that speaks to it."
TIME = forms.TimeInput(format="%H:%M", attrs={**CSS, "type": "time"})
COLOUR = forms.TextInput(attrs={"type": "color", "class": "cusp-colour"})


OTHERS = ("logo_file", "has_no_logo", *(f"gateway_{channel}" for channel in GATEWAYS))


class CapForm(forms.ModelForm):  # type: ignore[type-arg]
    """A cap of one channel, or topic."""

    channel = forms.ChoiceField(choices=CHANNELS, required=False, widget=forms.Select(attrs=CSS))
    topic = forms.ChoiceField(required=False, widget=forms.Select(attrs=CSS))

    class Meta:
        model = FrequencyCap
        fields = ("messages", "days", "channel", "topic")
        widgets = dict.fromkeys(("messages", "days"), forms.NumberInput(attrs={**CSS, "min": 1}))
        labels = {"messages": "At most so many messages", "days": "in so many days"}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Offer the topics there are."""
        super().__init__(*args, **kwargs)
        known = dict(Topic.objects.order_by("position", "name").values_list("key", "name"))
        if self.instance.topic:
            known.setdefault(self.instance.topic, self.instance.topic)
        self.fields["topic"].choices = [("", "any topic"), *known.items()]  # type: ignore[attr-defined]


class RateForm(forms.ModelForm):  # type: ignore[type-arg]
    """How many messages a channel takes."""

    class Meta:
        model = Throughput
        fields = ("channel", "per_minute")
        widgets = {"channel": forms.Select(attrs=CSS), "per_minute": forms.NumberInput(attrs={**CSS, "min": 1})}
        labels = {"per_minute": "Messages a minute, at most"}


CAPS = forms.modelformset_factory(FrequencyCap, CapForm, extra=1, max_num=12, can_delete=True)
RATES = forms.modelformset_factory(Throughput, RateForm, extra=1, max_num=len(Channel.values), can_delete=True)


class ProgrammeForm(forms.ModelForm):  # type: ignore[type-arg]
    """What holds over all campaigns, with its tables of caps and rates."""

    holdout_share = PercentField("Left alone by all campaigns, %", "They show what all of it earns.", 90)
    logo_file = forms.FileField(label="Logo", required=False, help_text="PNG, JPEG, GIF or WebP, up to 5 MB.")
    has_no_logo = forms.BooleanField(label="Without a logo", required=False)
    gateway_sms = forms.ModelChoiceField(
        Webhook.objects.order_by("name"), label="SMS go through", required=False, widget=forms.Select(attrs=CSS)
    )
    gateway_push = forms.ModelChoiceField(
        Webhook.objects.order_by("name"),
        label="Push messages go through",
        required=False,
        widget=forms.Select(attrs=CSS),
    )

    class Meta:
        model = Programme
        fields = (
            "company",
            "sender",
            "reply_to",
            "postal_address",
            "colour",
            "background",
            "holdout_share",
            "cap_messages",
            "cap_days",
            "quiet_from",
            "quiet_until",
            "calling_from",
            "calling_until",
            "dkim_selector",
            "alert_emails",
            "sms_opt_out",
            "approval_customers",
            "approval_budget",
        )
        widgets = {
            **dict.fromkeys(
                ("company", "reply_to", "dkim_selector", "alert_emails", "sms_opt_out"), forms.TextInput(attrs=CSS)
            ),
            "sender": forms.TextInput(attrs={**CSS, "placeholder": "Our shop <hello@shop.example>"}),
            "postal_address": forms.TextInput(attrs=CSS),
            **dict.fromkeys(("colour", "background"), COLOUR),
            **dict.fromkeys(("cap_messages", "cap_days"), forms.NumberInput(attrs={**CSS, "min": 1})),
            "approval_customers": forms.NumberInput(attrs={**CSS, "min": 0}),
            "approval_budget": forms.NumberInput(attrs={**CSS, "min": 0, "step": "any"}),
            **dict.fromkeys(("quiet_from", "quiet_until", "calling_from", "calling_until"), TIME),
        }
        labels = {
            "colour": "Colour of buttons and links",
            "background": "Colour around the mail",
            "reply_to": "Answers go to",
            "cap_messages": "At most so many messages",
            "cap_days": "in any so many days",
            "quiet_from": "Quiet from",
            "quiet_until": "until",
            "calling_from": "Agents call from",
            "calling_until": "until",
            "dkim_selector": "DKIM selector",
            "alert_emails": "Alerts by e-mail to",
            "approval_customers": "One person may launch for so many customers",
            "approval_budget": "One person may launch with a budget up to",
        }
        help_texts = {
            "sender": "A name and an address: Our shop <hello@shop.example>",
            "reply_to": "Empty: to the sender.",
            "postal_address": "Stands below every mail: the law asks for it.",
            "colour": "",
            "background": "",
            "quiet_from": "By the customer's own clock.",
            "quiet_until": "Both empty: no quiet hours.",
            "calling_from": "By the customer's own clock.",
            "calling_until": "Stricter laws of a place hold too.",
            "approval_customers": "For more, a second person must approve the plan. Empty: nobody need.",
            "approval_budget": "With more, or without a budget, a second person must approve. Empty: nobody need.",
            "dkim_selector": "The name under which your mail server's key is published.",
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Begin the tables with what is stored."""
        super().__init__(*args, **kwargs)
        carried = dict(Gateway.objects.values_list("channel", "webhook_id"))
        for channel in GATEWAYS:
            field: Any = self.fields[f"gateway_{channel}"]
            field.empty_label, field.help_text = "Nothing yet", GATEWAY_HELP
            self.initial.setdefault(f"gateway_{channel}", carried.get(channel))
        posted = self.data if "caps-TOTAL_FORMS" in self.data else None
        self.caps = CAPS(posted, prefix="caps", queryset=FrequencyCap.objects.order_by("days", "pk"))
        self.rates = RATES(posted, prefix="rates", queryset=Throughput.objects.order_by("channel"))

    def is_valid(self) -> bool:
        """Say whether it and its tables can be stored."""
        tables = [one.is_valid() for one in (self.caps, self.rates) if one.is_bound]
        return super().is_valid() and all(tables)

    def clean_sender(self) -> str:
        """Refuse what is no address."""
        sender: str = self.cleaned_data["sender"].strip()
        _check_address(sender)
        return sender

    def clean_reply_to(self) -> str:
        """Refuse what is no address."""
        reply_to: str = self.cleaned_data["reply_to"].strip()
        if reply_to:
            _check_address(reply_to)
        return reply_to

    def clean_alert_emails(self) -> str:
        """Refuse what is no list of addresses."""
        addresses = [one.strip() for one in self.cleaned_data["alert_emails"].split(",") if one.strip()]
        for one in addresses:
            _check_address(one)
        return ", ".join(addresses)

    def clean_logo_file(self) -> Any:
        """Decode the picture; a fault is shown at its field."""
        file = self.cleaned_data["logo_file"]
        if file is None:
            return None
        if file.size > assets.MOST_BYTES:
            raise ValidationError(f"The picture is larger than {assets.MOST_BYTES // 1024 // 1024} MB.")
        try:
            assets.draw(file.read())
        except assets.AssetRefused as refused:
            raise ValidationError(str(refused)) from refused
        return file

    def clean(self) -> dict[str, Any]:
        """Take quiet hours only as a pair."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if bool(cleaned.get("quiet_from")) != bool(cleaned.get("quiet_until")):
            self.add_error("quiet_until", "Quiet hours need a beginning and an end, or neither.")
        begin, end = cleaned.get("calling_from"), cleaned.get("calling_until")
        if begin and end and begin >= end:
            self.add_error("calling_until", "Calls end later on the day than they begin.")
        return cleaned

    def keep(self, by: Any) -> list[str]:
        """Store the logo and the tables; give the names of all that was changed."""
        changed = [name for name in self.changed_data if name not in OTHERS]
        if file := self.cleaned_data.get("logo_file"):
            file.seek(0)
            self.instance.logo = assets.put(file.name, file.read(), by, timezone.now())
            changed.append("logo")
        elif self.cleaned_data.get("has_no_logo"):
            self.instance.logo = None
            changed.append("logo")
        for name, table in (("frequency caps", self.caps), ("throughput", self.rates)):
            if table.is_bound and table.has_changed():
                table.save()
                changed.append(name)
        for channel in GATEWAYS:
            if f"gateway_{channel}" in self.changed_data:
                _carry(channel, self.cleaned_data[f"gateway_{channel}"])
                changed.append(f"gateway of {channel}")
        return changed

    @property
    def parts(self) -> list[tuple[str, list[BoundField]]]:
        """Give the fields by what they are about."""
        logo = ("logo_file", "has_no_logo") if self.instance.logo_id else ("logo_file",)
        names = {
            "Who writes": ("company", "sender", "reply_to", "postal_address", "dkim_selector"),
            "SMS and push messages": ("gateway_sms", "gateway_push", "sms_opt_out"),
            "How mails look": ("colour", "background", *logo),
            "What holds over all campaigns": (
                *("holdout_share", "cap_messages", "cap_days"),
                *("quiet_from", "quiet_until", "calling_from", "calling_until"),
            ),
            "What a second person must approve": ("approval_customers", "approval_budget"),
            "Who is told": ("alert_emails",),
        }
        return [(title, [self[name] for name in fields]) for title, fields in names.items()]


def _check_address(address: str) -> None:
    if "\n" in address or "\r" in address:
        raise ValidationError("An address stands on one line.")
    try:
        validate_email(parseaddr(address)[1])
    except ValidationError as error:
        raise ValidationError(f"“{address}” holds no e-mail address.") from error


def _carry(channel: str, webhook: Webhook | None) -> None:
    """Let a webhook carry a channel, or nothing any more."""
    if webhook is None:
        Gateway.objects.filter(channel=channel).delete()
    else:
        Gateway.objects.update_or_create(channel=channel, defaults={"webhook": webhook})
