"""The admin of customers, and what all admin pages share: BaseAdmin, read-only pages, and panels below a form."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST
from unfold.admin import ModelAdmin
from unfold.paginator import InfinitePaginator
from unfold.widgets import UnfoldAdminTextInputWidget

from customers import consent, keys
from customers.models import (
    ApiKey,
    Attribute,
    AttributeChange,
    Channel,
    ConsentChange,
    Customer,
    Event,
    EventName,
    Import,
    Product,
    Quarantine,
    Source,
    Suppression,
)

LAST = 20
Cell = str | SafeString


@dataclass(frozen=True)
class Panel:
    """A block of a page below its form: facts, a table, a drawing, or a sentence that says there is nothing."""

    title: str
    note: str = ""
    facts: Sequence[tuple[str, Cell]] = ()
    head: Sequence[str] = ()
    rows: Sequence[Sequence[Cell]] = ()
    drawing: SafeString | None = None
    empty: str = ""


def number(value: float | None, digits: int = 0) -> str:
    """Give a number as people write it, or a dash."""
    return "–" if value is None else f"{value:,.{digits}f}"


def moment(at: datetime | None) -> str:
    """Give a time in the installation's zone, or a dash."""
    return date_format(timezone.localtime(at), "j M Y, H:i") if at else "–"


def link(item: Model, text: str | None = None) -> SafeString:
    """Give a link to the admin page of a row."""
    url = reverse(f"admin:{item._meta.app_label}_{item._meta.model_name}_change", args=[item.pk])
    return format_html('<a class="cusp-link" href="{}">{}</a>', url, text or str(item))


def tag(text: str, kind: str = "") -> SafeString:
    """Give a word in a coloured box: kind is good, bad, wait or nothing."""
    return format_html('<span class="cusp-tag cusp-tag-{}">{}</span>', kind or "plain", text)


@dataclass(frozen=True)
class Button:
    """Something that a person may do with a row: `BaseAdmin.do` gets its name, by POST only."""

    name: str
    label: str
    kind: str = ""
    confirm: str = ""


class BaseAdmin(ModelAdmin):  # type: ignore[misc]
    """Sober defaults of all our pages; `panels` puts blocks below a form, `buttons` what may be done above it."""

    list_per_page = 50
    list_filter_submit = False
    show_full_result_count = False
    warn_unsaved_form = True
    actions: ClassVar[Sequence[str] | None] = ()
    change_form_outer_before_template = "admin/buttons.html"
    change_form_outer_after_template = "admin/panels.html"

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
            extra = {"panels": self.panels(request, item), "buttons": self.buttons(request, item)}
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


CustomerPanel = Callable[[Customer], Panel]
CUSTOMER_PANELS: list[CustomerPanel] = []  # scoring, segments and campaigns add theirs


@admin.register(Customer)
class CustomerAdmin(AddressSearchMixin, LargeAdmin):
    """One customer: who, what was told and done, what we may do, what we think and did."""

    list_display = ("external_id", "email", "first_name", "last_name", "country", "city", "known_since")
    search_fields = ("email", "external_id")
    search_help_text = "A whole e-mail address or external id"
    fieldsets = (
        (None, {"fields": (("external_id", "public_id"), ("first_name", "last_name"), ("email", "phone"))}),
        ("Where and when", {"fields": (("country", "city"), ("language", "time_zone"), ("birth_date", "known_since"))}),
    )

    def panels(self, request: HttpRequest, item: Customer) -> list[Panel]:
        """Give consents, what upper apps know, attributes and the last events."""
        return [consents(item), *(panel(item) for panel in CUSTOMER_PANELS), attributes(item), events(item)]


def consents(customer: Customer) -> Panel:
    """Give what we may send and call, with its history."""
    changes = ConsentChange.objects.filter(customer=customer).order_by("-at", "-pk")[:LAST]
    addresses = [(Channel.EMAIL, customer.email), (Channel.PHONE, customer.phone)]
    blocked = [channel.label for channel, address in addresses if address and consent.is_suppressed(channel, address)]
    in_force = [
        (f"{c.get_channel_display()}, {c.topic}", tag("granted", "good") if c.is_granted else tag("withdrawn", "bad"))
        for c in customer.consents.order_by("channel", "topic")
    ]
    rows = [
        (moment(c.at), c.get_channel_display(), c.topic, "granted" if c.is_granted else "withdrawn", c.source)
        for c in changes
    ]
    return Panel(
        "Consent",
        note=f"Suppressed: {', '.join(blocked)}. Nothing is sent there." if blocked else "",
        facts=in_force,
        head=("When", "Channel", "Topic", "What", "Source"),
        rows=rows,
        empty="No consent is recorded: this customer may not be contacted.",
    )


