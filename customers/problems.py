"""How the REST doors refuse: strict bodies in, RFC 9457 problem documents out."""

import logging
import re
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import IO, Any, ClassVar

from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, JsonResponse
from drf_spectacular.utils import OpenApiResponse, inline_serializer
from rest_framework import serializers, status
from rest_framework.exceptions import APIException, ErrorDetail, NotFound, ParseError, ValidationError
from rest_framework.parsers import JSONParser
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework.views import exception_handler as rest_handler

CONTENT_TYPE = "application/problem+json"
RETRY_SECONDS = 5  # after which a database that was away may be asked again
MAX_DEPTH = 32
NEVER: dict[str, Any] = {"not": {}}  # in a schema: a field that must not be there
NO_SPACE = r"[^\s\u001c-\u001f\u0085]"  # in a schema: some letter is no space, as Python and as ECMA-262 know them
MAX_BYTES = 2 * 1024 * 1024
TYPES: tuple[tuple[tuple[type, ...], tuple[type, ...], str], ...] = (
    ((serializers.BooleanField,), (bool,), "true or false"),
    ((serializers.IntegerField, serializers.FloatField), (int, float), "a number"),
    (
        (serializers.CharField, serializers.ChoiceField, serializers.DateTimeField, serializers.DateField),
        (str,),
        "text",
    ),
)
UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
log = logging.getLogger(__name__)


class Problem(APIException):
    """A refusal with its own status, code and sentence; `errors` name the places in the body."""

    def __init__(self, status_code: int, code: str, detail: str, errors: list[dict[str, str]] | None = None) -> None:
        """Take what the problem document will say."""
        super().__init__(detail, code)
        self.status_code = status_code
        self.errors = errors or []


class Wait(Problem):
    """A refusal that holds for some seconds only: `Retry-After` tells how many."""

    def __init__(self, status_code: int, code: str, detail: str, wait: int) -> None:
        """Take what the problem document will say, and how long to wait."""
        super().__init__(status_code, code, detail)
        self.wait = wait


class StrictJSONParser(JSONParser):
    """JSON that is not too large, not too deep, and holds no text that a database refuses."""

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        """Give the body, or raise a ParseError that says what is wrong with it."""
        request = (parser_context or {}).get("request")
        if request is not None and int(request.META.get("CONTENT_LENGTH") or 0) > MAX_BYTES:
            raise Problem(413, "too_large", f"The body is larger than {MAX_BYTES:,} bytes.")
        try:
            body = super().parse(stream, media_type, parser_context)
        except RecursionError as error:
            raise ParseError(f"The body is nested more than {MAX_DEPTH} deep.", "too_deep") from error
        check(body)
        return body


def check(body: object) -> None:
    """Refuse a body nested more than MAX_DEPTH deep, or with text that no database stores."""
    level = [body]
    for _ in range(MAX_DEPTH):
        for text in (item for item in level if isinstance(item, str)):
            if UNSTORABLE.search(text):
                raise ParseError("A text holds a NUL or half of a surrogate pair.", "bad_text")
        level = [inner for item in level for inner in _inside(item)]
        if not level:
            return
    raise ParseError(f"The body is nested more than {MAX_DEPTH} deep.", "too_deep")


def _inside(item: object) -> Iterator[object]:
    if isinstance(item, dict):
        yield from item
        yield from item.values()
    elif isinstance(item, list):
        yield from item


class StrictSerializer(serializers.Serializer[Any]):
    """A serializer that refuses fields it does not know, by name, and values of another type than JSON has for them.

    `between` holds what the OpenAPI document says beside the fields: what must hold between them.
    """

    between: ClassVar[dict[str, Any]] = {}

    def to_internal_value(self, data: Any) -> Any:
        """Give the validated fields, or refuse them with every fault at once."""
        if not isinstance(data, dict):
            return super().to_internal_value(data)
        known = {name: field for name, field in self.fields.items() if not field.read_only}
        faults: dict[str, Any] = {
            str(name): [ErrorDetail("No such field.", "unknown_field")] for name in data if name not in known
        }
        faults |= {name: told for name in known if name in data and (told := _mistyped(known[name], data[name]))}
        try:
            checked = super().to_internal_value({name: value for name, value in data.items() if name not in faults})
        except ValidationError as error:
            others: Any = error.detail
            raise ValidationError(
                {**faults, **{name: told for name, told in others.items() if name not in faults}}
            ) from error
        if faults:
            raise ValidationError(faults)
        return checked


def _mistyped(field: Any, value: object) -> Any:
    """Say what is wrong with a value that is of another type than its field; nothing where it is of this one.

    The fields by themselves read 0 as a text, "yes" as a truth and false as a number.
    """
    if value is None:
        return None
    if isinstance(field, serializers.ListField) and isinstance(value, list):
        faults = {place: told for place, one in enumerate(value) if (told := _mistyped(field.child, one))}
        return [faults.get(place, []) for place in range(len(value))] if faults else None
    for fields, types, name in TYPES:
        if isinstance(field, fields):
            is_right = isinstance(value, types) and (bool in types or not isinstance(value, bool))
            return None if is_right else [ErrorDetail(f"This must be {name}.", "bad_type")]
    return None


