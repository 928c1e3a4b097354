"""A report beyond its two arms: variants, weights, weeks, bands, tags, plans; and the programme's verdict."""

from datetime import timedelta

import numpy as np
import polars as pl
import pytest

from campaigns import assigned, forecast, kept_sums, measure
from campaigns.assignment import Shares, assign
from campaigns.models import Campaign, Decision, Delivery
from campaigns.report import Effect
from campaigns.stats import Endless, Planned
from customers.models import Customer, Event, EventName
from tests.campaigns.people import T0, campaign, customers
from tests.campaigns.test_measure import decided, orders

pytestmark = [pytest.mark.door, pytest.mark.django_db]
DAY = timedelta(days=1)
STEP = {"action": "email", "subject": "B", "body": "B"}
B, C = ({"key": key, "share": 1 / 3, "step": STEP} for key in "bc")
OUTCOMES = {"treated": "deliver", "control": "control", "holdout": "held_out"}


def drawn(of: Campaign, people: list[Customer], shares: Shares, day: int = 0, version: int = 1) -> pl.DataFrame:
    """Decide for these customers on a day, by these shares; give the arm and variant of each."""
    EventName.objects.get_or_create(name=of.goal_event)
    arms = assign(pl.Series([one.seed for one in people]), of.key, shares)
    Decision.objects.bulk_create(
        Decision(
            campaign=of,
            customer=one,
            round=1,
            bucket=one.bucket,
            outcome=OUTCOMES[row["arm"]],
            reason="x",
            cause="data",
            as_of=T0 + day * DAY,
            due_at=T0,
            campaign_version=version,
            **row,
        )
        for one, row in zip(people, arms.iter_rows(named=True), strict=True)
    )
    return arms.with_columns(customer=pl.Series([one.pk for one in people]))


def interval(found: Effect) -> tuple[float, float, float]:
    assert found.interval is not None, found.message
    return found.interval.low, found.interval.value, found.interval.high


def test_each_variant_is_an_arm_of_its_own_and_one_without_customers_is_named() -> None:
    one = campaign(variants=[B, C], planned_customers=500)
    arms = drawn(one, customers(500), Shares(0.0, 0.3, 1.0, {"main": 0.5, "b": 0.5}))
    rate = {"main": 0.2, "b": 0.6, "": 0.2}
    rng = np.random.default_rng(1)
    buyers = [who for who, variant in arms.select("customer", "variant").iter_rows() if rng.random() < rate[variant]]
    orders(dict.fromkeys(buyers, 10.0), T0 + DAY)
    report = measure.measure(one, T0 + 20 * DAY)
    assert [arm.name for arm in report.variants] == ["main", "b", "c"]
    assert sum(arm.customers for arm in report.variants) == report.treated.customers
    assert "Variant c has no customers yet." in report.words
    main, b, c = report.of_variants
    assert interval(main.conversion)[0] < 0.0 < interval(main.conversion)[2]
    assert interval(b.conversion)[0] > 0.0
    assert c.conversion.interval is None
    assert (b.of, b.against, b.is_weighted) == ("b", "control", False)


def test_shares_that_changed_with_the_season_make_no_effect() -> None:
    """At first nine of ten are treated and few buy, later half of them and many: plain means see an effect."""
    one, people = campaign(planned_customers=800), customers(800)
    rng = np.random.default_rng(2)
    first = drawn(one, people[:400], Shares(0.0, 0.1))
    later = drawn(one, people[400:], Shares(0.0, 0.5), 1, 2)
    for day, (arms, rate) in enumerate([(first, 0.1), (later, 0.7)]):
        orders({who: 10.0 for who in arms["customer"] if rng.random() < rate}, T0 + (day + 1) * DAY)
    report = measure.measure(one, T0 + 20 * DAY)
    treated, control = report.treated.conversions.value, report.control.conversions.value
    assert treated is not None
    assert control is not None
    assert treated - control < -0.1
    assert report.against_control.is_weighted
    low, value, high = interval(report.against_control.conversion)
    assert abs(value) < 0.07
    assert low < 0.0 < high
    assert report.is_balanced


