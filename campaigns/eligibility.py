"""May these customers be written to at all: consent, an address, and no suppression."""

import polars as pl
from django.db.models import Q

from campaigns.models import Delivery
from customers import bulk
from customers.consent import ADDRESSES, hashes_of
from customers.ids import among as is_one_of
from customers.models import Consent, Customer, Suppression

FEW = 5_000  # customers below which a query names them; above it, their buckets
COUNTED = (Delivery.State.SENDING, Delivery.State.SENT, Delivery.State.UNCERTAIN)
CONTACTS: bulk.Schema = {
    "customer_id": pl.Int64,
    "email": pl.String,
    "phone": pl.String,
    "time_zone": pl.String,
    "country": pl.String,
}
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


def contacts(people: pl.DataFrame) -> pl.DataFrame:
    """Give the addresses of the customers of a frame (`customer_id`, `bucket`), and where they are."""
    rows = Customer.objects.filter(among(people, "id", "bucket")).values_list("id", *list(CONTACTS)[1:])
    return bulk.read(rows, CONTACTS)


def allowed(people: pl.DataFrame, channel: str, topic: str, known: pl.DataFrame | None = None) -> pl.DataFrame:
    """Give the customers of a frame (`customer_id`, `bucket`) with `is_consented`, `has_address`, `is_suppressed`.

    `known` are their contacts, where they were read before. A channel without addresses of its own (push) has none.
    """
    granted = bulk.read(
        Consent.objects.filter(among(people), channel=channel, topic=topic, is_granted=True).values_list("customer_id"),
        {"customer_id": pl.Int64},
    )
    column = ADDRESSES.get(channel)
    addresses = (contacts(people) if known is None else known).select(
        "customer_id", address=pl.col(column) if column else pl.lit(None, pl.String)
    )
    joined = people.select("customer_id").join(addresses, on="customer_id", how="left", maintain_order="left")
    return joined.select(
        "customer_id",
        is_consented=pl.col("customer_id").is_in(granted["customer_id"].implode()),
        has_address=pl.col("address").fill_null("") != "",
        is_suppressed=_suppressed(joined["address"], channel),
    )


def _suppressed(addresses: pl.Series, channel: str) -> pl.Series:
    closed = Suppression.objects.filter(channel=channel).values_list("address_hash")
    hashes = bulk.read(closed, {"address_hash": pl.String})["address_hash"]
    if hashes.is_empty():
        return pl.Series("is_suppressed", [False] * len(addresses), dtype=pl.Boolean)
    return hashes_of(channel, addresses).is_in(hashes.implode()).fill_null(False)
