"""The admin of customers, and what all admin pages share: BaseAdmin and read-only pages."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.views.decorators.http import require_POST
from unfold.admin import ModelAdmin
from unfold.paginator import InfinitePaginator
from unfold.widgets import UnfoldAdminTextInputWidget

from customers import alerts, attributes, audit, customer_page, import_panels, inbox, key_page, keys, suppressions
from customers.consent_page import ConsentsByHand
from customers.import_page import ImportsByHand
from customers.models import (
    Alert,
    ApiKey,
    Attribute,
    AuditEntry,
    Customer,
    Event,
    EventName,
    Import,
    Product,
    Quarantine,
    Source,
    Suppression,
)
from customers.panels import Cell, Panel, column, facts_of, link, number, plain, tag, when

SCOPES_SHOWN = 3
STATE_TAGS = {"uploaded": "", "waiting": "wait", "running": "wait", "done": "good", "failed": "bad"}
ALERT_TAGS = {"open": "bad", "snoozed": "wait", "done": "good"}
SNOOZES = {"day": timedelta(days=1), "week": timedelta(days=7)}
FIRST = 100


@dataclass(frozen=True)
class Button:
    """Something that a person may do with a row: `BaseAdmin.do` gets its name, by POST only.

    What it `asks` is posted as `said`.
    """

    name: str
    label: str
    kind: str = ""
    confirm: str = ""
    asks: str = ""


def user_of(request: HttpRequest) -> Any:
    """Give who is logged in, for the audit."""
    return request.user


class BaseAdmin(ModelAdmin):  # type: ignore[misc]
    """Sober defaults of all our pages; `lead` and `panels` stand above and below a form, `buttons` above both.

    `next_step` is what an empty list says.
    """

    list_per_page = 50
    list_filter_submit = False
    show_full_result_count = False
    warn_unsaved_form = True
    actions = None  # rows are deleted one by one, each with what it takes along
    change_form_outer_before_template = "admin/above.html"
    change_form_outer_after_template = "admin/below.html"
    next_step = ""

    def lead(self, request: HttpRequest, item: Any) -> list[Panel]:
        """Give the blocks above the form of a row: what is read before anything is changed."""
        return []

    def panels(self, request: HttpRequest, item: Any) -> list[Panel]:
        """Give the blocks below the form of a row."""
        return []

    def buttons(self, request: HttpRequest, item: Any) -> list[Button]:
        """Give what this person may do with a row now."""
        return []

    def do(self, request: HttpRequest, item: Any, name: str) -> str:
        """Do what a button says, and give a sentence about it."""
        raise NotImplementedError

    def get_urls(self) -> list[URLPattern]:
        """Give the addresses, with the one that buttons post to."""
        meta = self.model._meta
        view = require_POST(self.admin_site.admin_view(self.do_view))
        name = f"{meta.app_label}_{meta.model_name}_do"
        return [path("<path:object_id>/do/<slug:name>/", view, name=name), *super().get_urls()]

    def do_view(self, request: HttpRequest, object_id: str, name: str) -> HttpResponse:
        """Do what the pressed button says, if it is offered, and go back to the row."""
        item = self.get_object(request, object_id)
        if item is None or not self.has_view_permission(request, item):
            raise Http404
        if name not in {button.name for button in self.buttons(request, item)}:
            messages.error(request, "This cannot be done now. The page shows how things stand.")
        else:
            try:
                messages.success(request, self.do(request, item, name))
            except ValueError as error:
                messages.error(request, str(error))
        meta = self.model._meta
        return HttpResponseRedirect(reverse(f"admin:{meta.app_label}_{meta.model_name}_change", args=[object_id]))

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Give the page of one row, with its panels."""
        item = self.get_object(request, object_id)
        extra: dict[str, Any] = {}
        if item is not None and self.has_view_permission(request, item):
            extra = {
                "lead": self.lead(request, item),
                "panels": self.panels(request, item),
                "buttons": self.buttons(request, item),
            }
        answer: HttpResponse = super().change_view(request, object_id, form_url, {**extra, **(extra_context or {})})
        return answer


class ReadOnlyAdmin(BaseAdmin):
    """Pages of rows that the program writes: they may be looked at and searched."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse."""
        return False


