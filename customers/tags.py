"""Two who change the same: the ETag says what was read, If-Match that nothing else is to be changed (RFC 9110)."""

import hashlib
import json
import re

from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request

from customers.problems import Problem

ONE = '(W/)?"[0-9a-f]{16}"'  # weak where a proxy packed the answer
FORM = {"type": "string", "pattern": rf"^(\*|{ONE}( *, *{ONE})*)?$"}
IF_MATCH = OpenApiParameter(
    "If-Match",
    FORM,
    OpenApiParameter.HEADER,
    description="The ETag as it was read: 412 where somebody changed it since. Without it, any will do.",
)
TAG = re.compile(r'"([0-9a-f]{16})"')
TAGS = re.compile(rf"{ONE}( *, *{ONE})*\Z")


def tag(told: object) -> str:
    """Give the fingerprint of what is told of something: another one after every change."""
    text = json.dumps(told, sort_keys=True, default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def header(told: object) -> dict[str, str]:
    """Give the headers of an answer with these facts."""
    return {"ETag": f'"{tag(told)}"'}


def check(request: Request, current: str, what: str) -> None:
    """Refuse a request whose If-Match is of another state; `what` is its name, such as "The offer"."""
    asked = request.headers.get("If-Match", "").strip()
    if asked in ("", "*"):
        return
    if not TAGS.match(asked):
        raise Problem(400, "bad_etag", "If-Match must be an ETag that was given out here.")
    if current not in TAG.findall(asked):
        raise Problem(412, "changed", f"{what} was changed since it was read.")