def attributes(customer: Customer) -> Panel:
    """Give the latest value of every attribute, and since when it is known."""
    known = dict(
        AttributeChange.objects.filter(customer=customer).order_by("known_at", "pk").values_list("name", "known_at")
    )
    rows = [(name, _plain(value), moment(known.get(name))) for name, value in sorted(customer.attributes.items())]
    return Panel("Attributes", head=("Name", "Value", "Known since"), rows=rows, empty="Nothing more was told.")


def events(customer: Customer) -> Panel:
    """Give the last events."""
    rows = [
        (link(e, moment(e.occurred_at)), e.name, number(e.value, 2), e.order_id or "–", e.source.name)
        for e in customer.events.select_related("source").order_by("-occurred_at", "-pk")[:LAST]
    ]
    head = ("When", "Event", "Value", "Order", "Source")
    return Panel("Last events", note=f"The {LAST} latest.", head=head, rows=rows, empty="Nothing has happened yet.")


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


@admin.register(Event)
class EventAdmin(AddressSearchMixin, LargeAdmin):
    """Everything that happened, newest stored first."""

    customer_path = "customer"
    list_display = ("name", "customer", "occurred_at", "value", "order_id", "source")
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
        "properties",
    )

    def panels(self, request: HttpRequest, item: Event) -> list[Panel]:
        """Give the lines of an order."""
        rows = [
            (
                line.product.name or line.product.external_id,
                number(line.quantity, 2),
                number(line.price, 2),
                number(line.discount, 2),
            )
            for line in item.lines.select_related("product")
        ]
        return [Panel("Order lines", head=("Product", "Quantity", "Price", "Discount"), rows=rows)] if rows else []


@admin.register(Import)
class ImportAdmin(ReadOnlyAdmin):
    """Files that were read, with the lines that were refused."""

    list_display = ("file_name", "kind", "state", "read", "stored", "repeated", "quarantined", "started_at")
    list_filter = ("kind", "state")
    search_fields = ("file_name",)
    ordering = ("-started_at",)
    fields = (
        ("file_name", "kind"),
        ("state", "source"),
        ("read", "stored"),
        ("repeated", "quarantined"),
        ("started_at", "finished_at"),
        "error",
        "mapping",
        "sha256",
    )

    def panels(self, request: HttpRequest, item: Import) -> list[Panel]:
        """Give the first refused lines."""
        rows = [(number(q.line), q.column, q.reason) for q in item.refused.order_by("line", "pk")[:100]]
        note = f"The first {len(rows)} of {item.quarantined:,}." if rows else ""
        return [
            Panel("Refused lines", note, head=("Line", "Column", "Reason"), rows=rows, empty="Every line was accepted.")
        ]


@admin.register(Quarantine)
class QuarantineAdmin(LargeAdmin):
    """Records that were refused."""

    list_display = ("received_at", "source", "of_import", "line", "column", "reason")
    list_select_related = ("source", "of_import")
    list_filter = ("source",)
    search_fields = ("reason",)
    fields = (("received_at", "source"), ("of_import", "line"), ("column", "reason"), "record")


@admin.register(Source)
class SourceAdmin(BaseAdmin):
    """Where records come from."""

    list_display = ("name", "key", "kind")
    search_fields = ("name", "key")


@admin.register(Product)
class ProductAdmin(LargeAdmin):
    """What is sold."""

    list_display = ("external_id", "name", "category", "brand")
    search_fields = ("external_id", "name")


class SuppressionForm(forms.ModelForm):  # type: ignore[type-arg]
    """Takes the address in clear, once; only its hash is kept."""

    address = forms.CharField(
        max_length=254,
        widget=UnfoldAdminTextInputWidget,
        help_text="The e-mail address, or the phone number with its country code. Only its hash is kept.",
    )

    class Meta:
        model = Suppression
        fields = ("channel", "reason")


