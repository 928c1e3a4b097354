"""A campaign's report split by one segment: who was a member when she was first decided about, and who was not.

Membership is that of the decision's time, which no message could change yet; that of today may be what a message did.
"""

from datetime import datetime

import polars as pl

from campaigns import arms, assigned, measure
from campaigns.arms import Way
from campaigns.models import Campaign, Decision
from campaigns.report import Slice
from customers import bulk
from segments.models import MembershipChange, Segment

MOST = 200_000  # decisions that are counted while somebody waits: a second or two
CHANGES: bulk.Schema = {"customer_id": pl.Int64, "as_of": bulk.UTC_MICROSECONDS, "kind": pl.String}


class SplitError(ValueError):
    """A report cannot be split by this segment; the sentence says why."""


def slices(campaign: Campaign, segment: Segment, as_of: datetime) -> tuple[Slice, ...]:
    """Give the arms of the members and of all others. Raises SplitError for more decisions than can be waited for."""
    if Decision.objects.filter(campaign=campaign, as_of__lte=as_of).count() > MOST:
        raise SplitError(f"This campaign has more than {MOST:,} decisions: too many to be split by a segment.")
    counted = assigned.count(assigned.plan_of(campaign), as_of, parted=lambda people: _parted(people, segment))
    sums = arms.with_chances(counted.sums)
    return measure.slices(sums, "part", Way(measure.looks_of(campaign), 0, arms.is_weighted(sums)))


def _parted(people: pl.DataFrame, segment: Segment) -> pl.DataFrame:
    """Give customers with `part`: whether the last change up to the decision was that she entered."""
    rows = MembershipChange.objects.filter(segment=segment).order_by("pk")
    changes = bulk.read(rows.values_list(*CHANGES), CHANGES).sort("as_of", maintain_order=True)
    last = people.sort("as_of", maintain_order=True).join_asof(
        changes, on="as_of", by="customer_id", check_sortedness=False
    )
    is_member = (pl.col("kind") == MembershipChange.Kind.ENTERED).fill_null(False)
    part = pl.when(is_member).then(pl.lit(f"In {segment.name}")).otherwise(pl.lit(f"Not in {segment.name}"))
    return last.with_columns(part=part).drop("kind")
