"""A back-test acts a plan out on what was known then: what really ran comes out as its ledger; nothing is written."""

import shutil
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.conf import settings
from django.db.models.functions import Now
from pytest_django import Settings

from campaigns import control, triggers
from campaigns.backtest import asking, replay, work
from campaigns.backtest.asking import BacktestError
from campaigns.backtest.memory import Memory
from campaigns.backtest.replay import Period, Replay
from campaigns.models import Backtest, Campaign, Decision, Programme
from customers import consent, history, snapshot
from customers.history import Scope
from customers.models import Customer
from segments import fields
from segments.models import Segment
from tests.campaigns.people import EMAIL_STEP, T0, campaign, customers, segment_trigger
from tests.campaigns.turns import buy, save, tell, turn

pytestmark = [pytest.mark.door, pytest.mark.django_db, pytest.mark.long]
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
DAYS = 20
LATER = ("went_on", "words")  # what was told of goals meanwhile is told of them
RECENT = {"event": "Order Completed", "count": {">=": 1}, "within": {"last": 3, "unit": "days"}}
ROW: tuple[str, ...] = (
    "customer_id",
    "round",
    "bucket",
    "outcome",
    "reason",
    "as_of",
    "cause",
    "score",
    "arm",
    "draw",
    "probability",
)
ROW += ("variant",)


