"""What the bench decides is the same whoever shares the work, and in whichever order."""

from collections import Counter
from collections.abc import Sequence

import pytest
from django.conf import settings
from django.db import transaction

from campaigns.models import Cycle, CycleTask, Decision, Delivery
from config import bench_decisions
from tests.campaigns import people
from tests.campaigns.people import T0

pytestmark = [pytest.mark.door, pytest.mark.django_db]
FIELDS = ("campaign__key", "customer", "round", "outcome", "reason", "arm", "draw", "probability", "as_of")


def decided(turns: Sequence[int]) -> tuple[set[object], Counter[str]]:
    """Let workers take pieces by turns; give what was decided, and the counts that they gave. All of it is undone."""
    with transaction.atomic():
        work = bench_decisions.prepare(T0)
        Cycle.objects.update(portion=1)
        workers = [bench_decisions.take_part(bench_decisions.work(), bench_decisions.everybody()) for _ in set(turns)]
        counts = Counter[str]()
        for turn in turns * settings.BUCKETS:
            counts.update(next(workers[turn], Counter()))
        assert set(work.turned.tasks.filter(stage="refresh").values_list("state", flat=True)) == {CycleTask.State.DONE}
        assert Delivery.objects.count() == counts["deliver"]
        found = set(Decision.objects.values_list(*FIELDS))
        bench_decisions.end(work)
        transaction.set_rollback(True)
    return found, counts


def test_two_workers_decide_as_one_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_decisions, "CANDIDATES", 300)
    people.customers(80)
    people.customers(20, first=80, channels=())
    alone, counts = decided([0])
    assert counts["deliver"] > 0 < counts["capped"]
    assert sum(counts.values()) == len(alone) == 300
    assert decided([0, 1]) == decided([1, 0]) == decided([1, 1, 0]) == (alone, counts)
