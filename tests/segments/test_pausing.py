"""A rule whose field is gone: its segment keeps its members and says so, with all that go by it."""

import polars as pl
import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from campaigns.models import Campaign
from customers.models import Alert, Attribute
from segments import membership, preview
from segments.alerts import alerts, tell
from segments.models import Segment
from segments.rules import RuleError
from tests.segments.crowd import AS_OF, GERMAN, HOUR, cycle, members, people, saved

pytestmark = [pytest.mark.door, pytest.mark.django_db]
GOLD = {"field": "attributes.plan", "op": "is", "value": "gold"}


def plans(frame: pl.DataFrame, *told: str) -> pl.DataFrame:
    return frame.with_columns(pl.Series("attributes.plan", told))


def removed() -> pl.DataFrame:
    """Make segments that go by an attribute, directly and through each other; take it away and give the frame."""
    plan = Attribute.objects.create(name="plan", type="text")
    saved("gold", GOLD)
    saved("german-gold", {"all": [GERMAN, {"segment": "gold", "op": "in"}]})
    saved("not-gold", {"not": {"segment": "gold", "op": "in"}})
    saved("german")
    frame = people("DE", "AT", "DE")
    cycle(plans(frame, "gold", "free", "free"))
    plan.delete()
    membership.refresh(frame, AS_OF + HOUR)
    return frame


def test_nobody_enters_or_leaves_and_dependants_are_paused_too() -> None:
    cycle(removed(), AS_OF + 2 * HOUR)
    assert (members("gold"), members("german-gold"), members("not-gold")) == (["c-0"], ["c-0"], ["c-1", "c-2"])
    assert members("german") == ["c-0", "c-2"]
    gold = Segment.objects.get(key="gold")
    assert (gold.as_of, gold.size, gold.problem) == (AS_OF, 1, "rule: no field named 'attributes.plan'")


def test_an_alert_names_what_is_paused_why_and_who_uses_it() -> None:
    removed()
    found = {one.segment.key: one for one in alerts()}
    assert set(found) == {"gold", "german-gold", "not-gold"}
    assert found["gold"].users == ["segment German-Gold", "segment Not-Gold"]
    assert found["german-gold"].problem.startswith("refers to segment 'gold', which cannot be answered: rule: no field")


def test_it_is_told_at_home_and_at_the_campaigns_that_go_by_it(client: Client) -> None:
    removed()
    gold = Segment.objects.get(key="gold")
    trigger = {"kind": "segment", "segment": "gold", "edge": "entered"}
    common = {"created_at": AS_OF, "topic": "news", "goal_event": "Order Completed"}
    watching = Campaign.objects.create(key="watching", name="Watching", trigger=trigger, watched=gold, **common)
    among = Campaign.objects.create(key="among", name="Among", trigger={}, audience=gold, **common)
    client.force_login(User.objects.create_superuser("boss"))
    home = client.get(reverse("admin:index")).content.decode()
    assert "3 segments are paused: members stay as they were" in home
    assert "campaign Watching" in home
    pages = [
        client.get(reverse("admin:campaigns_campaign_change", args=[one.pk])).content.decode()
        for one in (watching, among)
    ]
    assert "Its segment “Gold” is paused, and nobody is considered until it is mended" in pages[0]
    assert "Its audience “Gold” is paused, and stays as it was" in pages[1]


def test_a_rule_without_its_field_is_never_counted_as_everybody_or_nobody() -> None:
    removed()
    for rule in (GOLD, {"not": GOLD}, {"segment": "gold", "op": "not_in"}):
        with pytest.raises(RuleError, match=r"no field named 'attributes.plan'|which cannot be answered"):
            preview.preview({"version": 1, "rule": rule}, AS_OF)


def test_it_goes_on_when_the_field_is_back() -> None:
    frame = removed()
    Attribute.objects.create(name="plan", type="text")
    membership.refresh(plans(frame, "free", "gold", "free"), AS_OF + 3 * HOUR)
    assert alerts() == []
    assert (members("gold"), members("not-gold")) == (["c-1"], ["c-0", "c-2"])


def test_the_inbox_tells_of_it_until_the_field_is_back() -> None:
    frame = removed()
    tell(AS_OF + HOUR)
    told = Alert.objects.get(key="segment.gold")
    assert told.sentence == "“Gold” keeps its members as they were: rule: no field named 'attributes.plan'"
    assert told.link == reverse("admin:segments_segment_change", args=[Segment.objects.get(key="gold").pk])
    Attribute.objects.create(name="plan", type="text")
    membership.refresh(plans(frame, "free", "gold", "free"), AS_OF + 3 * HOUR)
    tell(AS_OF + 3 * HOUR)
    assert not Alert.objects.exclude(state="done").exists()