def test_what_was_bought_before_narrows_the_interval() -> None:
    one, people = campaign(planned_customers=300, goal_days=14), customers(300)
    arms = drawn(one, people, Shares(0.0, 0.4))
    rng = np.random.default_rng(3)
    before = {who: float(rng.gamma(2, 20)) for who in arms["customer"]}
    orders(before, T0 - DAY)
    orders({who: 0.9 * before[who] + float(rng.gamma(2, 5)) for who in before}, T0 + DAY)
    effect = measure.measure(one, T0 + 20 * DAY).against_control.value
    assert effect.cut > 0.5
    assert effect.p_value is not None
    low, _, high = interval(effect)
    assert low < 0.0 < high
    assert high - low < 12.0  # 1.2 times a fifth of what the spread of 28 and 43 gives without it


def test_weeks_add_up_and_what_was_known_over_time_ends_with_the_whole() -> None:
    one, people = campaign(planned_customers=300), customers(300)
    for n in range(3):
        drawn(one, people[100 * n : 100 * n + 100], Shares(0.1, 0.3), 7 * n)
    orders({each.pk: 10.0 for each in people[::3]}, T0 + 15 * DAY)
    report = measure.measure(one, T0 + 40 * DAY)
    assert [week.name for week in report.weeks] == ["2026-02-23", "2026-03-02", "2026-03-09"]
    assert sum(week.treated.customers for week in report.weeks) == report.treated.customers
    assert sum(week.control.value.total for week in report.weeks) == report.control.value.total
    assert len(report.over_time) == 3
    assert report.over_time[-1].conversion == report.against_control.conversion
    assert report.over_time[-1].customers == report.looks.so_far
    assert report.over_time[0].customers < report.over_time[1].customers


def test_bands_and_the_funnel_tell_of_the_same_customers() -> None:
    one, people = campaign(), customers(120)
    drawn(one, people, Shares(0.0, 0.3))
    for n, decision in enumerate(Decision.objects.order_by("pk")):
        decision.score, decision.outcome = (0.1, "suppressed") if n % 3 == 0 else (0.9, decision.outcome)
        decision.save()
        if decision.outcome == "deliver":
            sent = {"action": "email", "channel": "email", "due_at": T0, "began_at": T0, "state": "sent"}
            Delivery.objects.create(decision=decision, customer=decision.customer, **sent)
    report = measure.measure(one, T0 + 20 * DAY)
    assert [band.name for band in report.bands] == ["0.0 to 0.2", "0.8 to 1.0"]
    assert sum(band.treated.customers for band in report.bands) == report.treated.customers
    considered, eligible, delivered, clicked, converted = (stage.customers for stage in report.funnel)
    assert considered > eligible == delivered > clicked == converted == 0
    assert next((reason.outcome, reason.decisions) for reason in report.reasons) == ("suppressed", 40)


def test_the_plan_is_the_campaigns_own_else_none() -> None:
    assert measure.looks_of(campaign(planned_customers=700)) == Planned(700)
    assert measure.looks_of(campaign("other")) == Endless(measure.NO_PLAN)
    assert forecast.planned(campaign("third", forecast=90.0, control_share=0.1)) == 2_800
    assert forecast.planned(campaign("fourth", forecast=2.0)) == 1_000
    assert forecast.planned(campaign("fifth")) is None


def test_no_effect_shown_tells_how_many_customers_are_missing() -> None:
    one, people = campaign(planned_customers=5_000), customers(400)
    arms = drawn(one, people, Shares(0.0, 0.5))
    for arm, part in (("treated", 4), ("control", 5)):
        own = arms.filter(arm=arm)["customer"].to_list()
        orders(dict.fromkeys(own[::part], 10.0), T0 + DAY)
    report = measure.measure(one, T0 + 20 * DAY)
    effect = report.against_control.conversion
    assert effect.needed is not None
    rates = [arm.conversions.value or 0.0 for arm in (report.treated, report.control)]
    variance = sum(2 * rate * (1 - rate) for rate in rates)  # of N customers, half in each arm, times N
    in_all = variance * ((Planned(1).times(1) + 0.8416) / (rates[0] - rates[1])) ** 2
    assert effect.needed == pytest.approx(in_all - 400, rel=0.03)
    assert report.words[0].startswith("No effect on conversion shown yet (")
    assert "more customers needed" in report.words[0]


