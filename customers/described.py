"""What the OpenAPI document says of every REST door, because the door does it without being asked."""

from http import HTTPStatus
from typing import Any

from drf_spectacular.openapi import AutoSchema
from rest_framework import serializers

from customers import once
from customers.keys import changes_something
from customers.problems import CONTENT_TYPE, NO_SPACE, StrictSerializer

Document = dict[str, Any]
TEXT = {"type": "string"}
RATES: Document = {
    "RateLimit-Policy": {"schema": TEXT, "description": 'Calls (q) in so many seconds (w): "default";q=1000;w=60.'},
    "RateLimit": {"schema": TEXT, "description": "Calls left (r), and the seconds until all are back (t)."},
}
RETRY: Document = {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds to wait."}}
LINK: Document = {"Link": {"schema": TEXT, "description": 'The next page: <…>; rel="next". Absent on the last.'}}
ETAG: Document = {"ETag": {"schema": TEXT, "description": "For If-Match, and If-None-Match."}}
REPLAYED: Document = {"Idempotent-Replayed": {"schema": TEXT, "description": "true where this was answered before."}}
KEY: Document = {
    "in": "header",
    "name": once.HEADER,
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]([ -~]*[!-~])?$"},
    "description": "A name of your own for this call: sent again within a day it is answered alike, not done again.",
}
SAME: Document = {
    "in": "header",
    "name": "If-None-Match",
    "schema": TEXT,
    "description": "The ETag of what you have: 304 where it is still so.",
}


class DoorSchema(AutoSchema):
    """Describes a door: besides what it says itself, limits, repeats, states, and refusals that any door may give."""

    def get_operation(self, *args: Any, **kwargs: Any) -> Document | None:
        """Give the operation with what is true of all doors."""
        operation: Document | None = super().get_operation(*args, **kwargs)
        if operation is not None and not self.view.__class__.__module__.startswith("drf_spectacular"):
            if self.method == "GET" and (hasattr(self.view, "patch") or getattr(self.view, "is_tagged", False)):
                _tell_tags(operation)
            _complete(operation, makes=self.method == "POST" and changes_something(self.view, "POST"))
        return operation

    def _get_request_body(self, direction: Any = "request") -> Document | None:
        """Describe the body of a DELETE too, where the door reads one."""
        method = self.method
        if method == "DELETE" and getattr(self.view, "has_delete_body", False):
            self.method = "POST"
        try:
            body: Document | None = super()._get_request_body(direction)  # type: ignore[no-untyped-call]
        finally:
            self.method = method
        asked = self.get_request_serializer() if body else None
        if body and (isinstance(asked, dict) or _asks(getattr(asked, "between", {}))):
            body["required"] = True
        return body

    def _map_basic_serializer(self, serializer: serializers.Serializer[Any], direction: str) -> Document:
        """Say that a body has no other fields, where they are refused, and what must hold between its fields."""
        told: Document = super()._map_basic_serializer(serializer, direction)  # type: ignore[no-untyped-call]
        if isinstance(serializer, StrictSerializer) and direction == "request":
            told |= {"additionalProperties": False, **serializer.between}
        return told

    def _insert_field_validators(self, field: Any, schema: Document) -> None:
        """Say of a text that must not be blank that spaces are no text."""
        super()._insert_field_validators(field, schema)  # type: ignore[no-untyped-call]
        if isinstance(field, serializers.CharField) and field.trim_whitespace and schema.get("minLength"):
            schema.setdefault("pattern", NO_SPACE)


def _asks(between: Document) -> bool:
    """Say whether something must be told: one field at least, in every way that a body may be."""
    ways = [between.get("oneOf", []), between.get("anyOf", [])]
    return "required" in between or any(way and all("required" in one for one in way) for way in ways)


def _tell_tags(operation: Document) -> None:
    """Describe how something is read that is told apart by its ETag."""
    operation.setdefault("parameters", []).append(SAME)
    operation["responses"]["200"].setdefault("headers", {}).update(ETAG)
    operation["responses"]["304"] = {"description": HTTPStatus(304).phrase, "headers": {**ETAG}}


def _complete(operation: Document, *, makes: bool) -> None:
    parameters = operation.setdefault("parameters", [])
    names = {(one["in"], one["name"]) for one in parameters}
    has_tag = ("header", "If-Match") in names
    refusals = [429, 406, 503, *([413, 415] if "requestBody" in operation else []), *([409, 422] if makes else [])]
    for status in refusals:
        _refuse(operation, status)
    for status, answer in operation["responses"].items():
        if status == "401":
            continue
        headers = answer.setdefault("headers", {})
        headers |= RATES
        if status in ("409", "429", "503"):
            headers |= RETRY
        if status.startswith("2"):
            headers |= (LINK if ("query", "cursor") in names else {}) | (ETAG if has_tag else {})
            headers |= REPLAYED if makes else {}
    if makes:
        parameters.append(KEY)


def _refuse(operation: Document, status: int) -> None:
    """Describe a refusal as the others are."""
    like = operation["responses"]["401"]["content"][CONTENT_TYPE]
    operation["responses"].setdefault(
        str(status), {"content": {CONTENT_TYPE: like}, "description": HTTPStatus(status).phrase}
    )
