"""A back-test over REST and on its page: begun, followed, cancelled, read and taken out."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from campaigns.backtest import work
from campaigns.models import Backtest, Campaign
from customers import history
from customers.models import AuditEntry, Consent, Customer
from tests.campaigns.people import EMAIL_STEP, campaign, customers
from tests.campaigns.test_campaign_doors import Caller
from tests.customers.histories import add_event

pytestmark = [pytest.mark.door, pytest.mark.django_db]
DAY = timedelta(days=1)


@pytest.fixture
def thanks(settings: Settings, lake: Path) -> Campaign:
    """Give a draft that mails on each order, and twelve days of orders up to now."""
    settings.BUCKETS = 2
    now = datetime.now(UTC)
    people = customers(4, channels=("email",))
    for one in people:
        one.bucket %= 2
    Customer.objects.bulk_update(people, ["bucket"])
    for n, one in enumerate(people):
        add_event(one.pk, "Order Completed", now - (12 - n) * DAY)
        add_event(one.pk, "Order Completed", now - (6 - n) * DAY)
    history.sync()
    return campaign(
        "thanks",
        name='=cmd("thanks")',
        state="draft",
        trigger={"kind": "event", "event": "Order Completed"},
        entry="every",
        goal_days=2,
        launched_at=None,
        message_cost=0.5,
        steps=[EMAIL_STEP],
    )


@pytest.fixture
def boss(client: Client) -> Client:
    client.force_login(User.objects.create_superuser("boss"))
    return client


def worked() -> Backtest | None:
    return work.work(lambda: datetime.now(UTC))


def shown(client: Client, of: Campaign) -> str:
    answer = client.get(reverse("admin:campaigns_campaign_backtest", args=[of.pk]))
    assert answer.status_code == 200
    return answer.content.decode()


def test_over_rest_it_is_begun_followed_and_read(thanks: Campaign) -> None:
    caller, address = Caller("campaigns:read", "campaigns:write"), f"campaigns/{thanks.public_id}/backtest/"
    assert caller.call("GET", address).status_code == 404
    begun = caller.call("POST", address, {"days": 10})
    assert (begun.status_code, begun.json()["state"], begun.json()["result"]) == (202, "waiting", {})
    assert caller.call("POST", address, {"days": 5}).json()["id"] == begun.json()["id"], "one at a time"
    worked()
    told = caller.call("GET", address).json()
    assert (told["state"], told["days_done"], told["problem"]) == ("done", 10, "")
    result = told["result"]
    assert result["considered"] == 5, "orders before its first day make nobody due"
    assert result["went_on"]["label"] == "association, not effect"
    assert result["cost"]["total"] == result["sent"] * 0.5
    assert result["optimistic_days"] == 0
    assert {one["customer"] for one in result["sample"]} == {"c0", "c1", "c2", "c3"}
    assert caller.call("DELETE", address).status_code == 409


def test_over_rest_it_is_cancelled_and_refused_with_its_place(thanks: Campaign) -> None:
    caller, address = Caller("campaigns:read", "campaigns:write"), f"campaigns/{thanks.public_id}/backtest/"
    assert caller.call("POST", address, {"days": 10}).status_code == 202
    assert caller.call("DELETE", address).json()["state"] == "cancelled"
    assert worked() is None
    early = caller.call("POST", address, {"days": 40})
    assert (early.status_code, early.json()["errors"][0]["path"]) == (400, "days")
    assert "the first event is of" in early.json()["detail"]
    assert caller.call("POST", address, {"days": 0}).status_code == 400
    assert Caller("campaigns:read").call("POST", address, {"days": 10}).status_code == 403
    assert Backtest.objects.count() == 1


def test_on_its_page_it_is_begun_followed_cancelled_and_read(boss: Client, thanks: Campaign) -> None:
    address = reverse("admin:campaigns_campaign_backtest", args=[thanks.pk])
    assert "Nothing was tried yet" in shown(boss, thanks)
    assert address in boss.get(reverse("admin:campaigns_campaign_change", args=[thanks.pk])).content.decode()
    refused: Any = boss.post(address, {"days": "90"}, follow=True)
    assert "the first event is of" in refused.content.decode()
    assert not Backtest.objects.exists()
    Backtest.objects.all().delete()
    boss.post(address, {"days": "10"})
    page = shown(boss, thanks)
    assert "Waits for its turn" in page
    assert 'name="_cancel"' in page
    boss.post(address, {"_cancel": "1"})
    assert "It was cancelled; nothing of it is kept" in shown(boss, thanks)
    boss.post(address, {"days": "10"})
    worked()
    page = shown(boss, thanks)
    for words in (
        "would have become due",
        "association, not an effect",
        "Day by day",
        "Some of them",
        "Reached the goal",
    ):
        assert words in page
    file = boss.post(reverse("admin:campaigns_campaign_backtest_export", args=[thanks.pk]))
    lines = file.content.decode().splitlines()
    assert lines[0] == "section,of,figure,value,low,high,words"
    assert "totals,all,considered,5,,," in lines
    noted = AuditEntry.objects.filter(about="thanks").order_by("pk").values_list("what", flat=True)
    asked = "back-test asked for"
    assert list(noted) == [asked, "back-test cancelled", asked, "back-test exported"]


def test_consents_that_came_later_are_said_to_have_stopped_messages(boss: Client, thanks: Campaign) -> None:
    late = datetime.now(UTC) - 2 * DAY
    Consent.objects.filter(customer__external_id__in=["c0", "c1", "c2"]).update(since=late)
    boss.post(reverse("admin:campaigns_campaign_backtest", args=[thanks.pk]), {"days": "10"})
    done = worked()
    assert done is not None
    assert done.result["consents_later"] == done.result["outcomes"]["suppressed"] == 3
    assert "3 times a customer was suppressed whose consent is on record only since a later day" in shown(boss, thanks)


def test_who_was_erased_is_not_named_any_more(boss: Client, thanks: Campaign) -> None:
    boss.post(reverse("admin:campaigns_campaign_backtest", args=[thanks.pk]), {"days": "10"})
    worked()
    name = ">c3</a>"
    assert name in shown(boss, thanks)
    Customer.objects.filter(external_id="c3").delete()
    assert name not in shown(boss, thanks)
