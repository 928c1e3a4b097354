"""A segment is made with plain rows; JSON goes first where it was edited; a fault is shown where it is."""

import json
import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from campaigns.models import Campaign
from segments import fields
from segments.forms import node_of, row_of, rows_of
from segments.models import Segment
from tests.config import world

pytestmark = [pytest.mark.door, pytest.mark.django_db]
PARTS = ("what", "op", "value", "days")
DAY = timedelta(days=1)
ADD = "admin:segments_segment_add"


@pytest.fixture
def boss(client: Client) -> Client:
    world.fill()
    client.force_login(User.objects.create_superuser("boss"))
    return client


def form(*rows: tuple[str, ...], match: str = "all", **others: str) -> dict[str, str]:
    """Give what the browser posts for rows of (what, comparison, value, days)."""
    posted = {"name": "New", "key": "new", "match": match, "rule_json": "", "rule_json_before": "", **others}
    for index, row in enumerate(rows):
        posted |= {
            f"row-{index}-{part}": text for part, text in zip(("what", "op", "value", "days"), row, strict=False)
        }
    return posted


@pytest.mark.parametrize(
    ("row", "node"),
    [
        (("field:country", "any_of", "DE, AT"), {"field": "country", "op": "any_of", "value": ["DE", "AT"]}),
        (("field:country", "has_value", ""), {"field": "country", "op": "has_value"}),
        (("field:scores.lapse", ">=", "0.7"), {"field": "scores.lapse", "op": ">=", "value": 0.7}),
        (
            ("field:scores.lapse", "between", "0.2 to 0.4"),
            {"field": "scores.lapse", "op": "between", "value": [0.2, 0.4]},
        ),
        (("field:scores.lapse", "top_percent", "10"), {"field": "scores.lapse", "op": "top_percent", "value": 10}),
        (
            ("field:birth_date", "more_than_ago", "30 years"),
            {"field": "birth_date", "op": "more_than_ago", "value": {"n": 30, "unit": "years"}},
        ),
        (
            ("event:Order Completed", "count >=", "2", "90"),
            {"event": "Order Completed", "count": {">=": 2}, "within": {"last": 90, "unit": "days"}},
        ),
        (("event:Order Completed", "count =", "0", ""), {"event": "Order Completed", "count": {"=": 0}}),
        (("segment:regulars", "not_in", ""), {"segment": "regulars", "op": "not_in"}),
    ],
)
def test_a_row_becomes_its_condition_and_comes_back(
    boss: Client, row: tuple[str, ...], node: dict[str, object]
) -> None:
    boss.post(reverse(ADD), form(row, match="any"))
    assert Segment.objects.get(key="new").rule == {"version": 1, "rule": {"any": [node]}}
    catalogue = fields.catalogue()
    back = row_of(0, node, catalogue)
    assert back is not None
    assert (back.what, back.op) == row[:2]
    assert node_of(back, catalogue) == node


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (("field:scores.lapse", ">=", "much"), "expects a number, got &quot;much&quot;"),
        (("field:country", ">=", "3"), "no operator"),
        (("field:nothing", "is", "x"), "no field named"),
        (("event:Order Completed", "count >=", "2", "some"), "days: expects a number"),
        (("field:country", "is", ""), "not blank"),
    ],
)
def test_a_fault_is_shown_at_its_row_and_nothing_is_stored(boss: Client, row: tuple[str, ...], said: str) -> None:
    page = boss.post(reverse(ADD), form(("field:city", "is", "Vienna"), row)).content.decode()
    assert not Segment.objects.filter(key="new").exists()
    at_row = page.split('id="row-1-error"')[1].split("</p>")[0]
    assert said in at_row
    assert 'id="row-0-error"' not in page
    assert 'value="Vienna"' in page


def test_a_segment_without_a_condition_is_refused(boss: Client) -> None:
    assert "add at least one condition" in boss.post(reverse(ADD), form()).content.decode()


def test_edited_json_goes_before_the_rows(boss: Client) -> None:
    rule = {"not": {"field": "country", "op": "is", "value": "DE"}}
    boss.post(reverse(ADD), form(("field:city", "is", "Vienna"), rule_json=json.dumps(rule)))
    assert Segment.objects.get(key="new").rule == {"version": 1, "rule": rule}


@pytest.mark.parametrize(
    ("text", "said"), [("{", "line 1"), ('{"field": "age"}', "no field named"), ("[1]", "expects")]
)
def test_json_that_is_no_rule_is_refused(boss: Client, text: str, said: str) -> None:
    page = boss.post(reverse(ADD), form(rule_json=text)).content.decode()
    assert said in page.split('id="rule-json-error"')[1].split("</p>")[0]


