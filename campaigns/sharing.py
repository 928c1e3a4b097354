"""Which part of the treated each variant gets: as the plan says, as the results taught, or all to the one chosen."""

from collections.abc import Collection, Sequence
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


def chosen_at(campaign: Campaign) -> datetime:
    """Give since when everybody gets one variant; of one chosen before the launch, since the plan was made."""
    times = [row.at for row in learned(campaign).order_by("at") if len(row.shares) == 1]
    return times[0] if times else campaign.created_at


def note_edit(campaign: Campaign, changed: Collection[str], at: datetime) -> None:
    """Note what an edit of a launched campaign means for the comparison of its variants; the caller saves it.

    Other variants are compared anew, and so they are after a choice was taken back. A choice keeps what was seen.
    """
    is_chosen = "chosen_variant" in changed and bool(campaign.chosen_variant)
    if {"steps", "variants"} & set(changed) or ("chosen_variant" in changed and not is_chosen):
        campaign.compared_since = at
    if is_chosen:
        VariantShares.objects.create(campaign=campaign, at=at, shares={campaign.chosen_variant: 1.0})


def learned(campaign: Campaign) -> "QuerySet[VariantShares]":
    """Give the shares that were learned of a campaign's variants as they are now."""
    rows = VariantShares.objects.filter(campaign=campaign)
    return rows.filter(at__gte=campaign.compared_since) if campaign.compared_since else rows
