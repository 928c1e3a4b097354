"""What may not begin is left, or waits, as its campaign wants it, and its decision says so."""

from datetime import time, timedelta
from typing import Any

import polars as pl
import pytest
from django.core import mail
from django.db import OperationalError

from campaigns import answers, deliver, outages
from campaigns.assignment import held_out
from campaigns.channels.email import Mailer
from campaigns.models import Campaign, Decision, Delivery, DeliveryAttempt, FrequencyCap, OfferCode, Outage, Programme
from customers.models import Alert
from segments.models import Membership, Segment
from tests.campaigns import people
from tests.campaigns.mailbox import planned_mails, states
from tests.campaigns.people import T0

pytestmark = [pytest.mark.door, pytest.mark.django_db]
DELAY = {"when_limited": Campaign.Limited.DELAY}
NIGHT = {"quiet_from": time(11), "quiet_until": time(15)}


def rules(**changes: Any) -> None:
    Programme.objects.filter(pk=1).update(**changes)


def decision() -> Decision:
    return Decision.objects.latest("pk")


def test_the_holdout_is_drawn_again_at_the_gate() -> None:
    deliveries = planned_mails(8)
    share = 0.5
    rules(holdout_share=share)
    seeds = pl.Series([one.customer.seed for one in deliveries])
    out = {one.customer.email for one, is_out in zip(deliveries, held_out(seeds, share), strict=True) if is_out}
    assert deliver.deliver(T0) == {"sent": 8 - len(out), "cancelled": len(out)}
    assert 0 < len(out) < 8
    assert not out & {message.to[0] for message in mail.outbox}


def test_who_has_left_the_audience_gets_nothing() -> None:
    segment = Segment.objects.create(key="vip", name="VIP", rule={}, created_at=T0)
    stays, _ = planned_mails(2, audience=segment)
    Membership.objects.create(segment=segment, customer=stays.customer, bucket=0, since=T0, as_of=T0)
    assert deliver.deliver(T0) == {"sent": 1, "cancelled": 1}
    assert [message.to for message in mail.outbox] == [[stays.customer.email]]


def test_in_her_quiet_hours_a_message_waits_until_they_end() -> None:
    (delivery,) = planned_mails(1, **DELAY)
    type(delivery.customer).objects.update(time_zone="UTC")
    rules(**NIGHT)
    assert deliver.deliver(T0) == {"planned": 1}
    delivery.refresh_from_db()
    end = T0 + timedelta(hours=3)
    assert (delivery.due_at, delivery.began_at, decision().outcome) == (end, None, "deferred")
    assert deliver.deliver(end - timedelta(seconds=1)) == {}
    assert deliver.deliver(end) == {"sent": 1}
    assert decision().outcome == "deliver"


def test_in_her_quiet_hours_a_message_is_left_where_the_campaign_does_not_wait() -> None:
    (delivery,) = planned_mails(1)
    type(delivery.customer).objects.update(time_zone="UTC")
    rules(**NIGHT)
    assert deliver.deliver(T0) == {"cancelled": 1}
    assert not mail.outbox


def test_a_message_waits_for_room_below_the_cap() -> None:
    (first,) = planned_mails(1)
    rules(cap_messages=1, cap_days=1)
    people.planned(first.customer, people.campaign("second", **DELAY))
    assert deliver.deliver(T0) == {"sent": 1, "planned": 1}
    assert (decision().outcome, decision().due_at) == ("deferred", T0 + timedelta(days=1))
    assert deliver.deliver(T0 + timedelta(days=1)) == {"sent": 1}


def test_a_message_that_would_wait_too_long_is_left() -> None:
    (first,) = planned_mails(1)
    rules(cap_messages=1, cap_days=30)
    people.planned(first.customer, people.campaign("second", **DELAY))
    assert deliver.deliver(T0) == {"sent": 1, "cancelled": 1}
    assert len(mail.outbox) == 1


def test_a_message_that_waited_until_its_time_was_over_is_not_sent() -> None:
    (delivery,) = planned_mails(1)
    Decision.objects.update(outcome="deferred", expires_at=T0)
    assert deliver.deliver(T0) == {"cancelled": 1}
    delivery.refresh_from_db()
    assert "It could not go before" in delivery.reason
    assert (decision().outcome, mail.outbox) == ("ineligible", [])


def test_a_cap_of_one_topic_leaves_the_others_alone() -> None:
    (first,) = planned_mails(1)
    rules(cap_messages=9)
    FrequencyCap.objects.create(channel="email", topic="newsletter", messages=1, days=7)
    people.planned(first.customer, people.campaign("second"))
    people.planned(first.customer, people.campaign("calls", steps=[people.CALL_STEP]), "call")
    assert deliver.deliver(T0) == {"sent": 2, "cancelled": 1}
    assert len(mail.outbox) == 1


