"""The pages that customers see."""

import base64
import logging

from django.conf import settings
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import get_object_or_404
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import condition, require_http_methods, require_POST, require_safe

from campaigns import deliver, gateway_reports, languages, preferences, programme, providers, rating, tracking
from campaigns.links import LinkRefused
from campaigns.models import Asset, Delivery, Touch, Webhook
from campaigns.unsubscribe import Leaving, leave, read
from customers import topics

NOTHING_TO_SEE = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")  # a clear GIF of one dot
log = logging.getLogger(__name__)


@csrf_exempt  # RFC 8058: a mail program posts without cookies; the signed link is the proof
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def unsubscribe(request: HttpRequest, token: str) -> HttpResponse:
    """Show a button on GET, which changes nothing; unsubscribe on POST."""
    try:
        leaving = read(token)
    except LinkRefused:
        return _page(request, "link_refused", status=404)
    if request.method != "POST":
        return _page(request, "unsubscribe", leaving)
    everything = request.POST.get("scope") == "everything"
    leave(leaving, timezone.now(), everything=everything)
    return _page(request, "unsubscribed", leaving, everything=everything)


@csrf_exempt  # providers prove their reports by signature or password
@never_cache
def feedback(request: HttpRequest, provider: str) -> HttpResponse:
    """Take what a mail provider reports."""
    answer: HttpResponse = providers.view(provider)(request)
    return answer


@csrf_exempt  # gateways prove their reports by signature
@never_cache
@require_POST
def gateway(request: HttpRequest, public_id: str) -> HttpResponse:
    """Take what a gateway reports of SMS and push messages."""
    now = timezone.now()
    webhook = Webhook.objects.filter(public_id=public_id.replace("\x00", ""), gateways__isnull=False).first()
    if webhook is None:
        return JsonResponse({"message": "There is no gateway here."}, status=404)
    if int(request.META.get("CONTENT_LENGTH") or 0) > gateway_reports.MOST_BYTES:
        said = f"A report has at most {gateway_reports.MOST_BYTES:,} bytes."
        return JsonResponse({"message": said}, status=413)
    headers = {name.lower(): value for name, value in request.headers.items()}
    try:
        report = gateway_reports.verified(webhook, request.body, headers, now)
        return JsonResponse({"told": gateway_reports.receive(report, now)})
    except gateway_reports.ReportRefused as refused:
        status = 401 if isinstance(refused, gateway_reports.Forged) else 400
        return JsonResponse({"message": str(refused)}, status=status)


@csrf_exempt  # the signed link is the proof, and mail programs open it without cookies
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def preference_page(request: HttpRequest, token: str) -> HttpResponse:
    """Show what the customer hears about on GET, which changes nothing; store what she wants on POST."""
    try:
        asking = preferences.read(token)
    except LinkRefused:
        return _page(request, "link_refused", status=404)
    if request.method != "POST":
        return _preferences(request, asking)
    at, wanted, shown = timezone.now(), request.POST.getlist("topic"), request.POST.getlist("shown")
    is_all = request.POST.get("scope") == "nothing"
    saved = preferences.stop(asking, at) if is_all else preferences.save(asking, shown, wanted, at)
    return _preferences(request, asking, saved, is_all=is_all)


def _preferences(
    request: HttpRequest, asking: preferences.Asking, saved: preferences.Saved | None = None, *, is_all: bool = False
) -> HttpResponse:
    names = topics.named((*saved.granted, *saved.withdrawn)) if saved else {}
    context = {
        "company": programme.current().company,
        "choices": preferences.choices(asking),
        "closed": preferences.closed(asking),
        "saved": saved,
        "is_all": is_all,
        "granted": [names[key] for key in saved.granted] if saved else [],
        "withdrawn": [names[key] for key in saved.withdrawn] if saved else [],
    }
    return _bare(languages.page(request, "preferences", context, languages.of(request, asking.customer_id)))


@csrf_exempt  # the signed link is the proof, and mail programs open it without cookies
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def rating_page(request: HttpRequest, token: str, score: str) -> HttpResponse:
    """Show the score that was pressed in the mail on GET, which changes nothing; store it on POST."""
    try:
        delivery = rating.read(token)
    except LinkRefused:
        return _page(request, "link_refused", status=404)
    if request.method != "POST":
        return _rating(request, delivery, score)
    try:
        answer = rating.parse(request.POST.get("score", ""), request.POST.get("comment", ""))
    except rating.RatingRefused as error:
        return _rating(request, delivery, score, error=str(error))
    is_kept = rating.rate(delivery, answer, timezone.now())
    context = {"company": programme.current().company, "is_kept": is_kept, "score": answer.score}
    return _bare(languages.page(request, "rated", context, languages.of(request, delivery.customer_id)))


