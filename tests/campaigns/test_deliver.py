"""A planned message is begun once, at most, and only while it is allowed."""

from datetime import timedelta
from typing import Any

import pytest
from django.core import mail

from campaigns import claims, deliver, gate, programme
from campaigns.channels import Receipt, Result, call
from campaigns.channels.email import Mailer
from campaigns.models import CallTask, Campaign, Decision, Delivery, DeliveryAttempt, OfferCode, TriggerState
from customers import consent
from customers.models import AuditEntry, Event
from tests.campaigns import people
from tests.campaigns.mailbox import planned_mails, states, stop
from tests.campaigns.people import T0

pytestmark = [pytest.mark.door, pytest.mark.django_db]
LATER = T0 + timedelta(minutes=1)


def test_a_planned_mail_is_sent_once() -> None:
    (delivery,) = planned_mails(1)
    assert deliver.deliver(LATER) == {"sent": 1}
    assert deliver.deliver(LATER + timedelta(hours=1)) == {}
    delivery.refresh_from_db()
    assert (delivery.state, delivery.began_at, delivery.ended_at) == ("sent", LATER, LATER)
    (message,) = mail.outbox
    assert message.to == ["c0@example.test"]
    assert message.extra_headers["Message-ID"] == f"<{delivery.public_id}@example.test>"


def test_what_is_not_due_waits() -> None:
    planned_mails(1)
    assert deliver.deliver(T0 - timedelta(seconds=1)) == {}
    assert states() == ["planned"]


def test_more_than_a_batch_goes_out_and_a_limit_holds() -> None:
    planned_mails(deliver.BATCH + 5)
    assert deliver.deliver(LATER, limit=3) == {"sent": 3}
    assert deliver.deliver(LATER) == {"sent": deliver.BATCH + 2}
    assert len({message.to[0] for message in mail.outbox}) == deliver.BATCH + 5


def test_a_sent_mail_is_an_event_of_the_customer() -> None:
    (delivery,) = planned_mails(1)
    deliver.deliver(LATER)
    event = Event.objects.get()
    assert (event.customer_id, event.name, event.occurred_at) == (delivery.customer_id, "Email Sent", LATER)
    assert event.properties == {"campaign": "winback", "delivery": delivery.public_id}


def test_an_event_lost_in_a_crash_is_recorded_by_the_sweep() -> None:
    planned_mails(1)
    deliver.deliver(LATER)
    Event.objects.all().delete()
    Delivery.objects.update(is_told=False)
    deliver.sweep(LATER)
    deliver.sweep(LATER)
    assert Event.objects.get().name == "Email Sent"


def test_an_offer_carries_a_code_that_is_given_once_sent() -> None:
    people.offer("ten")
    (delivery,) = planned_mails(1, steps=[people.OFFER_STEP])
    assert deliver.deliver(LATER) == {"sent": 1}
    code = OfferCode.objects.get(delivery=delivery)
    assert (code.state, code.valid_until) == ("given", LATER + timedelta(days=14))
    assert code.code in str(mail.outbox[0].body)
    assert set(Event.objects.values_list("name", flat=True)) == {"Email Sent", "Offer Given"}


def test_a_call_becomes_a_task_in_the_queue() -> None:
    (delivery,) = planned_mails(1, steps=[{**people.CALL_STEP, "title": "Call {{ customer.first_name }}"}])
    assert deliver.deliver(LATER) == {"sent": 1}
    task = CallTask.objects.get(delivery=delivery)
    assert (task.title, task.reasons, task.due_at) == ("Call First0", [delivery.decision.reason], LATER)
    assert not mail.outbox


def test_nothing_is_begun_after_a_withdrawal() -> None:
    (delivery,) = planned_mails(1)
    consent.withdraw(delivery.customer_id, "email", "newsletter", "unsubscribe link", LATER)
    assert deliver.deliver(LATER) == {"cancelled": 1}
    delivery.refresh_from_db()
    assert delivery.reason == "There is no consent for email:newsletter."
    assert (delivery.began_at, mail.outbox) == (None, [])


def test_a_suppressed_address_gets_nothing() -> None:
    (delivery,) = planned_mails(1)
    consent.suppress("email", "C0@example.test", "complained", T0)
    assert deliver.deliver(LATER) == {"cancelled": 1}
    delivery.refresh_from_db()
    assert delivery.reason == "The address is suppressed."


def test_a_customer_without_an_address_gets_nothing() -> None:
    (delivery,) = planned_mails(1)
    type(delivery.customer).objects.update(email=None)
    assert deliver.deliver(LATER) == {"cancelled": 1}
    assert not mail.outbox


