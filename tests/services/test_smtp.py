"""A real mail server takes, refuses, drops or is away: each delivery says so, and nothing goes out twice."""

from collections.abc import Iterator
from datetime import timedelta
from email import message_from_bytes, policy
from typing import Any, cast

import pytest

from campaigns import answers, claims, deliver, gate
from campaigns.channels import Receipt, Result, smtp
from campaigns.channels.email import Mailer
from campaigns.models import Delivery, DeliveryAttempt, OfferCode
from customers import consent
from tests.campaigns import people
from tests.campaigns.mailbox import OK, Sink, mail_server, planned_mails, states, use_smtp
from tests.campaigns.people import T0
from tests.prove.home import Home
from tests.servers import free_port

pytestmark = [pytest.mark.services, pytest.mark.django_db]
WORK = "tests.services.crowds"


@pytest.fixture
def sink(settings: Any) -> Iterator[Sink]:
    with mail_server(settings) as running:
        yield running


def only() -> Delivery:
    return Delivery.objects.get()


def test_an_accepted_mail_has_all_its_headers_and_both_parts(sink: Sink, settings: Any) -> None:
    settings.PUBLIC_URL = "https://cusp.example"
    (delivery,) = planned_mails(1)
    assert deliver.deliver(T0) == {"sent": 1}
    raw = cast("bytes", sink.taken[0].content)
    message = message_from_bytes(raw, policy=policy.default)
    assert message["Message-ID"] == f"<{delivery.public_id}@example.test>"
    assert message["From"] == message["Reply-To"] == "Our shop <hello@example.test>"
    assert message["To"] == "c0@example.test"
    link = message["List-Unsubscribe"].strip().strip("<>")
    assert link.startswith("https://cusp.example/u/")
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    plain, html = message.get_body(("plain",)), message.get_body(("html",))
    assert plain is not None
    assert html is not None
    for part in (plain.get_content(), html.get_content()):
        assert "We miss you." in part
        assert link in part
        assert "1 Example Street, Exampletown" in part


def test_a_temporary_refusal_is_tried_later_and_gives_the_cap_back(sink: Sink) -> None:
    sink.answers = ["451 4.3.0 Try again later"]
    planned_mails(1)
    assert deliver.deliver(T0) == {"planned": 1}
    waiting = only()
    assert (waiting.began_at, waiting.due_at) == (None, T0 + answers.BACKOFF[0])
    assert waiting.reason == "The mail server cannot take it now: 451 4.3.0 Try again later"
    assert deliver.deliver(T0 + timedelta(seconds=1)) == {}
    assert deliver.deliver(waiting.due_at) == {"sent": 1}
    assert len(sink.taken) == 1
    assert list(DeliveryAttempt.objects.order_by("number").values_list("number", "result")) == [
        (1, "later"),
        (2, "accepted"),
    ]


def test_five_temporary_refusals_are_a_failure(sink: Sink) -> None:
    sink.answers = ["451 4.3.0 Try again later"] * answers.MOST_ATTEMPTS
    people.offer("ten")
    planned_mails(1, steps=[people.OFFER_STEP])
    counted = [dict(deliver.deliver(T0 + timedelta(days=day))) for day in range(6)]
    assert counted == [{"planned": 1}] * 4 + [{"failed": 1}, {}]
    assert OfferCode.objects.get().state == "released"


def test_an_unknown_recipient_fails_and_closes_the_address(sink: Sink) -> None:
    sink.recipient_answer = "550 5.1.1 No such user"
    planned_mails(1)
    assert deliver.deliver(T0) == {"failed": 1}
    assert only().reason == "The mail server refused it: 550 5.1.1 No such user"
    assert consent.is_suppressed("email", "c0@example.test")


@pytest.mark.parametrize("offers", [["250-PIPELINING"], []])
def test_after_a_refused_recipient_the_next_mail_goes_on_the_same_connection(sink: Sink, offers: list[str]) -> None:
    sink.offers = offers
    peers = set()
    honest = sink.handle_RCPT

    async def choosy(server: Any, session: Any, envelope: Any, address: str, options: list[str]) -> str:
        peers.add(session.peer)
        sink.recipient_answer = "550 5.1.1 No such user" if address == "c0@example.test" else OK
        return await honest(server, session, envelope, address, options)

    sink.handle_RCPT = choosy  # type: ignore[method-assign]
    planned_mails(2, steps=[{"action": "email", "subject": "Dots", "body": "One.\n\n.hidden begins with a dot."}])
    assert deliver.deliver(T0) == {"failed": 1, "sent": 1}
    assert states() == ["failed", "sent"]
    (text,) = [part for part in sink.messages()[0].walk() if part.get_content_type() == "text/plain"]
    assert ".hidden begins" in str(text.get_payload())
    assert ".." not in str(text.get_payload())
    assert len(peers) == 1


def test_a_refusal_by_policy_keeps_the_address(sink: Sink) -> None:
    sink.answers = ["550 5.7.1 Looks like spam"]
    planned_mails(1)
    assert deliver.deliver(T0) == {"failed": 1}
    assert not consent.is_suppressed("email", "c0@example.test")


def test_a_connection_lost_after_data_is_uncertain_and_never_repeated(sink: Sink) -> None:
    sink.answers = ["drop"]
    planned_mails(2)
    assert deliver.deliver(T0) == {"uncertain": 1, "sent": 1}
    assert deliver.deliver(T0 + timedelta(days=30)) == {}
    deliver.sweep(T0 + timedelta(days=30))
    assert states() == ["uncertain", "sent"]
    assert len(sink.taken) == 2
    assert "The connection was lost after the mail was handed over" in Delivery.objects.earliest("pk").reason


