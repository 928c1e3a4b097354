"""Pages of webhooks: what each wants, how it answers, and its last messages with every try."""

from collections import Counter
from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString

from campaigns.models import Webhook, WebhookAttempt, WebhookMessage
from campaigns.webhooks import hooks, outbox
from campaigns.webhooks.hooks import WebhookError
from campaigns.webhooks.notices import Type
from customers import charts
from customers.admin import BaseAdmin, Button, LargeAdmin, user_of
from customers.charts import Part
from customers.panels import LAST, Cell, Panel, link, moment, number, share, tag
from segments.models import Segment

STATE_TAGS = {"planned": "wait", "claimed": "wait", "taken": "good", "failed": "bad"}
LATELY = 2_000  # messages that the figures are made of
HOURS = 24
SHORT = 120  # characters of an answer in a table
CHECKS = {"class": "cusp-checks"}
State = WebhookMessage.State


class WebhookForm(forms.ModelForm):  # type: ignore[type-arg]
    """The address, what it wants to hear of, and how much of it."""

    types = forms.MultipleChoiceField(
        choices=Type.choices,
        required=False,
        label="It wants to hear",
        widget=forms.CheckboxSelectMultiple(attrs=CHECKS),
        help_text="Nothing: then only campaigns that name it send it something.",
    )
    segments = forms.MultipleChoiceField(
        required=False,
        label="Of these segments",
        widget=forms.CheckboxSelectMultiple(attrs=CHECKS),
        help_text="For who entered and left; none: of all.",
    )

    class Meta:
        model = Webhook
        fields = ("name", "key", "url", "types", "segments", "per_minute")
        field_classes = {"url": forms.CharField}
        labels = {"url": "Address", "per_minute": "Most calls a minute", "key": "Key"}
        help_texts = {
            "url": "Begins with https://. It must lead to the open internet.",
            "key": "Its name in campaigns and over REST.",
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "segments" in self.fields:
            known = Segment.objects.order_by("name").values_list("key", "name")
            self.fields["segments"].choices = list(known)  # type: ignore[attr-defined]
        if "types" in self.fields:
            offered = [choice for choice in Type.choices if choice[0] != Type.WEBHOOK_TEST]
            self.fields["types"].choices = offered  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        """Look at the address as every call does, and refuse what cannot be used at its field."""
        told = super().clean() or self.cleaned_data
        if not self.errors:
            wanted = Webhook(**{name: told[name] for name in ("url", "types", "segments", "per_minute")})
            try:
                hooks.check(wanted)
            except WebhookError as error:
                self.add_error(error.path, error.message)
        return told


class WebhookAdmin(BaseAdmin):
    """Other programs that are told what happens here."""

    form = WebhookForm
    list_display = ("name", "url", "state_shown", "wants", "failing_since")
    next_step = (
        "Add the address of a program that wants to hear who enters a segment, what was decided, what was called. "
        "Each message is signed: the secret is shown once, when the webhook is made."
    )
    list_filter = ("state",)
    search_fields = ("name", "key", "url")
    ordering = ("name",)
    fieldsets = ((None, {"fields": (("name", "key"), "url", "types", "segments", "per_minute")}),)

    def get_readonly_fields(self, request: HttpRequest, obj: Webhook | None = None) -> tuple[str, ...]:
        """Keep the key: campaigns name it."""
        return ("key",) if obj else ()

    @admin.display(description="State", ordering="state")
    def state_shown(self, item: Webhook) -> Cell:
        """Give the state in its colour."""
        return state_of(item)

    @admin.display(description="Hears of")
    def wants(self, item: Webhook) -> str:
        """Give the kinds of notices that it gets."""
        named = [str(Type(one).label) if one in Type.values else one for one in item.types]
        return "; ".join(named) or "what campaigns send it"

    def save_model(self, request: HttpRequest, obj: Webhook, form: forms.Form, change: bool) -> None:
        """Store it through the one door of webhooks, and show a new secret this once."""
        now = timezone.now()
        if change:
            hooks.change(obj, user_of(request), now)
            return
        secret = hooks.add(obj, user_of(request), now)
        messages.warning(request, shown_once(secret))

    def delete_model(self, request: HttpRequest, obj: Webhook) -> None:
        """Delete it through the one door of webhooks."""
        hooks.remove(obj, user_of(request), timezone.now())

    def lead(self, request: HttpRequest, item: Webhook) -> list[Panel]:
        """Give how it stands and how it answers."""
        return [standing(item, timezone.now())]

    def panels(self, request: HttpRequest, item: Webhook) -> list[Panel]:
        """Give its last messages."""
        rows = [
            (link(one, one.type), state_tag(one), moment(one.created_at), number(one.attempts), *last_try(one))
            for one in item.messages.order_by("-pk").prefetch_related("tries")[:LAST]
        ]
        head = ("What", "State", "Since", "Tries", "Status", "Answer", "Next try")
        note = format_html(
            '<a class="cusp-link" href="../../../webhookmessage/?webhook__id__exact={}">All its messages</a>', item.pk
        )
        return [Panel("Last messages", note, head=head, rows=rows, empty="None yet. Send a test.")]

    def buttons(self, request: HttpRequest, item: Webhook) -> list[Button]:
        """Offer those who may change it to test, rotate, replay, disable and enable."""
        if not request.user.has_perm("campaigns.change_webhook"):
            return []
        if item.state == Webhook.State.DISABLED:
            first = [Button("enable", "Enable", "good")]
        else:
            first = [Button("test", "Send a test"), Button("disable", "Disable", "bad", "", "Why")]
        ask = "Make a new secret? The old one signs too for a day."
        rest = [Button("rotate", "New secret", "", ask)]
        if item.messages.filter(state=State.FAILED).exists():
            rest.append(Button("replay", "Send again what was given up", "", "", "Since, such as 2026-03-01 12:00"))
        return [*first, *rest]

    def do(self, request: HttpRequest, item: Webhook, name: str) -> str:
        """Do what a button says."""
        by, now, said = user_of(request), timezone.now(), request.POST.get("said", "").strip()
        if name == "rotate":
            return shown_once(hooks.rotate(item, by, now))
        if name == "test":
            hooks.test(item, by, now)
            return "A test is on its way. Its answer stands below in a few seconds."
        if name == "enable":
            return f"It is enabled. Messages that waited: {number(hooks.enable(item, by, now))}."
        if name == "replay":
            count = outbox.replay_failed(item, told_time(said), by, now)
            return f"Messages that are sent again: {number(count)}."
        if not said:
            raise ValueError("Say why it is disabled, so that others can follow it.")
        hooks.disable(item, said, by, now)
        return "It is disabled. What waits is kept until it is enabled."


class WebhookMessageAdmin(LargeAdmin):
    """Every message, with its tries."""

    list_display = ("type", "webhook", "state_shown", "created_at", "attempts", "next_try")
    list_select_related = ("webhook",)
    list_filter = ("state", "webhook", "type")
    search_fields = ("public_id",)
    search_help_text = "The header webhook-id of a message"
    fields = (("type", "webhook"), ("public_id", "state_shown"), ("created_at", "ended_at"))
    next_step = "Messages stand here once something happened that a webhook wants to hear of."

    @admin.display(description="State", ordering="state")
    def state_shown(self, item: WebhookMessage) -> Cell:
        """Give the state in its colour."""
        return state_tag(item)

    @admin.display(description="Next try")
    def next_try(self, item: WebhookMessage) -> Cell:
        """Give when it is tried next."""
        return moment(item.due_at) if item.state == State.PLANNED else "–"

    def panels(self, request: HttpRequest, item: WebhookMessage) -> list[Panel]:
        """Give every try, and the body."""
        rows = [
            (number(one.number), moment(one.at), status_of(one), f"{number(one.seconds, 2)} s", one.answer or "–")
            for one in item.tries.order_by("number")
        ]
        head = ("Try", "When", "Status", "Took", "Answer")
        body = format_html('<pre class="cusp-raw" tabindex="0">{}</pre>', item.body) if item.body else None
        removed = f"It was removed {outbox.KEPT.days} days after the message had ended."
        return [
            Panel("Tries", head=head, rows=rows, empty="It was not tried yet."),
            Panel("What is sent", drawing=body, empty=removed),
        ]

    def buttons(self, request: HttpRequest, item: WebhookMessage) -> list[Button]:
        """Offer those who may change webhooks to send it again."""
        may = request.user.has_perm("campaigns.change_webhook") and item.state in outbox.ENDED and item.body
        return [Button("replay", "Send it again")] if may else []

    def do(self, request: HttpRequest, item: WebhookMessage, name: str) -> str:
        """Send it again."""
        outbox.replay(item, user_of(request), timezone.now())
        return "It is sent again, under its id."


def state_of(item: Webhook) -> SafeString:
    """Give how a webhook stands, in its colour."""
    if item.state == Webhook.State.DISABLED:
        return tag("Disabled", "bad")
    return tag("Fails", "wait") if item.failing_since else tag("Live", "good")


def state_tag(item: WebhookMessage) -> SafeString:
    """Give the state of a message in its colour."""
    return tag(item.get_state_display(), STATE_TAGS[item.state])


def status_of(one: WebhookAttempt) -> str:
    """Give the status of an answer, or that there was none."""
    return "none" if one.status is None else str(one.status)


def last_try(item: WebhookMessage) -> tuple[Cell, Cell, Cell]:
    """Give status and answer of the last try, and when the next one is."""
    tries = sorted(item.tries.all(), key=lambda one: one.number)
    again = moment(item.due_at) if item.state == State.PLANNED else "–"
    return (status_of(tries[-1]), tries[-1].answer[:SHORT] or "–", again) if tries else ("–", "–", again)


def standing(item: Webhook, now: datetime) -> Panel:
    """Give how a webhook stands, and how it answered in the last hours."""
    last = item.messages.order_by("-pk").values("pk")[:LATELY]
    tries = WebhookAttempt.objects.filter(message__in=last, at__gt=now - timedelta(hours=HOURS))
    hours: Counter[int] = Counter()
    failed: Counter[int] = Counter()
    for at, status in tries.values_list("at", "status"):
        hour = int((now - at).total_seconds() // 3600)
        hours[hour] += 1
        failed[hour] += not (status and 200 <= status < 300)
    waiting = item.messages.filter(state__in=(State.PLANNED, State.CLAIMED)).count()
    total = sum(hours.values())
    facts: list[tuple[str, Cell]] = [
        ("State", state_of(item)),
        ("Waiting", number(waiting)),
        ("Calls in a day", number(total)),
        ("Taken", share((total - sum(failed.values())) / total if total else None, 1)),
    ]
    if item.failing_since:
        facts.append(("Nothing was taken since", moment(item.failing_since)))
    if item.retry_at and item.retry_at > now + timedelta(seconds=5):
        facts.append(("It asked for rest until", moment(item.retry_at)))
    if item.old_until and item.old_until > now:
        facts.append(("The old secret signs until", moment(item.old_until)))
    warning = f"{item.disabled_why} What waits is kept until it is enabled." if item.disabled_why else ""
    parts = [
        Part(
            date_format(timezone.localtime(now - timedelta(hours=n)), "H:00"), hours[n], "bad" if failed[n] else "good"
        )
        for n in range(HOURS - 1, -1, -1)
    ]
    drawing = charts.columns(parts, "Calls in each of the last 24 hours; where one failed, in red") if total else None
    note = "Calls of the last hours stand here." if not total else ""
    return Panel("How it answers", note, facts=facts, drawing=drawing, warning=warning)


def told_time(said: str) -> datetime:
    """Give the time that somebody wrote, in the installation's zone. Raises ValueError."""
    try:
        found = parse_datetime(said)
        day = None if found else parse_date(said)
    except ValueError:
        found = day = None
    if found is None and day is not None:
        found = datetime(day.year, day.month, day.day)  # noqa: DTZ001  made aware below
    if found is None:
        raise ValueError(f"{said!r} is no time; write it as 2026-03-01 12:00.")
    return timezone.make_aware(found) if timezone.is_naive(found) else found


def shown_once(secret: str) -> SafeString:
    """Give a secret to copy."""
    text = "The secret, shown only this once. Copy it now: {}"
    return format_html(text, format_html('<code class="cusp-secret">{}</code>', secret))
