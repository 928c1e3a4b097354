"""The till: somebody types a code, sees what it is, and redeems it."""

from typing import Any

from django import forms
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone

from campaigns import campaign_page
from campaigns.offers import redemption
from campaigns.offers.redemption import OfferRefused
from customers import audit
from customers.panels import Cell, moment

MAY = "campaigns.redeem_offercode"
TITLE = "Redeem a code"
LOOK, REDEEM = "look", "redeem"


class TillForm(forms.Form):
    """A code, and what the order is worth."""

    code = forms.CharField(max_length=80, error_messages={"required": "Type the code."})
    order_value = forms.FloatField(
        required=False,
        min_value=0.0,
        max_value=1e12,
        error_messages={"invalid": "Write the value of the order as a number, such as 49.90."},
    )


def answer(request: HttpRequest, context: dict[str, Any]) -> HttpResponse:
    """Give the page: empty, with a code that was looked up, or with one that was redeemed just now.

    Codes are posted, so that none stands in an address or a log.
    """
    if not request.user.has_perm(MAY):
        raise PermissionDenied
    form = TillForm(request.POST or None)
    told: dict[str, Any] = {"typed": "", "error": "", "facts": [], "is_good": False, "done": ""}
    if request.method == "POST":
        told["typed"] = request.POST.get("code", "")[:80]
        if form.is_valid():
            told |= _done(request, form) if request.POST.get("what") == REDEEM else _looked(form.cleaned_data["code"])
        else:
            told["error"] = " ".join(str(one) for errors in form.errors.values() for one in errors)
            told["is_good"] = "code" not in form.errors and request.POST.get("what") == REDEEM
    return TemplateResponse(request, "admin/till.html", {**context, "title": TITLE, "heading": TITLE, **told})


def _looked(typed: str) -> dict[str, Any]:
    seen = redemption.look(typed, timezone.now())
    if seen.code is None:
        return {"error": seen.refused}
    code = seen.code
    facts: list[tuple[str, Cell]] = [
        ("Code", code.code),
        ("Offer", f"{code.offer}: {campaign_page.worth(code.offer)}"),
        ("Good until", moment(code.valid_until)),
        ("Whose", f"{code.customer.first_name or ''} {code.customer.last_name or ''}".strip() or str(code.customer))
        if code.customer
        else ("Whose", "nobody's yet"),
    ]
    if code.offer.terms:
        facts.append(("Terms", code.offer.terms))
    return {"facts": facts, "typed": code.code, "error": seen.refused, "is_good": not seen.refused}


def _done(request: HttpRequest, form: TillForm) -> dict[str, Any]:
    asked, now = form.cleaned_data, timezone.now()
    by: Any = request.user
    try:
        code = redemption.redeem(asked["code"], now, order_value=asked["order_value"])
    except OfferRefused as error:
        return {"error": str(error)}
    audit.note(now, by, "code redeemed", code.offer.key, code=code.code)
    return {"done": f"{code.code} is redeemed: {code.offer}, {campaign_page.worth(code.offer)}.", "typed": ""}
