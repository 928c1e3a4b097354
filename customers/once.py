"""Idempotency-Key: what a POST does, and its answer, are one commit, so that the same call again gets the same answer.

After the IETF's draft-ietf-httpapi-idempotency-key-header and Stripe's API. A process that is killed leaves neither;
what was refused left nothing behind, and may be asked again.
"""

import hashlib
import json
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from customers.models import ApiKey, StoredAnswer
from customers.problems import Problem, Wait

HEADER = "Idempotency-Key"
NAME = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]{0,253}[\x21-\x7e])?\Z")
KEPT = timedelta(hours=24)
TOLD = ("ETag", "Location", "Link")  # headers that are part of an answer
NO_CONTENT = 204
Act = Callable[[], Any]


def answered(request: Request, key: ApiKey, at: datetime, act: Act) -> HttpResponseBase:
    """Do what a request with an Idempotency-Key asks for, or give what it was answered before.

    Raises Problem: 422 where the key was used for something else, 409 while that is still being done.
    """
    told = request.headers[HEADER].strip()
    if not NAME.match(told):
        message = f"{HEADER} is 1 to 255 letters of ASCII, such as a UUID."
        place = {"path": HEADER, "code": "bad_idempotency_key", "message": message}
        raise Problem(400, "bad_idempotency_key", message, [place])
    named, asked = _hash(told), _hash(request.get_full_path(), _canonical(request.data))
    with transaction.atomic():
        _hold(key, named)
        mine = StoredAnswer.objects.filter(key=key, named=named)
        mine.filter(at__lte=at - KEPT).delete()
        if (before := mine.first()) is not None:
            return _again(before, asked)
        response: Response = act()
        body = "" if response.data is None else JSONRenderer().render(response.data).decode()
        headers = {name: response[name] for name in TOLD if response.has_header(name)}
        StoredAnswer.objects.create(
            key=key, named=named, asked=asked, at=at, status=response.status_code, headers=headers, body=body
        )
    return response


def tidy(now: datetime) -> int:
    """Forget the answers that are older than a day; give how many."""
    return StoredAnswer.objects.filter(at__lte=now - KEPT).delete()[0]


def forget(names: Callable[[Any], bool]) -> int:
    """Empty the answers whose body names somebody; give how many."""
    told = StoredAnswer.objects.exclude(body="").values_list("pk", "body")
    gone = [pk for pk, body in told.iterator() if names(json.loads(body))]
    return StoredAnswer.objects.filter(pk__in=gone).update(body="")


def _again(before: StoredAnswer, asked: str) -> HttpResponse:
    if before.asked != asked:
        raise Problem(422, "key_reused", f"This {HEADER} was used for another address or body within the last day.")
    if not before.body and before.status != NO_CONTENT:
        raise Problem(409, "answer_gone", "This was done. Its answer told of a customer who was erased since.")
    headers = {**before.headers, "Idempotent-Replayed": "true"}
    return HttpResponse(before.body, status=before.status, content_type="application/json", headers=headers)


def _hold(key: ApiKey, named: str) -> None:
    """Let nobody else do this until the commit. On SQLite the transaction itself does."""
    if connection.vendor != "postgresql":
        return
    lock = int.from_bytes(hashlib.sha256(f"{key.pk} {named}".encode()).digest()[:8], "big", signed=True)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [lock])
        if not cursor.fetchone()[0]:
            raise Wait(409, "in_progress", f"The first call with this {HEADER} is still being answered.", 1)


def _canonical(body: Any) -> str:
    """Give the same text for the same body, however it was laid out; of a file its hash."""
    return json.dumps(body, sort_keys=True, default=lambda part: hashlib.sha256(part).hexdigest())


def _hash(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode("utf-8", "surrogatepass")).hexdigest()
