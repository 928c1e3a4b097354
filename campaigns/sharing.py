"""Which part of the treated each variant gets: as the plan says, as the results taught, or all to the one chosen."""

from collections.abc import Sequence
from datetime import datetime

from django.db.models import QuerySet

from campaigns.models import Campaign, VariantShares
from campaigns.variants import Variant

FEWEST = 2  # variants, below which there is nothing to share out


def shares_of(campaign: Campaign, shared: Sequence[Variant], as_of: datetime) -> dict[str, float]:
    """Give the shares of a campaign's variants as of a time, by key; together 1.

    Those of an adaptive campaign are of the newest row not after it that speaks of these variants as they are now;
    before the first one they are the plan's.
    """
    planned = {one.key: one.share for one in shared}
    if campaign.chosen_variant in planned:
        return {campaign.chosen_variant: 1.0}
    if campaign.split != Campaign.Split.ADAPTIVE or len(planned) < FEWEST:
        return planned
    newest = learned(campaign).filter(at__lte=as_of).order_by("-at").first()
    if newest is None or newest.shares.keys() != planned.keys():
        return planned
    return {key: float(newest.shares[key]) for key in planned}


def learned(campaign: Campaign) -> "QuerySet[VariantShares]":
    """Give the shares that were learned of a campaign's variants as they are now."""
    rows = VariantShares.objects.filter(campaign=campaign)
    return rows.filter(at__gte=campaign.compared_since) if campaign.compared_since else rows
