"""A stored crowd for the tests of members: customers, their frame, segments, and who is in them."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl

from customers import snapshot
from customers.models import Customer, Identity
from segments import definition, membership
from segments.models import Membership, Segment

AS_OF = datetime(2026, 5, 20, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
GERMAN = {"field": "country", "op": "is", "value": "DE"}
AUSTRIAN = {"field": "country", "op": "is", "value": "AT"}


def people(*countries: str | None) -> pl.DataFrame:
    """Store customers c-0, c-1, ... and give their frame."""
    rows = [
        Customer(external_id=f"c-{n}", public_id=f"p-{n}", bucket=n % 4, seed=n, country=country, known_since=AS_OF)
        for n, country in enumerate(countries)
    ]
    Customer.objects.bulk_create(rows)
    stored = dict(Customer.objects.values_list("external_id", "pk"))
    Identity.objects.bulk_create(
        Identity(customer_id=pk, kind="external", value=name, known_at=AS_OF) for name, pk in stored.items()
    )
    return pl.DataFrame(
        {
            "customer_id": [stored[row.external_id] for row in rows],
            "bucket": [row.bucket for row in rows],
            "seed": [row.seed for row in rows],
            "external_id": [row.external_id for row in rows],
            "country": list(countries),
        },
        schema_overrides={"country": pl.String, "customer_id": pl.Int64, "bucket": pl.Int64},
    )


def saved(key: str, node: Any = GERMAN, **fields: Any) -> Segment:
    return definition.save(Segment(key=key, name=key.title(), rule={"version": 1, "rule": node}, **fields), None, AS_OF)


def cycle(frame: pl.DataFrame, as_of: datetime = AS_OF) -> None:
    """Do what a full cycle does for segments."""
    for bucket in range(4):
        snapshot.store(frame.filter(pl.col("bucket") == bucket), as_of, bucket)
    membership.cut(as_of, [frame])
    membership.refresh(frame, as_of)
    membership.finish(as_of)


def members(key: str) -> list[str]:
    return sorted(Membership.objects.filter(segment__key=key).values_list("customer__external_id", flat=True))


def ids(*names: str) -> Sequence[int]:
    return list(Customer.objects.filter(external_id__in=names).values_list("pk", flat=True))