def _rating(request: HttpRequest, delivery: Delivery, score: str, error: str = "") -> HttpResponse:
    block, language = rating.asked(delivery), languages.of(request, delivery.customer_id)
    question = rating.QUESTION if "{" in block.question else block.question
    context = {
        "company": programme.current().company,
        "question": question,
        "asked": block,
        "scores": [str(one) for one in rating.SCORES],
        "chosen": score,
        "comment": request.POST.get("comment", ""),
        "longest": rating.COMMENT_LENGTH,
        "error": error,
    }
    return _bare(languages.page(request, "rating", context, language, 400 if error else 200))


@never_cache
@require_safe
def click(request: HttpRequest, token: str) -> HttpResponse:
    """Lead to the address that a link of a mail stands for, and note that somebody came by."""
    try:
        followed = tracking.follow(token)
    except LinkRefused:
        return _page(request, "link_refused", status=404)
    touch = _touch(request, Touch.Kind.CLICK, tag=followed.tag, link=followed.link_id)
    _note(touch, followed.public_id)
    return _bare(HttpResponseRedirect(followed.address))


@never_cache
@require_safe
def opening(request: HttpRequest, token: str) -> HttpResponse:
    """Give a picture of nothing, and note that a mail was opened."""
    try:
        public_id = tracking.opened(token)
    except LinkRefused:
        return _page(request, "link_refused", status=404)
    _note(_touch(request, Touch.Kind.OPEN), public_id)
    return _bare(HttpResponse(NOTHING_TO_SEE, content_type="image/gif"))


def _touch(request: HttpRequest, kind: Touch.Kind, *, tag: str = "", link: int | None = None) -> Touch:
    return Touch(
        kind=kind,
        at=timezone.now(),
        link_id=link,
        tag=tag,
        method=request.method or "",
        agent=request.headers.get("User-Agent", "").replace("\x00", "")[: tracking.AGENT_LENGTH],
        network=tracking.network_of(_address(request)),
    )


def _address(request: HttpRequest) -> str:
    """Give the other side's internet address, as the first of our own proxies saw it."""
    forwarded = request.headers.get("X-Forwarded-For", "").split(",")
    if settings.PROXIES and len(forwarded) >= settings.PROXIES:
        return str(forwarded[-settings.PROXIES])
    return "" if settings.PROXIES else str(request.META.get("REMOTE_ADDR", ""))


def _note(touch: Touch, public_id: str) -> None:
    """Store a touch, which also proves that its mail arrived. Who follows a link gets there, whatever happens here."""
    try:
        delivery = tracking.note(touch, public_id)
        if delivery and delivery.state == Delivery.State.UNCERTAIN:
            deliver.confirm(delivery, touch.at)
    except DatabaseError:
        log.exception("A touch of %s was not stored", public_id)


def _bare(response: HttpResponse) -> HttpResponse:
    response["X-Robots-Tag"] = "noindex"
    response["Referrer-Policy"] = "no-referrer"
    return response


def _page(
    request: HttpRequest, name: str, leaving: Leaving | None = None, *, everything: bool = False, status: int = 200
) -> HttpResponse:
    topic = leaving.topic.replace("-", " ").replace("_", " ") if leaving else ""
    context = {"company": programme.current().company, "topic": topic, "everything": everything}
    language = languages.of(request, leaving.customer_id if leaving else None)
    return _bare(languages.page(request, name, context, language, status))


def _asset_tag(request: HttpRequest, public_id: str) -> str | None:
    found = Asset.objects.filter(public_id=public_id).values_list("sha256", flat=True).first()
    return f'"{found}"' if found else None


@require_http_methods(["GET", "HEAD"])
@condition(etag_func=_asset_tag)
def asset(request: HttpRequest, public_id: str) -> HttpResponse:
    """Give a picture of a mail to anybody who has its address: the same for ever, and only as a picture."""
    found = get_object_or_404(Asset, public_id=public_id)
    response = HttpResponse(bytes(found.content), content_type=found.kind)
    response["X-Content-Type-Options"] = "nosniff"
    response["Cache-Control"] = "public, max-age=31536000, immutable"
    response["Content-Security-Policy"] = "default-src 'none'; sandbox"
    response["Cross-Origin-Resource-Policy"] = "cross-origin"
    return response
