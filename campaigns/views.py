"""The pages that customers see."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import condition, require_http_methods

from campaigns import programme
from campaigns.models import Asset
from campaigns.unsubscribe import Leaving, LinkRefused, leave, read


@csrf_exempt  # RFC 8058: a mail program posts without cookies; the signed link is the proof
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def unsubscribe(request: HttpRequest, token: str) -> HttpResponse:
    """Show a button on GET, which changes nothing; unsubscribe on POST."""
    try:
        leaving = read(token)
    except LinkRefused:
        return _page(request, "unsubscribe_refused", status=404)
    if request.method != "POST":
        return _page(request, "unsubscribe", leaving)
    everything = request.POST.get("scope") == "everything"
    leave(leaving, timezone.now(), everything=everything)
    return _page(request, "unsubscribed", leaving, everything=everything)


def _page(
    request: HttpRequest, name: str, leaving: Leaving | None = None, *, everything: bool = False, status: int = 200
) -> HttpResponse:
    topic = leaving.topic.replace("-", " ").replace("_", " ") if leaving else ""
    context = {"company": programme.current().company, "topic": topic, "everything": everything}
    response = render(request, f"pages/{name}.html", context, status=status)
    response["X-Robots-Tag"] = "noindex"
    response["Referrer-Policy"] = "no-referrer"
    return response


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
