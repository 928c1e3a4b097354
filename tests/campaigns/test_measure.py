"""A planted effect is found, no effect is not claimed, and no causal word is said without a control group."""

from datetime import datetime, timedelta

import numpy as np
import polars as pl
import pytest

from campaigns.assignment import Shares, assign
from campaigns.measure import measure
from campaigns.models import Campaign, Decision, Delivery
from campaigns.report import Report
from customers.models import Customer, Event, EventName, Source
from tests.campaigns.people import T0, campaign, customers

pytestmark = [pytest.mark.door, pytest.mark.django_db]
DAY = timedelta(days=1)
RATES = {"treated": 0.30, "control": 0.15, "holdout": 0.15}


def decided(
    of: Campaign, people: list[Customer], *, holdout: float = 0.1, control: float = 0.3, number: int = 1
) -> dict[int, str]:
    """Decide for everybody at T0; give the arm of each customer."""
    EventName.objects.get_or_create(name=of.goal_event)
    arms = assign(pl.Series([one.seed for one in people]), of.key, Shares(holdout, control))
    outcomes = {"treated": "deliver", "control": "control", "holdout": "held_out"}
    Decision.objects.bulk_create(
        Decision(
            campaign=of,
            customer=one,
            round=number,
            bucket=one.bucket,
            outcome=outcomes[row["arm"]],
            reason="x",
            cause="data",
            as_of=T0 + (number - 1) * DAY,
            due_at=T0,
            campaign_version=1,
            **row,
        )
        for one, row in zip(people, arms.iter_rows(named=True), strict=True)
    )
    return dict(zip((one.pk for one in people), arms["arm"], strict=True))


def orders(
    buyers: dict[int, float], at: datetime, known: datetime | None = None, name: str = "Order Completed"
) -> None:
    source, _ = Source.objects.get_or_create(key="shop", name="Shop", kind="api")
    Event.objects.bulk_create(
        Event(
            customer_id=customer,
            source=source,
            message_id=f"{name}-{customer}-{at:%d%H%S}",
            name=name,
            occurred_at=at,
            known_at=known or at,
            value=value,
        )
        for customer, value in buyers.items()
    )


def bought(of: Campaign, rates: dict[str, float], count: int = 1500) -> Report:
    """Let customers of each arm buy at a rate; measure when all windows have closed."""
    people = customers(count)
    rng = np.random.default_rng(11)
    arms = decided(of, people)
    buyers = {customer: float(rng.gamma(4, 10)) for customer, arm in arms.items() if rng.random() < rates[arm]}
    orders(buyers, T0 + 2 * DAY)
    return measure(of, T0 + 20 * DAY)


def test_a_planted_effect_is_found_and_its_worth_is_told() -> None:
    report = bought(campaign(), RATES)
    effect, worth = report.against_control.conversion.interval, report.against_control.value.interval
    assert effect is not None
    assert worth is not None
    assert effect.low > 0.0
    assert effect.low < 0.15 < effect.high
    assert worth.low < 0.15 * 40 < worth.high
    assert report.words[0].endswith(" points).")
    assert "of the treated converted because of the campaign" in report.words[0]
    assert report.words[1].startswith("The campaign earned ")
    assert report.against_control.earned is not None
    assert report.against_control.earned.value == pytest.approx(worth.value * report.treated.customers)


def test_no_cause_is_named_while_goal_windows_are_open() -> None:
    one = campaign()
    bought(one, RATES)
    words = measure(one, T0 + 3 * DAY).words
    assert words[0].startswith("So far ")
    assert words[1].startswith("So far the treated brought ")
    assert not any("because" in each or "earned" in each for each in words)


