"""Pages by keyset: a signed cursor holds the last key seen, so a list that changes shows nobody twice."""

import json
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from django.core import signing
from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request
from rest_framework.response import Response

from customers.problems import Problem

SIGNER = signing.Signer(salt="cursor")
MAX_LIMIT = 1000
PARAMETERS = {"cursor", "limit"}
DESCRIBED = [
    OpenApiParameter("cursor", OpenApiTypes.STR, description="Where to go on, from `next` of the page before."),
    OpenApiParameter(
        "limit", {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT}, description=f"Rows, 1 to {MAX_LIMIT}."
    ),
]


class Place(NamedTuple):
    """Where a page begins (after this key; None at the start) and how many rows it holds."""

    after: int | None
    limit: int
    list: str


def place(request: Request, list_name: str, *, limit: int = 100) -> Place:
    """Give the place that a request asks for; a cursor of another list is refused."""
    size, after = limit_of(request, limit=limit), held(request, list_name)
    return Place(None if after is None else int(after), size, list_name)


def page(request: Request, at: Place, rows: Sequence[dict[str, Any]], key: Callable[[dict[str, Any]], int]) -> Response:
    """Answer with a page; `rows` holds one row more than `at.limit` where there is a next page, `key` gives its key."""
    shown = list(rows[: at.limit])
    following = further(request, at.list, key(shown[-1])) if len(rows) > at.limit else None
    results = [{name: value for name, value in row.items() if not name.startswith("_")} for row in shown]
    return answer(results, following)


def limit_of(request: Request, *, limit: int = 100) -> int:
    """Give how many rows a request asks for."""
    text = request.query_params.get("limit", str(limit))
    if not (text.isascii() and text.isdecimal() and len(text) < 9 and 1 <= int(text) <= MAX_LIMIT):
        raise _refusal("limit", f"limit must be a whole number from 1 to {MAX_LIMIT}.")
    return int(text)


def held(request: Request, list_name: str) -> Any:
    """Give what the cursor of a request holds: the key that was seen last; None at the start."""
    cursor = request.query_params.get("cursor")
    if not cursor:
        return None
    try:
        told = SIGNER.unsign_object(cursor)
    except (signing.BadSignature, ValueError) as error:
        raise _refusal("cursor", "This is not a cursor that was given out here.") from error
    if told.get("list") != list_name:
        raise _refusal("cursor", "This cursor belongs to another list.")
    return told["after"]


def further(request: Request, list_name: str, after: Any) -> str:
    """Give the address of the page behind a key."""
    parameters = request.query_params.copy()
    parameters["cursor"] = SIGNER.sign_object({"list": list_name, "after": after})
    return request.build_absolute_uri(f"{request.path}?{parameters.urlencode()}")


def answer(results: Sequence[Any], following: str | None) -> Response:
    """Answer with rows, and where the next ones are."""
    return Response({"results": results, "next": following}, headers=_link(following))


def answer_text(results: str, following: str | None, headers: dict[str, str]) -> HttpResponse:
    """Answer as `answer` does, with rows that are JSON already."""
    body = f'{{"results":{results},"next":{json.dumps(following)}}}'
    return HttpResponse(body, content_type="application/json", headers={**_link(following), **headers})


def _link(following: str | None) -> dict[str, str]:
    return {"Link": f'<{following}>; rel="next"'} if following else {}


def _refusal(path: str, message: str) -> Problem:
    return Problem(400, f"bad_{path}", message, [{"path": path, "code": f"bad_{path}", "message": message}])
