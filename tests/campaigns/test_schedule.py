"""What is due is begun once, whoever ticks, and what was missed happens once."""

from datetime import UTC, datetime, timedelta

import pytest
from pytest_django import Settings

from campaigns import cycle, schedule
from campaigns.models import Cycle, Schedule

pytestmark = [pytest.mark.door, pytest.mark.django_db]
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def hourly(settings: Settings) -> None:
    settings.CYCLE_EVERY = timedelta(hours=1)


def after(**time: float) -> datetime:
    return NOON + timedelta(**time)


def due(key: str) -> datetime:
    return Schedule.objects.get(key=key).next_at


def test_the_first_tick_begins_everything() -> None:
    assert set(schedule.tick(NOON)) == set(schedule.periods())
    assert Cycle.objects.get().as_of == NOON


def test_a_second_tick_in_the_same_slot_begins_nothing() -> None:
    schedule.tick(NOON)
    assert schedule.tick(after(seconds=1)) == []
    assert schedule.tick(after(seconds=2)) == [schedule.SMALL_CYCLE]


def test_a_row_that_another_tick_claimed_is_left_alone() -> None:
    schedule.ensure(NOON)
    row = Schedule.objects.get(key=schedule.DELIVER)
    schedule.tick(NOON)
    assert not schedule._claimed(row, NOON)


def test_one_thing_is_claimed_at_a_time_where_others_shall_do_the_rest() -> None:
    first = schedule.tick(NOON, 1)
    assert len(first) == 1
    assert len(schedule.tick(NOON)) == len(schedule.periods()) - 1
    assert schedule.tick(NOON, 1) == []


def test_slots_that_were_missed_happen_once() -> None:
    schedule.tick(NOON)
    Cycle.objects.update(state=Cycle.State.DONE)
    assert schedule.FULL_CYCLE in schedule.tick(after(hours=5, minutes=10))
    assert due(schedule.FULL_CYCLE) == after(hours=6)
    assert Cycle.objects.count() == 2
    assert schedule.FULL_CYCLE not in schedule.tick(after(hours=5, minutes=20))


def test_a_full_cycle_stays_due_while_one_runs() -> None:
    schedule.tick(NOON)
    assert schedule.FULL_CYCLE not in schedule.tick(after(hours=1))
    assert due(schedule.FULL_CYCLE) == after(hours=1)
    Cycle.objects.update(state=Cycle.State.DONE)
    assert schedule.FULL_CYCLE in schedule.tick(after(hours=1, minutes=1))
    assert cycle.begin(after(hours=1, minutes=1)).state == Cycle.State.RUNNING


def test_what_is_switched_off_does_not_happen() -> None:
    schedule.switch_off([schedule.FULL_CYCLE], NOON)
    assert set(schedule.tick(NOON)) == set(schedule.periods()) - {schedule.FULL_CYCLE}
    assert not Cycle.objects.exists()


def test_work_notes_how_long_it_took_and_why_it_failed() -> None:
    schedule.ensure(NOON)
    left = [1]

    @schedule.noted(schedule.SWEEP)
    def sweep() -> None:
        if left.pop():
            raise OSError("the disk is full")

    with pytest.raises(OSError, match="the disk is full"):
        sweep()
    row = Schedule.objects.get(key=schedule.SWEEP)
    assert row.error == "OSError: the disk is full"
    left.append(0)
    sweep()
    row.refresh_from_db()
    assert row.error == ""
    assert row.seconds is not None


def test_a_shorter_period_brings_the_next_slot_forward(settings: Settings) -> None:
    schedule.tick(NOON)
    settings.CYCLE_EVERY = timedelta(minutes=5)
    schedule.tick(after(seconds=1))
    assert due(schedule.FULL_CYCLE) == after(seconds=301)
