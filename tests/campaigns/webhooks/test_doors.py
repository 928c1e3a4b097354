"""Webhooks over REST: made, changed, given new secrets, tested and replayed; the secret is told once."""

from datetime import timedelta

import pytest
from pytest_django import Settings
from standardwebhooks import Webhook as Receiving

from campaigns.models import Webhook, WebhookMessage
from campaigns.webhooks import outbox, sender
from customers.calling import Answer
from customers.models import AuditEntry
from segments.models import Segment
from tests.campaigns.test_campaign_doors import Caller
from tests.campaigns.test_ledger_doors import pages
from tests.campaigns.webhooks.receivers import T0, webhook

pytestmark = [pytest.mark.door, pytest.mark.django_db]
ASKED = {"key": "crm", "name": "CRM", "url": "https://10.1.2.3/hook", "types": ["segment.entered"]}


@pytest.fixture
def caller(settings: Settings) -> Caller:
    settings.WEBHOOK_ALLOW = ["10.1.0.0/16"]
    return Caller("webhooks:read", "webhooks:write")


def test_a_webhook_is_made_with_a_secret_that_no_other_answer_shows(caller: Caller) -> None:
    made = caller.call("POST", "webhooks/", ASKED)
    assert made.status_code == 201
    secret = made.json()["secret"]
    Receiving(secret)
    assert secret.startswith("whsec_")
    assert len(secret) > 40
    one = f"webhooks/{made.json()['id']}/"
    assert (made.json()["types"], made.json()["per_minute"], made.json()["state"]) == (["segment.entered"], 600, "live")
    for told in (caller.call("GET", one), caller.call("GET", "webhooks/"), caller.call("PATCH", one, {"name": "New"})):
        assert told.status_code == 200
        assert "secret" not in told.json()
        assert secret not in told.content.decode()
    rotated = caller.call("POST", f"{one}rotate/").json()
    assert rotated["secret"] not in (secret, "")
    assert rotated["old_secret_until"]
    assert Webhook.objects.get().old_secret == secret
    assert caller.call("DELETE", one).status_code == 204
    assert caller.call("GET", one).status_code == 404
    noted = [entry.what for entry in AuditEntry.objects.order_by("pk")]
    assert noted == ["webhook added", "webhook changed", "webhook secret made", "webhook deleted"]
    assert secret not in str(list(AuditEntry.objects.values_list("detail", flat=True)))


def test_of_two_who_change_a_webhook_or_delete_it_the_second_learns_so(caller: Caller) -> None:
    made = caller.call("POST", "webhooks/", ASKED)
    one = f"webhooks/{made.json()['id']}/"
    read = caller.call("GET", one)["ETag"]
    first = caller.call("PATCH", one, {"name": "New"}, If_Match=read)
    assert first.status_code == 200
    lost = caller.call("PATCH", one, {"name": "Newer"}, If_Match=read)
    assert (lost.status_code, lost.json()["code"]) == (412, "changed")
    assert caller.call("DELETE", one, If_Match=read).status_code == 412
    assert caller.call("GET", one).json()["name"] == "New"
    assert caller.call("DELETE", one, If_Match=first["ETag"]).status_code == 204


@pytest.mark.parametrize(
    ("changes", "path", "said"),
    [
        ({"url": "https://127.0.0.1/"}, "url", "no address of the open internet"),
        ({"url": "http://93.184.216.34/"}, "url", "must begin with https"),
        ({"url": "https://93.184.216.34:25/"}, "url", "port 25"),
        ({"segments": ["nobody"]}, "segments", "There is no segment 'nobody'"),
        ({"types": ["segment.joined"]}, "types[0]", "not a valid choice"),
        ({"per_minute": 0}, "per_minute", "greater than or equal to 1"),
        ({"colour": "red"}, "colour", "No such field"),
        ({"key": "a b"}, "key", "slug"),
    ],
)
def test_what_cannot_be_used_is_refused_at_its_place(
    caller: Caller, changes: dict[str, object], path: str, said: str
) -> None:
    answer = caller.call("POST", "webhooks/", ASKED | changes)
    assert answer.status_code == 400
    [error] = [one for one in answer.json()["errors"] if one["path"].startswith(path.split("[")[0])]
    assert said in error["message"]
    assert not Webhook.objects.exists()


