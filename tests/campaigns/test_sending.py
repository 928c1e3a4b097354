"""One button stops all sending, and says who pressed it, when and why."""

import threading
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.core import mail
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.urls import reverse

from campaigns import claims, deliver, dns_check, gate, sending
from campaigns.models import Delivery
from customers.models import Alert, AuditEntry, Event
from tests.campaigns.mailbox import planned_mails, states
from tests.campaigns.people import T0
from tests.customers.test_api import bearer, is_problem

pytestmark = [pytest.mark.door, pytest.mark.django_db]
LATER = T0 + timedelta(hours=1)


def test_sending_that_is_stopped_tells_who_did_it_when_and_why() -> None:
    ada = User.objects.create(username="ada")
    assert sending.stop(ada, "A wrong price in the mail.", T0)
    assert sending.is_stopped()
    assert sending.status() == sending.Status(True, "A wrong price in the mail.", T0, "ada")
    assert Alert.objects.get().sentence == "All sending is stopped: A wrong price in the mail."


def test_the_first_to_stop_it_is_the_one_who_did() -> None:
    assert sending.stop(User.objects.create(username="ada"), "A wrong price.", T0)
    assert not sending.stop(User.objects.create(username="bob"), "A wrong name.", LATER)
    assert sending.status() == sending.Status(True, "A wrong price.", T0, "ada")


def test_sending_goes_on_when_somebody_starts_it() -> None:
    ada = User.objects.create(username="ada")
    sending.stop(ada, "A wrong price.", T0)
    sending.start(ada, LATER)
    assert sending.status() == sending.Status(is_stopped=False)
    assert not sending.is_stopped()
    assert Alert.objects.get().state == Alert.State.DONE
    told = AuditEntry.objects.order_by("pk").values_list("what", "by__username", "at", "detail__why")
    assert list(told) == [
        ("sending stopped", "ada", T0, "A wrong price."),
        ("sending started", "ada", LATER, "A wrong price."),
    ]


def test_nothing_is_stopped_without_a_reason_nor_started_that_goes() -> None:
    with pytest.raises(sending.SendingError, match="Say why"):
        sending.stop(None, "  ", T0)
    with pytest.raises(sending.SendingError, match="not stopped"):
        sending.start(None, T0)
    assert not sending.is_stopped()


def test_what_is_planned_waits_while_it_is_stopped_and_goes_out_after() -> None:
    planned_mails(2)
    sending.stop(None, "A wrong price.", T0)
    assert deliver.deliver(LATER) == {}
    assert states() == ["planned", "planned"]
    sending.start(None, LATER)
    assert deliver.deliver(LATER) == {"sent": 2}


def test_a_message_that_was_claimed_before_the_button_does_not_begin_after_it() -> None:
    (delivery,) = planned_mails(1)
    (claimed,) = claims.take("email", "token", LATER, 1)
    sending.stop(None, "A wrong price.", T0)
    ((_, refused),) = gate.pass_([claimed], "token", LATER).refused
    assert (refused.state, refused.reason) == ("planned", "All sending is stopped.")
    delivery.refresh_from_db()
    assert (delivery.state, delivery.began_at) == ("planned", None)


def staff(client: Client, *codenames: str) -> Client:
    user = User.objects.create_user("eve", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    client.force_login(user)
    return client


def test_only_who_may_stop_all_sending_sees_and_presses_the_button(client: Client) -> None:
    eve = staff(client, "view_programme")
    assert "Stop all sending" not in eve.get(reverse("admin:index")).content.decode()
    assert eve.post(reverse("sending"), {"do": "stop", "why": "So."}).status_code == 403
    assert not sending.is_stopped()
    sending.stop(None, "A wrong price.", T0)
    page = eve.get(reverse("admin:index")).content.decode()
    assert "A wrong price." in page
    assert "Start again" not in page


def test_who_sees_nothing_of_the_programme_still_sees_that_it_is_stopped(client: Client) -> None:
    sending.stop(None, "A wrong price.", T0)
    eve = staff(client)
    assert "A wrong price." in eve.get(reverse("admin:index")).content.decode()
    assert eve.get(reverse("sending")).status_code == 403


def test_the_page_asks_for_a_reason_and_escapes_it(client: Client) -> None:
    eve = staff(client, "view_programme", "stop_programme")
    page = eve.post(reverse("sending"), {"do": "stop", "why": " "})
    assert "This field is required." in page.content.decode()
    eve.post(reverse("sending"), {"do": "stop", "why": "<b>now</b>"})
    assert "&lt;b&gt;now&lt;/b&gt;" in eve.get(reverse("admin:index")).content.decode()
    assert sending.status().by == "eve"


def told(*args: str) -> str:
    out = StringIO()
    call_command("sending", *args, stdout=out)
    return out.getvalue().strip()


def test_an_operator_stops_starts_and_asks_at_the_command_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dns_check, "within", lambda seconds: lambda name, kind: [])
    assert told("status").startswith("SPF: missing or wrong. example.test has no SPF record")
    assert told("status").endswith("Sending is on.")
    assert told("stop", "A wrong price.") == "All sending is stopped."
    with pytest.raises(CommandError, match=r"stopped since .*: A wrong price\."):
        told("status")
    assert told("start") == "Sending goes on."
    with pytest.raises(CommandError, match="not stopped"):
        told("start")


