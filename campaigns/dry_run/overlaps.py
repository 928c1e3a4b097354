"""Who of those who would get it was contacted lately, or is about to be, by other campaigns."""

from datetime import timedelta

import polars as pl
from django.db.models import Q

from campaigns import programme
from campaigns.dry_run.shapes import Overlap, Overlaps
from campaigns.dry_run.tried import Tried
from campaigns.eligibility import COUNTED, IS_CONTACT, WAITING, among
from campaigns.models import Campaign, Decision, Delivery
from customers import bulk
from customers.ids import among as is_one_of

CONTACTED: bulk.Schema = {"customer_id": pl.Int64, "decision_id": pl.Int64}
DECIDED: bulk.Schema = {"decision_id": pl.Int64, "campaign_id": pl.Int64}


def of(tried: Tried) -> Overlaps:
    """Look back as far as the programme's cap counts."""
    days = programme.current().cap_days
    if tried.going.is_empty() or not tried.way.is_contact:
        return Overlaps(days, 0, ())
    lately = Q(state__in=COUNTED, began_at__gt=tried.as_of - timedelta(days=days), began_at__lte=tried.as_of)
    rows = Delivery.objects.filter(IS_CONTACT, lately | Q(state__in=WAITING), among(tried.going))
    found = bulk.read(rows.values_list(*CONTACTED), CONTACTED).join(tried.going, on="customer_id", how="semi")
    decided = Decision.objects.filter(is_one_of("pk", found["decision_id"])).values_list("pk", "campaign_id")
    each = found.join(bulk.read(decided, DECIDED), on="decision_id")
    each = each.filter(pl.col("campaign_id").ne_missing(pl.lit(tried.campaign.pk, pl.Int64)))
    counts = dict(each.group_by("campaign_id").agg(pl.col("customer_id").n_unique()).iter_rows())
    named = Campaign.objects.filter(pk__in=counts)
    overlaps = [Overlap(one.key, one.name, one.state, counts[one.pk]) for one in named]
    overlaps.sort(key=lambda one: (-one.customers, one.campaign))
    return Overlaps(days, each["customer_id"].n_unique(), tuple(overlaps))
