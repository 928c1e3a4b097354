"""Who waits outside a pilot: her edge was decided about, only her draw lay beyond the pilot's share."""

import polars as pl
from django.db.models import Exists, OuterRef

from campaigns.assignment import OUTSIDE, in_pilot
from campaigns.models import Campaign, Decision, TriggerState
from customers import bulk

PEOPLE: bulk.Schema = {"customer_id": pl.Int64, "bucket": pl.Int64, "seed": pl.Int64}


def waiting(campaign: Campaign, share: float, bucket: int | None = None) -> pl.DataFrame:
    """Give who still matches, whom a pilot of this share would take in, and whose last decision left her outside."""
    inside = TriggerState.objects.filter(campaign=campaign, customer=OuterRef("customer"), is_inside=True)
    rows = Decision.objects.filter(Exists(inside.filter(round=OuterRef("round"))), campaign=campaign, arm=OUTSIDE)
    if bucket is not None:
        rows = rows.filter(bucket=bucket)
    people = bulk.read(rows.values_list("customer_id", "bucket", "customer__seed"), PEOPLE)
    return people.filter(in_pilot(people["seed"], campaign.key, share)).sort("customer_id")
