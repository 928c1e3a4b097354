"""The demo's own calls, worked by agents until nobody waits any more: what is kept of each, and what it teaches."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import cycle as repeated
from pathlib import Path

import polars as pl
import pytest
from django.contrib.auth.models import User
from django.db import connection

from campaigns import reconcile
from campaigns.calls import hours, outcomes, queue, watch
from campaigns.calls.outcomes import Said
from campaigns.calls.queue import CallRefused, Clock
from campaigns.models import Call, CallTask, Campaign, Programme
from config import demo, demo_data
from customers import consent, history
from customers.models import Event
from scoring import targets, training, training_set
from scoring.learners import LOGISTIC
from scoring.models import Target
from tests.scoring.worlds import few_times, light_learners

pytestmark = [pytest.mark.loop, pytest.mark.door, pytest.mark.once, pytest.mark.django_db]
OPENED = datetime(2012, 3, 5, 9, tzinfo=UTC)  # when the demo is installed, months after its last order
A_CALL, DAY = timedelta(minutes=5), timedelta(days=1)
State, Outcome = CallTask.State, CallTask.Outcome


@pytest.fixture(scope="module")
def ended(installation: Path, retail_csv: Path) -> datetime:
    """Run the demo on a quarter of its customers, and work its queue; give when the last call was over."""
    lines = pl.read_parquet(retail_csv.with_name("online_retail.parquet"))
    path = installation / "retail.parquet"
    lines.filter(pl.col("CustomerID") % 4 == 0).write_parquet(path)
    Programme.objects.update_or_create(pk=1, defaults={"holdout_share": 0.2})
    shop = replace(demo_data.online_retail(path, installation), weeks=5)
    with pytest.MonkeyPatch.context() as patch:
        few_times(patch)
        light_learners(patch)
        patch.setattr(training, "train", partial(training.train, names=(LOGISTIC,)))
        demo.run(shop, lambda said: None, OPENED)
    at = worked()
    connection.check_constraints()
    return at


def worked() -> datetime:
    """Let two agents take the best call, one after the other, until nobody waits.

    Each outcome comes in turn; who asked to be called back is reached then.
    """
    at, clock = OPENED, Clock()
    agents = repeated([User.objects.create(username=name) for name in ("ann", "bob")])
    came: Iterator[str] = repeated(Outcome.values)
    while waiting := list(CallTask.objects.filter(state=State.OPEN).select_related("customer")):
        watch.watch(at)
        agent = next(agents)
        try:
            task = queue.take_next(agent, at)
        except CallRefused:
            allowed = [clock.next_allowed(one.customer, max(at + A_CALL, one.due_at)) for one in waiting]
            at = min(one for one in allowed if one is not None)
            continue
        is_agreed = task.calls.filter(outcome=Outcome.CALL_BACK).exists()
        outcome, over = Outcome.REACHED if is_agreed else next(came), at + A_CALL
        again = clock.next_allowed(task.customer, at + DAY) if outcome == Outcome.CALL_BACK else None
        outcomes.close(task, agent, Said(outcome, "", again, task.tries + 1), over)
        at = over
    return at


def test_every_call_comes_to_its_end_with_every_outcome(ended: datetime) -> None:
    assert CallTask.objects.count() > 20
    assert not CallTask.objects.exclude(state=State.DONE).exists()
    assert set(Call.objects.values_list("outcome", flat=True)) == set(Outcome.values)
    assert ended < OPENED + 7 * DAY


def test_nobody_was_called_outside_her_calling_hours(ended: datetime) -> None:
    clock = Clock()
    for call in Call.objects.select_related("task__customer"):
        assert hours.is_allowed(call.at - A_CALL, clock.place(call.task.customer), clock.own)


def test_each_call_is_told_once_with_its_outcome(ended: datetime) -> None:
    made = Counter(Call.objects.values_list("task__customer", "number", "outcome"))
    told = Counter(
        Event.objects.filter(name="Call Made").values_list("customer", "properties__try", "properties__outcome")
    )
    assert told == made
    assert set(made.values()) == {1}


def test_who_does_not_want_to_be_called_has_a_closed_number(ended: datetime) -> None:
    for task in CallTask.objects.select_related("customer"):
        assert consent.is_suppressed("phone", str(task.customer.phone)) is (task.outcome == Outcome.DO_NOT_CALL)


def test_who_was_reached_is_a_case_to_learn_from(ended: datetime) -> None:
    history.sync()
    reached = Call.objects.filter(outcome=Outcome.REACHED)
    begun = Call.objects.earliest("at").at + DAY
    at = max(reached.latest("at").at, begun + DAY)
    target = Target(
        key="reached",
        label="Reached by phone",
        kind=Target.Kind.EVENT,
        event="Call Made",
        where=[{"field": "properties.outcome", "value": Outcome.REACHED}],
        who=[{"did": "Order Completed", "days": 365}],
        horizon_days=1,
        created_at=at,
    )
    frame = training_set.build(targets.store(target), at).frame
    found = set(frame.filter(pl.col("label").cast(pl.Boolean))["customer_id"])
    assert found
    assert found <= set(reached.values_list("task__customer", flat=True))


def test_the_books_of_the_campaign_add_up(ended: datetime) -> None:
    found = reconcile.reconcile(Campaign.objects.get(key="call-regulars"), ended)
    assert found.is_done, found.sentence()
    assert found.deliveries == {"sent": CallTask.objects.count()}
