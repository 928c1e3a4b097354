"""The reports of a campaign and of the programme by their doors: pages, files and REST tell the same numbers."""

import csv
import io
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from campaigns import report_file
from campaigns.api import ReportSerializer
from campaigns.models import Campaign, Decision
from customers import keys
from customers.models import AuditEntry
from customers.panels import number, share
from segments.models import MembershipChange, Segment
from tests.campaigns.people import T0, campaign, customers
from tests.campaigns.reports import report
from tests.campaigns.test_measure import decided, orders

DAY = timedelta(days=1)
PROGRAMME = "admin:campaigns_programme_report"
OF = "admin:campaigns_campaign_report"
door = [pytest.mark.door, pytest.mark.django_db]


@pytest.fixture
def shop() -> Campaign:
    """Make a campaign that decided about 400 customers twenty days ago, some of whom bought."""
    one, people = campaign(name="Win back", control_share=0.3), customers(400)
    arms = decided(one, people)
    at = timezone.now() - 20 * DAY
    Decision.objects.update(as_of=at, due_at=at)
    ids = sorted(arms)
    orders({who: 40.0 for n, who in enumerate(ids) if n % (3 if arms[who] == "treated" else 7) == 0}, at + 2 * DAY)
    return one


@pytest.fixture
def boss(client: Client) -> Client:
    client.force_login(User.objects.create_superuser("boss"))
    return client


def told(address: str) -> Any:
    key = keys.create("shop", ["campaigns:read"], T0)[1]
    answer = Client().get(f"/api/v1/{address}", headers={"Authorization": f"Bearer {key}"})
    assert answer.status_code == 200, answer.content
    return answer.json()


def rows(page: Any) -> list[dict[str, str]]:
    assert page.status_code == 200
    assert page["Content-Type"] == "text/csv; charset=utf-8"
    return list(csv.DictReader(io.StringIO(page.content.decode())))


def numbers(data: Any) -> Iterator[float]:
    """Give every number of a document."""
    if isinstance(data, dict):
        for inner in data.values():
            yield from numbers(inner)
    elif isinstance(data, list):
        for inner in data:
            yield from numbers(inner)
    elif isinstance(data, int | float) and not isinstance(data, bool):
        yield float(data)


def in_file(found: list[dict[str, str]]) -> list[float]:
    return [float(row[name]) for row in found for name in ("value", "low", "high") if row[name]]


@pytest.mark.django_db
def test_the_file_has_every_number_that_rest_tells() -> None:
    data = ReportSerializer(report()).data
    found = report_file.figures(data)
    assert sorted(n for one in found for n in one[3:6] if n is not None) == sorted(numbers(data))
    assert (
        report_file.Figure("over_time", "2026-03-14 conversion", "interval", 0.04, 0.04 - 0.2 / 14, 0.04 + 0.2 / 14)
        in found
    )
    assert report_file.Figure("words", "", "words", words="The campaign earned 480 (130 to 830).") in found


def test_no_cell_of_the_file_is_a_formula() -> None:
    page = report_file.answer([report_file.Figure("=1+1", " @x", "-5", -5.0, words="+cmd|' /C calc'!A0")], "x")
    assert page.content.decode().splitlines()[1] == "'=1+1,' @x,'-5,-5.0,,,'+cmd|' /C calc'!A0"