def test_a_key_with_its_own_scope_stops_and_starts_all_sending(client: Client) -> None:
    def ask(body: object) -> object:
        answer = client.post("/api/v1/sending/", body, "application/json", headers=bearer("sending:write"))
        return answer.json() if answer.status_code == 200 else is_problem(answer, 400)

    assert client.get("/api/v1/sending/", headers=bearer("sending:read")).json()["is_stopped"] is False
    assert "why" in str(ask({"is_stopped": True}))
    stopped = ask({"is_stopped": True, "why": "A wrong price."})
    assert isinstance(stopped, dict)
    assert (stopped["is_stopped"], stopped["why"]) == (True, "A wrong price.")
    assert stopped["by"]
    assert ask({"is_stopped": False}) == {"is_stopped": False, "why": "", "at": None, "by": ""}
    denied = client.post(
        "/api/v1/sending/", {"is_stopped": True, "why": "x"}, "application/json", headers=bearer("campaigns:send")
    )
    is_problem(denied, 403)


def test_what_the_provider_knows_is_marked_sent_and_not_sent_again(tmp_path: Path) -> None:
    planned, doubtful, left = planned_mails(3)
    (token_of,) = claims.take("email", "token", LATER, 1)
    assert token_of == planned.pk
    Delivery.objects.filter(pk=doubtful.pk).update(state="uncertain", began_at=T0)
    sending.stop(None, "Restored.", T0)
    file = tmp_path / "log.txt"
    file.write_text(f"<{planned.public_id}@example.test>\n{doubtful.public_id}@example.test\n\n<other@example.test>\n")
    assert told("mark-sent", str(file)) == "Marked as sent: 2. Needed no mark: 0. Not ours, or lost: 1."
    assert told("mark-sent", str(file)) == "Marked as sent: 0. Needed no mark: 2. Not ours, or lost: 1."
    sending.start(None, LATER)
    assert deliver.deliver(LATER) == {"sent": 1}
    assert [message.to[0] for message in mail.outbox] == [left.customer.email]
    assert Event.objects.filter(name="Email Sent").count() == 3


def test_a_list_that_cannot_be_read_says_so(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="cannot be read"):
        told("mark-sent", str(tmp_path / "none"))


@pytest.mark.django_db(transaction=True)
def test_nothing_begins_after_the_buttons_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """One message is past the gate's look at the button and not yet committed: the answer comes once it has begun."""
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has one writer at a time")
    planned_mails(2)
    first, second = claims.take("email", "token", LATER, 2)
    answered, begin = threading.Event(), gate._begin

    def press() -> None:
        sending.stop(None, "A wrong price.", T0)
        answered.set()
        connection.close()

    button = threading.Thread(target=press)

    def begin_while_it_is_pressed(*args: Any) -> Any:
        button.start()
        assert not answered.wait(0.5)
        return begin(*args)

    monkeypatch.setattr(gate, "_begin", begin_while_it_is_pressed)
    assert len(gate.pass_([first], "token", LATER).passed) == 1
    button.join(10)
    assert answered.is_set()
    monkeypatch.setattr(gate, "_begin", begin)
    assert len(gate.pass_([second], "token", LATER).refused) == 1
    assert states() == ["sending", "planned"]
