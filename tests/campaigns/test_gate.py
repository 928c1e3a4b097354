"""Workers, unsubscribes and caps meet at the gate at the same moment; it lets through one at a time."""

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from django.db import connection, connections, transaction

from campaigns import claims, deliver, gate, programme, unsubscribe
from campaigns.models import Delivery
from tests.campaigns import people
from tests.campaigns.mailbox import planned_mails, states
from tests.campaigns.people import T0
from tests.servers import wait_for

pytestmark = [pytest.mark.door, pytest.mark.django_db(transaction=True)]
TOKEN = "t" * 22
one_writer = pytest.mark.skipif(
    connection.vendor == "sqlite",
    reason="a SQLite test database lives in memory; tests/services/test_smtp.py has processes on a file",
)


def in_threads(count: int, work: Callable[[], Any]) -> list[Any]:
    """Do the work in several threads that start together; give what they gave."""
    gate_open = threading.Barrier(count)
    results: list[Any] = []

    def run() -> None:
        try:
            gate_open.wait()
            results.append(work())
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return results


@one_writer
def test_workers_side_by_side_send_each_mail_once() -> None:
    planned_mails(120)
    programme.current()
    counts = in_threads(3, lambda: deliver.deliver(T0))
    assert sum(count["sent"] for count in counts) == 120
    assert len({message.to[0] for message in mail.outbox}) == len(mail.outbox) == 120


@one_writer
def test_workers_side_by_side_hold_the_cap() -> None:
    (first,) = planned_mails(1)
    for number in range(11):
        people.planned(first.customer, people.campaign(f"other-{number}"))
    programme.current()
    tokens = [f"{number:022}" for number in range(4)]
    claimed = {token: claims.take("email", token, T0, 3) for token in tokens}

    def carry() -> list[str]:
        token = tokens.pop()
        gated = gate.pass_(claimed[token], token, T0)
        return ["passed"] * len(gated.passed) + ["refused"] * len(gated.refused)

    gone = [what for some in in_threads(4, carry) for what in some]
    assert sorted(gone) == ["passed"] * 2 + ["refused"] * 10


@one_writer
def test_a_mail_waits_at_the_gate_for_an_unsubscribe_and_then_stays() -> None:
    """The unsubscribe holds the customer when the mail comes: the mail sees what it decided."""
    (delivery,) = planned_mails(1)
    programme.current()
    claims.take("email", TOKEN, T0, 1)
    leaving = unsubscribe.Leaving(delivery.customer_id, "newsletter", delivery.public_id)
    is_at_the_gate, passed = threading.Event(), []

    def knock() -> None:
        is_at_the_gate.set()
        passed.append(gate.pass_([delivery.pk], TOKEN, T0))
        connections.close_all()

    knocking = threading.Thread(target=knock)
    with transaction.atomic():
        unsubscribe.leave(leaving, T0)
        knocking.start()
        is_at_the_gate.wait(10)
        wait_for(_somebody_waits, "the gate to wait for the customer's row")
        assert passed == []
    knocking.join(10)
    assert [refused.state for _, refused in passed[0].refused] == ["cancelled"]
    assert states() == ["cancelled"]


def _somebody_waits() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
        return bool(cursor.fetchone()[0])


def test_a_claim_of_one_worker_is_no_use_to_another() -> None:
    (delivery,) = planned_mails(1)
    claims.take("email", TOKEN, T0, 1)
    assert gate.pass_([delivery.pk], "x" * 22, T0) == gate.Gated()
    assert states() == ["claimed"]


def test_a_claim_passes_the_gate_once() -> None:
    (delivery,) = planned_mails(1)
    claims.take("email", TOKEN, T0, 1)
    assert len(gate.pass_([delivery.pk], TOKEN, T0).passed) == 1
    assert gate.pass_([delivery.pk], TOKEN, T0) == gate.Gated()


def test_leases_go_by_the_databases_clock_not_the_workers() -> None:
    (delivery,) = planned_mails(1)
    future = T0 + timedelta(days=4000)
    claims.take("email", TOKEN, future, 1)
    assert deliver.sweep(future).planned == 0
    assert len(gate.pass_([delivery.pk], TOKEN, future).passed) == 1
    assert deliver.sweep(future).uncertain == 0
    assert Delivery.objects.get().state == "sending"
