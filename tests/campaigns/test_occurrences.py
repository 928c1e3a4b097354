"""An event, or the hour of a date, makes a customer due once: in whole cycles, in small ones, and in both."""

from datetime import UTC, date, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from django.core.management import call_command
from pytest_django import Settings

from campaigns import control, cycle, launch, stages
from campaigns.decide import decide
from campaigns.models import Campaign, Cycle, Decision, TriggerState
from customers import attributes
from customers.models import Customer
from tests.campaigns.people import T0, campaign, frame, no_changes
from tests.campaigns.turns import buy, decided, load, load_orders, tell, turn, turn_small

pytestmark = [pytest.mark.door, pytest.mark.django_db, pytest.mark.long]
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
ORDERED: dict[str, Any] = {"kind": "event", "event": "Order Completed"}
BIRTHDAY = {"kind": "date", "field": "birth_date", "days": 0, "hour": 9, "yearly": True}
EVERY = Campaign.Entry.EVERY


@pytest.fixture(autouse=True)
def two_buckets(settings: Settings, lake: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the cycles short: two buckets that are one piece of work."""
    settings.BUCKETS = 2
    monkeypatch.setattr(control, "TOGETHER", {"sqlite": 100, "postgresql": 100})
    settings.TIME_ZONE = "Europe/Berlin"


def on_order(**changes: Any) -> Campaign:
    """Make a live campaign that mails on each order."""
    return campaign("thanks", **({"trigger": ORDERED, "entry": EVERY} | changes))


def test_each_order_makes_her_due_once_in_small_cycles_and_never_again_in_a_full_one(people: list[Customer]) -> None:
    buy(people[0], -5)
    on_order()
    assert turn(0) == {}
    buy(people[0], 0.2, times=3)
    buy(people[1], 0.2)
    assert turn_small(0.3) == {"deliver": 2}, "three orders in one look are one edge"
    buy(people[0], 0.4)
    assert turn_small(0.5) == {"deliver": 1}
    assert turn(1) == turn(2) == {}
    buy(people[2], 2.5)
    assert turn(3) == {"deliver": 1}
    assert turn_small(3.1) == turn(4) == {}
    assert decided() == [("c0", "data"), ("c1", "data"), ("c0", "data"), ("c2", "data")]


def test_the_decision_tells_which_order_and_when(people: list[Customer]) -> None:
    on_order()
    turn(0)
    buy(people[0], 0.25, value=80.0)
    turn_small(0.5)
    assert Decision.objects.get().reason == "Order Completed happened at 2026-03-01 12:15 UTC."


def test_only_orders_that_meet_the_conditions_count(people: list[Customer]) -> None:
    where = [
        {"field": "value", "op": ">=", "value": 50},
        {"field": "properties.coupon", "op": "is", "value": "spring"},
    ]
    buy(people[5], -9, coupon="NONE")  # from now on the property is known
    turn(0)
    on_order(trigger=ORDERED | {"where": where})
    buy(people[0], 0.2, value=50.0, coupon="SPRING")
    buy(people[1], 0.2, value=49.0, coupon="SPRING")
    buy(people[2], 0.2, value=99.0)
    buy(people[3], 0.2, value=99.0, coupon="AUTUMN")
    assert turn_small(0.5) == {"deliver": 1}
    assert decided() == [("c0", "data")]


def test_an_order_that_happened_too_long_ago_is_passed_over_with_its_reason(people: list[Customer]) -> None:
    on_order(lateness_hours=24, entry=Campaign.Entry.ONCE)
    turn(0)
    buy(people[0], -23.5, known=0.2)
    buy(people[1], -24.5, known=0.2)
    assert turn_small(0.5) == {"deliver": 1, "ineligible": 1}
    late = Decision.objects.get(customer=people[1])
    assert late.reason.endswith("more than 24 hours before this.")
    buy(people[1], 0.6)
    assert turn_small(0.7) == {"deliver": 1}, "what came too late uses up no chance"


@pytest.mark.parametrize("fires_on_import", [False, True])
def test_imported_orders_make_nobody_due_unless_that_is_asked_for(
    people: list[Customer], tmp_path: Path, fires_on_import: bool
) -> None:
    on_order(fires_on_import=fires_on_import, lateness_hours=24 * 365)
    turn(0)
    load_orders(tmp_path, "c0", "c1")
    buy(people[1], 0.2)
    assert turn_small(0.5) == ({"deliver": 2} if fires_on_import else {"deliver": 1})
    assert turn(1) == {}
    assert set(decided()) == {("c1", "data")} | ({("c0", "import")} if fires_on_import else set())


def test_a_merge_moves_orders_and_makes_nobody_due(people: list[Customer]) -> None:
    from_before = on_order()
    buy(people[1], -3)
    turn(0)

    call_command("merge", "c0", "c1", stdout=StringIO())
    assert turn_small(0.5) == turn(1) == turn(2) == {}
    assert TriggerState.objects.filter(campaign=from_before, fired_at__isnull=False).count() == 0


def test_orders_before_a_launch_or_during_a_pause_make_nobody_due(people: list[Customer]) -> None:
    thanks = on_order(state=Campaign.State.DRAFT, launched_at=None)
    turn(0)
    buy(people[0], 0.1)
    assert launch.launch(thanks, None, T0 + 0.2 * HOUR) == 0, "nobody matches an event already"
    buy(people[1], 0.3)
    assert turn_small(0.4) == {"deliver": 1}, "the first full cycle need not be waited for"
    launch.pause(thanks, None, T0 + 0.5 * HOUR)
    buy(people[2], 0.6)
    assert turn_small(0.7) == {}
    launch.resume(thanks, None, T0 + 0.8 * HOUR)
    buy(people[3], 0.9)
    assert turn(1) == {"deliver": 1}
    assert [who for who, _ in decided()] == ["c1", "c3"]


def test_another_event_counts_from_the_edit_on_and_a_new_text_loses_no_order(people: list[Customer]) -> None:
    thanks = on_order(trigger=ORDERED | {"event": "Page Viewed"})
    turn(0)
    buy(people[0], 0.1)
    launch.edit(thanks, None, T0 + 0.2 * HOUR, trigger=ORDERED)
    buy(people[1], 0.3)
    launch.edit(thanks, None, T0 + 0.4 * HOUR, name="Many thanks")
    assert turn_small(0.5) == {"deliver": 1}
    assert decided() == [("c1", "data")]


def test_an_order_that_a_cycle_is_too_early_for_is_found_by_the_next(people: list[Customer]) -> None:
    """It is stored before the cycle reads, and known only just after the cycle's time."""
    on_order()
    turn(0)
    buy(people[0], 0.5)
    buy(people[1], 0.5 + 1 / 3600)
    assert turn_small(0.5) == {"deliver": 1}
    assert turn_small(0.501) == {"deliver": 1}
    buy(people[2], 1 + 1 / 3600)
    assert turn(1) == {}
    assert turn_small(1.01) == {"deliver": 1}
    assert decided() == [("c0", "data"), ("c1", "data"), ("c2", "data")]


def test_what_a_full_cycle_failed_to_reach_is_found_by_the_next_one(
    people: list[Customer], monkeypatch: pytest.MonkeyPatch
) -> None:
    on_order()
    turn(0)
    for one in people:
        buy(one, 0.5)
    with monkeypatch.context() as patched:
        real = stages.OF_KIND[Cycle.Kind.FULL][Cycle.Stage.REFRESH]

        def refresh(turned: Cycle, buckets: Any) -> Any:
            if 0 in buckets:
                raise ValueError("the disk is full")
            return real(turned, buckets)

        patched.setitem(stages.OF_KIND[Cycle.Kind.FULL], Cycle.Stage.REFRESH, refresh)
        assert cycle.run(T0 + HOUR).state == Cycle.State.FAILED
    there = Decision.objects.count()
    assert 0 < there < len(people)
    turn(2)
    assert Decision.objects.count() == len(people)
    assert set(Decision.objects.values_list("round", flat=True)) == {1}


@pytest.mark.parametrize(("entry", "count"), [("every", 3), ("days", 2), ("once", 1)])
def test_how_often_she_may_enter_is_the_campaign_s_to_say(people: list[Customer], entry: str, count: int) -> None:
    on_order(entry=entry, cooldown_days=1)
    turn(0)
    for hours in (0.1, 23.9, 24.2):
        buy(people[0], hours)
        turn_small(hours + 0.05)
    assert Decision.objects.count() == count
    assert TriggerState.objects.get(customer=people[0]).round == count


def dated(people: list[Customer], cause: str = "time", **days: date) -> pl.DataFrame:
    """Give the frame of customers with their birth dates, by external id."""
    born = [days.get(one.external_id) for one in people]
    return frame(people, 0.1, cause).with_columns(
        pl.Series("birth_date", born, dtype=pl.Date), time_zone=pl.lit("America/New_York")
    )


@pytest.fixture
def birthday() -> datetime:
    """Give 9 o'clock in New York on 14 July; a campaign for birthdays is alive since the day before."""
    at = datetime(2026, 7, 14, 13, tzinfo=UTC)
    campaign("birthday", trigger=BIRTHDAY, launched_at=at - DAY)
    return at


def test_a_birthday_fires_at_the_hour_of_her_own_clock_once_a_year(people: list[Customer], birthday: datetime) -> None:
    here = dated(people, c0=date(1990, 7, 14), c1=date(1990, 7, 15))
    assert not decide(here, no_changes(), birthday - HOUR)
    assert decide(here, no_changes(), birthday + HOUR / 2) == {"deliver": 1}
    assert not decide(here, no_changes(), birthday + HOUR)
    assert not decide(here, no_changes(), birthday + HOUR, is_whole=False)
    assert Decision.objects.get().reason == (
        "It was on the day of birth_date, 9:00 on her clock, at 2026-07-14 13:00 UTC."
    )
    assert decide(here, no_changes(), birthday + DAY + HOUR) == {"deliver": 1}
    assert decide(here, no_changes(), birthday + 365 * DAY + HOUR) == {"deliver": 1}
    assert sorted(Decision.objects.values_list("customer__external_id", "round", "cause")) == [
        ("c0", 1, "time"),
        ("c0", 2, "time"),
        ("c1", 1, "time"),
    ]


def test_after_an_outage_a_birthday_is_made_up_for_as_long_as_the_campaign_looks_back(
    people: list[Customer], birthday: datetime
) -> None:
    here = dated(people, c0=date(1990, 7, 14), c1=date(1990, 7, 13))
    assert not decide(here, no_changes(), birthday - HOUR)
    assert decide(here, no_changes(), birthday + 23 * HOUR) == {"deliver": 1}
    assert not decide(here, no_changes(), birthday + 25 * HOUR)


def test_a_birthday_that_somebody_tells_of_in_the_afternoon_fires_and_an_imported_one_does_not(
    people: list[Customer], birthday: datetime
) -> None:
    assert not decide(dated(people), no_changes(), birthday + HOUR)
    assert decide(dated(people[:1], "data", c0=date(1990, 7, 14)), no_changes(), birthday + 2 * HOUR) == {"deliver": 1}
    assert not decide(dated(people[1:2], "import", c1=date(1990, 7, 14)), no_changes(), birthday + 2 * HOUR)
    assert not decide(dated(people, c0=date(1990, 7, 14), c1=date(1990, 7, 14)), no_changes(), birthday + 3 * HOUR)


@pytest.mark.parametrize("fires_on_start", [False, True])
def test_whose_birthday_was_before_the_launch_is_asked_about(
    people: list[Customer], birthday: datetime, fires_on_start: bool
) -> None:
    Campaign.objects.update(state=Campaign.State.DRAFT)
    launch.launch(Campaign.objects.get(), None, birthday + HOUR, fires_on_start=fires_on_start)
    here = dated(people, c0=date(1990, 7, 14))
    assert decide(here, no_changes(), birthday + 2 * HOUR) == ({"deliver": 1} if fires_on_start else {})
    assert not decide(here, no_changes(), birthday + 3 * HOUR)


def test_a_birthday_that_an_import_brings_after_its_hour_fires_for_nobody(
    people: list[Customer], tmp_path: Path
) -> None:
    late = (datetime.now(UTC) - T0) / HOUR  # what an import brings is known from when it runs
    today = T0 + late * HOUR
    campaign("birthday", trigger=BIRTHDAY | {"hour": 0}, launched_at=today - 30 * HOUR)
    attributes.declare({}, ())
    tell(people[1], late - 25, birth_date=f'"1990-{(today + timedelta(hours=2)):%m-%d}"')
    turn(late - 24)
    lines = "".join(f"c0,1990-{(today + timedelta(hours=2)):%m-%d}\n")
    load(tmp_path, "import_customers", "id,birth_date\n" + lines, id="id")
    turn(late + 0.1)
    assert decided() == [("c1", "time")]