def test_the_stop_button_stops_and_its_release_lets_go() -> None:
    planned_mails(2)
    rules = programme.current()
    rules.is_sending_stopped = True
    rules.save()
    assert deliver.deliver(LATER) == {}
    assert states() == ["planned", "planned"]
    rules.is_sending_stopped = False
    rules.save()
    assert deliver.deliver(LATER) == {"sent": 2}


def test_the_stop_button_holds_what_was_claimed_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    planned_mails(3)

    def press(*_: Any) -> Any:
        rules = programme.current()
        rules.is_sending_stopped = True
        rules.save()
        return Receipt(Result.ACCEPTED, "")

    monkeypatch.setattr(Mailer, "send", press)
    monkeypatch.setattr(deliver, "STOP_SEEN_WITHIN", 0.0)
    assert deliver.deliver(LATER) == {"sent": 1, "planned": 2}
    assert sorted(states()) == ["planned", "planned", "sent"]
    assert not Delivery.objects.filter(state="planned").exclude(token="").exists()


def test_a_paused_campaign_sends_nothing_more() -> None:
    (delivery,) = planned_mails(1)
    stop(delivery.decision.campaign)
    assert deliver.deliver(LATER) == {"cancelled": 1}
    delivery.refresh_from_db()
    assert delivery.reason == "The campaign is paused."


def test_who_was_held_out_meanwhile_gets_nothing() -> None:
    planned_mails(1)
    Decision.objects.update(outcome="held_out")
    assert deliver.deliver(LATER) == {"cancelled": 1}
    assert not mail.outbox


def test_the_cap_holds_at_the_gate_over_campaigns() -> None:
    (first,) = planned_mails(1)
    for number in range(3):
        people.planned(first.customer, people.campaign(f"other-{number}"))
    assert deliver.deliver(LATER) == {"sent": 2, "cancelled": 2}
    assert set(Delivery.objects.filter(state="cancelled").values_list("reason", flat=True)) == {
        "2 messages in 7 days, planned ones included; the cap is 2, with room from 2026-03-08 12:01 UTC."
    }


def test_the_cap_lets_go_after_its_days() -> None:
    (first,) = planned_mails(1)
    programme.current()
    people.planned(first.customer, people.campaign("second"))
    assert deliver.deliver(LATER) == {"sent": 2}
    week = LATER + timedelta(days=7)
    people.planned(first.customer, people.campaign("third"), due=week)
    assert deliver.deliver(week) == {"sent": 1}


def test_a_clock_that_is_behind_does_not_pass_the_cap() -> None:
    (first,) = planned_mails(1)
    people.planned(first.customer, people.campaign("second"))
    deliver.deliver(LATER + timedelta(hours=2))
    people.planned(first.customer, people.campaign("third"))
    assert deliver.deliver(LATER) == {"cancelled": 1}


def test_a_campaign_that_cannot_be_read_any_more_sends_nothing() -> None:
    (delivery,) = planned_mails(1)
    Campaign.objects.update(steps=[{**people.EMAIL_STEP, "body": "Hi {{ customer.naem }}"}])
    assert deliver.deliver(LATER) == {"cancelled": 1}
    delivery.refresh_from_db()
    assert "steps[0].body: the template uses an unknown name 'customer.naem'" in delivery.reason


def test_a_template_that_goes_wrong_fails_with_its_reason() -> None:
    bomb = "{% for i in (1..100000) %}x{% endfor %}"
    (delivery,) = planned_mails(1, steps=[{**people.EMAIL_STEP, "body": bomb}])
    assert deliver.deliver(LATER) == {"failed": 1}
    delivery.refresh_from_db()
    assert delivery.reason == "The mail cannot be written: the template was stopped: loop iteration limit reached."


def test_an_expired_claim_is_planned_again_by_the_databases_clock() -> None:
    planned_mails(2)
    token = "t" * 22
    assert len(claims.take("email", token, LATER, 2)) == 2
    Delivery.objects.filter(pk=Delivery.objects.earliest("pk").pk).update(lease_until=T0 - timedelta(days=400))
    assert deliver.sweep(LATER) == deliver.Swept(planned=1, uncertain=0)
    assert states() == ["planned", "claimed"]


def test_a_worker_that_lost_its_lease_sends_nothing() -> None:
    (delivery,) = planned_mails(1)
    claims.take("email", "t" * 22, LATER, 1)
    Delivery.objects.update(lease_until=T0 - timedelta(days=400))
    assert gate.pass_([delivery.pk], "t" * 22, LATER) == gate.Gated()
    assert not mail.outbox


