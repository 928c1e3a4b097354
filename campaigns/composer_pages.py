"""What the composer asks while it is open. Every answer is JSON; a refusal is a sentence under `error`."""

import json
from collections.abc import Callable
from typing import Any

from babel import Locale
from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.http import HttpRequest, JsonResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from campaigns import assets, composer, findings, own_designs, render, trial
from campaigns import designs as ready_designs
from campaigns.composer import Asked, Changed, ComposerError, Place, Written
from campaigns.launch import InFlight, LaunchError, Unapproved
from campaigns.models import Asset, MailDesign
from customers.models import Attribute, Customer

MOST_BYTES = 400_000
LAST_PICTURES = 60
FALLBACKS = {"first_name": "there", "last_name": "", "name": "there", "city": "your town", "country": "your country"}
LANGUAGES = """
    en de fr es it nl pt pl cs sk hu ro bg el da sv nb fi et lv lt sl hr tr uk ru ar he ja ko zh
"""


def told(request: HttpRequest, place: Place) -> dict[str, Any]:
    """Give everything that the composer begins with."""
    names = ("save", "preview", "test", "pictures", "designs", "customer")
    step = place.step
    return {
        "content": place.content,
        "edition": place.edition,
        "has_offer": step["action"] == "offer",
        "names": _names(step["action"] == "offer"),
        "languages": [(key, str(Locale(key).english_name)) for key in LANGUAGES.split()],
        "assets": "/a/",
        "people": [{"id": one.pk, "name": one.email, "is_me": one.pk == request.user.pk} for one in trial.colleagues()],
        "urls": {
            **{name: _address(place, name) for name in names},
            "back": reverse("admin:campaigns_campaign_change", args=[place.campaign.pk]),
        },
    }


def _address(place: Place, name: str) -> str:
    query = f"?variant={place.variant}" if place.variant else ""
    return reverse(f"admin:campaigns_campaign_composer_{name}", args=[place.campaign.pk]) + query


def _names(has_offer: bool) -> list[dict[str, object]]:
    """Give what texts may name, with what stands there for customers without a value."""
    names = render.OFFER_NAMES if has_offer else render.MAIL_NAMES
    plain = sorted(
        (one for one in names if not one.endswith("_url")), key=lambda one: (one.split(".")[0] != "customer", one)
    )
    own = Attribute.objects.order_by("name").values_list("name", "label")
    attributes = [(f"{render.ATTRIBUTES}{name}", label or name) for name, label in own]
    labelled = [(one, one.replace(".", ": ").replace("_", " ")) for one in plain]
    return [
        {
            "name": name,
            "label": label,
            "is_always": name in render.ALWAYS_THERE or not name.startswith("customer."),
            "fallback": FALLBACKS.get(name.rpartition(".")[2], "–"),
        }
        for name, label in [*labelled, *attributes]
    ]


def read(request: HttpRequest) -> dict[str, Any]:
    """Give the posted JSON object. Raises ComposerError."""
    try:
        body = request.body
        if len(body) > MOST_BYTES:
            raise ComposerError("The mail is too large.")
        posted = json.loads(body)
    except RequestDataTooBig as error:
        raise ComposerError("The mail is too large.") from error
    except (ValueError, RecursionError) as error:
        if isinstance(error, ComposerError):
            raise
        raise ComposerError("This is no JSON.") from error
    if not isinstance(posted, dict) or not isinstance(posted.get("content", {}), dict):
        raise ComposerError("A mail is expected.")
    return posted


def _asked(request: HttpRequest, posted: dict[str, Any]) -> Asked:
    """Give what is to be shown. Only who may see customers sees a mail as one of them."""
    customer = None
    if wanted := posted.get("customer"):
        if not request.user.has_perm("customers.view_customer"):
            raise PermissionDenied
        customer = Customer.objects.filter(public_id=str(wanted)).first()
    return Asked(posted.get("content") or {}, str(posted.get("language") or ""), customer)


Answer = Callable[[HttpRequest, Place], JsonResponse]


def _said(answer: Answer) -> Answer:
    """Let a refusal be an answer."""

    def answered(request: HttpRequest, place: Place) -> JsonResponse:
        try:
            return answer(request, place)
        except (ComposerError, assets.AssetRefused) as refused:
            return JsonResponse({"error": str(refused)}, status=400)

    return answered


