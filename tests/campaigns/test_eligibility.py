"""Consent, address and suppression are asked for all customers at once, and messages counted over all campaigns."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from campaigns import eligibility
from customers import consent, wire_columns
from customers.models import Consent, Customer
from tests.campaigns.people import T0, customers, frame

pytestmark = [pytest.mark.door, pytest.mark.django_db]
DAY = timedelta(days=1)


def allowed(people: list[Customer], channel: str = "email", topic: str = "newsletter") -> list[tuple[bool, ...]]:
    found = eligibility.allowed(frame(people, 0.5), channel, topic)
    assert found["customer_id"].to_list() == [one.pk for one in people]
    return found.drop("customer_id").rows()


def test_consent_address_and_suppression_are_told_apart() -> None:
    people = customers(6)
    Consent.objects.filter(customer=people[1], channel="email").update(is_granted=False)
    Consent.objects.filter(customer=people[2]).delete()
    Customer.objects.filter(pk=people[3].pk).update(email=None)
    Customer.objects.filter(pk=people[4].pk).update(email="")
    consent.suppress("email", "C5@example.test ", "bounced", T0)
    assert allowed(people) == [
        (True, True, False),
        (False, True, False),
        (False, True, False),
        (True, False, False),
        (True, False, False),
        (True, True, True),
    ]


def test_consent_is_for_one_channel_and_topic() -> None:
    people = customers(1, channels=("email",))
    assert [row[0] for row in allowed(people, topic="offers") + allowed(people, "phone")] == [False, False]
    assert allowed(people, "phone")[0][1]
    assert not allowed(people, "push")[0][1]


def test_many_customers_are_read_by_bucket_in_as_many_queries_as_few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(eligibility, "FEW", 50)
    people = customers(80)
    consent.suppress("email", "c7@example.test", "bounced", T0)
    asked, answer = list[str](), wire_columns.answer

    def noted(session: Any, statement: str) -> Any:  # what comes in columns goes past the queries that Django notes
        asked.append(statement)
        return answer(session, statement)

    monkeypatch.setattr(wire_columns, "answer", noted)
    with CaptureQueriesContext(connection) as queries:
        rows = allowed(people)
    assert len(queries) + len(asked) == 3
    assert rows.count((True, True, False)) == len(people) - 1
    assert rows[7] == (True, True, True)


def test_nobody_at_all_is_no_trouble() -> None:
    nobody = frame([], [])
    assert eligibility.allowed(nobody, "email", "newsletter").is_empty()
