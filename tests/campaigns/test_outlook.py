"""Before a launch: what its size can show, and the line that pays."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from pytest_django import Settings

from campaigns import dry_run, outlook
from campaigns.models import Campaign, Programme
from campaigns.outlook import Base, Outlook, power
from campaigns.outlook.power import Size
from customers import history, snapshot
from customers.models import Customer
from scoring import evaluation
from scoring.evaluation import Outcome
from scoring.models import Evaluation, MeasuredRate, ModelVersion, Score, ScoreRun, Target
from segments.models import Membership, MembershipChange, Segment
from tests.campaigns.people import T0, campaign, customers, offer, score_trigger, segment_trigger
from tests.campaigns.turns import buy

door, stored = pytest.mark.door, pytest.mark.django_db
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
BASE = Base(10_000, 0.05, 40.0, "500 of 10,000 customers did it within 14 days.")


def size(**changes: Any) -> Size:
    return Size(**({"at_once": 20_000, "a_day": 500.0, "goal_days": 14, "control_share": 0.1} | changes))


def test_more_weeks_show_smaller_effects_and_the_first_only_those_whose_days_are_over() -> None:
    weeks = power.of(size(), BASE).weeks
    assert [(one.weeks, one.customers) for one in weeks] == [(1, 0), (2, 20_000), (3, 23_500), (4, 27_000), (8, 41_000)]
    seen = [one.relative for one in weeks]
    assert seen[0] is None
    assert seen[1:] == sorted((one for one in seen[1:] if one), reverse=True)
    assert weeks[0].sentence == "After 1 week too few customers have their 14 days behind them."


def test_the_smallest_effect_is_that_of_the_formula() -> None:
    """(2.34 + 0.84) standard errors of a difference of 5 % in 18,000 and 2,000 customers."""
    found = power.of(size(), BASE).weeks[1]
    error = (0.05 * 0.95 * (1 / 18_000 + 1 / 2_000)) ** 0.5
    assert found.points == pytest.approx((2.3367 + 0.8416) * error, rel=0.01)
    assert found.relative == pytest.approx((2.3367 + 0.8416) * error / 0.05, rel=0.01)


def test_one_sentence_says_what_can_be_detected_and_when() -> None:
    assert power.of(size(at_once=2_000_000), BASE).headline == "You can detect +3.3 % in 2 weeks."
    assert power.of(size(), BASE).headline == "You can detect +23 % in 8 weeks."
    assert power.of(size(at_once=10, a_day=0.0), BASE).headline == (
        "Within 8 weeks too few customers come to show any effect."
    )
    assert "Nobody is left alone" in power.of(size(control_share=0.0), BASE).headline


def test_it_says_how_many_weeks_ten_percent_more_takes_and_which_control_share_is_quicker() -> None:
    found = power.of(size(a_day=5_000.0), BASE)
    assert found.weeks_needed is not None
    assert found.weeks_needed > 8 or found.control_share == 0.1
    slow = power.of(size(at_once=0, a_day=3_000.0), BASE)
    assert slow.control_share > 0.1
    assert slow.advice.startswith("With 10 % left alone +10 % needs ")
    never = power.of(size(at_once=300, a_day=0.0), BASE)
    assert never.weeks_needed is None
    assert never.advice.startswith("+10 % is never shown; even with half of the customers left alone")


def test_a_campaign_by_hand_shows_what_its_audience_can_and_no_more() -> None:
    weeks = power.of(size(a_day=0.0), BASE).weeks
    assert {one.customers for one in weeks[1:]} == {20_000}


def test_without_a_base_rate_nothing_is_claimed() -> None:
    found = power.of(size(), Base(0, None, None, "The segment was not looked at before 2026-01-01."))
    assert found.weeks == ()
    assert found.headline == "What can be shown is not known. The segment was not looked at before 2026-01-01."


@pytest.fixture
def buyers(settings: Settings, lake: Path) -> list[Customer]:
    """Give sixty customers in a segment for long, a quarter of whom bought for 20 each in the last two weeks."""
    settings.BUCKETS, settings.TIME_ZONE = 2, "UTC"
    Programme.objects.create(holdout_share=0.0, cap_messages=100, margin=0.5)
    made = customers(60)
    for one in made:
        one.bucket %= 2
    Customer.objects.bulk_update(made, ["bucket"])
    rule = {"version": 1, "rule": {"field": "country", "op": "has_value"}}
    vip = Segment.objects.create(key="vip", name="VIP", rule=rule, created_at=T0)
    for one in made[:50]:
        Membership.objects.create(segment=vip, customer=one, bucket=one.bucket, since=T0, as_of=T0)
    entered(vip, made[:40], 60.0)
    entered(vip, made[40:50], 5.0)  # too late to be compared with
    entered(vip, made[50:], 60.0)
    entered(vip, made[50:], 3.0, "left")
    for one in made[:5] + made[50:]:
        buy(one, -100, value=20.0)
    for one in made[40:50]:
        buy(one, -100, value=20.0)
    buy(made[0], -24 * 20, value=999.0)  # before the day
    history.sync()
    return made


def entered(segment: Segment, people: list[Customer], days_ago: float, kind: str = "entered") -> None:
    at = T0 - days_ago * DAY
    MembershipChange.objects.bulk_create(
        MembershipChange(segment=segment, customer=one, bucket=one.bucket, kind=kind, as_of=at) for one in people
    )


def seen(of: Campaign) -> Outlook:
    return outlook.of(of, dry_run.run(of, T0), T0)


@door
@stored
def test_the_base_rate_is_that_of_who_was_in_the_segment_a_goals_days_ago(buyers: list[Customer]) -> None:
    found = seen(campaign("news", trigger=segment_trigger(), state="draft", launched_at=None)).base
    assert (found.customers, found.rate, found.worth) == (50, 15 / 50, 10.0)
    assert found.basis == "15 of 50 customers who were in the segment VIP on 2026-02-15 did it within 14 days."


@door
@stored
def test_of_what_history_does_not_tell_nothing_is_said(buyers: list[Customer]) -> None:
    MembershipChange.objects.filter(as_of__lt=T0 - 10 * DAY).delete()
    found = seen(campaign("news", trigger={"kind": "hand"}, audience=Segment.objects.get(), state="draft"))
    assert found.base.rate is None
    assert "the segment VIP was not looked at before 2026-02-15" in found.power.headline


@pytest.fixture
def lapse(buyers: list[Customer]) -> Target:
    """Give a target with a live version that was tested, and scores of everybody."""
    target = Target.objects.create(
        key="lapse", label="Lapse", kind="no_event", event="Order Completed", horizon_days=90, created_at=T0
    )
    version = ModelVersion.objects.create(
        target=target,
        number=1,
        state="live",
        learner="boosting",
        validated="over_time",
        as_of=T0,
        created_at=T0,
        seed=0,
        customers=2_000,
        positives=500,
    )
    chance = np.random.default_rng(3)
    chances = np.round(chance.beta(1.0, 3.0, 2_000), 3)
    outcome = Outcome(chance.random(2_000) < chances, chances, chances > 0.5, np.arange(2_000))
    positives = int(outcome.labels.sum())
    Evaluation.objects.create(
        version=version,
        learner="boosting",
        customers=2_000,
        positives=positives,
        curves=evaluation.curves(outcome),
    )
    run = ScoreRun.objects.create(as_of=T0, inputs="x", state="published", versions={str(target.pk): version.pk})
    Score.objects.bulk_create(
        Score(run=run, customer=one, target=target, version=version, bucket=one.bucket, as_of=T0, value=0.8)
        for one in buyers
    )
    then = pl.DataFrame(
        {"customer_id": [one.pk for one in buyers], "seed": [one.seed for one in buyers], "scores.lapse": [0.8] * 60}
    )
    for bucket in range(2):
        own = then.filter(pl.Series([one.bucket == bucket for one in buyers])).with_columns(
            bucket=pl.lit(bucket, pl.Int64)
        )
        snapshot.store(own, T0 - 15 * DAY, bucket)
    return target


def scored(**changes: Any) -> Outlook:
    values: dict[str, Any] = {"trigger": score_trigger(), "state": "draft", "launched_at": None, "message_cost": 1.0}
    return seen(campaign("news", **(values | changes)))


@door
@stored
def test_the_line_that_pays_is_that_of_the_campaigns_own_money(lapse: Target) -> None:
    Target.objects.update(save_rate=0.25)
    found = scored(value=40.0)
    assert found.base.basis.startswith("25 of 60 customers whose score was beyond the line on 2026-02-14")
    assert found.pays is not None
    assert found.pays.line == pytest.approx(1.0 / (0.25 * 40.0))
    assert found.pays.profit is not None
    assert 0 < found.pays.profit.low < found.pays.profit.value < found.pays.profit.high
    assert found.pays.interval is None, "the share won was given, not measured"
    assert found.pays.sentence.startswith("Acting pays from a score of 0.100 up and is expected to earn ")
    assert "Your line of 0.7 earns " in found.pays.sentence
    dear = Campaign.objects.get(key="news")
    dear.message_cost = 20.0
    assert seen(dear).pays == outlook.Pays(None, None, None, seen(dear).pays.cuts, (), seen(dear).pays.sentence)  # type: ignore[union-attr]
    assert seen(dear).pays.sentence.startswith("No line pays, if a contact wins 25 %")  # type: ignore[union-attr]


@door
@stored
def test_an_offer_moves_the_line_and_a_measured_share_gives_it_an_interval(lapse: Target) -> None:
    offer()
    MeasuredRate.objects.create(
        target=lapse, as_of=T0, value=0.25, low=0.2, high=0.5, why="", campaigns=1, treated=900, control=100
    )
    step = {"action": "offer", "offer": "ten", "subject": "For you", "body": "{{ offer.code }}"}
    found = scored(value=40.0, steps=[step]).pays
    assert found is not None
    assert found.line == pytest.approx(11.0 / (0.25 * 30.0 + 10.0))
    assert found.interval is not None
    assert (found.interval.low, found.interval.high) == pytest.approx((11 / 25, 11 / 16))


@door
@stored
def test_what_is_not_known_is_named_with_the_place_to_type_it(lapse: Target) -> None:
    found = scored(goal_event="Never Seen").pays
    assert found is not None
    assert found.line is None
    assert [one.what for one in found.missing] == ["What one more customer is worth", "How many a contact wins"]
    assert "“What one is worth”" in found.sentence
    assert "“Share that the contact wins” of the score" in found.sentence
