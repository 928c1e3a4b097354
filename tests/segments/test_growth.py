"""The size over time, and who entered and left, without reading the changes."""

from datetime import timedelta

import polars as pl
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from segments import growth, membership
from segments.growth import Point
from segments.models import Segment, SegmentSize
from tests.segments.crowd import AS_OF, HOUR, cycle, people, saved

pytestmark = [pytest.mark.door, pytest.mark.django_db]
DAY = timedelta(days=1)


def told(*points: Point) -> list[tuple[float, int, int, int]]:
    return [((one.as_of - AS_OF) / HOUR, one.size, one.entered, one.left) for one in points]


def history() -> Segment:
    german = saved("german")
    frame = people("DE", "DE", "AT", "AT")
    cycle(frame)
    cycle(frame.with_columns(country=pl.Series(["AT", "DE", "DE", "DE"])), AS_OF + 2 * HOUR)
    cycle(frame.with_columns(country=pl.lit("AT")), AS_OF + 26 * HOUR)
    return german


def test_every_full_cycle_says_the_size_and_who_moved_since_the_one_before() -> None:
    german = history()
    assert told(*growth.by_cycle(german, AS_OF)) == [(0, 2, 2, 0), (2, 3, 2, 1), (26, 0, 0, 3)]
    assert told(*growth.by_cycle(german, AS_OF + HOUR)) == [(2, 3, 2, 1), (26, 0, 0, 3)]


def test_a_day_says_its_last_size_and_all_who_moved() -> None:
    german = history()
    assert told(*growth.by_day(german, AS_OF + 3 * DAY)) == [(2, 3, 4, 1), (26, 0, 0, 3)]
    with CaptureQueriesContext(connection) as asked:
        growth.by_day(german, AS_OF + 3 * DAY)
    assert not any("membershipchange" in one["sql"] for one in asked)


def test_the_first_full_cycle_after_a_time_is_what_a_change_brought() -> None:
    german = history()
    assert [told(one)[0] for at in (AS_OF, AS_OF + HOUR) if (one := growth.after(german, at))] == [
        (0, 2, 2, 0),
        (2, 3, 2, 1),
    ]
    assert growth.after(german, AS_OF + 3 * DAY) is None


def test_the_same_cycle_again_changes_nothing() -> None:
    german = saved("german")
    frame = people("DE", "AT")
    cycle(frame)
    cycle(frame)
    assert told(*growth.by_cycle(german, AS_OF)) == [(0, 1, 1, 0)]


def test_of_days_long_past_the_last_size_is_kept() -> None:
    german = history()
    membership.finish(AS_OF + 36 * DAY)
    assert told(*growth.by_cycle(german, AS_OF)) == [(2, 3, 4, 1), (26, 0, 0, 3), (36 * 24, 0, 0, 0)]
    assert SegmentSize.objects.count() == 3