@admin.register(Suppression)
class SuppressionAdmin(BaseAdmin):
    """Addresses that must not be contacted."""

    form = SuppressionForm
    list_display = ("hint", "channel", "reason", "at")
    list_filter = ("channel", "reason")
    search_fields = ("hint",)
    ordering = ("-at",)
    fields = ("channel", "hint", "reason", "at")
    add_fieldsets = ((None, {"fields": ("channel", "address", "reason")}),)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse: a suppression is added or removed."""
        return False

    def save_model(self, request: HttpRequest, obj: Suppression, form: forms.Form, change: bool) -> None:
        """Store it through the one door of suppressions."""
        address: str = form.cleaned_data["address"]
        consent.suppress(obj.channel, address, obj.reason, timezone.now())
        stored = Suppression.objects.get(channel=obj.channel, address_hash=consent.hash_of(obj.channel, address))
        obj.pk, obj.hint, obj.at = stored.pk, stored.hint, stored.at


@admin.register(EventName)
class EventNameAdmin(BaseAdmin):
    """Names of events that were seen; counted ones become features."""

    list_display = ("name", "is_counted")
    list_editable = ("is_counted",)
    search_fields = ("name",)

    def get_readonly_fields(self, request: HttpRequest, obj: EventName | None = None) -> Sequence[str]:
        """Give the name, once it is stored."""
        return ("name",) if obj else ()


@admin.register(Attribute)
class AttributeAdmin(BaseAdmin):
    """Facts that customers may have."""

    list_display = ("name", "label", "type", "is_timeless")
    list_filter = ("type",)
    search_fields = ("name", "label")

    def get_readonly_fields(self, request: HttpRequest, obj: Attribute | None = None) -> Sequence[str]:
        """Give name and type, once they are stored: values of that type exist."""
        return ("name", "type") if obj else ()


class ApiKeyForm(forms.ModelForm):  # type: ignore[type-arg]
    """Name, scopes and end of a new key."""

    scopes = forms.MultipleChoiceField(
        choices=keys.Scope.choices, widget=forms.CheckboxSelectMultiple(attrs={"class": "cusp-checks"})
    )

    class Meta:
        model = ApiKey
        fields = ("name", "scopes", "expires_at")

    def clean_expires_at(self) -> datetime | None:
        """Refuse an end that has passed."""
        end: datetime | None = self.cleaned_data["expires_at"]
        if end is not None and end <= timezone.now():
            raise forms.ValidationError("The end must lie ahead.")
        return end


@admin.register(ApiKey)
class ApiKeyAdmin(BaseAdmin):
    """Keys of integrations: made, shown once, revoked."""

    form = ApiKeyForm
    list_display = ("name", "prefix", "scope_list", "is_in_force", "last_used_at", "expires_at")
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
                )
            },
        ),
    )
    add_fieldsets = ((None, {"fields": ("name", "scopes", "expires_at")}),)

    @admin.display(description="Scopes")
    def scope_list(self, key: ApiKey) -> str:
        """Give the scopes in one line."""
        return ", ".join(key.scopes)

    @admin.display(description="In force", boolean=True)
    def is_in_force(self, key: ApiKey) -> bool:
        """Say whether the key still opens anything."""
        return key.revoked_at is None and (key.expires_at is None or key.expires_at > timezone.now())

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse: a key is made and revoked, never changed."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse: a revoked key stays in the list."""
        return False

    def save_model(self, request: HttpRequest, obj: ApiKey, form: forms.Form, change: bool) -> None:
        """Make the key and show its secret this once."""
        made, secret = keys.create(obj.name, form.cleaned_data["scopes"], timezone.now(), expires_at=obj.expires_at)
        obj.pk, obj.prefix, obj.created_at = made.pk, made.prefix, made.created_at
        text = "The key, shown only this once. Copy it now: {}"
        messages.warning(request, format_html(text, format_html('<code class="cusp-secret">{}</code>', secret)))

    def buttons(self, request: HttpRequest, item: ApiKey) -> list[Button]:
        """Offer to revoke a key in force."""
        may = request.user.has_perm("customers.change_apikey") and item.revoked_at is None
        return [Button("revoke", "Revoke", "bad", "Revoke this key for ever?")] if may else []

    def do(self, request: HttpRequest, item: ApiKey, name: str) -> str:
        """End the key."""
        keys.revoke(item, timezone.now())
        return f"The key {item.name} opens nothing any more."
