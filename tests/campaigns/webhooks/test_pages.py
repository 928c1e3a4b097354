"""Webhooks in the admin: added with an address that is looked at, tested, watched, and sent to again."""

from collections.abc import Mapping
from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from campaigns.models import Webhook, WebhookMessage
from campaigns.webhooks import outbox, sender
from customers.calling import Answer
from segments.models import Segment
from tests.campaigns.webhooks.receivers import SECRET, webhook

pytestmark = [pytest.mark.door, pytest.mark.django_db]
LIST = "/admin/campaigns/webhook/"
FORM = {"name": "The CRM", "key": "crm", "url": "https://10.1.2.3/hook", "types": ["segment.left"], "per_minute": "60"}


@pytest.fixture
def boss(client: Client, settings: Settings) -> Client:
    settings.WEBHOOK_ALLOW = ["10.1.0.0/16"]
    client.force_login(User.objects.create_superuser("boss"))
    return client


def test_the_secret_is_shown_once(boss: Client) -> None:
    Segment.objects.create(key="vip", name="Our best", rule={}, created_at=timezone.now())
    assert "Our best" in boss.get(f"{LIST}add/").content.decode()
    after = boss.post(f"{LIST}add/", FORM | {"segments": ["vip"]}, follow=True).content.decode()
    hook = Webhook.objects.get()
    assert (hook.types, hook.segments, hook.per_minute) == (["segment.left"], ["vip"], 60)
    assert hook.secret in after.replace("&#x2B;", "+").replace("&#x3D;", "=")
    page = boss.get(f"{LIST}{hook.pk}/change/").content.decode()
    assert hook.secret not in page
    assert "None yet. Send a test." in page
    after = boss.post(f"{LIST}{hook.pk}/do/rotate/", follow=True).content.decode()
    old, hook = hook.secret, Webhook.objects.get()
    assert hook.secret in after.replace("&#x2B;", "+").replace("&#x3D;", "=")
    assert hook.old_secret == old
    assert "The old secret signs until" in boss.get(f"{LIST}{hook.pk}/change/").content.decode()


@pytest.mark.parametrize("url", ["https://127.0.0.1/", "http://93.184.216.34/", "https://a b/", "javascript:alert(1)"])
def test_an_address_that_is_not_called_is_refused_at_its_field(boss: Client, url: str) -> None:
    page = boss.post(f"{LIST}add/", FORM | {"url": url})
    assert page.status_code == 200
    assert page.context["errors"]
    assert "url" in page.context["adminform"].form.errors
    assert not Webhook.objects.exists()


def test_what_was_sent_is_shown_with_its_answers_and_sent_again(boss: Client) -> None:
    hook, now = webhook("crm"), timezone.now()
    sent = outbox.plan(hook, "campaign.state", {"campaign": "winback"}, now)
    said = "<script>alert(1)</script>"

    def caller(url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        return Answer(500, said.encode())

    sender.send(lambda: now, caller=caller)
    page = boss.get(f"{LIST}{hook.pk}/change/").content.decode()
    assert "500" in page
    assert "&lt;script&gt;alert(1)" in page
    assert said not in page
    assert "Fails" in page
    assert "Calls in each of the last 24 hours" in page
    one = f"/admin/campaigns/webhookmessage/{sent.pk}/"
    shown = boss.get(f"{one}change/").content.decode()
    assert sent.public_id in shown
    assert "winback" in shown
    assert SECRET not in shown
    assert boss.post(f"{one}do/replay/", follow=True).content.decode().count("cannot be done now")
    WebhookMessage.objects.update(state="failed", ended_at=now)
    for wrong in ("tomorrow", "2026-13-40"):
        answer = boss.post(f"{LIST}{hook.pk}/do/replay/", {"said": wrong}, follow=True).content.decode()
        assert "is no time; write it as 2026-03-01 12:00" in answer
    since = timezone.localtime(now - timedelta(minutes=1)).strftime("%Y-%m-%d %H:%M")
    answer = boss.post(f"{LIST}{hook.pk}/do/replay/", {"said": since}, follow=True).content.decode()
    assert "Messages that are sent again: 1." in answer
    sent.refresh_from_db()
    assert sent.state == "planned"


def test_it_is_tested_disabled_for_a_reason_and_enabled(boss: Client) -> None:
    hook = webhook("crm")
    address = f"{LIST}{hook.pk}/do/"
    assert "A test is on its way" in boss.post(f"{address}test/", follow=True).content.decode()
    assert "Say why it is disabled" in boss.post(f"{address}disable/", {"said": " "}, follow=True).content.decode()
    page = boss.post(f"{address}disable/", {"said": "It moves house."}, follow=True).content.decode()
    assert "It moves house." in page
    assert "Messages that waited: 1." in boss.post(f"{address}enable/", follow=True).content.decode()


def test_who_may_only_look_changes_nothing(client: Client) -> None:
    hook = webhook("crm")
    looker = User.objects.create_user("looker", is_staff=True)
    looker.user_permissions.add(*Permission.objects.filter(codename__in=("view_webhook", "view_webhookmessage")))
    client.force_login(looker)
    page = client.get(f"{LIST}{hook.pk}/change/").content.decode()
    assert "New secret" not in page
    client.post(f"{LIST}{hook.pk}/do/rotate/")
    assert Webhook.objects.get().secret == SECRET
    assert client.get(f"{LIST}add/").status_code == 403