def test_without_an_effect_one_is_claimed_no_more_often_than_the_interval_allows() -> None:
    """40 worlds without an effect: at most 6 may show one (the chance of more is 0.3 % at 5 % each)."""
    one, rng = campaign(), np.random.default_rng(11)
    arms = decided(one, customers(600))
    claims = 0
    for world in range(40):
        one.goal_event = f"Goal {world}"
        orders({customer: 10.0 for customer in arms if rng.random() < 0.2}, T0 + DAY, name=one.goal_event)
        report = measure(one, T0 + 20 * DAY)
        effect = report.against_control.conversion.interval
        assert effect is not None
        claims += effect.excludes_zero
        shown = not report.words[0].startswith("No effect on conversion shown yet (")
        assert shown == effect.excludes_zero
    assert claims <= 6


def test_a_campaign_that_does_harm_is_said_to_lose() -> None:
    report = bought(campaign(), {"treated": 0.1, "control": 0.4, "holdout": 0.4})
    assert "points fewer of the treated" in report.words[0]
    assert report.words[1].startswith("The campaign lost ")


def test_no_cause_is_named_while_the_holdout_goes_the_other_way() -> None:
    report = bought(campaign(), {"treated": 0.30, "control": 0.15, "holdout": 0.60}, 800)
    assert report.against_control.conversion.interval is not None
    assert report.against_control.conversion.interval.low > 0.0
    assert report.words[0].startswith(
        "No effect on conversion shown yet: against the holdout the difference goes the other way; against control "
    )
    assert report.words[1].startswith("No effect on margin shown yet: against the holdout")
    assert not any("because" in each or "earned" in each for each in report.words)


def test_no_cause_is_named_while_a_large_holdout_shows_no_effect() -> None:
    one, seen = campaign(), {"treated": 0, "control": 0, "holdout": 0}
    buyers = {}
    for who, arm in decided(one, customers(900), holdout=0.2).items():
        seen[arm] += 1
        if seen[arm] % 20 < {"treated": 7, "control": 2, "holdout": 6}[arm]:
            buyers[who] = 40.0
    orders(buyers, T0 + DAY)
    report = measure(one, T0 + 20 * DAY)
    assert report.words[0].startswith(
        "No effect on conversion shown yet: against the holdout, which is large enough, there is none; against control "
    )
    assert not any("because" in each or "earned" in each for each in report.words)


def test_harm_is_not_named_either_while_the_holdout_contradicts() -> None:
    report = bought(campaign(), {"treated": 0.2, "control": 0.45, "holdout": 0.04}, 800)
    assert report.words[0].startswith("No effect on conversion shown yet: against the holdout the difference")
    assert not any("because" in each or "lost" in each for each in report.words)


def test_a_holdout_too_small_to_tell_takes_no_effect_away() -> None:
    one, rng = campaign(), np.random.default_rng(11)
    arms = decided(one, customers(1200), holdout=0.012)
    assert 0 < list(arms.values()).count("holdout") < 20
    orders({who: 40.0 for who, arm in arms.items() if arm == "holdout" or rng.random() < RATES[arm]}, T0 + DAY)
    assert "because of the campaign" in measure(one, T0 + 20 * DAY).words[0]


def test_a_real_effect_is_seldom_taken_away_by_the_holdout() -> None:
    """20 worlds where both groups that were left alone do alike: the doubt may fall on at most 3."""
    one, rng = campaign(planned_customers=450), np.random.default_rng(5)
    arms = decided(one, customers(500))
    doubts = claims = 0
    for world in range(20):
        one.goal_event = f"Goal {world}"
        orders({who: 10.0 for who, arm in arms.items() if rng.random() < RATES[arm]}, T0 + DAY, name=one.goal_event)
        words = measure(one, T0 + 20 * DAY).words[0]
        claims += "because of the campaign" in words
        doubts += "holdout" in words
    assert claims >= 15
    assert doubts <= 3


