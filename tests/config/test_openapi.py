"""The OpenAPI document is valid, complete, and shown without the internet."""

import json
import re
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from openapi_spec_validator import validate

from config import api
from customers.api import Door

pytestmark = [pytest.mark.door, pytest.mark.django_db]
QUESTIONS = {f"/api/v1/{path}/" for path in ("segments/preview", "segments/overlap", "targets/count")}


ROOT = Path(__file__).resolve().parent.parent.parent
METHODS = ("get", "post", "put", "patch", "delete")
Document = dict[str, Any]


def view_of(pattern: Any) -> type:
    view: type = pattern.callback.view_class
    return view


@pytest.fixture(scope="module")
def document() -> Document:
    """Give the document, made once: it asks no table."""
    out = StringIO()
    call_command("spectacular", "--validate", "--fail-on-warn", "--format", "openapi-json", stdout=out)
    made: Document = json.loads(out.getvalue())
    return made


def test_the_document_validates_without_a_warning(document: Document) -> None:
    validate(document)


def test_what_is_served_is_described_and_what_is_described_is_served(document: Document) -> None:
    described = {
        (path.removeprefix("/api/v1/"), method)
        for path, operations in document["paths"].items()
        for method in METHODS
        if method in operations
    }
    served = {
        (re.sub(r"<\w+:(\w+)>", r"{\1}", str(one.pattern)), method)
        for one in api.urlpatterns[:-1]
        for method in METHODS
        if hasattr(view_of(one), method)
    }
    assert described == served


def test_every_address_is_a_door_for_keys_that_describes_all_that_doors_do(document: Document) -> None:
    for one in api.urlpatterns[:-1]:
        assert issubclass(view_of(one), Door), one
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            assert operation["security"] == [{"key": []}]
            assert {"401", "403", "406", "429", "503"} <= set(operation["responses"]), f"{method} {path}"
            told = {name for answer in operation["responses"].values() for name in answer.get("headers", {})}
            assert {"RateLimit", "RateLimit-Policy", "Retry-After"} <= told
            names = {one["name"] for one in operation["parameters"]}
            assert ("Idempotency-Key" in names) == (method == "post" and path not in QUESTIONS), f"{method} {path}"
            assert "cursor" not in names or "Link" in operation["responses"]["200"]["headers"]


def test_whatever_can_be_changed_has_a_state_to_change_it_from(document: Document) -> None:
    for path, operations in document["paths"].items():
        if "patch" in operations:
            assert "ETag" in operations["get"]["responses"]["200"]["headers"], path
            for method in {"patch", "delete"} & set(operations):
                names = {one["name"] for one in operations[method]["parameters"]}
                assert "If-Match" in names, f"{method} {path}"
                assert "412" in operations[method]["responses"], f"{method} {path}"


def test_operations_are_grouped_by_what_they_are_about(document: Document) -> None:
    for path, operations in document["paths"].items():
        assert {tag for one in operations.values() for tag in one["tags"]} == {path.split("/")[3]}


def test_a_delete_that_takes_a_body_says_so(document: Document) -> None:
    bodies = {
        path: operations["delete"]["requestBody"]["content"]["application/json"]["schema"]["$ref"].split("/")[-1]
        for path, operations in document["paths"].items()
        if "requestBody" in operations.get("delete", {})
    }
    assert bodies == {"/api/v1/segments/{public_id}/pins/": "UnpinInRequest"}
    assert document["components"]["schemas"]["UnpinInRequest"]["required"] == ["customers"]


def test_every_code_of_a_refusal_is_told_to_integrators() -> None:
    told = (ROOT / "docs" / "integrators.md").read_text()
    apps = ("customers", "scoring", "segments", "campaigns", "config")
    sources = [path.read_text() for app in apps for path in (ROOT / app).rglob("*.py")]
    codes = {code for text in sources for code in re.findall(r"(?:Problem|Wait)\(\s*\d{3}, \"(\w+)\"", text)}
    assert len(codes) > 30
    assert [code for code in sorted(codes) if f"`{code}`" not in told] == []


def test_the_pages_load_nothing_from_elsewhere(client: Client) -> None:
    page = client.get("/api/docs/").content.decode()
    assert "https://" not in page
    assert client.get("/api/schema/").status_code == 200