class NothingSerializer(StrictSerializer):
    """A body without fields."""


def refuse_unknown_parameters(request: Request, known: set[str]) -> None:
    """Refuse a query parameter that the door does not know, by name."""
    unknown = sorted(set(request.query_params) - known)
    if unknown:
        errors = [
            {"path": name, "code": "unknown_parameter", "message": "No such query parameter."} for name in unknown
        ]
        raise Problem(400, "unknown_parameter", f"No query parameter named {unknown[0]!r}.", errors)


def answer(error: Exception, context: Mapping[str, Any]) -> Response | None:
    """Give every refusal as a problem document; a fault of our own is left to Django, which logs it."""
    if isinstance(error, Http404):
        error = NotFound(str(error) or None)
    elif isinstance(error, RequestDataTooBig):
        error = Problem(413, "too_large", f"The body is larger than {MAX_BYTES:,} bytes.")
    elif isinstance(error, OperationalError | InterfaceError):
        log.error("%s cannot be answered: %s", context.get("request"), error)
        error = Wait(503, "unavailable", "The database cannot be used now. The same may be sent again.", RETRY_SECONDS)
    elif isinstance(error, RecursionError):
        error = ParseError("The body is nested too deep.", "too_deep")
    response = rest_handler(error, dict(context))
    if response is None:
        return None
    request: Request | None = context.get("request")
    path = request.path if request is not None else ""
    response.data = document(response.status_code, _code(error), *_said(error), path=path)
    response.content_type = CONTENT_TYPE
    return response


def document(
    status_code: int, code: str, detail: str, errors: list[dict[str, str]] | None = None, *, path: str
) -> dict[str, object]:
    """Give the members of a problem document (RFC 9457, with code, message and errors beside them)."""
    return {
        "type": f"urn:cusp:problem:{code}",
        "title": HTTPStatus(status_code).phrase,
        "status": status_code,
        "detail": detail,
        "instance": path,
        "code": code,
        "message": detail,
        "errors": errors or [],
    }


def _code(error: Exception) -> str:
    if isinstance(error, PermissionDenied):
        return "permission_denied"
    if isinstance(error, ValidationError):
        return "invalid"
    detail = error.detail if isinstance(error, APIException) else None
    return str(detail.code) if isinstance(detail, ErrorDetail) else "error"


def _said(error: Exception) -> tuple[str, list[dict[str, str]]]:
    if isinstance(error, Problem):
        return str(error.detail), error.errors
    if isinstance(error, ValidationError):
        errors = list(_places(error.detail, ""))
        return "; ".join(f"{e['path']}: {e['message']}" if e["path"] else e["message"] for e in errors), errors
    if isinstance(error, APIException):
        return str(error.detail), []
    return "You may not do this.", []


def _places(detail: Any, path: str) -> Iterator[dict[str, str]]:
    if isinstance(detail, dict):
        for name, inner in detail.items():
            place = path if name == "non_field_errors" else f"{path}.{name}" if path else str(name)
            yield from _places(inner, place)
    elif isinstance(detail, list):
        for index, inner in enumerate(detail):
            yield from _places(inner, path if isinstance(inner, ErrorDetail) else f"{path}[{index}]")
    else:
        yield {"path": path, "code": str(getattr(detail, "code", "invalid")), "message": str(detail)}


class NowhereView(APIView):
    """The address below /api/ that does not exist."""

    authentication_classes = []
    permission_classes = [AllowAny]
    schema = None

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Answer 404 whatever the method."""
        raise NotFound("There is nothing at this address.")


def server_error(request: HttpRequest) -> JsonResponse:
    """Answer a fault of our own below /api/ without telling anything of the inside."""
    body = document(500, "server_error", "Something went wrong here. It was logged.", path=request.path)
    return JsonResponse(body, status=500, content_type=CONTENT_TYPE)


PROBLEM = inline_serializer(
    "Problem",
    {
        "type": serializers.CharField(),
        "title": serializers.CharField(),
        "status": serializers.IntegerField(),
        "detail": serializers.CharField(),
        "instance": serializers.CharField(),
        "code": serializers.CharField(),
        "message": serializers.CharField(),
        "errors": inline_serializer(
            "ProblemPlace",
            {"path": serializers.CharField(), "code": serializers.CharField(), "message": serializers.CharField()},
            many=True,
        ),
    },
)


def refusals(*statuses: int) -> dict[Any, OpenApiResponse]:
    """Give the problem documents of a door for the OpenAPI document; 401 and 403 go without saying."""
    return {
        (code, CONTENT_TYPE): OpenApiResponse(PROBLEM, description=HTTPStatus(code).phrase)
        for code in (status.HTTP_401_UNAUTHORIZED, status.HTTP_403_FORBIDDEN, *statuses)
    }
