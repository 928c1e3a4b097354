"""A dry run decides what the next live pass decides, row for row, and leaves nothing behind."""

from collections.abc import Callable
from datetime import time, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from django.apps import apps
from django.contrib.auth.models import User
from django.test import Client
from pytest_django import Settings

from campaigns import allocate, control, dry_run, launch, slots
from campaigns.decide import decide
from campaigns.dry_run import DryRun
from campaigns.dry_run.running import reasons
from campaigns.launch import LaunchError
from campaigns.models import Agent, Campaign, Decision, Delivery, Offer, OfferCode, Programme, Throughput
from customers import consent, erasure, keys
from customers.merging import merge
from customers.models import Consent, Customer
from scoring import ranking
from scoring.models import ModelVersion, Score, ScoreRun, Target
from segments.models import Membership, Segment
from tests.campaigns.people import (
    CALL_STEP,
    OFFER_STEP,
    T0,
    campaign,
    customers,
    frame,
    no_changes,
    offer,
    planned,
    score_trigger,
    segment_trigger,
)
from tests.campaigns.turns import buy, tell, turn

pytestmark = [pytest.mark.door, pytest.mark.django_db]
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
HELLO = {"action": "email", "subject": "Hi {{ customer.first_name | default: 'you' }}", "body": "Dear {{ company }}"}
ROW: tuple[str, ...] = (
    "customer_id",
    "round",
    "bucket",
    "outcome",
    "reason",
    "due_at",
    "expires_at",
    "cause",
    "score",
    "arm",
    "draw",
)
ROW += ("probability", "variant")
DRAFT: dict[str, Any] = {"state": "draft", "launched_at": None}