class LargeAdmin(ReadOnlyAdmin):
    """Read-only pages of tables too large to count: newest first, next and previous only."""

    paginator = InfinitePaginator
    ordering: ClassVar[Sequence[str]] = ("-pk",)


class AddressSearchMixin:
    """Finds customers by the whole e-mail address or external id, which the indexes answer at once."""

    customer_path = ""

    def get_search_results(
        self, request: HttpRequest, queryset: "QuerySet[Any]", search_term: str
    ) -> tuple["QuerySet[Any]", bool]:
        """Give the rows of the customers that match."""
        term = search_term.strip()
        if not term:
            return queryset, False
        by_email = Customer.objects.filter(email=term.lower()).values("pk")
        by_id = Customer.objects.filter(external_id=term).values("pk")
        path = f"{self.customer_path}_id" if self.customer_path else "pk"
        return queryset.filter(**{f"{path}__in": by_email.union(by_id, all=False)}), False


@admin.register(Customer)
class CustomerAdmin(ConsentsByHand, AddressSearchMixin, LargeAdmin):
    """One customer: who, what was told and done, what we may do, what we think and did."""

    list_display = ("external_id", "email", "phone", "first_name", "last_name", "country", "city", "known_since")
    next_step = "Import a file: manage.py import_customers customers.csv --id customer_id --email email"
    search_fields = ("email", "external_id")
    search_help_text = "A whole e-mail address or external id"
    fieldsets = (
        (None, {"fields": (("external_id", "public_id"), ("first_name", "last_name"), ("email", "phone"))}),
        ("Where and when", {"fields": (("country", "city"), ("language", "time_zone"), ("birth_date", "known_since"))}),
    )

    def panels(self, request: HttpRequest, item: Customer) -> list[Panel]:
        """Give what happened, what upper apps know, consents and attributes."""
        return customer_page.panels(item, request)

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        """Give the form without the words for those who write the program."""
        return super().get_form(request, obj, change, help_texts={"phone": "", "known_since": ""}, **kwargs)


def two(value: float | None) -> str:
    """Give an amount with two digits."""
    return number(value, 2)


@admin.register(Event)
class EventAdmin(AddressSearchMixin, LargeAdmin):
    """Everything that happened, newest stored first."""

    customer_path = "customer"
    next_step = "Import a file: manage.py import_events orders.csv --name 'Order Completed' --customer id --time day"
    list_display = ("name", "customer", "occurred_at", column("value", "Value", two), "order_id", "source")
    list_select_related = ("customer", "source")
    list_filter = ("source",)
    search_fields = ("customer__external_id",)
    search_help_text = "A customer's whole e-mail address or external id"
    fields = (
        ("name", "customer"),
        ("occurred_at", "known_at"),
        ("value", "currency"),
        ("order_id", "message_id"),
        ("source", "of_import"),
    )

    def panels(self, request: HttpRequest, item: Event) -> list[Panel]:
        """Give the properties, and the lines of an order."""
        told = Panel("Properties", facts=facts_of(item.properties), empty="None were told.")
        rows = [
            (
                link(line.product, line.product.name or line.product.external_id),
                number(line.quantity, 2),
                number(line.price, 2),
                number(line.discount, 2),
            )
            for line in item.lines.select_related("product")
        ]
        head = ("Product", "Quantity", "Price of one", "Discount on the line")
        return [told, Panel("Order lines", head=head, rows=rows)] if rows else [told]


@admin.register(Import)
class ImportAdmin(ImportsByHand, ReadOnlyAdmin):
    """Files that were read, with the lines that were refused."""

    list_display = (
        "file_name",
        "kind",
        "state_shown",
        column("read", "Lines read", number),
        column("stored", "Stored", number),
        column("repeated", "Repeated", number),
        column("quarantined", "Refused", number),
        "started_at",
    )
    next_step = "Import a file by the button above, or with manage.py import_customers."
    list_filter = ("kind", "state")
    search_fields = ("file_name",)
    ordering = ("-started_at",)
    fields = (("file_name", "kind"), ("source", "state"), ("started_at", "finished_at"))

    @admin.display(description="State", ordering="state")
    def state_shown(self, item: Import) -> Cell:
        """Give the state in its colour."""
        return tag(item.get_state_display(), STATE_TAGS[item.state])

    def panels(self, request: HttpRequest, item: Import) -> list[Panel]:
        """Give how far it is, or what became of the lines and how the columns were read."""
        return import_panels.panels(item, request)


