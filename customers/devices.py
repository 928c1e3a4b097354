"""The devices that push messages reach: tokens, each of one customer at a time."""

from collections import defaultdict
from collections.abc import Collection
from datetime import datetime

import polars as pl
from django.db import transaction

from customers import bulk, identity
from customers.ids import among
from customers.models import Identity

DEVICE = Identity.Kind.DEVICE
LONGEST = 200  # of a token, in characters
DEVICES: bulk.Schema = {"customer_id": pl.Int64, "value": pl.String}


def of(customer_ids: Collection[int]) -> dict[int, list[str]]:
    """Give the tokens of some customers, the one known longest first."""
    rows = Identity.objects.filter(among("customer_id", customer_ids), kind=DEVICE).order_by("known_at", "pk")
    found: dict[int, list[str]] = defaultdict(list)
    for customer_id, token in rows.values_list("customer_id", "value"):
        found[customer_id].append(token)
    return dict(found)


def store(told: pl.DataFrame, at: datetime) -> int:
    """Store tokens (customer_id, value); a token that was another's is the last one's, who holds the device now."""
    rows = told.select(pl.col(name).cast(dtype) for name, dtype in DEVICES.items()).unique("value", keep="last")
    known = rows.with_columns(kind=pl.lit(DEVICE.value), known_at=pl.lit(at, bulk.UTC_MICROSECONDS))
    with transaction.atomic():
        identity.hold(known["customer_id"])
        return bulk.upsert(
            Identity, known, key=["kind", "value"], update=["customer_id", "known_at"], compare=["customer_id"]
        )


def remove(token: str) -> bool:
    """Forget a device that takes no more messages. False: there was none."""
    return Identity.objects.filter(kind=DEVICE, value=token).delete()[0] > 0
