"""The OpenAPI document is valid, complete, and shown without the internet."""

import json
import re
from io import StringIO

import pytest
from django.core.management import call_command
from django.test import Client
from openapi_spec_validator import validate

from config import api

pytestmark = [pytest.mark.door, pytest.mark.django_db]


def test_the_document_validates_without_a_warning() -> None:
    out = StringIO()
    call_command("spectacular", "--validate", "--fail-on-warn", "--format", "openapi-json", stdout=out)
    document = json.loads(out.getvalue())
    validate(document)
    described = {path.removeprefix("/api/v1/") for path in document["paths"]}
    served = {re.sub(r"<\w+:(\w+)>", r"{\1}", str(one.pattern)) for one in api.urlpatterns[:-1]}
    assert served <= described
    for path in document["paths"].values():
        for operation in path.values():
            assert operation["security"] == [{"key": []}]
            assert {"401", "403"} <= set(operation["responses"])


def test_the_pages_load_nothing_from_elsewhere(client: Client) -> None:
    page = client.get("/api/docs/").content.decode()
    assert "https://" not in page
    assert client.get("/api/schema/").status_code == 200