class TestByDoors:
    pytestmark = door

    def test_the_page_the_file_and_rest_tell_the_same(self, shop: Campaign, boss: Client) -> None:
        data = told(f"campaigns/{shop.public_id}/report/")
        found = rows(boss.post(reverse(f"{OF}_export", args=[shop.pk])))
        assert sorted(in_file(found)) == pytest.approx(sorted(numbers(data)))
        page = boss.get(reverse(OF, args=[shop.pk])).content.decode()
        for arm in ("treated", "control", "holdout"):
            assert data[arm]["customers"] > 0
            for shown in (
                number(data[arm]["customers"]),
                number(data[arm]["converted"]),
                share(data[arm]["conversion"], 2),
                number(data[arm]["value_each"], 2),
            ):
                assert f"<td>{shown}</td>" in page
        seen = data["against_control"]["conversion"]["interval"]
        assert f"{100 * seen['value']:+.2f} <span class=" in page
        assert f"({100 * seen['low']:+.2f} to {100 * seen['high']:+.2f})" in page
        for words in data["words"]:
            assert words.replace("'", "&#x27;") in page

    def test_an_export_is_noted(self, shop: Campaign, boss: Client) -> None:
        page = boss.post(reverse(f"{OF}_export", args=[shop.pk]))
        noted = AuditEntry.objects.get(what="report exported")
        assert (noted.about, noted.detail["rows"], noted.by) == ("winback", len(rows(page)), User.objects.get())
        assert f"winback-{timezone.localdate()}.csv" in page["Content-Disposition"]
        boss.post(reverse(f"{PROGRAMME}_export"))
        assert AuditEntry.objects.filter(what="report exported", about="programme").count() == 1

    def test_who_may_not_see_campaigns_gets_neither_page_nor_file(self, client: Client) -> None:
        one = campaign()
        outsider = User.objects.create_user("outsider", is_staff=True)
        client.force_login(outsider)
        for address in (reverse(OF, args=[one.pk]), reverse(PROGRAMME)):
            assert client.get(address).status_code == 403
        for address in (reverse(f"{OF}_export", args=[one.pk]), reverse(f"{PROGRAMME}_export")):
            assert client.post(address).status_code == 403
        assert not AuditEntry.objects.exists()
        outsider.user_permissions.add(Permission.objects.get(codename="view_campaign"))
        assert client.get(reverse(OF, args=[one.pk])).status_code == 200
        assert client.get(reverse(f"{OF}_export", args=[one.pk])).status_code == 405

    def test_a_campaign_that_decided_nothing_or_is_gone_is_answered(self, boss: Client) -> None:
        for state in Campaign.State.values:
            one = campaign(state, state=state)
            assert boss.get(reverse(OF, args=[one.pk])).status_code == 200
            assert told(f"campaigns/{one.public_id}/report/")["against_control"]["conversion"]["interval"] is None
        assert boss.get(reverse(OF, args=[10**9])).status_code == 404
        assert boss.get(reverse(PROGRAMME)).status_code == 200

    def test_a_campaign_whose_segment_is_gone_keeps_its_report(self, shop: Campaign, boss: Client) -> None:
        gone = {"kind": "segment", "segment": "gone", "edge": "entered"}
        Campaign.objects.update(state="stopped", trigger=gone, audience=None)
        page = boss.get(reverse(OF, args=[shop.pk])).content.decode()
        assert "From considered to converted" in page

    def test_a_broken_split_shows_no_effect_anywhere(self, shop: Campaign, boss: Client) -> None:
        lost = Decision.objects.filter(arm="control").values_list("pk", flat=True)[:80]
        Decision.objects.filter(pk__in=list(lost)).delete()
        data = told(f"campaigns/{shop.public_id}/report/")
        assert not data["is_balanced"]
        for compared in ("against_control", "against_holdout"):
            assert data[compared]["earned"] is None
            assert all(data[compared][one]["interval"] is None for one in ("conversion", "value_each", "margin_each"))
        for page in (OF, "admin:campaigns_campaign_change"):
            assert "cusp-interval" not in boss.get(reverse(page, args=[shop.pk])).content.decode()
        assert not any(row["low"] for row in rows(boss.post(reverse(f"{OF}_export", args=[shop.pk]))))

    def test_reasons_lead_to_the_decisions_behind_them(self, shop: Campaign, boss: Client) -> None:
        Decision.objects.filter(arm="treated").update(outcome="suppressed", reason="Never agreed to newsletter.")
        page = boss.get(reverse(OF, args=[shop.pk])).content.decode()
        address = f"{reverse('admin:campaigns_decision_changelist')}?campaign__id__exact={shop.pk}"
        assert f'href="{address}&amp;outcome__exact=suppressed"' in page
        assert boss.get(f"{address}&outcome__exact=suppressed").status_code == 200

    def test_the_programme_tells_its_verdict_contacts_and_calendar(self, shop: Campaign, boss: Client) -> None:
        yearly = {"kind": "date", "field": "birth_date", "hour": 9, "yearly": True}
        Campaign.objects.filter(pk=shop.pk).update(forecast=12.0, trigger=yearly)
        data = told("programme/report/")
        assert {one["kind"] for one in data["calendar"]} == {"foreseen"}
        assert len(data["calendar"]) == 14
        page = boss.get(reverse(PROGRAMME)).content.decode()
        for said in ("What all campaigns earned together", "What goes out when", "Contacts per customer"):
            assert said in page
        found = rows(boss.post(reverse(f"{PROGRAMME}_export")))
        assert sorted(in_file(found)) == pytest.approx(sorted(numbers(data)))

    def test_a_report_is_split_by_membership_at_the_first_decision(self, shop: Campaign, boss: Client) -> None:
        vip = Segment.objects.create(key="vip", name="Vip", rule={}, created_at=T0)
        first = Decision.objects.filter(campaign=shop).order_by("customer_id")
        people, at = list(first[:150].values_list("customer_id", flat=True)), first[0].as_of
        moved = [
            (people[:90], "entered", at),
            (people[60:100], "entered", at - 2 * DAY),
            (people[60:90], "left", at - DAY),
            (people[90:100], "left", at),
            (people[100:], "entered", at + DAY),
        ]
        MembershipChange.objects.bulk_create(
            MembershipChange(segment=vip, customer_id=one, bucket=0, kind=kind, as_of=when)
            for who, kind, when in sorted(moved, key=lambda one: one[2])
            for one in who
        )
        data = told(f"campaigns/{shop.public_id}/report/?segment=vip")["by_segment"]
        assert [one["name"] for one in data] == ["In Vip", "Not in Vip"]
        counted = [sum(one[arm]["customers"] for arm in ("treated", "control", "holdout")) for one in data]
        assert counted == [90, 310]
        page = boss.get(reverse(OF, args=[shop.pk]), {"segment": "vip"}).content.decode()
        assert f"<td>Not\u00a0in\u00a0Vip</td><td>{data[1]['treated']['customers']}</td>" in page
        found = rows(boss.post(reverse(f"{OF}_export", args=[shop.pk]), {"segment": "vip"}))
        assert {row["of"] for row in found if row["section"] == "by_segment"} >= {
            "In Vip treated",
            "Not in Vip treated",
        }

    def test_a_report_is_split_by_no_segment_that_is_not_there(self, shop: Campaign, boss: Client) -> None:
        assert boss.get(reverse(OF, args=[shop.pk]), {"segment": "gone\x00"}).status_code == 200
        key = keys.create("shop", ["campaigns:read"], T0)[1]
        address = f"/api/v1/campaigns/{shop.public_id}/report/?segment=gone"
        answer = Client().get(address, headers={"Authorization": f"Bearer {key}"})
        assert (answer.status_code, answer.json()["errors"][0]["path"]) == (400, "segment")

    def test_a_key_without_the_scope_reads_no_report(self, shop: Campaign) -> None:
        key = keys.create("shop", ["customers:read"], T0)[1]
        for address in (f"campaigns/{shop.public_id}/report/", "programme/report/"):
            answer = Client().get(f"/api/v1/{address}", headers={"Authorization": f"Bearer {key}"})
            assert answer.status_code == 403
            assert answer["Content-Type"] == "application/problem+json"