def test_a_server_that_is_away_is_said_clearly_and_waited_for(settings: Any) -> None:
    use_smtp(settings, free_port())
    planned_mails(3)
    assert deliver.deliver(T0) == {"planned": 3}
    assert set(Delivery.objects.values_list("reason", flat=True)) == {
        f"The mail server 127.0.0.1:{settings.EMAIL_PORT} cannot be used: Connection refused."
    }
    with mail_server(settings) as sink:
        assert deliver.deliver(T0 + timedelta(hours=1)) == {"sent": 3}
    assert len(sink.taken) == 3


def test_a_connection_that_died_between_two_mails_is_opened_again(sink: Sink) -> None:
    planned_mails(2)
    token = "t" * 22
    first, second = gate.pass_(claims.take("email", token, T0, 2), token, T0).passed
    with Mailer() as mailer:
        assert mailer.send(first) == Receipt(Result.ACCEPTED, "Accepted by the mail server.")
        mailer._backend.connection.sock.close()
        assert mailer.send(second) == Receipt(Result.ACCEPTED, "Accepted by the mail server.")
    assert len(sink.taken) == 2


def test_all_mails_of_a_run_share_one_connection(sink: Sink) -> None:
    planned_mails(5)
    peers = set()
    honest = sink.handle_DATA

    async def noted(server: Any, session: Any, envelope: Any) -> str:
        peers.add(session.peer)
        return await honest(server, session, envelope)

    sink.handle_DATA = noted  # type: ignore[method-assign]
    assert deliver.deliver(T0) == {"sent": 5}
    assert len(peers) == 1


def test_sending_is_on_record_before_the_server_is_called(sink: Sink, monkeypatch: pytest.MonkeyPatch) -> None:
    planned_mails(1)
    seen: list[str] = []
    honest = smtp.Impatient.send

    def looked(client: Any, sent: Any) -> None:
        seen.append(only().state)
        honest(client, sent)

    monkeypatch.setattr(smtp.Impatient, "send", looked)
    deliver.deliver(T0)
    assert set(seen[:-1]) == {"sending"}, "all but the farewell"
    assert len(sink.taken) == 1


def test_content_of_one_mail_at_a_time_is_with_the_server_beside_the_next_envelope(
    sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    planned_mails(5)
    sent: list[bytes] = []
    honest = smtp.Impatient.send

    def noted(client: Any, more: Any) -> None:
        sent.append(more.encode() if isinstance(more, str) else more)
        honest(client, more)

    monkeypatch.setattr(smtp.Impatient, "send", noted)
    assert deliver.deliver(T0) == {"sent": 5}
    contents = [one for one in sent if b"\r\n.\r\n" in one]
    assert [one.count(b"Message-ID:") for one in contents] == [1] * 5
    assert [one.endswith(b"\r\ndata\r\n") for one in contents] == [True] * 4 + [False]
    receivers = [mail.rcpt_tos for mail in sink.taken]
    assert receivers == [[f"c{n}@example.test"] for n in range(5)]
    assert [message["To"] for message in sink.messages()] == [one for (one,) in receivers]


@pytest.mark.parametrize("answer", ["451 4.3.0 Try again later", "550 5.7.1 Looks like spam", "drop"])
def test_what_is_said_of_one_mail_holds_for_no_other(sink: Sink, answer: str) -> None:
    sink.answers = [OK, answer, OK, OK]
    planned_mails(4)
    deliver.deliver(T0)
    state = {"4": "planned", "5": "failed", "d": "uncertain"}[answer[0]]
    assert states() == ["sent", state, "sent", "sent"]
    taken = {message["To"] for message in sink.messages()}
    assert taken >= {f"c{n}@example.test" for n in (0, 2, 3)}


def test_a_mail_that_cannot_be_written_holds_up_none(sink: Sink) -> None:
    mails = planned_mails(5)
    for mail in (mails[1], mails[2]):
        type(mail.customer).objects.filter(pk=mail.customer_id).update(email="not an address\n")
    assert deliver.deliver(T0) == {"sent": 3, "failed": 2}
    assert states() == ["sent", "failed", "failed", "sent", "sent"]
    assert len(sink.taken) == 3


def test_once_it_is_over_no_further_content_goes(sink: Sink, monkeypatch: pytest.MonkeyPatch) -> None:
    planned_mails(5)
    monkeypatch.setattr(deliver, "STOP_SEEN_WITHIN", 0.0)
    monkeypatch.setattr("campaigns.deliver.sending.is_stopped", lambda: bool(sink.taken))
    assert deliver.deliver(T0) == {"sent": 1, "planned": 4}
    assert len(sink.taken) == 1
    assert set(DeliveryAttempt.objects.values_list("result", flat=True)) == {"accepted"}


def test_several_processes_on_one_sqlite_file_send_each_mail_once(home: Home) -> None:
    with home.embedded() as ours:
        ours.clear()
        ours.call(f"{WORK}:plan_mails", "40")
        workers = [ours.start(f"{WORK}:deliver_all", "10") for _ in range(2)]
        assert [worker.wait() for worker in workers] == [0, 0]
        assert sum(int(worker.log.read_text()) for worker in workers) == len(ours.sink.accepted) == 40
        assert len({mail.recipient for mail in ours.sink.accepted}) == 40