@require_POST
@_said
def preview(request: HttpRequest, place: Place) -> JsonResponse:
    """Answer with the mail as somebody would get it, and with what is wrong about it."""
    shown = composer.show(place.step, _asked(request, read(request)))
    problems = [one._asdict() for one in shown.problems]
    return JsonResponse(
        {
            "subject": shown.subject,
            "preheader": shown.preheader,
            "html": shown.html,
            "text": shown.text,
            "as": shown.who,
            "problems": problems,
        }
    )


@require_POST
@_said
def save(request: HttpRequest, place: Place) -> JsonResponse:
    """Store the mail; a launched campaign takes only one that could be sent."""
    posted = read(request)
    by: Any = request.user
    try:
        written = Written(posted["content"], str(posted.get("edition") or ""), posted.get("while_sending") is True)
        stored = composer.store(place, written, by, timezone.now())
    except Changed as changed:
        return JsonResponse({"conflict": str(changed)}, status=409)
    except InFlight as refused:
        return JsonResponse({"in_flight": str(refused)}, status=409)
    except Unapproved as refused:
        return JsonResponse({"error": f"Not saved. {refused}"}, status=400)
    except (LaunchError, KeyError) as refused:
        found = composer.show(place.step, _asked(request, {"content": posted["content"]})).problems
        faults = [f"{one.where}: {one.text}" for one in found if one.is_fault] or [findings.capital(str(refused))]
        return JsonResponse({"error": f"Not saved, since the campaign is launched. {faults[0]}"}, status=400)
    return JsonResponse({"edition": stored.edition, "said": "Saved."})


@require_POST
@_said
def test(request: HttpRequest, place: Place) -> JsonResponse:
    """Send the mail to people who work here."""
    posted = read(request)
    to = [one for one in posted.get("to") or [] if isinstance(one, int)]
    by: Any = request.user
    return JsonResponse({"said": trial.send(place, _asked(request, posted), to, by, timezone.now())})


@require_http_methods(["GET", "POST"])
@_said
def pictures(request: HttpRequest, place: Place) -> JsonResponse:
    """Answer with the last pictures, or store a new one."""
    if request.method == "POST":
        file = request.FILES.get("file")
        if file is None:
            raise ComposerError("Choose a picture.")
        if (file.size or 0) > assets.MOST_BYTES:
            raise ComposerError(f"The picture is larger than {assets.MOST_BYTES // 1024 // 1024} MB.")
        by: Any = request.user
        made = assets.put(str(file.name), file.read(), by, timezone.now())
        return JsonResponse({"id": made.public_id, "name": made.name})
    found = Asset.objects.order_by("-pk").values("public_id", "name")[:LAST_PICTURES]
    return JsonResponse({"pictures": [{"id": one["public_id"], "name": one["name"]} for one in found]})


@require_http_methods(["GET", "POST"])
@_said
def designs(request: HttpRequest, place: Place) -> JsonResponse:
    """Answer with the designs; keep the posted mail as one, copy one, or take one away."""
    may_write = request.user.has_perm("campaigns.add_maildesign")
    if request.method == "POST":
        if not may_write:
            raise PermissionDenied
        posted, now = read(request), timezone.now()
        if "copy" in posted:
            ready_designs.duplicate(get_object_or_404(MailDesign, key=str(posted["copy"])), now)
        elif "remove" in posted:
            get_object_or_404(MailDesign, key=str(posted["remove"]), is_ready_made=False).delete()
        else:
            own_designs.keep(str(posted.get("name") or ""), posted.get("content") or {}, now)
        return JsonResponse({"said": "Done."})
    ready_designs.ensure(timezone.now())
    found = [
        {
            "key": one.key,
            "name": one.name,
            "description": one.description,
            "content": one.content,
            "is_ready_made": one.is_ready_made,
            "html": own_designs.drawn(one.content),
            "needs_offer": place.step["action"] != "offer" and own_designs.needs_offer(one.content),
        }
        for one in MailDesign.objects.order_by("-is_ready_made", "name", "pk")
    ]
    return JsonResponse({"designs": found, "may_write": may_write})


@require_safe
@_said
def customer(request: HttpRequest, place: Place) -> JsonResponse:
    """Answer with the customer of a whole e-mail address or external id, to those who may see customers."""
    if not request.user.has_perm("customers.view_customer"):
        raise PermissionDenied
    words = request.GET.get("q", "").strip()
    found = Customer.objects.filter(external_id=words).first() or Customer.objects.filter(email=words.lower()).first()
    return JsonResponse({"customer": found.public_id if found else None})


VIEWS: dict[str, Answer] = {
    "save": save,
    "preview": preview,
    "test": test,
    "pictures": pictures,
    "designs": designs,
    "customer": customer,
}
