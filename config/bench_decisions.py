"""Half a million decisions: campaigns of several priorities want the same customers, under caps, consent and arms.

And drafts that are tried: for those beyond a score's line, and for everybody.
"""

from collections import Counter
from datetime import datetime, timedelta
from typing import NamedTuple

import polars as pl

from campaigns import decide, looks
from campaigns.models import Campaign, Decision, Delivery, FrequencyCap
from customers import bulk
from customers.models import Customer

CANDIDATES = 500_000
PIECE = 62_500  # customers at a time, as in a bucket of a million
MOST = 250_000  # customers: each is wanted by two campaigns or more
STEP = {"action": "email", "subject": "Hello", "body": "Hello {{ customer.first_name | default: 'there' }}"}
PEOPLE: bulk.Schema = {"customer_id": pl.Int64, "bucket": pl.Int64, "seed": pl.Int64}


class Work(NamedTuple):
    """The campaigns in the order of their priority, and the customers whom all of them want, in pieces."""

    campaigns: list[Campaign]
    pieces: list[pl.DataFrame]


def prepare(at: datetime) -> Work:
    """Make the campaigns and caps, and find the customers."""
    rows = Customer.objects.order_by("bucket", "id").values_list("id", "bucket", "seed")
    people = bulk.read(rows[:MOST], PEOPLE)
    FrequencyCap.objects.create(channel="email", topic="newsletter", messages=1, days=3)
    campaigns = [
        Campaign.objects.create(
            key=f"wanted-{n}",
            name=f"Wanted {n}",
            state=Campaign.State.LIVE,
            trigger={"kind": "hand"},
            steps=[STEP],
            priority=10 * n,
            created_at=at,
            launched_at=at,
        )
        for n in range(1, CANDIDATES // people.height + 1)
    ]
    return Work(campaigns, [firing(piece) for piece in people.iter_slices(PIECE)])


def decide_all(work: Work, at: datetime) -> Counter[str]:
    """Decide for every campaign about every customer, piece by piece; the later see what the earlier planned."""
    counts: Counter[str] = Counter()
    for n, campaign in enumerate(work.campaigns):
        moment = at + timedelta(minutes=n)
        for people in work.pieces:
            counts.update(decide.of(campaign, looks.due(people), moment))
    return counts


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