@admin.register(Quarantine)
class QuarantineAdmin(LargeAdmin):
    """Records that were refused."""

    list_display = ("received_at", "source", "of_import", "line", "column", "reason")
    list_select_related = ("source", "of_import")
    list_filter = ("source",)
    search_fields = ("reason",)
    fields = (("received_at", "source"), ("of_import", "line"), ("column", "reason"))
    next_step = "Every record so far was accepted."

    def panels(self, request: HttpRequest, item: Quarantine) -> list[Panel]:
        """Give the record as it was read."""
        return [Panel("The record as it was read", facts=facts_of(item.record), empty="It was not kept.")]


@admin.register(Source)
class SourceAdmin(BaseAdmin):
    """Where records come from."""

    list_display = ("name", "key", "kind")
    search_fields = ("name", "key")


@admin.register(Product)
class ProductAdmin(LargeAdmin):
    """What is sold."""

    list_display = ("external_id", "name", "category", "brand", "price", "currency")
    search_fields = ("external_id", "name")
    fields = (("external_id", "name"), ("category", "brand"), ("price", "currency"), "image_url")
    next_step = (
        "Products come with orders and views, and with files: manage.py import_events … --product COL --quantity COL"
    )


class SuppressionForm(forms.ModelForm):  # type: ignore[type-arg]
    """Takes the address in clear, once; only its hash is kept."""

    address = forms.CharField(
        max_length=254,
        widget=UnfoldAdminTextInputWidget,
        help_text="The e-mail address, or the phone number with its country code. Only its hash is kept.",
    )
    why = forms.CharField(max_length=300, widget=UnfoldAdminTextInputWidget, help_text="Kept in the audit.")

    class Meta:
        model = Suppression
        fields = ("channel",)

    def clean(self) -> dict[str, Any]:
        """Refuse what is no address of the channel."""
        told = super().clean() or self.cleaned_data
        if told.get("channel") and told.get("address"):
            try:
                suppressions.plain(told["channel"], told["address"])
            except suppressions.SuppressionError as error:
                self.add_error("address", str(error))
        return told


@admin.register(Suppression)
class SuppressionAdmin(BaseAdmin):
    """Addresses that must not be contacted."""

    form = SuppressionForm
    list_display = (column("hint", "Address", str), "channel", "reason", "at")
    next_step = (
        "Who unsubscribes from everything, bounces or asks not to be called stands here. You may add an address."
    )
    list_filter = ("channel", "reason")
    search_fields = ("hint",)
    search_help_text = "A whole e-mail address or phone number"
    ordering = ("-at",)
    fields = ("channel", "hint", "reason", "at")
    add_fieldsets = ((None, {"fields": ("channel", "address", "why")}),)

    def get_search_results(
        self, request: HttpRequest, queryset: "QuerySet[Any]", search_term: str
    ) -> tuple["QuerySet[Any]", bool]:
        """Give the rows of an address, found by its hash."""
        if not search_term.strip():
            return queryset, False
        return queryset.filter(address_hash__in=suppressions.hashes_of(search_term)), False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse: a suppression is added or removed."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse: a button takes it away, with a reason."""
        return False

    def save_model(self, request: HttpRequest, obj: Suppression, form: forms.Form, change: bool) -> None:
        """Store it through the one door of suppressions."""
        by, told = user_of(request), form.cleaned_data
        stored, _ = suppressions.close(obj.channel, told["address"], by, timezone.now(), told["why"])
        obj.pk, obj.hint, obj.reason, obj.at = stored.pk, stored.hint, stored.reason, stored.at

    def buttons(self, request: HttpRequest, item: Suppression) -> list[Button]:
        """Offer those who may to open the address again."""
        may = request.user.has_perm("customers.delete_suppression") and item.reason not in suppressions.LASTING
        ask = "Open this address again? It is contacted where there is consent."
        return [Button("open", "Open it again", "bad", ask, "Why")] if may else []

    def do(self, request: HttpRequest, item: Suppression, name: str) -> str:
        """Open the address again."""
        suppressions.open_(item, user_of(request), timezone.now(), request.POST.get("said", ""))
        return f"{item.hint} may be contacted again, where there is consent."

    def do_view(self, request: HttpRequest, object_id: str, name: str) -> HttpResponse:
        """Do what the pressed button says, and go to the list where the row is gone."""
        answer = super().do_view(request, object_id, name)
        is_there = Suppression.objects.filter(pk=object_id).exists()
        return answer if is_there else HttpResponseRedirect(reverse("admin:customers_suppression_changelist"))