def test_a_rule_richer_than_the_rows_stays_as_it_is(boss: Client) -> None:
    rule = {"version": 1, "rule": {"not": {"field": "country", "op": "is", "value": "DE"}}}
    assert rows_of(rule, fields.catalogue()) is None
    segment = Segment.objects.get()
    Segment.objects.update(rule=rule)
    text = json.dumps(rule, indent=2)
    page = boss.post(
        reverse("admin:segments_segment_change", args=[segment.pk]),
        form(rule_json=text, rule_json_before=text),
        follow=True,
    )
    assert page.status_code == 200
    segment.refresh_from_db()
    assert (segment.rule, segment.name) == (rule, "New")


def test_the_page_of_a_segment_shows_its_sentence_and_members_by_score(boss: Client) -> None:
    page = boss.get(reverse("admin:segments_segment_change", args=[Segment.objects.get().pk])).content.decode()
    assert "Country is DE or AT" in page
    assert page.index(">c-0000<") < page.index(">c-0001<") < page.index(">c-0002<")


def test_a_changed_rule_is_a_new_version(boss: Client) -> None:
    segment = Segment.objects.get()
    address = reverse("admin:segments_segment_change", args=[segment.pk])
    boss.post(address, form(("field:country", "is", "CH")))
    segment.refresh_from_db()
    assert (segment.rule_version, segment.versions.count()) == (2, 2)


def test_the_preview_says_the_rule_in_words(boss: Client) -> None:
    answer = boss.post(reverse("admin:segments_segment_preview"), form(("field:country", "any_of", "DE, AT"))).json()
    assert answer["is_rule"]
    assert "Country is DE or AT." in answer["text"]
    wrong = boss.post(reverse("admin:segments_segment_preview"), form(("field:country", "is", ""))).json()
    assert not wrong["is_rule"]


def test_a_segment_in_use_is_not_deleted(boss: Client) -> None:
    segment = Segment.objects.get()
    page = boss.post(reverse("admin:segments_segment_delete", args=[segment.pk]), {"post": "yes"}, follow=True)
    assert page.status_code == 200
    assert Segment.objects.filter(pk=segment.pk).exists()


def test_a_segment_that_a_live_campaign_waits_for_is_not_deleted(boss: Client) -> None:
    segment = Segment.objects.get()
    Campaign.objects.filter(key="win-back").update(audience=None)
    Campaign.objects.filter(key="call-them").update(watched=segment)
    page = boss.post(reverse("admin:segments_segment_delete", args=[segment.pk]), {"post": "yes"}, follow=True)
    assert "It is used by campaign Call the best." in page.content.decode()
    assert Segment.objects.filter(pk=segment.pk).exists()


def test_a_segment_with_a_problem_says_so_on_its_page_and_in_the_list(boss: Client) -> None:
    segment = Segment.objects.get()
    Segment.objects.update(problem="rule.all[0]: no field named 'plan'")
    page = boss.get(reverse("admin:segments_segment_change", args=[segment.pk])).content.decode()
    assert "could not be brought up to date. rule.all[0]: no field named &#x27;plan&#x27;" in page
    assert "has a problem" in boss.get(reverse("admin:segments_segment_changelist")).content.decode()


def test_the_size_over_time_is_what_entered_less_what_left(boss: Client) -> None:
    segment = Segment.objects.get()
    gone = segment.memberships.order_by("customer_id")[0]
    segment.changes.create(customer_id=gone.customer_id, bucket=gone.bucket, kind="left", as_of=world.T + DAY)
    page = boss.get(reverse("admin:segments_segment_change", args=[segment.pk])).content.decode()
    told = page.split('aria-label="Size over time"')[1].split("</section>")[0]
    rows = [re.findall(r"<td>(\d+)</td>", row) for row in told.split("<tr>")[2:]]
    assert rows == [["0", "1", "2"], ["3", "0", "3"]]
    assert "<svg" in told


def test_who_can_be_reached_is_asked_after_the_page_and_only_by_those_who_may_see_it(
    boss: Client, client: Client
) -> None:
    address = reverse("admin:segments_segment_reach", args=[Segment.objects.get().pk])
    assert (
        address in boss.get(reverse("admin:segments_segment_change", args=[Segment.objects.get().pk])).content.decode()
    )
    assert "no snapshot" in boss.get(address).json()["text"]
    client.force_login(User.objects.create_user("new", is_staff=True))
    assert client.get(address).status_code == 403