def test_two_messages_to_one_customer_in_one_group_are_counted_one_after_the_other() -> None:
    (first,) = planned_mails(1)
    rules(cap_messages=2)
    for key in ("second", "third"):
        people.planned(first.customer, people.campaign(key))
    assert deliver.deliver(T0) == {"sent": 2, "cancelled": 1}


def test_a_campaign_that_paused_itself_keeps_its_messages_for_its_return() -> None:
    (delivery,) = planned_mails(1)
    paused = Campaign.objects.filter(pk=delivery.decision.campaign_id)
    paused.update(state=Campaign.State.PAUSED, paused_why="Ten times as many as foreseen.")
    assert deliver.deliver(T0) == {"planned": 1}
    paused.update(state=Campaign.State.LIVE, paused_why="")
    assert deliver.deliver(T0 + timedelta(minutes=15)) == {"sent": 1}


def test_an_offer_that_had_to_wait_is_good_from_when_it_goes_out() -> None:
    people.offer("ten")
    (delivery,) = planned_mails(1, steps=[people.OFFER_STEP])
    late = T0 + timedelta(days=2)
    assert deliver.deliver(late) == {"sent": 1}
    assert OfferCode.objects.get(delivery=delivery).valid_until == late + timedelta(days=14)


class Away(Mailer):
    """A mail server that cannot be reached."""

    asked = 0

    def open(self) -> str:
        Away.asked += 1
        self._trouble = "The mail server is away."
        return self._trouble


@pytest.fixture
def away(monkeypatch: pytest.MonkeyPatch) -> None:
    Away.asked = 0
    monkeypatch.setattr("campaigns.channels.email.Mailer", Away)


@pytest.mark.usefixtures("away")
def test_a_mail_server_that_is_away_costs_no_attempt_and_holds_up_no_calls() -> None:
    planned_mails(3)
    campaign = people.campaign("calls", steps=[people.CALL_STEP])
    people.planned(Delivery.objects.earliest("pk").customer, campaign, "call")
    assert deliver.deliver(T0) == {"sent": 1, "planned": 3}
    assert set(Delivery.objects.filter(channel="email").values_list("attempts", "reason", "began_at")) == {
        (0, "The mail server is away.", None)
    }
    assert DeliveryAttempt.objects.count() == 1
    assert Alert.objects.get().sentence == "E-mail waits since 2026-03-01 12:00 UTC: The mail server is away."


@pytest.mark.usefixtures("away")
def test_a_mail_server_that_is_away_is_asked_again_ever_more_seldom() -> None:
    planned_mails(1)
    for minute in range(30):
        deliver.deliver(T0 + timedelta(minutes=minute))
    assert Away.asked == 5  # after 0, 1, 3, 8 and 18 minutes


def test_a_mail_server_that_is_back_is_used_and_its_alert_is_settled() -> None:
    planned_mails(2)
    outages.begin("email", "It was away.", T0)
    assert deliver.deliver(T0 + timedelta(seconds=59)) == {}
    assert deliver.deliver(T0 + timedelta(seconds=60)) == {"sent": 2}
    assert (Outage.objects.count(), Alert.objects.get().state) == (0, "done")


def test_one_worker_at_a_time_tries_a_channel_that_was_out() -> None:
    outages.begin("email", "It was away.", T0)
    later = T0 + timedelta(minutes=1)
    assert not outages.is_closed("email", later)
    assert outages.is_closed("email", later)


def test_what_began_and_was_not_handed_over_is_as_if_it_had_not_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    planned_mails(3)
    rules(cap_messages=1)
    honest = Mailer.send

    def breaks(mailer: Mailer, passed: Any) -> Any:
        if mail.outbox:
            mailer._trouble = "It hangs."
            return None
        return honest(mailer, passed)

    with monkeypatch.context() as patch:
        patch.setattr(Mailer, "send", breaks)
        assert deliver.deliver(T0) == {"sent": 1, "planned": 2}
    assert states() == ["sent", "planned", "planned"]
    assert DeliveryAttempt.objects.count() == 1
    assert deliver.deliver(T0 + timedelta(hours=1)) == {"sent": 2}
    assert set(Delivery.objects.values_list("attempts", flat=True)) == {1}


def test_an_answer_that_cannot_be_written_is_kept_and_written_first(monkeypatch: pytest.MonkeyPatch) -> None:
    planned_mails(2)

    def away(*_: Any) -> None:
        raise OperationalError("the connection is lost")

    with monkeypatch.context() as patch:
        patch.setattr(answers, "_write_states", away)
        patch.setattr("campaigns.answers.connection.close", lambda: None)
        with pytest.raises(OperationalError):
            deliver.deliver(T0)
    assert states() == ["sending", "sending"]
    assert deliver.deliver(T0) == {}
    assert (states(), len(mail.outbox)) == (["sent", "sent"], 2)
    deliver.sweep(T0)
    assert states() == ["sent", "sent"]