def test_everyone_assigned_counts_sent_or_not() -> None:
    one = campaign()
    people = customers(60)
    arms = decided(one, people)
    Decision.objects.filter(arm="treated", customer__in=people[:20]).update(outcome="suppressed")
    report = measure(one, T0 + DAY)
    assert report.treated.customers == list(arms.values()).count("treated")
    assert report.control.customers == list(arms.values()).count("control")
    assert report.holdout.customers == list(arms.values()).count("holdout")
    assert sum(report.outcomes.values()) == 60
    assert report.outcomes["suppressed"] == Decision.objects.filter(outcome="suppressed").count()


def test_goals_count_only_within_the_window_and_once_known() -> None:
    one, people = campaign(goal_days=14), customers(7)
    decided(one, people, holdout=0.0, control=0.0)
    ids = [each.pk for each in people]
    orders({ids[0]: 10.0}, T0)
    orders({ids[1]: 10.0}, T0 + timedelta(seconds=1))
    orders({ids[2]: 10.0}, T0 + 14 * DAY)
    orders({ids[3]: 10.0}, T0 + 14 * DAY + timedelta(seconds=1))
    orders({ids[4]: 10.0}, T0 + 3 * DAY, known=T0 + 30 * DAY)
    orders({ids[1]: 5.0}, T0 + 4 * DAY)
    Event.objects.filter(customer_id=ids[2]).update(value=None)
    report = measure(one, T0 + 20 * DAY)
    assert report.treated.conversions.successes == 2
    assert report.treated.value.total == 15.0
    assert measure(one, T0 + DAY).treated.conversions.successes == 1


def test_a_customer_counts_once_from_her_first_decision() -> None:
    one, people = campaign(), customers(30)
    decided(one, people)
    decided(one, people, number=2)
    report = measure(one, T0 + 2 * DAY)
    assert report.treated.customers + report.control.customers + report.holdout.customers == 30
    assert sum(report.outcomes.values()) == 60


def test_how_many_windows_have_closed_is_told() -> None:
    one, people = campaign(), customers(400)
    decided(one, people[:100])
    Decision.objects.update(as_of=T0 - 10 * DAY)
    decided(one, people[100:])
    report = measure(one, T0 + 5 * DAY)
    assert report.ripe_share == 0.25
    assert report.words[-1] == "The goal's time has run out for 25% of the customers; judge when it has for all."


def test_no_causal_word_without_a_control_group() -> None:
    one, people = campaign(), customers(100)
    decided(one, people, control=0.0)
    orders({each.pk: 10.0 for each in people}, T0 + DAY)
    report = measure(one, T0 + 20 * DAY)
    assert report.words == ("There is no control group, so nothing can be said about what the campaign changed.",)


def test_few_customers_and_none_at_all_are_said() -> None:
    one = campaign()
    empty = measure(one, T0)
    assert (empty.ripe_share, empty.words) == (None, ("Nothing has been decided yet.",))
    decided(one, customers(12), holdout=0.0, control=0.5)
    report = measure(one, T0 + 20 * DAY)
    assert report.words[0].startswith("Too few customers to compare:")
    assert report.against_control.conversion.interval is None


def test_arms_that_lost_customers_give_no_result() -> None:
    one, people = campaign(), customers(600)
    arms = decided(one, people, holdout=0.0, control=0.5)
    control = [customer for customer, arm in arms.items() if arm == "control"]
    Decision.objects.filter(customer_id__in=control[:120]).delete()
    report = measure(one, T0 + 20 * DAY)
    assert not report.is_balanced
    assert report.words[0].startswith("The arms are not as large as the draws make them;")


def test_deliveries_are_counted_by_state() -> None:
    one, people = campaign(), customers(10)
    decided(one, people, holdout=0.0, control=0.0)
    for i, decision in enumerate(Decision.objects.all()):
        Delivery.objects.create(
            decision=decision,
            customer=decision.customer,
            action="email",
            channel="email",
            due_at=T0,
            state="sent" if i < 7 else "failed",
        )
    assert measure(one, T0 + DAY).deliveries == {"sent": 7, "failed": 3}
