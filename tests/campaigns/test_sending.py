"""One button stops all sending, and says who pressed it, when and why."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User

from campaigns import sending
from customers.models import Alert, AuditEntry
from tests.campaigns.people import T0

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
