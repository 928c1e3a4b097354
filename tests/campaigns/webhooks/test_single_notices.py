"""Calls, codes and campaigns are told as they happen, by ids alone."""

from datetime import timedelta
from typing import Any

import pytest

from campaigns import brakes, launch, offers
from campaigns.models import Webhook
from segments import definition
from segments.models import Segment
from tests.campaigns import people
from tests.campaigns.people import T0
from tests.campaigns.test_calls import said, tasks
from tests.campaigns.test_offers import given
from tests.campaigns.webhooks.receivers import bodies, webhook

pytestmark = [pytest.mark.door, pytest.mark.django_db]
HOUR = timedelta(hours=1)


def told(of: Webhook) -> list[dict[str, Any]]:
    return [body["data"] for body in bodies(of)]


def test_a_call_task_is_told_once_with_its_outcomes_and_without_name_or_number() -> None:
    hook = webhook("crm", "call_task.made", "call_task.outcome")
    [task] = tasks()
    said(task, "no_answer", T0 + HOUR, note="First0 sleeps")
    said(task, "refused", T0 + 24 * HOUR)
    made, *came = told(hook)
    about = {"customer": "c0", "call_task": task.public_id, "campaign": "winback"}
    assert {name: made[name] for name in about} == about
    assert made["due_at"] == "2026-03-01T12:00:00+00:00"
    assert [{name: one[name] for name in about} for one in came] == [about, about]
    assert [(one["try"], one["outcome"]) for one in came] == [(1, "no_answer"), (2, "refused")]
    assert "First0" not in str(bodies())
    assert "+49" not in str(bodies())


def test_a_redeemed_code_is_told_with_the_order_and_a_refused_one_is_not() -> None:
    hook = webhook("crm", "offer.redeemed")
    [code] = given()
    offers.redeem(code.code, T0 + HOUR, order_value=80.0)
    with pytest.raises(offers.OfferRefused):
        offers.redeem(code.code, T0 + HOUR)
    [body] = told(hook)
    assert (body["customer"], body["offer"], body["code"]) == ("c0", "ten", code.code)
    assert (body["campaign"], body["order_value"]) == ("winback", 80.0)


def test_each_state_of_a_campaign_is_told_also_where_it_pauses_itself() -> None:
    hook = webhook("crm", "campaign.state")
    rule = {"version": 1, "rule": {"field": "country", "op": "is", "value": "DE"}}
    definition.save(Segment(key="german", name="German", rule=rule, created_at=T0), None, T0)
    plan = people.campaign(trigger=people.segment_trigger("german"), state="draft", launched_at=None)
    launch.launch(plan, None, T0)
    launch.pause(plan, None, T0)
    launch.resume(plan, None, T0)
    assert brakes.pause(plan, "Too many.", T0)
    brakes.go_on(plan, None, T0)
    launch.stop(plan, None, T0)
    assert [body["state"] for body in told(hook)] == ["live", "paused", "live", "paused", "live", "stopped"]
    assert told(hook)[0] == {"campaign": "winback", "state": "live", "version": 1}
