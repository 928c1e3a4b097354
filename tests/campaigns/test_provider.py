"""A provider's API takes, refuses, rejects or does not answer: each delivery says so, and keeps the provider's id."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from campaigns import deliver
from campaigns.models import Delivery, DeliveryAttempt, Outage
from config.checks import check_settings
from customers import consent
from tests.campaigns.mailbox import planned_mails, states
from tests.campaigns.people import T0
from tests.servers import free_port

pytestmark = [pytest.mark.django_db]
BACKEND = "anymail.backends.postmark.EmailBackend"
TAKEN = {"ErrorCode": 0, "Message": "OK", "MessageID": "pm-1", "To": "c0@example.test"}
FOUND = "Found inactive addresses: c0@example.test.\n Inactive recipients are ones that have generated a hard bounce."
INACTIVE = {
    "ErrorCode": 406,
    "Message": f"You tried to send to a recipient that has been marked as inactive.\n {FOUND}",
}


class Api(HTTPServer):
    """A provider that gives the answers it was told to."""

    answers: list[tuple[int, Any]]
    asked: list[dict[str, Any]]


class Handler(BaseHTTPRequestHandler):
    server: Api

    def do_POST(self) -> None:
        self.server.asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        code, answer = self.server.answers.pop(0)
        body = json.dumps(answer).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def api(settings: Any) -> Iterator[Api]:
    with Api(("127.0.0.1", 0), Handler) as server:
        server.answers, server.asked = [], []
        settings.EMAIL_BACKEND = BACKEND
        url = f"http://127.0.0.1:{server.server_port}/"
        settings.ANYMAIL = settings.ANYMAIL | {"POSTMARK_SERVER_TOKEN": "secret", "POSTMARK_API_URL": url}
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def only() -> Delivery:
    return Delivery.objects.get()


def test_what_a_provider_takes_is_sent_and_its_id_is_kept(api: Api) -> None:
    api.answers = [(200, TAKEN)]
    (delivery,) = planned_mails(1)
    assert deliver.deliver(T0) == {"sent": 1}
    assert DeliveryAttempt.objects.get().provider_id == "pm-1"
    (asked,) = api.asked
    assert asked["Metadata"] == {"delivery": delivery.public_id}
    assert {"List-Unsubscribe", "List-Unsubscribe-Post", "Message-ID"} <= {one["Name"] for one in asked["Headers"]}


def test_a_rejected_address_fails(api: Api) -> None:
    api.answers = [(422, INACTIVE)]
    planned_mails(1)
    assert deliver.deliver(T0) == {"failed": 1}
    assert "The provider" in only().reason


def test_a_mail_that_the_provider_refuses_fails_and_keeps_the_address(api: Api) -> None:
    api.answers = [(422, {"ErrorCode": 400, "Message": "The 'From' address is not a sender of yours."})]
    planned_mails(1)
    assert deliver.deliver(T0) == {"failed": 1}
    assert not consent.is_suppressed("email", "c0@example.test")


@pytest.mark.parametrize("code", [401, 429, 503])
def test_an_account_that_takes_nothing_now_costs_no_attempt_and_is_left_alone(api: Api, code: int) -> None:
    api.answers = [(code, {"ErrorCode": 10, "Message": "No."})]
    planned_mails(3)
    assert deliver.deliver(T0) == {"planned": 3}
    assert deliver.deliver(T0) == {}
    assert (len(api.asked), DeliveryAttempt.objects.count(), Outage.objects.count()) == (1, 0, 1)


def test_an_error_of_the_provider_is_uncertain_and_never_repeated(api: Api) -> None:
    api.answers = [(500, {"Message": "Oops."})]
    planned_mails(2)
    assert deliver.deliver(T0) == {"uncertain": 1, "planned": 1}
    assert states() == ["uncertain", "planned"]


def test_a_provider_that_cannot_be_reached_has_taken_nothing(api: Api, settings: Any) -> None:
    settings.ANYMAIL = settings.ANYMAIL | {"POSTMARK_API_URL": f"http://127.0.0.1:{free_port()}/"}
    planned_mails(1)
    assert deliver.deliver(T0) == {"planned": 1}
    assert only().attempts == 0


def test_a_provider_without_its_key_stops_the_start_with_a_sentence(settings: Any) -> None:
    settings.EMAIL_BACKEND = BACKEND
    (found,) = check_settings(None)
    assert "POSTMARK_SERVER_TOKEN" in str(found.msg)
