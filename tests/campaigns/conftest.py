"""What the tests of the cycle start from."""

from collections.abc import Callable, Sequence
from typing import Any

import polars as pl
import pytest

from campaigns import control, stages, tracking
from campaigns.cycle_tasks import Outcome
from campaigns.models import Cycle, Programme
from customers import identity
from customers.models import Customer
from scoring.models import ScoreRun
from segments import definition
from segments.models import Segment
from tests.campaigns import people
from tests.campaigns.cycles import Stages, buy

Stage = Cycle.Stage


@pytest.fixture(autouse=True)
def pieces_of_one_bucket(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every bucket be a piece of work of its own, as with many customers."""
    monkeypatch.setattr(control, "TOGETHER", {"sqlite": 0, "postgresql": 0})


@pytest.fixture(autouse=True)
def links_forgotten() -> None:
    """Let no test know the links that another test's database held."""
    tracking.id_of.cache_clear()
    tracking.url_of.cache_clear()


@pytest.fixture
def done(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Give the list of (stage, bucket) that the cycle's work notes, in place of the real work."""
    noted: list[tuple[str, int]] = []

    def sync(turned: Cycle, buckets: Sequence[int]) -> Outcome:
        noted.extend((Stage.SYNC, bucket) for bucket in buckets)
        run = ScoreRun.objects.create(as_of=turned.as_of, inputs="x")
        Cycle.objects.filter(pk=turned.pk).update(run=run)
        return Outcome({"events": 7})

    def noting(stage: str, counts: dict[str, Any]) -> Callable[[Cycle, Sequence[int]], Outcome]:
        def work(turned: Cycle, buckets: Sequence[int]) -> Outcome:
            noted.extend((stage, bucket) for bucket in buckets)
            return Outcome(counts)

        return work

    decided = {"customers": 2, "entered": 1, "left": 0, "decisions": {"deliver": 1, "control": 2}}
    work: Stages = {
        Stage.SYNC: sync,
        Stage.SCORE: noting(Stage.SCORE, {"scored": 3}),
        Stage.RANK: noting(Stage.RANK, {}),
        Stage.REFRESH: noting(Stage.REFRESH, decided),
        Stage.COUNT: noting(Stage.COUNT, {}),
        Stage.ALLOCATE: noting(Stage.ALLOCATE, {}),
        Stage.DELIVER: noting(Stage.DELIVER, {"deliveries": {"sent": 4}}),
    }
    monkeypatch.setitem(stages.OF_KIND, Cycle.Kind.FULL, work)
    return noted


@pytest.fixture
def buyers() -> list[Customer]:
    """Give five customers, a segment of those who bought, and a live campaign that thanks them when they enter it."""
    known = people.customers(5)
    buy(known[0], people.T0)
    rule = {"version": 1, "rule": {"event": "Order Completed", "count": {">=": 1}}}
    definition.save(Segment(key="buyers", name="Buyers", rule=rule, created_at=people.T0), None, people.T0)
    people.campaign("thanks", trigger=people.segment_trigger("buyers"))
    Programme.objects.update_or_create(pk=1, defaults={"holdout_share": 0.0})
    return known


@pytest.fixture(name="people")
def six_people() -> list[Customer]:
    """Give six customers whom identities point to; nobody is held out."""
    Programme.objects.create(holdout_share=0.0, cap_messages=100)
    made = people.customers(6)
    known = pl.DataFrame({"external_id": [one.external_id for one in made], "known_since": [people.T0] * 6})
    identity.resolve(known.cast({"known_since": pl.Datetime("us", "UTC")}))
    return made
