"""Real worker processes on PostgreSQL and Redis share a cycle, and one that is killed is made up for."""

import pytest

from tests.prove.home import Home
from tests.prove.installation import BUCKETS, Distributed, wait

pytestmark = pytest.mark.services
FILL = """
from datetime import UTC, datetime
import polars as pl
from campaigns import cycle, tasks
from customers import bulk, identity
from customers.models import Customer
names = [f"c{i}" for i in range(400)]
seeds = identity.seed_of(pl.Series(names))
rows = pl.DataFrame({"external_id": names, "public_id": names, "seed": seeds, "bucket": identity.bucket_of(seeds)})
bulk.insert(Customer, rows.with_columns(attributes=pl.lit("{}"), known_since=datetime(2026, 1, 1, tzinfo=UTC)))
begun = cycle.begin(datetime(2026, 3, 1, 12, tzinfo=UTC))
type(begun).objects.update(portion=1)  # as with many customers: every bucket is a piece of its own
tasks.work_on.delay(begun.pk)
"""


@pytest.fixture
def ours(home: Home) -> Distributed:
    """Give the installation on servers, empty."""
    home.distributed.clear()
    return home.distributed


def count(ours: Distributed, condition: str) -> int:
    return ours.number(f"SELECT count(*) FROM campaigns_cycletask WHERE {condition}")


def test_two_workers_end_a_cycle_though_one_is_killed(ours: Distributed) -> None:
    ours.call("manage.py", "shell", "-c", FILL)
    # The lock stops whoever takes a snapshot, so that the worker is killed in the middle of its buckets.
    with ours.locked("customers_consent", "ACCESS EXCLUSIVE"), ours.worker() as lost:
        wait(lambda: count(ours, "stage = 'score' AND state = 'claimed'") == 2, "claims")
        lost.kill()
    held = count(ours, "state = 'claimed'")
    ours.ask("UPDATE campaigns_cycletask SET lease_until = now() WHERE state = 'claimed'")  # five minutes later
    with ours.worker(), ours.worker():
        ours.wake("resume")
        wait(lambda: ours.ask("SELECT 1 FROM campaigns_cycle WHERE state != 'running'") != [], "the cycle")
    assert held == 2
    assert ours.ask("SELECT state, error FROM campaigns_cycle") == [("done", "")]
    for stage in ("score", "refresh"):
        assert count(ours, f"stage = '{stage}' AND state = 'done'") == BUCKETS
    assert count(ours, "attempts = 2") == held
    assert ours.ask("SELECT (summary->>'customers')::int FROM campaigns_cycle") == [(400,)]


def test_the_scheduler_begins_a_cycle_that_a_worker_ends(ours: Distributed) -> None:
    with ours.worker(), ours.running("celery", "-A", "config", "beat"):
        done = "SELECT 1 FROM campaigns_cycle WHERE kind = 'full' AND state = 'done'"
        wait(lambda: ours.ask(done) != [], "a cycle of the schedule")
    assert count(ours, "state = 'failed'") == 0
