"""Who is told of alerts by e-mail: the owner, else those the programme names; once, and in one mail."""

import smtplib
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core import mail

from campaigns import alert_mails, brakes, campaign_alerts
from campaigns.models import Campaign, Outage, Programme
from customers import alerts
from customers.alerts import Cause
from customers.models import Alert
from segments.models import Segment
from tests.campaigns import people
from tests.campaigns.people import T0

pytestmark = [pytest.mark.door, pytest.mark.django_db]
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture(autouse=True)
def ours(settings: Any) -> None:
    settings.PUBLIC_URL = "https://cusp.example"
    Programme.objects.create(pk=1, company="Shop", alert_emails="ops@example.test, , nonsense,boss@example.test")


def wrong(key: str = "x", **more: Any) -> Alert:
    cause = {"sentence": f"The thing {key} is broken.", "link": f"/admin/{key}/"} | more
    return alerts.raise_(Cause(key, Alert.Kind.CAMPAIGN, **cause), T0)


def test_an_alert_that_nobody_owns_goes_to_those_the_programme_names() -> None:
    wrong()
    assert alert_mails.tell(T0) == 2
    assert [one.to for one in mail.outbox] == [["boss@example.test"], ["ops@example.test"]]
    first = mail.outbox[0]
    assert first.subject == "Shop: The thing x is broken."
    assert first.from_email == "Our shop <hello@example.test>"
    assert first.body == (
        "A campaign paused itself\nThe thing x is broken.\nSince 1 Mar 2026, 12:00 UTC.\nhttps://cusp.example/admin/x/\n"
        "\nAll alerts: https://cusp.example/admin/customers/alert/\n"
    )


def test_an_owner_gets_one_mail_with_all_that_is_new_to_her() -> None:
    ada = User.objects.create(username="ada", email="ada@example.test")
    for key in ("x", "y", "z"):
        wrong(key, owner_id=ada.pk)
    assert alert_mails.tell(T0) == 1
    (told,) = mail.outbox
    assert (told.to, told.subject) == (["ada@example.test"], "Shop: 3 things to look after")
    assert all(f"The thing {key} is broken." in str(told.body) for key in ("x", "y", "z"))


def test_an_owner_who_left_or_has_no_address_is_not_the_one_who_is_told() -> None:
    wrong("x", owner_id=User.objects.create(username="ada", email="ada@example.test", is_active=False).pk)
    wrong("y", owner_id=User.objects.create(username="bob").pk)
    alert_mails.tell(T0)
    assert {one.to[0] for one in mail.outbox} == {"boss@example.test", "ops@example.test"}


def test_nobody_is_told_twice_of_what_stays_wrong() -> None:
    wrong()
    alert_mails.tell(T0)
    wrong()
    assert alert_mails.tell(T0 + DAY) == 0


def test_what_was_mended_and_is_wrong_again_is_told_again_but_not_within_an_hour() -> None:
    wrong()
    alert_mails.tell(T0)
    alerts.settle("x", T0 + HOUR / 4)
    alerts.raise_(Cause("x", Alert.Kind.CAMPAIGN, "Broken again."), T0 + HOUR / 2)
    assert alert_mails.tell(T0 + HOUR / 2) == 0
    assert alert_mails.tell(T0 + HOUR) == 2


def test_what_is_done_or_silent_is_not_told() -> None:
    wrong("x")
    alerts.settle("x", T0)
    alerts.snooze(wrong("y"), T0 + DAY, T0)
    assert alert_mails.tell(T0) == 0


def test_while_the_mail_server_is_down_alerts_wait_and_then_go_out() -> None:
    wrong()
    out = Outage.objects.create(channel="email", since=T0, retry_at=T0, reason="down")
    assert alert_mails.tell(T0) == 0
    out.delete()
    assert alert_mails.tell(T0) == 2


def test_a_mail_server_that_refuses_stops_nothing_and_the_alert_is_told_later(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise smtplib.SMTPServerDisconnected

    wrong()
    with monkeypatch.context() as broken:
        broken.setattr(mail.EmailMessage, "send", refuse)
        assert alert_mails.tell(T0) == 0
    assert Alert.objects.get().mailed_at is None
    assert alert_mails.tell(T0) == 2


def test_a_sentence_of_many_lines_makes_no_header_of_its_own() -> None:
    wrong(sentence="Broken.\nBcc: everybody@example.test\n" + "and on " * 40)
    alert_mails.tell(T0)
    subject = mail.outbox[0].subject
    assert subject.startswith("Shop: Broken. Bcc: everybody@example.test and on")
    assert len(subject) < 140
    assert mail.outbox[0].recipients() == ["boss@example.test"]


def test_where_nobody_is_named_nothing_is_sent_and_the_inbox_keeps_it() -> None:
    Programme.objects.update(alert_emails="")
    wrong()
    assert alert_mails.tell(T0) == 0
    assert Alert.objects.get().mailed_at is None


def told() -> list[str]:
    """Give what the inbox says of live campaigns."""
    campaign_alerts.tell(T0)
    return sorted(Alert.objects.filter(state="open").values_list("sentence", flat=True))


def vip(problem: str = "") -> Segment:
    return Segment.objects.create(key="vip", name="VIP", rule={}, created_at=T0, problem=problem)


def test_a_campaign_whose_segment_is_paused_is_told_until_it_is_mended() -> None:
    segment = vip("it names a field that is gone.")
    people.campaign(trigger=people.segment_trigger())
    assert told() == ["“Winback” goes by the segment “VIP”, which is paused: it names a field that is gone."]
    segment.problem = ""
    segment.save()
    assert told() == []


def test_a_campaign_whose_trigger_names_nothing_any_more_is_told() -> None:
    people.campaign()
    assert told() == ['“Winback” can fire no more: trigger.score: there is no score "lapse".']


def test_a_campaign_that_fails_to_deliver_is_told() -> None:
    vip()
    one = people.campaign(trigger=people.segment_trigger())
    for number, each in enumerate(people.customers(50)):
        people.planned(each, one, state="failed" if number < 11 else "sent", ended_at=T0)
    assert told() == ["“Winback” fails to deliver: 11 of its last 50 messages failed."]


def test_silence_is_told_only_where_it_cannot_be_an_accident() -> None:
    vip()
    launched = {"trigger": people.segment_trigger(), "launched_at": T0 - 3 * DAY}
    people.campaign("loud", forecast=10.0, **launched)
    people.campaign("quiet", forecast=1.0, **launched)
    people.campaign("unknown", **launched)
    assert told() == ["“Loud” has decided about nobody for long, and about 10 a day were foreseen."]
    people.planned(people.customers(1)[0], Campaign.objects.get(key="loud"), due=T0 - DAY)
    assert told() == []


def test_the_brakes_look_after_all_of_it() -> None:
    people.campaign()
    brakes.watch(T0)
    assert Alert.objects.get().kind == "campaign"
