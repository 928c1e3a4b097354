"""May these customers get this now: consent, an address, no suppression, and room below the cap."""

from datetime import datetime, timedelta

import polars as pl
from django.db.models import Q

from campaigns.models import Delivery
from customers import bulk
from customers.consent import ADDRESSES, hashes_of
from customers.ids import among as is_one_of
from customers.models import Consent, Customer, Suppression

FEW = 5_000  # customers below which a query names them; above it, their buckets
COUNTED = (Delivery.State.SENDING, Delivery.State.SENT, Delivery.State.UNCERTAIN)
WAITING = (Delivery.State.PLANNED, Delivery.State.CLAIMED)


def among(people: pl.DataFrame, ids: str = "customer", buckets: str = "customer__bucket") -> Q:
    """Give the condition that keeps a query to these customers when they are few, else to their buckets.

    `ids` and `buckets` name the query's own columns.
    """
    if people.is_empty():
        return Q(**{f"{ids}__lt": 0})  # an empty list is no query at all to Django, and no frame to us
    if people.height <= FEW:
        return is_one_of(ids, people["customer_id"])
    return Q(**{f"{buckets}__in": people["bucket"].unique().to_list()})


def allowed(people: pl.DataFrame, channel: str, topic: str) -> pl.DataFrame:
    """Give the customers of a frame (`customer_id`, `bucket`) with `is_consented`, `has_address`, `is_suppressed`.

    A channel without addresses of its own (push) has none here.
    """
    granted = bulk.read(
        Consent.objects.filter(among(people), channel=channel, topic=topic, is_granted=True).values_list("customer_id"),
        {"customer_id": pl.Int64},
    ).with_columns(is_consented=pl.lit(True))
    joined = people.select("customer_id", "bucket").join(granted, on="customer_id", how="left", maintain_order="left")
    joined = joined.join(_addresses(people, channel), on="customer_id", how="left", maintain_order="left")
    address = joined["address"]
    return joined.select(
        "customer_id",
        is_consented=pl.col("is_consented").fill_null(False),
        has_address=pl.col("address").fill_null("") != "",
        is_suppressed=_suppressed(address, channel),
    )


def messages(people: pl.DataFrame, as_of: datetime, days: int) -> pl.DataFrame:
    """Give `customer_id` and `messages`: what was begun in (as_of - days, as_of], and all that is planned.

    Messages of every campaign and channel count, calls too. Nobody without a message has a row.
    """
    began = Q(state__in=COUNTED, began_at__gt=as_of - timedelta(days=days), began_at__lte=as_of)
    rows = Delivery.objects.filter(began | Q(state__in=WAITING), among(people)).values_list("customer_id")
    found = bulk.read(rows, {"customer_id": pl.Int64})
    return found.group_by("customer_id").agg(messages=pl.len().cast(pl.Int64))


def _addresses(people: pl.DataFrame, channel: str) -> pl.DataFrame:
    schema: bulk.Schema = {"customer_id": pl.Int64, "address": pl.String}
    column = ADDRESSES.get(channel)
    if column is None:
        return pl.DataFrame(schema=schema)
    return bulk.read(Customer.objects.filter(among(people, "id", "bucket")).values_list("id", column), schema)


def _suppressed(addresses: pl.Series, channel: str) -> pl.Series:
    closed = Suppression.objects.filter(channel=channel).values_list("address_hash")
    hashes = bulk.read(closed, {"address_hash": pl.String})["address_hash"]
    if hashes.is_empty():
        return pl.Series("is_suppressed", [False] * len(addresses), dtype=pl.Boolean)
    return hashes_of(channel, addresses).is_in(hashes.implode()).fill_null(False)
