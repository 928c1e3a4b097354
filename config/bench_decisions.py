"""Half a million decisions: campaigns of several priorities want the same customers, under caps, consent and arms.

And drafts that are tried: for those beyond a score's line, and for everybody.
"""

import time
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import NamedTuple

import polars as pl
from django.conf import settings

from campaigns import cycle, cycle_tasks, decide, looks
from campaigns.cycle_tasks import Outcome
from campaigns.models import Campaign, Cycle, Decision, Delivery, FrequencyCap
from customers import bulk
from customers.models import Customer

CANDIDATES = 500_000
MOST = 250_000  # customers, or some few more: each is wanted by two campaigns or more
KEY = "wanted-"
STEP = {"action": "email", "subject": "Hello", "body": "Hello {{ customer.first_name | default: 'there' }}"}
PEOPLE: bulk.Schema = {"customer_id": pl.Int64, "bucket": pl.Int64, "seed": pl.Int64}


class Work(NamedTuple):
    """The campaigns in the order of their priority, and the cycle whose workers share the customers' buckets."""

    campaigns: list[Campaign]
    turned: Cycle


def prepare(at: datetime) -> Work:
    """Make the campaigns and caps, and the pieces of work, as a cycle has them when it decides."""
    FrequencyCap.objects.create(channel="email", topic="newsletter", messages=1, days=3)
    customers = Customer.objects.count()
    buckets = range(max(1, settings.BUCKETS * min(MOST, customers) // max(1, customers)))
    for n in range(1, round(CANDIDATES / max(1, min(MOST, customers))) + 1):
        Campaign.objects.create(
            key=f"{KEY}{n}",
            name=f"Wanted {n}",
            state=Campaign.State.LIVE,
            trigger={"kind": "hand"},
            steps=[STEP],
            priority=10 * n,
            created_at=at,
            launched_at=at,
        )
    turned = cycle.begin(at)
    Cycle.objects.filter(pk=turned.pk).update(stage=Cycle.Stage.REFRESH)
    cycle_tasks.plan(turned, Cycle.Stage.REFRESH, buckets)
    return work()


def work() -> Work:
    """Give what was prepared."""
    campaigns = Campaign.objects.filter(key__startswith=KEY).order_by("priority")
    return Work(list(campaigns), Cycle.objects.get(kind=Cycle.Kind.FULL, state=Cycle.State.RUNNING))


def everybody() -> pl.DataFrame:
    """Give all customers, as those who are due."""
    rows = Customer.objects.order_by("bucket", "id").values_list("id", "bucket", "seed")
    return looks.due(firing(bulk.read(rows, PEOPLE)))


def take_part(of: Work, people: pl.DataFrame) -> Iterator[Counter[str]]:
    """Decide about the customers of some buckets after others, as long as any are left; give the counts of each piece.

    A campaign decides about a piece in a transaction of its own. The later see what the earlier planned.
    """
    while tasks := cycle_tasks.claim_together(of.turned, of.turned.portion):
        began, counts = time.perf_counter(), Counter[str]()
        own = people.filter(pl.col("bucket").is_in([task.bucket for task in tasks]))
        for n, campaign in enumerate(of.campaigns):
            counts.update(decide.of(campaign, own, of.turned.as_of + timedelta(minutes=n)))
        for task in tasks:
            cycle_tasks.close(task, Outcome({}), began, len(tasks))
        yield counts


def end(of: Work) -> None:
    """Take the pieces of work away: no cycle was turned."""
    Cycle.objects.filter(pk=of.turned.pk).delete()


def drafts(at: datetime) -> dict[str, Campaign]:
    """Make drafts for the likely to lapse, and for everybody, whom a budget has to choose among in one of them."""
    limits = {"a score's line": (0.7, None), "everybody": (0.0, None), "everybody, on a budget": (0.0, 1_000.0)}
    return {
        name: Campaign.objects.create(
            key=f"tried-{n}",
            name=f"Tried {n}",
            trigger={"kind": "score", "score": "lapse", "direction": "above", "enter": line, "leave": line},
            steps=[STEP],
            budget=budget,
            message_cost=0.01,
            created_at=at,
        )
        for n, (name, (line, budget)) in enumerate(limits.items())
    }


def written(work: Work) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Give the values of the decisions and deliveries that were written, as numbers and texts."""
    decided = ("id", "public_id", "campaign_id", "customer_id", "round", "bucket", "outcome", "reason", "arm", "draw")
    planned = ("id", "public_id", "decision_id", "customer_id", "channel", "state")
    kinds: bulk.Schema = {"public_id": pl.String, "outcome": pl.String, "reason": pl.String, "arm": pl.String}
    kinds |= {"draw": pl.Float64, "channel": pl.String, "state": pl.String}
    rows = Decision.objects.filter(campaign__in=work.campaigns).values_list(*decided)
    deliveries = Delivery.objects.filter(decision__campaign__in=work.campaigns).values_list(*planned)
    schemas = ({name: kinds.get(name, pl.Int64) for name in names} for names in (decided, planned))
    return bulk.read(rows, next(schemas)), bulk.read(deliveries, next(schemas))


def firing(people: pl.DataFrame) -> pl.DataFrame:
    """Say of customers that they are due for the first time."""
    nothing, never = pl.lit(None, pl.Float64), pl.lit(None, bulk.UTC_MICROSECONDS)
    told = people.with_columns(cause=pl.lit("hand"), value=nothing, score=nothing, happened_at=never, fired_at=never)
    return told.with_columns(round=pl.lit(0, pl.Int64), fires=True, is_inside=True, is_late=False)