def test_a_goal_that_cannot_happen_and_days_longer_than_the_history_are_said() -> None:
    one, people = campaign(goal_event="Oder Completed", goal_days=400), customers(100)
    decided(one, people, control=0.3)
    EventName.objects.all().delete()
    orders({people[0].pk: 1.0}, T0, name="Page Viewed")
    words = measure.measure(one, T0 + 20 * DAY).words
    assert words[0] == "No event is called Oder Completed: nobody can reach this goal. Check its name."
    assert "The goal's 400 days are longer than the history, which has 20." in words
    Decision.objects.filter(arm="treated").delete()
    assert "Nobody was treated yet" in " ".join(measure.measure(one, T0 + 20 * DAY).words)


def test_all_campaigns_together_are_told_against_the_holdout() -> None:
    one, other = campaign(message_cost=0.5), campaign("other", message_cost=1.0)
    people = customers(1500)
    arms = drawn(one, people, Shares(0.2, 0.1))
    drawn(other, people, Shares(0.2, 0.1), 1)
    rng = np.random.default_rng(5)
    rate = {"treated": 0.4, "control": 0.4, "holdout": 0.2}
    told = arms.select("customer", "arm").iter_rows()
    orders({who: 40.0 for who, arm in told if rng.random() < rate[arm]}, T0 + 2 * DAY)
    sent = {"action": "email", "channel": "email", "due_at": T0, "state": "sent", "began_at": T0 + 2 * DAY}
    mailed = Decision.objects.filter(outcome="deliver").exclude(campaign=other, customer__in=people[:500])
    Delivery.objects.bulk_create(Delivery(decision=each, customer_id=each.customer_id, **sent) for each in mailed)
    found = measure.programme(T0 + 120 * DAY)
    assert found.reached.customers + found.holdout.customers == 1500
    low, _, high = interval(found.against_holdout.conversion)
    assert 0.0 < low < 0.2 < high
    mails = Delivery.objects.filter(decision__campaign=one).count() * 0.5
    mails += Delivery.objects.filter(decision__campaign=other).count() * 1.0
    assert found.reached.cost == pytest.approx(mails)
    assert found.contacts.mean == pytest.approx(Delivery.objects.count() / found.reached.customers)
    assert set(found.contacts.customers) == {0, 1, 2}
    assert found.words[0].startswith("All campaigns together earned ")
    assert found.split.is_balanced
    Decision.objects.filter(arm="holdout", customer__in=people[:700]).delete()
    assert not measure.programme(T0 + 120 * DAY).split.is_balanced


def test_variants_that_lost_customers_give_no_result() -> None:
    one, people = campaign(variants=[B]), customers(600)
    arms = drawn(one, people, Shares(0.0, 0.2, 1.0, {"main": 0.5, "b": 0.5}))
    orders({people[0].pk: 1.0}, T0 + DAY)
    lost = arms.filter(variant="b")["customer"].to_list()[::3]
    Decision.objects.filter(customer__in=lost).delete()
    Decision.objects.filter(arm="control", customer__in=[each.pk for each in people[::7]]).delete()
    report = measure.measure(one, T0 + 20 * DAY)
    assert report.split.variants < 0.001
    assert not report.is_balanced
    assert report.words[0].startswith("The variants are not as large as the draws make them;")


def test_clicks_by_tag_are_told_with_who_converted() -> None:
    one, people = campaign(), customers(40)
    drawn(one, people, Shares(0.0, 0.0))
    sent = {"action": "email", "channel": "email", "due_at": T0, "state": "sent", "began_at": T0}
    Delivery.objects.bulk_create(
        Delivery(decision=each, customer_id=each.customer_id, **sent) for each in Decision.objects.all()
    )
    orders({each.pk: 1.0 for each in people[:10]}, T0 + 2 * DAY)
    counted = kept_sums.of(assigned.plan_of(one), T0 + 20 * DAY).counted
    assert counted.tags.is_empty()
    ids = dict(Delivery.objects.values_list("customer", "public_id"))
    orders(dict.fromkeys(list(ids)[:12], 0.0), T0 + DAY, name="Email Link Clicked")
    for event in Event.objects.filter(name="Email Link Clicked"):
        event.properties = {"delivery": ids[event.customer_id], "tag": "hero"}
        event.save()
    (tag,) = measure.measure(one, T0 + 20 * DAY).tags
    assert (tag.tag, tag.clicked, tag.conversions.successes) == ("hero", 12, 10)
    assert measure.measure(one, T0 + 20 * DAY).treated.clicked == 12