@admin.register(EventName)
class EventNameAdmin(BaseAdmin):
    """Names of events that were seen; counted ones become features."""

    list_display = ("name", "is_counted")
    list_editable = ("is_counted",)
    next_step = "Names stand here once events were imported."
    search_fields = ("name",)

    def get_readonly_fields(self, request: HttpRequest, obj: EventName | None = None) -> Sequence[str]:
        """Give the name, once it is stored."""
        return ("name",) if obj else ()


@admin.register(Attribute)
class AttributeAdmin(BaseAdmin):
    """Facts that customers may have."""

    list_display = ("name", "label", "type", "is_timeless")
    next_step = "Columns of an imported file that have no other meaning stand here."
    list_filter = ("type",)
    search_fields = ("name", "label")

    def get_readonly_fields(self, request: HttpRequest, obj: Attribute | None = None) -> Sequence[str]:
        """Give name and type, once they are stored: values of that type exist."""
        return ("name", "type") if obj else ()

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Give what a deletion takes along, and what asks the attributes and so forbids it."""
        deleted, counts, missing, protected = super().get_deleted_objects(objs, request)
        return deleted, counts, missing, [*protected, *(user for one in objs for user in attributes.users(one.name))]


@admin.register(ApiKey)
class ApiKeyAdmin(BaseAdmin):
    """Keys of integrations: made, shown once, revoked."""

    form = key_page.ApiKeyForm
    list_display = (
        "name",
        column("prefix", "Begins with", str),
        "scopes_shown",
        "is_in_force",
        "last_used_at",
        "expires_at",
    )
    next_step = "An integration needs a key to read or write over REST. Its secret is shown once, when it is made."
    search_fields = ("name", "prefix")
    ordering = ("-created_at",)
    fieldsets = (
        (
            None,
            {
                "fields": (
                    ("name", "prefix"),
                    "scope_list",
                    ("created_at", "expires_at"),
                    ("last_used_at", "revoked_at"),
                    "per_minute",
                    "first_call",
                )
            },
        ),
    )
    add_fieldsets = ((None, {"fields": ("name", "scopes", "per_minute", "expires_at")}),)

    @admin.display(description="Scopes")
    def scopes_shown(self, key: ApiKey) -> str:
        """Give the first scopes by the names that programs know."""
        more = len(key.scopes) - SCOPES_SHOWN
        return ", ".join(key.scopes[:SCOPES_SHOWN]) + (f" and {more} more" if more > 0 else "")

    @admin.display(description="Scopes")
    def scope_list(self, key: ApiKey) -> str:
        """Give the scopes in one line."""
        known = keys.Scope
        return "; ".join(f"{known(one).label} ({one})" if one in known.values else one for one in key.scopes)

    @admin.display(description="Try it")
    def first_call(self, key: ApiKey) -> str:
        """Give a line to copy into a shell, with the key in $KEY."""
        return format_html('<code class="cusp-secret">{}</code>', key_page.first_call(key))

    @admin.display(description="In force", boolean=True)
    def is_in_force(self, key: ApiKey) -> bool:
        """Say whether the key still opens anything."""
        return key.revoked_at is None and (key.expires_at is None or key.expires_at > timezone.now())

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        """Give the form with the scopes of what this person may do: nobody gets more by a key."""
        form = super().get_form(request, obj, change, **kwargs)
        if "scopes" in form.base_fields:
            offered = keys.grantable(request.user.has_perm)
            form.base_fields["scopes"].choices = [(name, f"{label} ({name})") for name, label in offered]
        return form

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse: a key is made and revoked, never changed."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse: a revoked key stays in the list."""
        return False

    def save_model(self, request: HttpRequest, obj: ApiKey, form: forms.Form, change: bool) -> None:
        """Make the key and show its secret this once."""
        now = timezone.now()
        made, secret = key_page.made(form, obj.name, now)
        audit.note(now, user_of(request), "key made", obj.name, prefix=made.prefix, scopes=made.scopes)
        obj.pk, obj.prefix, obj.created_at = made.pk, made.prefix, made.created_at
        messages.warning(request, key_page.shown_once(made, secret))

    def buttons(self, request: HttpRequest, item: ApiKey) -> list[Button]:
        """Offer to revoke a key in force."""
        may = request.user.has_perm("customers.change_apikey") and item.revoked_at is None
        return [Button("revoke", "Revoke", "bad", "Revoke this key for ever?")] if may else []

    def do(self, request: HttpRequest, item: ApiKey, name: str) -> str:
        """End the key."""
        now = timezone.now()
        if keys.revoke(item, now):
            audit.note(now, user_of(request), "key revoked", item.name, prefix=item.prefix)
        return f"The key {item.name} opens nothing any more."


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnlyAdmin):
    """Who did what that matters."""

    list_display = ("at", "by_shown", "what", "about", column("detail", "In detail", plain))
    next_step = "Launches, edits, stops and exports are noted here."
    list_select_related = ("by",)
    list_filter = ("what",)
    search_fields = ("what", "about")
    ordering = ("-at", "-pk")
    fields = (("at", "by_shown"), ("what", "about"), "detail_shown")

    @admin.display(description="By", ordering="by")
    def by_shown(self, entry: AuditEntry) -> str:
        """Give who did it; the program itself where nobody was logged in."""
        return str(entry.by) if entry.by else "the program"

    @admin.display(description="In detail")
    def detail_shown(self, entry: AuditEntry) -> str:
        """Give the detail in words."""
        return plain(entry.detail)