@pytest.fixture(autouse=True)
def two_buckets(settings: Settings, lake: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.BUCKETS, settings.TIME_ZONE = 2, "UTC"
    monkeypatch.setattr(control, "TOGETHER", {"sqlite": 100, "postgresql": 100})


@pytest.fixture
def crowd() -> list[Customer]:
    """Give forty customers of whom some agreed to nothing, have no address, had enough, or are not in the audience."""
    Programme.objects.create(holdout_share=0.1, cap_messages=1, cap_days=7)
    made = customers(40, channels=("email",))
    for one in made:
        one.bucket %= 2
        one.email = None if one.external_id in ("c34", "c35") else one.email
    Customer.objects.bulk_update(made, ["bucket", "email"])
    Consent.objects.filter(customer__in=made[30:34]).delete()
    consent.suppress("email", "c36@example.test", "bounced", T0)
    rule = {"version": 1, "rule": {"field": "external_id", "op": "has_value"}}
    for key, members in (("vip", made[:38]), ("all", made)):
        segment = Segment.objects.create(key=key, name=key.upper(), rule=rule, created_at=T0)
        Membership.objects.bulk_create(
            Membership(segment=segment, customer=one, bucket=one.bucket, since=T0 - 40 * DAY, as_of=T0)
            for one in members
        )
    other = campaign("other", trigger={"kind": "hand"}, audience=Segment.objects.get(key="all"), state="stopped")
    for one in made[:6]:
        planned(one, other, due=T0 - DAY, state="sent", began_at=T0 - DAY)
    return made


def mixed(**changes: Any) -> Campaign:
    """Make a draft with control, a pilot, two variants and a budget."""
    variants = [{"key": "b", "share": 0.5, "step": HELLO}]
    values = {"control_share": 0.2, "pilot_share": 0.9, "variants": variants, "budget": 5.0, "message_cost": 0.5}
    audience = Segment.objects.get(key="vip")
    return campaign("news", **(DRAFT | values | {"steps": [HELLO], "audience": audience} | changes))


def scored(people: list[Customer], values: list[float]) -> None:
    """Publish scores of customers by a live model."""
    target = Target.objects.create(
        key="lapse", label="Lapse", kind="no_event", event="Order Completed", horizon_days=90, created_at=T0
    )
    version = ModelVersion.objects.create(
        target=target,
        number=1,
        state="live",
        learner="x",
        validated="in_folds",
        as_of=T0,
        created_at=T0,
        seed=0,
        customers=2,
        positives=1,
    )
    run = ScoreRun.objects.create(as_of=T0, inputs="x", versions={str(target.pk): version.pk})
    Score.objects.bulk_create(
        Score(run=run, customer=one, target=target, version=version, bucket=one.bucket, as_of=T0, value=value)
        for one, value in zip(people, values, strict=True)
    )
    ranking.rank(run)


def rows(found: DryRun) -> set[tuple[Any, ...]]:
    return set(found.decisions.select(ROW).iter_rows())


def stored() -> set[tuple[Any, ...]]:
    return set(Decision.objects.filter(campaign__key="news").values_list(*ROW))


def everything() -> dict[str, list[str]]:
    """Give all rows of all tables."""
    return {
        model._meta.db_table: sorted(map(repr, model._default_manager.values_list())) for model in apps.get_models()
    }


def launched(news: Campaign) -> None:
    launch.launch(news, None, T0 + HOUR, fires_on_start=True)


def by_score(people: list[Customer]) -> tuple[Campaign, Callable[[], object]]:
    """Let the campaign act on a score of a percentile up."""
    values = [round(0.5 + i / 100, 6) for i in range(len(people))]
    scored(people, values)
    news = mixed(trigger=score_trigger(30, 25) | {"of": "percentile"})

    def live() -> None:
        launched(news)
        whole = ranking.place(frame(people, list(values)), ranking.published())
        decide(whole, no_changes(), T0 + HOUR)
        allocate.allocate(T0 + HOUR)

    return news, live


def by_segment(edge: dict[str, Any]) -> Callable[[list[Customer]], tuple[Campaign, Callable[[], object]]]:
    def made(people: list[Customer]) -> tuple[Campaign, Callable[[], object]]:
        news = mixed(trigger=segment_trigger("all") | edge)

        def live() -> None:
            launched(news)
            decide(frame(people, 0.0), no_changes(), T0 + HOUR)
            allocate.allocate(T0 + HOUR)

        return news, live

    return made


def by_slot(trigger: dict[str, Any]) -> Callable[[list[Customer]], tuple[Campaign, Callable[[], object]]]:
    def made(people: list[Customer]) -> tuple[Campaign, Callable[[], object]]:
        news = mixed(trigger=trigger)

        def live() -> None:
            launch.launch(news, None, T0)
            if trigger["kind"] == "hand":
                slots.by_hand(news, None, T0 + HOUR)
            assert slots.act(T0 + HOUR)

        return news, live

    return made


def by_event(people: list[Customer]) -> tuple[Campaign, Callable[[], object]]:
    """Let some buy after a campaign that waits for it was launched; of others it is too long ago, or too cheap."""
    buy(people[39], -90, value=60.0)
    Segment.objects.filter(key="vip").update(kind="list")
    where = [{"field": "value", "op": ">=", "value": 50}]
    news = mixed(trigger={"kind": "event", "event": "Order Completed", "where": where})
    turn(-2)
    Membership.objects.filter(segment__key="all").delete()
    launch.launch(news, None, T0 - 2 * HOUR)
    for one in people[:37]:
        buy(one, 0.5, value=80.0)
    buy(people[38], 0.5, value=20.0)
    return news, lambda: turn(1)


def by_date(people: list[Customer]) -> tuple[Campaign, Callable[[], object]]:
    for n, one in enumerate(people):
        tell(one, -30, birth_date='"1990-03-01"' if n % 3 else '"1990-03-04"')
    Segment.objects.filter(key="vip").update(kind="list")
    turn(0)
    news = mixed(trigger={"kind": "date", "field": "birth_date", "days": 0, "hour": 9, "yearly": True})

    def live() -> None:
        launched(news)
        turn(1)

    return news, live


@pytest.mark.parametrize(
    "made",
    [
        by_score,
        by_segment({}),
        by_segment({"edge": "stays", "days": 30}),
        pytest.param(by_event, marks=pytest.mark.long),
        pytest.param(by_date, marks=pytest.mark.long),
        by_slot({"kind": "hand"}),
        by_slot({"kind": "schedule", "every": "day", "at": "13:00"}),
    ],
    ids=["score", "segment", "stays", "event", "date", "hand", "schedule"],
)
def test_what_it_says_is_what_the_next_live_pass_decides(
    crowd: list[Customer], made: Callable[[list[Customer]], tuple[Campaign, Callable[[], object]]]
) -> None:
    news, live = made(crowd)
    before = everything()
    found = dry_run.run(news, T0 + HOUR)
    assert everything() == before, "nothing is written"
    assert dry_run.run(news, T0 + HOUR) == found, "the same again is told the same"
    live()
    assert rows(found) == stored()
    told = {one.name for one in found.outcomes}
    assert told >= {"deliver", "control", "held_out", "over_budget"}
    assert {one.name for one in found.variants} == {"main", "b"}
    assert found.getting == Delivery.objects.filter(decision__campaign=news).count() > 0


def by_hand(**changes: Any) -> Campaign:
    """Make a campaign by hand for the forty customers of the segment all; nobody is its control."""
    audience = Segment.objects.get(key="all")
    values = {"trigger": {"kind": "hand"}, "audience": audience, "steps": [HELLO]}
    return campaign("news", **(values | changes))


def tried(**changes: Any) -> DryRun:
    return dry_run.run(by_hand(**changes), T0 + HOUR)


def warned(found: DryRun) -> dict[str, str]:
    return {one.about: one.sentence for one in found.warnings}


@pytest.mark.parametrize(
    "changes",
    [
        {"steps": [OFFER_STEP], "when_limited": "delay", "delay_hours": 200},
        {"most_a_day": 3, "when_limited": "delay", "delay_hours": 200},
        {"steps": [CALL_STEP]},
        {"steps": [{"action": "nothing"}]},
    ],
    ids=["stock", "day", "call", "nothing"],
)
def test_limits_of_every_kind_are_met_as_live(crowd: list[Customer], changes: dict[str, Any]) -> None:
    Programme.objects.update(quiet_from=time(12), quiet_until=time(14))
    Customer.objects.filter(external_id__in=("c10", "c11")).update(time_zone="America/New_York")
    Consent.objects.filter(customer__external_id="c20").update(channel="phone")
    offer()
    Offer.objects.update(stock=1)
    news = by_hand(**changes)
    found = dry_run.run(news, T0 + HOUR)
    slots.by_hand(news, None, T0 + HOUR)
    slots.act(T0 + HOUR)
    assert rows(found) == stored()


def test_who_was_erased_or_merged_away_is_nowhere(crowd: list[Customer]) -> None:
    scored(crowd, [0.9] * 40)
    Programme.objects.update(holdout_share=0.0)
    erasure.erase("c10", T0, "asked")
    merge("c11", "c12", T0)
    gone = {crowd[10].pk, crowd[12].pk}
    for trigger in (score_trigger(), segment_trigger("all"), {"kind": "hand"}):
        found = tried(trigger=trigger)
        assert found.considered == 38
        assert not gone & set(found.decisions["customer_id"])
        assert not {"c10", "c12"} & {one.customer for one in found.messages}
        Campaign.objects.filter(key="news").delete()


def test_a_plan_that_is_not_stored_yet_is_tried_as_well(crowd: list[Customer]) -> None:
    Programme.objects.update(cap_messages=100)
    news = by_hand(budget=7.0, message_cost=1.0, variants=[{"key": "b", "share": 0.5, "step": HELLO}])
    stored_one = dry_run.run(news, T0 + HOUR)
    news.delete()
    assert news.pk is None
    assert rows(dry_run.run(news, T0 + HOUR)) == rows(stored_one)
    assert dry_run.run(news, T0 + HOUR).overlaps == stored_one.overlaps


def test_twenty_messages_are_drawn_as_real_customers_would_get_them(crowd: list[Customer]) -> None:
    found = tried()
    assert len(found.messages) == dry_run.MESSAGES == len({one.customer for one in found.messages})
    one = found.messages[0]
    number = one.customer.removeprefix("c")
    assert (one.subject, one.action, one.variant, one.problem) == (f"Hi First{number}", "email", "", "")
    assert "Dear" in one.text
    assert "/u/example/" in one.html, "a press of its link unsubscribes nobody"
    assert dry_run.run(Campaign.objects.get(key="news"), T0 + 2 * HOUR).messages == found.messages


def test_a_customer_for_whom_it_cannot_be_written_is_told_with_the_reason(crowd: list[Customer]) -> None:
    Customer.objects.filter(pk__in=[one.pk for one in crowd[::2]]).update(first_name=None)
    found = tried(steps=[{"action": "email", "subject": "{{ customer.first_name | default: '' }}", "body": "Hi"}])
    nameless = {one.external_id for one in crowd[::2]}
    refused = {one.customer: one for one in found.messages if one.problem}
    assert set(refused) == {one.customer for one in found.messages} & nameless != set()
    assert {one.problem for one in refused.values()} == {"It cannot be written: the subject is empty."}
    assert all(one.text == one.html == "" for one in refused.values())


def test_reasons_are_told_together_the_most_frequent_first(crowd: list[Customer]) -> None:
    found = tried(most_a_day=5)
    told = [(one.outcome, one.reason) for one in found.reasons]
    assert ("over_budget", "One of 21. 5 messages a day are the most, and 0 of this day's were taken.") in told
    counts = [one.customers for one in found.reasons]
    assert counts == sorted(counts, reverse=True)
    assert sum(counts) + found.other_reasons.customers == found.considered == 40
    many = found.decisions.with_columns(reason=pl.format("Reason {}.", "customer_id"))
    first, rest = reasons(many)
    assert (len(first), rest.reasons, rest.customers) == (20, 20, 20)


def test_it_says_what_it_runs_into(crowd: list[Customer]) -> None:
    offer()
    Offer.objects.update(stock=2)
    Throughput.objects.create(channel="email", per_minute=1)
    Programme.objects.update(is_sending_stopped=True, stopped_why="A wrong price.")
    said = warned(tried(steps=[OFFER_STEP], budget=4.0, message_cost=1.0))
    assert said["sending"] == "All sending is stopped: A wrong price."
    assert said["stock"] == "2 codes of “Ten off” are left: for 19 customers there is none."
    assert said["budget"] == "The budget of 4.00 pays 4 messages more; 21 customers may get one."
    assert "throughput" not in said, "two messages take two minutes"
    Customer.objects.update(email=None)
    assert warned(dry_run.run(Campaign.objects.get(key="news"), T0))["nobody"] == "Nobody would get it now."


def test_calls_are_counted_against_what_the_agents_make(crowd: list[Customer]) -> None:
    Consent.objects.update(channel="phone")
    assert "calls" not in warned(tried(steps=[CALL_STEP])), "no agent has limits"
    Agent.objects.create(user=User.objects.create(username="ada"), calls_a_day=2)
    found = dry_run.run(Campaign.objects.get(key="news"), T0 + HOUR)
    assert found.cost.calls == found.getting > 14
    days = -(-found.getting // 2)
    assert warned(found)["calls"] == (
        f"The agents make 2 calls a day: {found.getting} calls take {days} days. "
        f"A call waits 7 days, so about {found.getting - 14} would not be made."
    )


def test_what_it_costs_is_reckoned_with_codes_as_far_as_they_were_used(crowd: list[Customer]) -> None:
    offer()
    found = tried(steps=[OFFER_STEP], message_cost=0.5)
    many = found.getting
    assert (found.cost.messages, found.cost.codes, found.cost.offers) == (many, many, 10.0 * many)
    assert found.cost.total == 10.5 * many
    states = ["redeemed"] + ["lapsed"] * 3
    OfferCode.objects.bulk_create(
        OfferCode(offer=Offer.objects.get(), customer=crowd[i], code=f"x{i}", state=state, given_at=T0)
        for i, state in enumerate(states)
    )
    again = dry_run.run(Campaign.objects.get(key="news"), T0 + HOUR).cost
    assert again.offers == pytest.approx(again.codes * 0.25 * 10.0)
    assert "if 25 % are redeemed as before" in again.sentence


def test_who_was_contacted_lately_by_others_is_counted(crowd: list[Customer]) -> None:
    Programme.objects.update(cap_messages=100)
    found = tried().overlaps
    outside = {one.external_id for one in crowd[:6]} - {"c0", "c1", "c2", "c3", "c4", "c5"}
    assert outside == set()
    assert (found.days, found.campaigns[0].campaign) == (7, "other")
    assert 0 < found.customers == found.campaigns[0].customers <= 6
    Programme.objects.update(cap_days=1)
    assert dry_run.run(Campaign.objects.get(key="news"), T0 + 2 * HOUR).overlaps.customers == 0


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"trigger": score_trigger(score="gone")}, "trigger.score: there is no score"),
        ({"trigger": segment_trigger("gone")}, "trigger.segment: there is no segment"),
        ({"audience": None}, "audience: is missing"),
        ({"steps": []}, "steps: expects exactly one step"),
        ({"steps": [{"action": "email", "subject": "Hi", "body": "{{ customer.first_name }}"}]}, "steps[0].body: "),
    ],
)
def test_a_plan_that_could_not_be_launched_is_refused_with_its_place(
    crowd: list[Customer], changes: dict[str, Any], says: str
) -> None:
    with pytest.raises(LaunchError) as refused:
        tried(**changes)
    assert str(refused.value).startswith(says)
    answer = caller().get(address())
    assert (answer.status_code, answer.headers["Content-Type"]) == (400, "application/problem+json")
    assert says.startswith(answer.json()["errors"][0]["path"])


def caller(*more: str) -> Client:
    _, token = keys.create("shop", ["campaigns:read", *more], T0)
    return Client(headers={"Authorization": f"Bearer {token}"})


def address() -> str:
    return f"/api/v1/campaigns/{Campaign.objects.get(key='news').public_id}/dry-run/"


def test_other_programs_are_told_and_see_customers_only_with_the_scope_for_them(crowd: list[Customer]) -> None:
    by_hand()
    told = caller("customers:read").get(address()).json()
    assert told["considered"] == 40 == sum(one["customers"] for one in told["outcomes"])
    assert len(told["messages"]) == 20
    assert told["outlook"]["base"]["rate"] is None
    assert told["outlook"]["pays"] is None
    without = caller().get(address()).json()
    assert without.pop("messages") is None
    assert "c1@example" not in str(without)
    assert Client(headers={"Authorization": "Bearer ck_x.y"}).get(address()).status_code == 401
    assert caller().get(address() + "?x=1").status_code == 400
    assert caller().get("/api/v1/campaigns/none/dry-run/").status_code == 404
