"""The languages of the pages that customers see: hers if we speak it, else the first that her browser asks for."""

from collections.abc import Mapping

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import translation
from django.utils.cache import patch_vary_headers
from django.utils.translation.trans_real import parse_accept_lang_header

from customers.models import Customer

SPOKEN = ("en", "de", "fr", "es")


def choose(known: str, accepted: str) -> str:
    """Give the language of a page from the customer's own, and from the header Accept-Language (RFC 9110, 12.5.4)."""
    for told in (known, *(one for one, _ in parse_accept_lang_header(accepted.lower()))):
        spoken = told.replace("_", "-").partition("-")[0].strip().lower()
        if spoken in SPOKEN:
            return spoken
    return SPOKEN[0]


def of(request: HttpRequest, customer_id: int | None) -> str:
    """Give the language in which a page answers a request about a customer, or about nobody."""
    hers = Customer.objects.filter(pk=customer_id) if customer_id else Customer.objects.none()
    known = hers.values_list("language", flat=True).first() or ""
    return choose(known, request.headers.get("Accept-Language", ""))


def page(
    request: HttpRequest, name: str, context: Mapping[str, object], language: str, status: int = 200
) -> HttpResponse:
    """Give a page for customers in a language."""
    with translation.override(language):
        response = render(request, f"pages/{name}.html", dict(context), status=status)
    response["Content-Language"] = language
    patch_vary_headers(response, ["Accept-Language"])
    return response