@admin.register(Alert)
class AlertAdmin(ReadOnlyAdmin):
    """The inbox: what somebody should mend, with the page where it can be mended."""

    search_fields = ("sentence",)
    ordering = ("-last_at",)
    fields = ("sentence", ("kind", "state_shown"), ("owner", "snoozed_until"), ("first_at", "last_at"), "link_shown")

    @admin.display(description="State", ordering="state")
    def state_shown(self, alert: Alert) -> Cell:
        """Give the state in its colour."""
        return tag(alert.get_state_display(), ALERT_TAGS[alert.state])

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Give the inbox."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        told = inbox.page(request)
        for part in told["parts"]:
            for alert in part.alerts:
                alert.buttons = self.buttons(request, alert)
        context = {**self.admin_site.each_context(request), "title": "Alerts", "opts": self.opts, **told}
        return render(request, "admin/inbox.html", context)

    def do_view(self, request: HttpRequest, object_id: str, name: str) -> HttpResponse:
        """Do what the pressed button says, and go back to the inbox."""
        super().do_view(request, object_id, name)
        return HttpResponseRedirect(reverse("admin:customers_alert_changelist"))

    @admin.display(description="Where to mend it")
    def link_shown(self, alert: Alert) -> Cell:
        """Give the link to the page where it can be mended."""
        return format_html('<a class="cusp-link" href="{}">Mend it</a>', alert.link) if alert.link else "–"

    def buttons(self, request: HttpRequest, item: Alert) -> list[Button]:
        """Offer to take it, to let it wait, and to call it done."""
        if not request.user.has_perm("customers.change_alert") or item.state == Alert.State.DONE:
            return []
        mine = [] if item.owner_id == request.user.pk else [Button("mine", "I look after it")]
        return [*mine, Button("day", "Snooze a day"), Button("week", "Snooze a week"), Button("done", "Done")]

    def do(self, request: HttpRequest, item: Alert, name: str) -> str:
        """Do what a button says."""
        now = timezone.now()
        if name == "mine":
            alerts.assign(item, request.user if request.user.is_authenticated else None)
            return "You look after it."
        if name == "done":
            alerts.finish(item, now)
            return "It is done. It opens again if its cause is found again."
        alerts.snooze(item, now + SNOOZES[name], now)
        return f"It is silent until {when(item.snoozed_until)}."
