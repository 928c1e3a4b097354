"""May these customers be written to at all: consent, an address, and no suppression."""

from collections.abc import Collection

import polars as pl
from django.db.models import Q

from campaigns.models import Delivery, Way
from customers import bulk
from customers.consent import ADDRESSES, hashes_of
from customers.devices import DEVICE, DEVICES
from customers.ids import among as is_one_of
from customers.models import Consent, Customer, Identity, Suppression

FEW = 5_000  # customers below which a query names them; above it, their buckets
NAMED = 100_000  # customers of a piece of work: where a table has no buckets, to name them takes half of joining them
COUNTED = (Delivery.State.SENDING, Delivery.State.SENT, Delivery.State.UNCERTAIN)
CONTACTS: bulk.Schema = {
    "customer_id": pl.Int64,
    "email": pl.String,
    "phone": pl.String,
    "time_zone": pl.String,
    "country": pl.String,
}
WAITING = (Delivery.State.PLANNED, Delivery.State.CLAIMED)
IS_CONTACT = ~Q(channel=Way.DATA)  # of deliveries


def among(people: pl.DataFrame, ids: str = "customer", buckets: str = "customer__bucket", few: int = FEW) -> Q:
    """Give the condition that keeps a query to these customers when they are few, else to their buckets.

    `ids` and `buckets` name the query's own columns.
    """
    if people.is_empty():
        return Q(**{f"{ids}__lt": 0})  # an empty list is no query at all to Django, and no frame to us
    if people.height <= few:
        return is_one_of(ids, people["customer_id"])
    return Q(**{f"{buckets}__in": people["bucket"].unique().to_list()})


def contacts(people: pl.DataFrame, wanted: Collection[str] = tuple(CONTACTS)) -> pl.DataFrame:
    """Give the addresses of the customers of a frame (`customer_id`, `bucket`), and where they are.

    Columns that are not wanted have no values: texts of a million customers take longer to read than all else.
    """
    schema = {name: kind for name, kind in CONTACTS.items() if name == "customer_id" or name in wanted}
    rows = Customer.objects.filter(among(people, "id", "bucket")).values_list("id", *list(schema)[1:])
    found = (
        bulk.read_columns(rows, schema, absent=schema.keys() - {"customer_id"})
        if len(schema) > 1
        else people.select("customer_id")
    )
    blank = [pl.lit(None, kind).alias(name) for name, kind in CONTACTS.items() if name not in schema]
    return found.with_columns(blank).select(*CONTACTS)


def allowed(people: pl.DataFrame, channel: str, topic: str, known: pl.DataFrame | None = None) -> pl.DataFrame:
    """Give the customers of a frame (`customer_id`, `bucket`) with `is_consented`, `has_address`, `is_suppressed`.

    `known` are their contacts, where they were read before. Who is not contacted needs none of it.
    """
    if not Way(channel).is_contact:
        yes, no = pl.lit(True), pl.lit(False)
        return people.select("customer_id", is_consented=yes, has_address=yes, is_suppressed=no)
    consents = Consent.objects.filter(among(people, few=NAMED), channel=channel, topic=topic, is_granted=True)
    granted = bulk.read_columns(consents.values_list("customer_id"), {"customer_id": pl.Int64})
    is_consented = pl.col("customer_id").is_in(granted["customer_id"].implode())
    if channel == Way.PUSH:
        return people.join(_of_devices(people), on="customer_id", how="left", maintain_order="left").select(
            "customer_id",
            is_consented=is_consented,
            has_address=pl.col("is_open").is_not_null(),
            is_suppressed=~pl.col("is_open").fill_null(True),
        )
    addresses = (contacts(people) if known is None else known).select("customer_id", address=ADDRESSES[channel])
    joined = people.select("customer_id").join(addresses, on="customer_id", how="left", maintain_order="left")
    return joined.select(
        "customer_id",
        is_consented=is_consented,
        has_address=pl.col("address").fill_null("") != "",
        is_suppressed=_suppressed(joined["address"], channel),
    )


def _of_devices(people: pl.DataFrame) -> pl.DataFrame:
    """Give the customers with a device, and whether one of each is open."""
    rows = bulk.read(Identity.objects.filter(among(people, few=NAMED), kind=DEVICE).values_list(*DEVICES), DEVICES)
    opened = rows.select("customer_id", is_open=~_suppressed(rows["value"], Way.PUSH.value))
    return opened.group_by("customer_id").agg(pl.col("is_open").any())


def _suppressed(addresses: pl.Series, channel: str) -> pl.Series:
    closed = Suppression.objects.filter(channel=channel).values_list("address_hash")
    hashes = bulk.read(closed, {"address_hash": pl.String})["address_hash"]
    if hashes.is_empty():
        return pl.Series("is_suppressed", [False] * len(addresses), dtype=pl.Boolean)
    return hashes_of(channel, addresses).is_in(hashes.implode()).fill_null(False)
