"""What a person does by hand about a customer's consents: grants and withdrawals, each with its source."""

from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.loader import render_to_string
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST

from customers import audit, consent
from customers.models import Channel, Consent, Customer, Topic

MAY = "customers.change_consent"
SAID = (("granted", "agrees to it"), ("withdrawn", "does not agree any more"))


class ConsentForm(forms.Form):
    """What a customer said, about what, and where."""

    channel = forms.ChoiceField(choices=Channel.choices, widget=forms.Select(attrs={"class": "cusp-input"}))
    topic = forms.CharField(max_length=60, widget=forms.TextInput(attrs={"class": "cusp-input", "list": "topics"}))
    said = forms.ChoiceField(choices=SAID, widget=forms.Select(attrs={"class": "cusp-input"}), label="The customer")
    source = forms.CharField(
        max_length=200,
        label="Said where",
        widget=forms.TextInput(attrs={"class": "cusp-input", "placeholder": "On the phone"}),
    )


class ConsentsByHand:
    """The part of the page of a customer that takes consents."""

    def get_urls(self) -> list[URLPattern]:
        """Give the addresses, with the one that takes a consent."""
        own: Any = self
        view = require_POST(own.admin_site.admin_view(self.consent_view))
        urls: list[URLPattern] = super().get_urls()  # type: ignore[misc]
        return [path("<int:customer_id>/consent/", view, name="customers_customer_consent"), *urls]

    def consent_view(self, request: HttpRequest, customer_id: int) -> HttpResponse:
        """Store what was told, and go back to the customer."""
        if not request.user.has_perm(MAY):
            raise PermissionDenied
        customer, form = get_object_or_404(Customer, pk=customer_id), ConsentForm(request.POST)
        if form.is_valid():
            messages.success(request, _tell(request, customer, form.cleaned_data))
        else:
            for name, told in form.errors.items():
                messages.error(request, f"{form[name].label}: {' '.join(map(str, told))}")
        return HttpResponseRedirect(reverse("admin:customers_customer_change", args=[customer_id]))


def drawing(request: HttpRequest, customer: Customer) -> SafeString | None:
    """Give the form, to those who may use it."""
    if not request.user.has_perm(MAY):
        return None
    told = Consent.objects.filter(customer=customer).values_list("topic", flat=True)
    topics = sorted({*Topic.objects.values_list("key", flat=True), *told})
    context = {"form": ConsentForm(), "customer": customer, "topics": topics}
    return render_to_string("admin/consent_form.html", context, request)


def _tell(request: HttpRequest, customer: Customer, told: dict[str, str]) -> str:
    granted, now, by = told["said"] == "granted", timezone.now(), request.user
    tell = consent.grant if granted else consent.withdraw
    if not tell(customer.pk, told["channel"], told["topic"], told["source"], now):
        return "It stood so already."
    what = "consent granted" if granted else "consent withdrawn"
    about = {name: told[name] for name in ("channel", "topic", "source")}
    audit.note(now, by if by.is_authenticated else None, what, customer.public_id, **about)
    return "It is stored, and holds from now on."
