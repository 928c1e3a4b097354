"""The form of a key, and what is shown once it is made: the key, and a line to try it with."""

from datetime import datetime

from django import forms
from django.conf import settings
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from customers import keys
from customers.keys import Scope
from customers.models import ApiKey

# What a key of a scope can ask for without knowing anything.
FIRST_CALLS = {
    Scope.SEGMENTS_READ: "segments/",
    Scope.CAMPAIGNS_READ: "campaigns/",
    Scope.MODELS_READ: "targets/",
    Scope.OFFERS_READ: "offers/",
    Scope.CALLS_READ: "call-tasks/",
    Scope.WEBHOOKS_READ: "webhooks/",
    Scope.SUPPRESSIONS_READ: "suppressions/",
    Scope.SENDING_READ: "sending/",
    Scope.CUSTOMERS_READ: "customers/ID/",
}


class ApiKeyForm(forms.ModelForm):  # type: ignore[type-arg]
    """Name, scopes, calls a minute and end of a new key."""

    scopes = forms.MultipleChoiceField(
        choices=Scope.choices, widget=forms.CheckboxSelectMultiple(attrs={"class": "cusp-checks"})
    )

    class Meta:
        model = ApiKey
        fields = ("name", "scopes", "per_minute", "expires_at")

    def clean_expires_at(self) -> datetime | None:
        """Refuse an end that has passed."""
        end: datetime | None = self.cleaned_data["expires_at"]
        if end is not None and end <= timezone.now():
            raise forms.ValidationError("The end must lie ahead.")
        return end


def made(form: forms.Form, name: str, at: datetime) -> tuple[ApiKey, str]:
    """Make the key that a form asks for, and give it with its secret."""
    told = form.cleaned_data
    return keys.create(name, told["scopes"], at, expires_at=told["expires_at"], per_minute=told["per_minute"])


def shown_once(key: ApiKey, secret: str) -> SafeString:
    """Say the secret, and the line that tries it."""
    text = "The key, shown only this once. Copy it now: {} Try it: {}"
    code = '<code class="cusp-secret">{0}</code> <button type="button" class="cusp-button" data-copy="{0}">{1}</button>'
    line = first_call(key, secret)
    return format_html(text, format_html(code, secret, "Copy the key"), format_html(code, line, "Copy the line"))


def first_call(key: ApiKey, secret: str = "$KEY") -> str:
    """Give a line for a shell that asks for something this key may read; one that may only write sees the schema."""
    path = next((f"api/v1/{path}" for scope, path in FIRST_CALLS.items() if scope in key.scopes), "api/schema/")
    return f'curl -i -H "Authorization: Bearer {secret}" {settings.PUBLIC_URL}/{path}'
