"""A dry run decides what the next live pass decides, row for row, and leaves nothing behind."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from pytest_django import Settings

from campaigns import allocate, control, dry_run, launch, slots
from campaigns.decide import decide
from campaigns.dry_run import DryRun
from campaigns.models import (
    Campaign,
    Decision,
    Delivery,
    Programme,
)
from customers import consent
from customers.models import Consent, Customer
from scoring import ranking
from scoring.models import ModelVersion, Score, ScoreRun, Target
from segments.models import Membership, Segment
from tests.campaigns.people import (
    T0,
    campaign,
    customers,
    frame,
    no_changes,
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
    for one in people:
        tell(one, -30, birth_date='"1990-03-01"' if one.pk % 3 else '"1990-03-04"')
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
