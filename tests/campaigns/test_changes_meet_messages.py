"""A pause, a stop or an edit and the messages of a campaign come one after the other, whoever is first."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core import mail
from django.core.mail import EmailMessage
from django.db import connection, connections, transaction

from campaigns import asking, claims, deliver, gate, launch, programme, standing, steps
from campaigns.models import Campaign, Delivery, DeliveryAttempt, Programme
from tests.campaigns.mailbox import planned_mails, states
from tests.campaigns.people import T0, campaign, lapse_model
from tests.campaigns.test_gate import TOKEN, in_threads
from tests.servers import wait_for

pytestmark = [
    pytest.mark.door,
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(connection.vendor == "sqlite", reason="a SQLite test database has one connection"),
]
OLD = {"action": "email", "subject": "Old", "body": "<p>The old text.</p>"}
NEW = {"action": "email", "subject": "New", "body": "<p>The new text.</p>"}
ACTS: dict[str, Callable[[Campaign], Any]] = {
    "paused": lambda one: launch.pause(one, None, T0),
    "stopped": lambda one: launch.stop(one, None, T0),
    "edited": lambda one: launch.edit(one, None, T0, steps=[NEW], while_sending=True),
}


@pytest.fixture
def mails() -> list[Delivery]:
    made = planned_mails(12)
    Campaign.objects.update(steps=[OLD])
    lapse_model()
    programme.current()
    return made


def somebody_waits() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
        return bool(cursor.fetchone()[0])


def subjects(passed: list[gate.Passed]) -> list[str]:
    return [each.step.subject for each in passed if isinstance(each.step, steps.EmailStep)]


def beside(work: Callable[[], Any]) -> threading.Thread:
    """Begin some work in a thread of its own."""

    def run() -> None:
        try:
            work()
        finally:
            connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


@pytest.mark.parametrize("act", ACTS)
def test_a_change_waits_for_the_messages_at_the_gate_and_after_it_none_begins_as_before(
    mails: list[Delivery], act: str
) -> None:
    one = Campaign.objects.get()
    ids = claims.take("email", TOKEN, T0, 8)
    with transaction.atomic():
        passed = gate.pass_(ids[:5], TOKEN, T0).passed
        waiting = beside(lambda: ACTS[act](one))
        wait_for(somebody_waits, "the change to wait for the messages at the gate")
        assert Campaign.objects.get().state == "live"
    waiting.join(20)
    assert subjects(passed) == ["Old"] * 5
    after = gate.pass_(ids[5:], TOKEN, T0)
    if act == "edited":
        assert subjects(after.passed) == ["New"] * 3
        assert (
            list(DeliveryAttempt.objects.order_by("pk").values_list("campaign_version", flat=True)) == [1] * 5 + [2] * 3
        )
    else:
        assert (len(after.passed), len(after.refused)) == (0, 3)
        assert standing.of(one).sending == 5


def test_messages_wait_for_a_change_that_is_being_made_and_go_by_it(mails: list[Delivery]) -> None:
    ids, passed = claims.take("email", TOKEN, T0, 4), []
    with transaction.atomic():
        ACTS["edited"](Campaign.objects.get())
        waiting = beside(lambda: passed.append(gate.pass_(ids, TOKEN, T0)))
        wait_for(somebody_waits, "the gate to wait for the change")
        assert passed == []
    waiting.join(20)
    assert subjects(passed[0].passed) == ["New"] * 4


def test_an_approval_waits_for_an_edit_and_is_void_by_then() -> None:
    lapse_model()
    Programme.objects.create(approval_budget=1.0)
    one = campaign(state=Campaign.State.DRAFT, edited_by="ada")
    ada, bob = User.objects.create(username="ada"), User.objects.create(username="bob")
    asking.ask(one, ada, T0)
    refused: list[str] = []

    def approve() -> None:
        try:
            asking.answer(Campaign.objects.get(), bob, T0, is_granted=True)
        except launch.LaunchError as error:
            refused.append(str(error))

    with transaction.atomic():
        launch.edit(Campaign.objects.get(), ada, T0, steps=[NEW])
        waiting = beside(approve)
        wait_for(somebody_waits, "the answer to wait for the edit")
    waiting.join(20)
    assert "is void" in refused[0]
    with pytest.raises(launch.Unapproved):
        launch.launch(one, bob, T0)


@pytest.mark.long
def test_an_edit_amid_workers_leaves_every_mail_whole_and_says_which_version_it_was() -> None:
    planned_mails(90)
    Campaign.objects.update(steps=[OLD])
    lapse_model()
    programme.current()
    begun: set[int] = set()

    def work(number: int) -> None:
        if number:
            deliver.deliver(T0)
            return
        wait_for(lambda: len(mail.outbox) > 10, "the first mails")
        ACTS["edited"](Campaign.objects.get())
        begun.update(DeliveryAttempt.objects.values_list("delivery_id", flat=True))

    numbers = list(range(3))
    in_threads(3, lambda: work(numbers.pop()))
    assert states() == ["sent"] * 90
    said = {each.to[0]: (str(each.subject), _text(each)) for each in mail.outbox}
    tries = DeliveryAttempt.objects.values_list("delivery_id", "campaign_version", "delivery__customer__email")
    for pk, version, email in tries:
        assert said[str(email)] == (("Old", "The old text.") if version == 1 else ("New", "The new text."))
        assert pk in begun or version == 2
    assert {version for _, version, _ in tries} == {1, 2}


def _text(message: EmailMessage) -> str:
    return next(line for line in str(message.body).splitlines() if "text." in line).strip()
