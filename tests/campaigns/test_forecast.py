"""How many a day a campaign is expected to reach, and what that rests on."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from django.conf import settings

from campaigns import brakes, forecast, launch
from campaigns.models import Campaign, Programme
from customers import history, snapshot
from customers.models import Attribute, Customer, EventName
from scoring.models import Target
from segments.models import Membership, MembershipChange, Segment, SegmentVersion
from tests.campaigns import people
from tests.campaigns.people import T0
from tests.customers.histories import add_event

pytestmark = [pytest.mark.door, pytest.mark.django_db]
DAY = timedelta(days=1)
RULE = {"version": 1, "rule": {"field": "country", "op": "any_of", "value": ["DE"]}}
SHOP = {"kind": "event", "event": "Order Completed"}


@pytest.fixture(autouse=True)
def nobody_is_held_out() -> None:
    Programme.objects.create(pk=1, holdout_share=0.0)


def plan(trigger: dict[str, Any], **changes: Any) -> Campaign:
    return people.campaign(trigger=trigger, **changes)


def vip() -> Segment:
    return Segment.objects.create(key="vip", name="VIP", rule=RULE, created_at=T0 - 100 * DAY)


def moved(segment: Segment, who: Sequence[Customer], at: datetime, kind: str = "entered") -> None:
    MembershipChange.objects.bulk_create(
        MembershipChange(segment=segment, customer=one, bucket=one.bucket, kind=kind, as_of=at) for one in who
    )


def test_a_segment_is_foreseen_by_who_entered_it_but_not_by_its_first_filling() -> None:
    known, segment = people.customers(40), vip()
    moved(segment, known[:20], T0 - 10 * DAY)
    moved(segment, known[20:30], T0 - 5 * DAY)
    moved(segment, known[:5], T0 - 4 * DAY, "left")
    entered = forecast.foresee(plan(people.segment_trigger()), T0)
    assert entered == (1.0, "10 customers entered the segment VIP in 10 days.")
    left = forecast.foresee(plan(people.segment_trigger(edge="left"), key="left"), T0)
    assert left == (0.5, "5 customers left the segment VIP in 10 days.")


def test_a_new_rule_that_fills_a_segment_anew_is_no_edge() -> None:
    known, segment = people.customers(40), vip()
    moved(segment, known[:1], T0 - 50 * DAY)
    moved(segment, known[1:15], T0 - 20 * DAY)
    SegmentVersion.objects.create(segment=segment, number=2, rule={}, at=T0 - 11 * DAY)
    moved(segment, known[15:], T0 - 10 * DAY)
    assert forecast.daily(plan(people.segment_trigger()), T0) == 14 / 28


def test_who_is_left_alone_is_not_reached() -> None:
    Programme.objects.update(holdout_share=0.2)
    known, segment = people.customers(11), vip()
    moved(segment, known[:1], T0 - 10 * DAY)
    moved(segment, known[1:], T0 - 5 * DAY)
    assert forecast.daily(plan(people.segment_trigger(), control_share=0.5), T0) == pytest.approx(0.4)


def test_of_a_new_segment_nothing_is_foreseen() -> None:
    segment = vip()
    assert forecast.foresee(plan(people.segment_trigger()), T0).a_day is None
    moved(segment, people.customers(1), T0 - DAY / 2)
    told = forecast.foresee(Campaign.objects.get(), T0)
    assert told == (None, "Nothing is foreseen: the segment VIP was not looked at for a day yet.")


def test_the_forecast_is_noted_at_the_launch_and_again_when_its_trigger_is_edited() -> None:
    known, segment = people.customers(11), vip()
    moved(segment, known[:1], T0 - 10 * DAY)
    moved(segment, known[1:], T0 - 5 * DAY)
    one = plan(people.segment_trigger(), state="draft", launched_at=None)
    launch.launch(one, None, T0)
    assert Campaign.objects.get().forecast == 1.0
    launch.edit(one, None, T0, trigger=people.segment_trigger(edge="left"))
    assert Campaign.objects.get().forecast == 0.0


def test_what_paused_itself_is_not_simply_resumed() -> None:
    vip()
    one = plan(people.segment_trigger())
    brakes.pause(one, "Too many.", T0)
    with pytest.raises(launch.LaunchError, match="It paused itself: Too many"):
        launch.resume(one, None, T0)


def stored(at: datetime, columns: dict[str, list[Any]]) -> None:
    """Store a snapshot of as many customers as there are values."""
    many = len(next(iter(columns.values())))
    frame = pl.DataFrame({"customer_id": range(many), "bucket": [0] * many, **columns})
    for bucket in range(settings.BUCKETS):
        snapshot.store(frame.filter(pl.col("bucket") == bucket), at, bucket)


def lapse() -> None:
    Target.objects.create(
        key="lapse", label="Lapses", kind="no_event", event="Order Completed", horizon_days=60, created_at=T0
    )


def test_a_score_is_foreseen_by_who_crossed_the_line_between_two_days() -> None:
    lapse()
    stored(T0 - 2 * DAY, {"scores.lapse": [0.1, 0.2, 0.8, 0.3, None]})
    stored(T0 - DAY / 2, {"scores.lapse": [0.9, 0.7, 0.9, 0.4, 0.9]})
    told = forecast.foresee(plan(people.score_trigger()), T0)
    assert told.a_day == pytest.approx(2 / 1.5)
    assert told.basis == "The score lapse of 2 customers crossed the line in 1.5 days."
    top = {**people.score_trigger(75, 70), "of": "percentile"}
    assert forecast.daily(plan(top, key="top"), T0) == pytest.approx(1 / 1.5)


def test_of_a_score_of_one_day_nothing_is_foreseen() -> None:
    lapse()
    stored(T0 - DAY, {"scores.lapse": [0.1]})
    assert forecast.foresee(plan(people.score_trigger()), T0) == (
        None,
        "Nothing is foreseen: the score lapse was not computed on two days yet.",
    )


def test_an_event_is_foreseen_by_the_customers_of_each_day() -> None:
    EventName.objects.create(name="Order Completed")
    one, other = people.customers(2)
    for second, (days, who) in enumerate(((10, one), (5, one), (5, one), (5, other))):
        add_event(who.pk, "Order Completed", T0 - days * DAY + timedelta(seconds=second))
    history.sync()
    told = forecast.foresee(plan(SHOP), T0)
    assert told.a_day == pytest.approx(2 / 10, rel=1e-3)
    assert told.basis == "Order Completed happened to 2 customers in 10 days, each day counted."


def test_of_an_event_that_never_happened_nothing_is_foreseen() -> None:
    EventName.objects.create(name="Order Completed")
    history.sync()
    told = forecast.foresee(plan(SHOP), T0)
    assert told == (None, "Nothing is foreseen: Order Completed was not told of for a day yet.")


def test_birthdays_are_spread_over_the_year_and_renewals_are_counted_ahead() -> None:
    Attribute.objects.create(name="renewal", label="Renewal", type="date")
    born = [date(1990, 5, 1)] * 3 + [None]
    renewals = [(T0 + days * DAY).date() for days in (1, 9, 40)] + [None]
    stored(T0 - DAY, {"birth_date": born, "attributes.renewal": renewals})
    yearly = {"kind": "date", "field": "birth_date", "days": 0, "hour": 9, "yearly": True}
    assert forecast.daily(plan(yearly), T0) == pytest.approx(3 / 365.25)
    before = {"kind": "date", "field": "attributes.renewal", "days": -7, "hour": 9, "yearly": False}
    told = forecast.foresee(plan(before, key="before"), T0)
    assert told.a_day == pytest.approx(1 / 28)
    assert told.basis == "Of 1 customers the day comes within 28 days."


def test_a_schedule_reaches_its_audience_on_the_day() -> None:
    segment = vip()
    for one in people.customers(3):
        Membership.objects.create(segment=segment, customer=one, bucket=one.bucket, since=T0, as_of=T0)
    weekly = {"kind": "schedule", "every": "week", "on": 1, "at": "09:00"}
    told = forecast.foresee(plan(weekly, audience=segment), T0)
    basis = "3 customers are in the audience VIP, on a day on which it acts."
    assert told == (3.0, basis)
    capped = plan({"kind": "hand"}, key="hand", audience=segment, most_a_day=2)
    assert forecast.foresee(capped, T0) == (2.0, f"{basis} It takes at most 2 a day.")
    assert forecast.daily(capped, T0) == 3.0