def test_an_expired_sending_is_uncertain_and_never_sent_again() -> None:
    (delivery,) = planned_mails(1)
    claims.take("email", "t" * 22, LATER, 1)
    assert len(gate.pass_([delivery.pk], "t" * 22, LATER).passed) == 1
    Delivery.objects.update(lease_until=T0 - timedelta(days=400))
    assert deliver.sweep(LATER) == deliver.Swept(planned=0, uncertain=1)
    assert deliver.deliver(LATER + timedelta(days=1)) == {}
    assert (states(), mail.outbox) == (["uncertain"], [])
    assert DeliveryAttempt.objects.get().result == "uncertain"


def test_an_expired_call_is_simply_made_again() -> None:
    (delivery,) = planned_mails(1, steps=[people.CALL_STEP])
    claims.take("phone", "t" * 22, LATER, 1)
    (passed,) = gate.pass_([delivery.pk], "t" * 22, LATER).passed
    call.make(passed)
    Delivery.objects.update(lease_until=T0 - timedelta(days=400))
    assert deliver.sweep(LATER).planned == 1
    assert deliver.deliver(LATER) == {"sent": 1}
    assert CallTask.objects.count() == 1


def test_an_answer_that_comes_after_the_sweep_still_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    planned_mails(1)
    honest = Mailer.send

    def slow(mailer: Any, passed: Any) -> Any:
        Delivery.objects.update(lease_until=T0 - timedelta(days=400))
        deliver.sweep(LATER)
        return honest(mailer, passed)

    monkeypatch.setattr(Mailer, "send", slow)
    assert deliver.deliver(LATER) == {"sent": 1}
    assert states() == ["sent"]


def test_a_refused_mail_gives_its_code_back() -> None:
    people.offer("ten")
    (delivery,) = planned_mails(1, steps=[people.OFFER_STEP])
    type(delivery.customer).objects.update(email="not an address\n")
    assert deliver.deliver(LATER) == {"failed": 1}
    assert OfferCode.objects.get().state == "released"


def uncertain(**changes: Any) -> Delivery:
    (delivery,) = planned_mails(1, **changes)
    Delivery.objects.update(state="uncertain", began_at=LATER, reason="The worker stopped while it was sending.")
    delivery.refresh_from_db()
    return delivery


def test_an_uncertain_mail_that_arrived_counts_as_sent_by_somebodys_word() -> None:
    doubtful = uncertain()
    stands = deliver.resolve(doubtful, None, LATER, "The log of the mail server has it.", True)
    assert (stands.pk, stands.state, stands.resolution) == (doubtful.pk, "sent", "The log of the mail server has it.")
    assert Event.objects.get().name == "Email Sent"
    assert AuditEntry.objects.get().about == doubtful.public_id
    with pytest.raises(deliver.ResolveError, match="not uncertain any more"):
        deliver.resolve(doubtful, None, LATER, "Once more.", False)


def test_an_uncertain_mail_that_did_not_arrive_goes_out_as_a_new_round_and_each_names_the_other() -> None:
    people.offer("ten")
    doubtful = uncertain(steps=[people.OFFER_STEP])
    again = deliver.resolve(doubtful, None, LATER, "The log has nothing.", False)
    assert again.pk != doubtful.pk
    assert (again.decision.round, again.decision.cause, again.decision.outcome) == (2, "hand", "deliver")
    assert doubtful.public_id in again.decision.reason
    doubtful.refresh_from_db()
    assert (doubtful.state, doubtful.decision.round) == ("failed", 1)
    assert again.public_id in doubtful.resolution
    assert deliver.deliver(LATER) == {"sent": 1}
    assert [message.extra_headers["Message-ID"] for message in mail.outbox] == [f"<{again.public_id}@example.test>"]


def test_an_uncertain_mail_is_not_settled_without_a_reason() -> None:
    doubtful = uncertain()
    with pytest.raises(deliver.ResolveError, match="A reason is needed"):
        deliver.resolve(doubtful, None, LATER, " ", True)
    assert states() == ["uncertain"]


def test_an_edge_after_a_round_by_hand_has_a_number_of_its_own() -> None:
    doubtful = uncertain()
    TriggerState.objects.create(
        campaign=doubtful.decision.campaign, customer=doubtful.customer, bucket=0, is_inside=True, since=T0, as_of=T0
    )
    again = deliver.resolve(doubtful, None, LATER, "The log has nothing.", False)
    assert TriggerState.objects.get().round == again.decision.round == 2
