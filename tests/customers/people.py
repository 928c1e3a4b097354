"""Customers for tests, made by plain functions."""

from datetime import UTC, datetime
from typing import Any

import polars as pl

from customers import identity
from customers.models import Customer, Identity

KNOWN_SINCE = datetime(2020, 1, 1, tzinfo=UTC)


def make_customer(external_id: str, **columns: Any) -> Customer:
    """Store a customer, with the seed, bucket and identity that ingest would give; `columns` are fields of Customer."""
    seeds = identity.seed_of(pl.Series([external_id]))
    columns.setdefault("known_since", KNOWN_SINCE)
    customer = Customer.objects.create(
        external_id=external_id, seed=seeds.item(), bucket=identity.bucket_of(seeds).item(), **columns
    )
    Identity.objects.create(
        customer=customer, kind=Identity.Kind.EXTERNAL, value=external_id, known_at=customer.known_since
    )
    return customer
