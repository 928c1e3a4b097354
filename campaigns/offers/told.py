"""Redemptions told by events: an order, or a coupon that was applied, that names one of our codes."""

from collections.abc import Mapping
from datetime import datetime

import polars as pl
from django.db.models import Exists, OuterRef
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Coalesce, Trim, Upper

from campaigns import news
from campaigns.models import OfferCode
from campaigns.news import Marks
from campaigns.offers import redemption
from customers import bulk

NAMES = ("Order Completed", "Coupon Applied")
COUPON = ("coupon", "coupon_name", "coupon_id")  # as the events' specification and shops call it
TOLD: bulk.Schema = {
    "code": pl.String,
    "at": bulk.UTC_MICROSECONDS,
    "order_value": pl.Float64,
    "customer_id": pl.Int64,
}
State = OfferCode.State


def redeem(after: Marks, until: Marks, as_of: datetime) -> Mapping[str, int]:
    """Redeem the codes that the events between two marks name; give how many were redeemed, and how many refused.

    Events that repeat, and marks that are read again, change nothing. A code that its customer applied to a cart is
    redeemed then; the order that names it later says what it was worth.
    """
    if not OfferCode.objects.exclude(state=State.FREE).exists():
        return {}
    coupon = Coalesce(*(KeyTextTransform(name, "properties") for name in COUPON))
    events = news.learned("events", after, until).filter(name__in=NAMES).annotate(code=Upper(Trim(coupon)))
    ours = OfferCode.objects.filter(code=OuterRef("code")).exclude(state=State.FREE)
    found = bulk.read(events.filter(Exists(ours)).values_list("code", "occurred_at", "value", "customer_id"), TOLD)
    if found.is_empty():
        return {}
    asked = found.with_columns(since="at", offer_id=pl.lit(None, pl.Int64)).select(*redemption.ASKED)
    done = redemption.settle(asked, as_of)
    _add_values(done)
    good = done["refused"].null_count()
    return {"redeemed": good, "not_redeemed": done.height - good}


def _add_values(done: pl.DataFrame) -> None:
    """Note what orders were worth whose codes had been applied before, and said nothing of it."""
    again = done.filter(
        pl.col("why") == "redeemed", pl.col("order_value").is_not_null(), pl.col("customer_id") == pl.col("owner_id")
    )
    silent = OfferCode.objects.filter(pk__in=again["id"].to_list(), state=State.REDEEMED, order_value=None)
    ids = list(silent.values_list("pk", flat=True))
    rows = again.filter(pl.col("id").is_in(ids)).unique("id", keep="first", maintain_order=True)
    bulk.update(OfferCode, rows.select("id", "order_value"), key=["id"])