@pytest.fixture(autouse=True)
def two_buckets(settings: Settings, lake: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.BUCKETS, settings.TIME_ZONE = 2, "UTC"
    monkeypatch.setattr(control, "TOGETHER", {"sqlite": 100, "postgresql": 100})


def shop(many: int = 30) -> list[Customer]:
    """Make customers of whom some agreed to nothing, and two segments: who bought lately, and who lives in Berlin."""
    Programme.objects.create(holdout_share=0.1, cap_messages=2, cap_days=7)
    people = customers(many, channels=())
    for one in people:
        one.bucket %= 2
    Customer.objects.bulk_update(people, ["bucket"])
    for one in people:
        consent.grant(one.pk, "email", "newsletter", "a form", T0 - DAY)
    save(Segment(key="recent", name="Recent", created_at=T0), RECENT)
    save(Segment(key="berlin", name="Berlin", created_at=T0), {"field": "city", "op": "is", "value": "Berlin"})
    for one in people[::2]:
        tell(one, -1, city='"Berlin"')
    return people


def live(people: list[Customer], days: int, look: Callable[[float], object]) -> None:
    """Let the days pass: people buy, withdraw and move, and each noon there is a look."""
    look(0)
    for day in range(1, days + 1):
        for n, one in enumerate(people):
            if (n * 7 + day * 5) % 11 == 0:
                buy(one, 24 * day - 6, value=float(n + day))
        if day == 9:
            consent.withdraw(people[3].pk, "email", "newsletter", "page", T0 + 9 * DAY - HOUR)
            tell(people[4], 24 * 9 - 2, city='"Rome"')
        look(24 * day)


def replayed(of: Campaign, since: float = -0.5, until: float = 24 * DAYS) -> Memory:
    period = Period(T0 + since * HOUR, T0 + until * HOUR)
    memory = Memory()
    history.sync()
    acted = Replay(of, triggers.parse(of.trigger, fields.catalogue()), period, memory)
    before = None
    for at in replay.times(period):
        acted.day(before, at)
        before = at
    return memory


def rows(memory: Memory) -> list[tuple[Any, ...]]:
    return sorted(memory.decisions.select(ROW).iter_rows())


def ledger(of: Campaign) -> list[tuple[Any, ...]]:
    return sorted(Decision.objects.filter(campaign=of).values_list(*ROW))


def everything() -> dict[str, list[str]]:
    """Give all rows of all tables."""
    return {
        model._meta.db_table: sorted(map(repr, model._default_manager.values_list())) for model in apps.get_models()
    }


def test_a_period_that_really_ran_comes_out_as_its_ledger_row_for_row() -> None:
    people = shop()
    variants = [{"key": "b", "share": 0.5, "step": EMAIL_STEP}]
    thanks = campaign(
        "thanks",
        trigger=segment_trigger("recent"),
        control_share=0.2,
        pilot_share=0.9,
        variants=variants,
        audience=Segment.objects.get(key="berlin"),
        cooldown_days=2,
        priority=50,
    )
    ordered = campaign(
        "ordered", trigger={"kind": "event", "event": "Order Completed"}, entry="every", cooldown_days=0, priority=90
    )
    waits = campaign(
        "waits", trigger=segment_trigger("recent", "left"), entry="every", most_a_day=2, message_cost=0.5, budget=30.0
    )
    live(people, DAYS, turn)
    before = everything()
    for of in (thanks, ordered, waits):
        found = replayed(of)
        assert rows(found) == ledger(of)
        assert len({row[3] for row in rows(found)}) >= 3, f"{of}: several outcomes, or the test says little"
    assert everything() == before, "nothing is written"
    for folder in (Path(settings.LAKE_URL) / "snapshots").glob("*"):
        shutil.rmtree(folder)
    found = replayed(thanks)
    assert {day["source"] for day in found.days} == {"none"}
    assert rows(found) == ledger(thanks), "what no snapshot recorded is computed as it was"


@pytest.fixture
def asked() -> Backtest:
    """Give a back-test that waits, of a campaign that never ran, over the last eleven days."""
    live(shop(12), 12, lambda _: None)
    history.sync()
    draft = campaign(
        "draft", trigger=segment_trigger("recent"), entry="every", state="draft", launched_at=None, goal_days=3
    )
    return asking.ask(draft, 11, None, T0 + 12 * DAY)


def worked() -> Backtest:
    done = work.work(lambda: T0 + 13 * DAY)
    assert done is not None
    return done


def told(done: Backtest) -> dict[str, Any]:
    """Give what came of it, but what later goals change."""
    return {name: one for name, one in done.result.items() if name not in LATER}


def again(of: Backtest) -> Backtest:
    return asking.ask(of.campaign, of.days, None, of.asked_at)


def test_who_takes_over_goes_on_and_finds_the_same(asked: Backtest, monkeypatch: pytest.MonkeyPatch) -> None:
    first = worked()
    assert (first.state, first.problem, first.days_done) == ("done", "", 11)
    assert first.result["sent"] > 0, first.result
    monkeypatch.setattr(work, "KEPT_EVERY", 3)
    second, day, seen = again(asked), Replay.day, list[datetime]()

    def killed(self: Replay, before: datetime | None, at: datetime) -> None:
        seen.append(at)
        if len(seen) == 8:
            raise KeyboardInterrupt
        day(self, before, at)

    monkeypatch.setattr(Replay, "day", killed)
    with pytest.raises(KeyboardInterrupt):
        worked()
    assert work.work(lambda: T0) is None, "its lease holds"
    Backtest.objects.filter(pk=second.pk).update(lease_until=Now() - HOUR, asked_at=Now())
    done = worked()
    assert (done.pk, done.state, done.working) == (second.pk, "done", None)
    assert told(done) == told(first)
    assert len(seen) == 8 + 5, "the six days that were stored are not acted out again"


def test_customers_and_their_consents_are_read_once_for_all_days(
    asked: Backtest, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, scopes = snapshot.people_of, list[Scope]()

    def noted(of: Scope) -> snapshot.People:
        scopes.append(of)
        return read(of)

    monkeypatch.setattr(snapshot, "people_of", noted)
    assert worked().days_done == 11
    assert scopes == [Scope()]


def test_what_is_planted_later_changes_nothing(asked: Backtest) -> None:
    before = told(worked())
    people = list(Customer.objects.order_by("pk"))
    for one in people:
        tell(one, 24 * 12 + 1, city='"Berlin"')
        buy(one, 24 * 4 - 1, known=24 * 12 + 1)
        buy(one, 24 * 12 + 2)
        consent.withdraw(one.pk, "email", "newsletter", "page", T0 + 12 * DAY + HOUR)
        consent.suppress("email", f"{one.external_id}@example.test", "bounced", T0 + 12 * DAY + HOUR)
    history.sync()
    again(asked)
    after = told(worked())
    assert before["considered"] > 0
    assert after == before


def test_a_cancelled_one_stops_at_its_next_day_and_leaves_no_result(
    asked: Backtest, monkeypatch: pytest.MonkeyPatch
) -> None:
    day = Replay.day

    def cancelled(self: Replay, before: datetime | None, at: datetime) -> None:
        asking.cancel(asked, None, T0)
        day(self, before, at)

    monkeypatch.setattr(Replay, "day", cancelled)
    done = worked()
    assert (done.state, done.days_done, done.result, done.working) == ("cancelled", 0, {}, None)
    assert not asking.cancel(asked, None, T0)
    assert work.work(lambda: T0) is None


def test_asked_twice_there_is_one(asked: Backtest) -> None:
    assert asking.ask(asked.campaign, 5, None, T0 + 12 * DAY) == asked


def test_what_cannot_be_acted_out_is_refused_with_its_place_and_nothing_is_stored(asked: Backtest) -> None:
    draft = asked.campaign
    asked.delete()

    def refused(days: int, **changes: Any) -> str:
        for name, value in changes.items():
            setattr(draft, name, value)
        with pytest.raises(BacktestError) as error:
            asking.ask(draft, days, None, T0 + 12 * DAY)
        draft.refresh_from_db()
        return str(error.value)

    assert refused(30).startswith("days: the first event is of 2026-03-02")
    assert refused(400) == "days: expects a whole number from 1 to 366"
    assert refused(5, goal_days=90) == "goal_days: 90 days are longer than the history, which has 11 days"
    never = {"kind": "event", "event": "Offer Redeemed"}
    assert refused(5, trigger=never) == "trigger.event: Offer Redeemed never happened, so it would have made nobody due"
    assert "nobody knows when somebody would have started it" in refused(5, trigger={"kind": "hand"})
    assert refused(5, trigger=segment_trigger("nowhere")) == 'trigger.segment: there is no segment "nowhere"'
    Segment.objects.filter(key="recent").update(rule={"version": 1, "rule": {"field": "contry", "op": "is"}})
    assert refused(5).startswith("trigger.segment: the segment recent is paused: ")
    assert not Backtest.objects.exists()


def test_one_that_breaks_says_so_and_is_not_tried_for_ever(asked: Backtest, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: Replay, before: datetime | None, at: datetime) -> None:
        raise ValueError("the disk is full")

    monkeypatch.setattr(Replay, "day", broken)
    with pytest.raises(ValueError, match="the disk is full"):
        worked()
    asked.refresh_from_db()
    assert (asked.state, asked.problem) == ("failed", "It broke: ValueError: the disk is full")
    lost = again(asked)
    Backtest.objects.filter(pk=lost.pk).update(state="running", lease_until=Now() - HOUR)
    assert work.work(lambda: T0) is None, "asked for long ago"
    lost.refresh_from_db()
    assert (lost.state, "lost for a day" in lost.problem) == ("failed", True)
