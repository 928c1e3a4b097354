"""The pages of scheduled imports: where files are looked for and when, how it stands, and what came of each file."""

import copy
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString
from unfold.widgets import UnfoldAdminPasswordWidget, UnfoldAdminSelectWidget

from customers.admin import STATE_TAGS, BaseAdmin, Button, user_of
from customers.feeds import keeping
from customers.feeds.keeping import FeedError
from customers.feeds.logins import LONGEST
from customers.models import Feed, FeedFile, Import
from customers.panels import LAST, Cell, Panel, column, facts_of, link, moment, number, tag

DROPPED = "The password was forgotten: it was for another host. If the new one asks for one, give it here."
OFFERED = 50  # imports that another one may be made like


class ImportChoice(forms.ModelChoiceField):  # type: ignore[type-arg]
    """An import that went well, by its file and day."""

    def label_from_instance(self, obj: Any) -> str:
        """Give the words of one choice."""
        return f"{obj.file_name}, {obj.started_at:%d %B %Y}: {obj.stored + obj.repeated:,} lines of {obj.kind}"


class FeedForm(forms.ModelForm):  # type: ignore[type-arg]
    """Where files are looked for, when, and how they are read."""

    like = ImportChoice(
        queryset=Import.objects.none(),
        label="Read each file as this import was",
        widget=UnfoldAdminSelectWidget,
        help_text="Its columns, types and consents are taken over. First import one file by hand.",
    )

    secret = forms.CharField(
        label="Password or token",
        required=False,
        strip=False,
        max_length=LONGEST,
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"}),
        help_text="Kept sealed, never shown again, and sent to this address's host alone.",
    )

    class Meta:
        model = Feed
        fields = (
            *("name", "folder", "pattern", "url", "login", "login_name"),
            *("every_minutes", "daily_at", "is_paused"),
        )
        labels = {
            "pattern": "Files like",
            "url": "Or an address",
            "login": "Login",
            "login_name": "Name of the user or header",
            "every_minutes": "Every so many minutes",
            "daily_at": "Or once a day at",
            "is_paused": "Paused",
        }
        help_texts = {
            "pattern": "Such as customers-*.csv.",
            "url": "Begins with https:// and leads to the open internet.",
            "login_name": "The user's, or the header's, such as X-Api-Key; a token (Bearer) needs none.",
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        done = Import.objects.filter(state=Import.State.DONE).order_by("-pk")[:OFFERED]
        known = [one.pk for one in done if keeping.is_model(one)]
        if "login" not in self.fields:  # it is looked at only
            return
        self.fields["folder"].help_text = _open_folders()
        self.fields["login"].choices = [("", "Without a login"), *Feed.Login.choices]  # type: ignore[attr-defined]
        asked = str(self.initial.get("like", ""))
        named = [int(asked)] if asked.isdecimal() and len(asked) < 10 else []
        field = self.fields["like"]
        field.queryset = Import.objects.filter(pk__in=[*known, *named]).order_by("-pk")  # type: ignore[attr-defined]
        if self.instance.pk:
            field.required, field.empty_label = False, "As it is now"  # type: ignore[attr-defined]
        if self.instance.sealed:
            self.fields["secret"].help_text = "One is kept. Leave this empty to keep it; another host drops it."

    def clean(self) -> dict[str, Any]:
        """Look at the place, and refuse what cannot be at its field."""
        told = super().clean() or self.cleaned_data
        if not self.errors:
            wanted = copy.copy(self.instance)
            for name in self._meta.fields or ():
                setattr(wanted, name, told[name])
            try:
                self.was_dropped = keeping.login(wanted, told.get("secret", ""))
                keeping.check(wanted)
                if told.get("like"):
                    keeping.like(wanted, told["like"])
            except FeedError as error:
                self.add_error(error.path, error.message)
            for name in keeping.LOGIN:
                told[name] = getattr(wanted, name)
            self.instance.sealed = wanted.sealed
        return told


class FeedAdmin(BaseAdmin):
    """Folders and addresses that are looked at again and again."""

    form = FeedForm
    list_display = (
        *("name", "place", "rhythm", "state_shown"),
        *(column("last_at", "Last look", moment), column("next_at", "Next look", moment)),
    )
    next_step = "Import a file by hand first; its page then offers to schedule it."
    search_fields = ("name", "folder", "url")
    list_filter = ("is_paused", "kind")
    ordering = ("name",)
    fieldsets = (
        (None, {"fields": ("name", "like")}),
        ("Where", {"fields": (("folder", "pattern"), "url", ("login", "login_name"), "secret")}),
        ("When", {"fields": (("every_minutes", "daily_at"), "is_paused")}),
    )

    def get_fieldsets(self, request: HttpRequest, obj: Feed | None = None) -> Any:
        """Leave out what is only asked, never shown, for those who may look and no more."""
        if obj is None or self.has_change_permission(request, obj):
            return self.fieldsets
        return [
            (None, {"fields": ("name",)}),
            ("Where", {"fields": (("folder", "pattern"), "url", ("login", "login_name"))}),
            self.fieldsets[2],
        ]

    @admin.display(description="Looks at")
    def place(self, item: Feed) -> str:
        """Give where files are looked for."""
        return f"{item.folder}/{item.pattern}" if item.folder else item.url

    @admin.display(description="When")
    def rhythm(self, item: Feed) -> str:
        """Give how often that is."""
        return f"every {item.every_minutes:,} minutes" if item.every_minutes else f"daily at {item.daily_at:%H:%M}"

    @admin.display(description="State")
    def state_shown(self, item: Feed) -> Cell:
        """Give how it stands in its colour."""
        return state_of(item)

    def save_model(self, request: HttpRequest, obj: Feed, form: forms.Form, change: bool) -> None:
        """Store it through the one door of feeds."""
        if form.cleaned_data.get("like"):
            keeping.like(obj, form.cleaned_data["like"])
        if getattr(form, "was_dropped", False):
            messages.warning(request, DROPPED)
        (keeping.store if change else keeping.add)(obj, user_of(request), timezone.now())

    def delete_model(self, request: HttpRequest, obj: Feed) -> None:
        """Delete it through the one door of feeds."""
        keeping.remove(obj, user_of(request), timezone.now())

    def lead(self, request: HttpRequest, item: Feed) -> list[Panel]:
        """Give how it stands."""
        facts: list[tuple[str, Cell]] = [
            ("State", state_of(item)),
            ("Last look", moment(item.last_at) if item.last_at else "not yet"),
            ("Next look", "when it goes on" if item.is_paused else moment(item.next_at)),
            ("Files taken", number(item.files.count())),
        ]
        return [
            Panel("How it stands", facts=facts, warning=" ".join(filter(None, (item.look_error, item.import_error))))
        ]

    def panels(self, request: HttpRequest, item: Feed) -> list[Panel]:
        """Give its last files, and how they are read."""
        last = item.files.select_related("of_import").order_by("-pk")[:LAST]
        head = ("File", "Taken", "State", "Stored", "Repeated", "Refused")
        empty = "No file was taken yet. It is looked at when it is due, or by “Run now”."
        return [
            Panel("Its last files", head=head, rows=[_row(one) for one in last], empty=empty),
            Panel("How files are read", facts=[("Source", str(item.source)), *facts_of(item.mapping)]),
        ]

    def buttons(self, request: HttpRequest, item: Feed) -> list[Button]:
        """Offer those who may change it to run it, to pause it and to let it go on."""
        if not request.user.has_perm("customers.change_feed"):
            return []
        return [Button("resume", "Let it go on", "good")] if item.is_paused else [Button("run", "Run now"), PAUSE]

    def do(self, request: HttpRequest, item: Feed, name: str) -> str:
        """Do what a button says."""
        by, now = user_of(request), timezone.now()
        if name == "run":
            keeping.run(item, by, now)
            return "It is looked at within seconds; files of which nothing was stored are taken again."
        item.is_paused = name == "pause"
        keeping.store(item, by, now)
        return "It is paused." if item.is_paused else "It goes on, and is looked at within seconds."


def _open_folders() -> str:
    """Say below which folders files may be looked for."""
    if not settings.IMPORT_FOLDERS:
        return "No folder is open yet: the operator names some in IMPORT_FOLDERS."
    return f"The whole path, in or below {' or '.join(settings.IMPORT_FOLDERS)}."


PAUSE = Button("pause", "Pause")


def state_of(item: Feed) -> SafeString:
    """Give how a feed stands, in its colour."""
    if item.is_paused:
        return tag("Paused", "wait")
    return tag("Fails", "bad") if item.look_error or item.import_error else tag("Live", "good")


def _row(one: FeedFile) -> tuple[Cell, ...]:
    done = one.of_import
    if done is None:
        return one.name, moment(one.taken_at), "–", "–", "–", "–"
    counts = (number(done.stored), number(done.repeated), number(done.quarantined))
    return link(done, one.name), moment(one.taken_at), tag(done.get_state_display(), STATE_TAGS[done.state]), *counts