def test_a_key_is_taken_once_and_stays(caller: Caller) -> None:
    one = caller.call("POST", "webhooks/", ASKED).json()["id"]
    assert caller.call("POST", "webhooks/", ASKED).status_code == 409
    assert caller.call("PATCH", f"webhooks/{one}/", {"key": "other"}).json()["code"] == "bad_key"
    Segment.objects.create(key="vip", name="VIP", rule={}, created_at=T0)
    assert caller.call("PATCH", f"webhooks/{one}/", {"segments": ["vip"]}).json()["segments"] == ["vip"]


def test_messages_are_listed_once_over_pages_and_sent_again(caller: Caller) -> None:
    hook = webhook("crm", failing_since=T0)
    made = [outbox.plan(hook, "campaign.state", {"n": n}, T0 + timedelta(seconds=n)) for n in range(3)]
    sender.send(lambda: T0, caller=lambda url, body, headers: Answer(200, b"thanks"))
    one = f"webhooks/{hook.public_id}/"
    listed = pages(caller, f"{one}deliveries/?limit=2")
    assert [each["id"] for each in listed] == [each.public_id for each in made]
    first, second = listed[:2]
    assert (first["state"], first["attempts"][0]["status"], first["attempts"][0]["answer"]) == ("taken", 200, "thanks")
    assert (first["next_try_at"], second["next_try_at"]) == (None, "2026-03-01T12:00:01+00:00")
    assert [each["id"] for each in pages(caller, f"{one}deliveries/?state=planned")] == [m.public_id for m in made[1:]]
    assert caller.call("GET", f"{one}deliveries/?state=lost").json()["code"] == "bad_state"
    again = caller.call("POST", f"{one}deliveries/{first['id']}/replay/")
    assert (again.status_code, again.json()["state"], again.json()["id"]) == (202, "planned", first["id"])
    assert caller.call("POST", f"{one}deliveries/{second['id']}/replay/").status_code == 409
    assert caller.call("POST", f"{one}deliveries/none/replay/").status_code == 404
    WebhookMessage.objects.update(state="failed", ended_at=T0)
    assert caller.call("POST", f"{one}replay/", {"since": "2026-03-01T12:00:01Z"}).json() == {"messages": 0}
    assert caller.call("POST", f"{one}replay/", {"since": "2026-03-01T12:00:00Z"}).json() == {"messages": 3}


def test_it_is_tested_disabled_and_enabled(caller: Caller) -> None:
    hook = webhook()
    one = f"webhooks/{hook.public_id}/"
    assert caller.call("POST", f"{one}test/").json()["type"] == "webhook.test"
    assert caller.call("POST", f"{one}enable/").status_code == 409
    off = caller.call("POST", f"{one}disable/", {"why": "It moves house."}).json()
    assert (off["state"], off["disabled_why"]) == ("disabled", "It moves house.")
    assert caller.call("POST", f"{one}disable/", {"why": "Again."}).status_code == 409
    assert caller.call("POST", f"{one}test/").status_code == 409
    assert caller.call("POST", f"{one}enable/").json() == {"messages": 1}


def test_each_door_asks_for_its_scope(settings: Settings) -> None:
    hook = webhook()
    one = f"webhooks/{hook.public_id}/"
    reader, stranger = Caller("webhooks:read"), Caller("campaigns:write")
    for method, address in (("GET", "webhooks/"), ("GET", one), ("GET", f"{one}deliveries/")):
        assert reader.call(method, address).status_code == 200
        assert stranger.call(method, address).status_code == 403
    for name in ("rotate", "enable", "disable", "test", "replay", "deliveries/x/replay"):
        assert reader.call("POST", f"{one}{name}/").status_code == 403
    assert reader.call("DELETE", one).status_code == 403
    assert reader.call("POST", "webhooks/", ASKED).status_code == 403
