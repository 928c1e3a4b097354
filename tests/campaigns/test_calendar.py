"""What went out on the last days and what is to come, by campaign and day; and how often customers were contacted."""

from datetime import UTC, date, datetime, timedelta

import pytest
from pytest_django import Settings

from campaigns import calendar, lately
from campaigns.calendar import Kind
from campaigns.lately import Lately
from campaigns.models import Programme
from segments.models import Membership, Segment
from tests.campaigns.people import EMAIL_STEP, T0, campaign, customers, planned

pytestmark = [pytest.mark.door, pytest.mark.django_db]
DAY = timedelta(days=1)


def told(as_of: datetime = T0) -> dict[tuple[str, date, str], float | None]:
    return {(one.campaign.key, one.day, one.kind): one.deliveries for one in calendar.read(as_of).entries}


def test_each_day_tells_what_went_out_and_what_is_planned() -> None:
    one, people = campaign(), customers(5)
    planned(people[0], one, began_at=T0 - 2 * DAY, state="sent")
    planned(people[1], one, began_at=T0 - 2 * DAY, state="sent")
    planned(people[2], one, began_at=T0 - 28 * DAY, state="sent")  # before the first day
    planned(people[3], one, due=T0 + 3 * DAY)
    planned(people[4], one, due=T0 - DAY)  # waits past its time
    assert told() == {
        ("winback", date(2026, 2, 27), Kind.WENT_OUT): 2.0,
        ("winback", date(2026, 3, 1), Kind.PLANNED): 1.0,
        ("winback", date(2026, 3, 4), Kind.PLANNED): 1.0,
    }


def test_days_are_those_of_the_installation(settings: Settings) -> None:
    settings.TIME_ZONE = "Asia/Tokyo"
    one, people = campaign(), customers(1)
    planned(people[0], one, began_at=datetime(2026, 2, 20, 16, tzinfo=UTC), state="sent")
    assert told() == {("winback", date(2026, 2, 21), Kind.WENT_OUT): 1.0}


def test_a_schedule_names_its_days_and_a_line_is_foreseen_every_day() -> None:
    letter = Segment.objects.create(key="all", name="All", rule={}, created_at=T0)
    for one in customers(3):
        Membership.objects.create(segment=letter, customer=one, bucket=one.bucket, since=T0, as_of=T0)
    weekly = {"kind": "schedule", "every": "week", "on": 2, "at": "09:00"}
    campaign("letter", trigger=weekly, audience=letter, steps=[EMAIL_STEP])
    campaign("birthday", trigger={"kind": "date", "field": "birth_date", "hour": 9, "yearly": True}, forecast=12.5)
    campaign("rest", trigger=weekly, audience=letter, state="paused", forecast=3.0)
    campaign("by-hand", trigger={"kind": "hand"}, audience=letter, forecast=3.0)
    found = told()
    named = {key[1]: many for key, many in found.items() if key[2] == Kind.SCHEDULED}
    assert set(named) == {date(2026, 3, 3), date(2026, 3, 10)}  # Tuesdays
    assert all(many == pytest.approx(3 * 0.95) for many in named.values())
    foreseen = [key for key in found if key[2] == Kind.FORESEEN]
    assert {key[0] for key in foreseen} == {"birthday"}
    assert (min(foreseen)[1], max(foreseen)[1], len(foreseen)) == (date(2026, 3, 2), date(2026, 3, 15), 14)


def test_contacts_of_the_caps_days_are_counted_by_customer() -> None:
    one, people, house = campaign(), customers(4), Programme(cap_messages=1, cap_days=7)
    planned(people[0], one, began_at=T0 - DAY, state="sent")
    planned(people[0], one, "call", began_at=T0 - 2 * DAY, state="sent")
    planned(people[1], one, began_at=T0 - DAY, state="uncertain")
    planned(people[1], one, began_at=T0 - 7 * DAY, state="sent")  # before
    planned(people[2], one, "webhook", began_at=T0 - DAY, state="sent")  # contacts nobody
    planned(people[2], one, began_at=T0 - DAY, state="failed")
    assert lately.read(house, T0) == Lately(7, 1, {0: 2, 1: 1, 2: 1})


def test_a_campaign_whose_trigger_cannot_be_read_foresees_nothing() -> None:
    campaign(trigger={"kind": "segment", "segment": "gone", "edge": "entered"}, forecast=5.0)
    assert told() == {}
