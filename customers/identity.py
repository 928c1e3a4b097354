"""Which customer an identifier points to; customers that are new get their seed and bucket here."""

import secrets
from hashlib import blake2b

import numpy as np
import numpy.typing as npt
import polars as pl
from django.conf import settings
from django.db import IntegrityError, transaction

from customers import bulk
from customers.ids import among
from customers.models import PUBLIC_ID_BYTES, Customer, Identity

FEW = 5_000  # up to here ids are asked for one by one; beyond, the whole table is read
RESOLVED: bulk.Schema = {"external_id": pl.String, "customer_id": pl.Int64, "known_since": bulk.UTC_MICROSECONDS}


def seed_of(external_ids: pl.Series) -> pl.Series:
    """Give 64 bits of every id's hash (blake2b of its UTF-8) as signed integers."""
    digests = b"".join(blake2b(value.encode(), digest_size=8).digest() for value in external_ids)
    numbers: npt.NDArray[np.int64] = np.frombuffer(digests, dtype=">i8").astype(np.int64)
    return pl.Series("seed", numbers)


def bucket_of(seeds: pl.Series) -> pl.Series:
    """Give the bucket of every seed: from 0 to settings.BUCKETS - 1."""
    buckets: pl.Series = seeds % settings.BUCKETS
    return buckets.cast(pl.Int64).rename("bucket")


def find(external_ids: pl.Series) -> pl.DataFrame:
    """Give external_id, customer_id and known_since of the ids that point to a customer."""
    wanted = external_ids.drop_nulls().unique().to_frame("external_id")
    if wanted.is_empty():
        return pl.DataFrame(schema=RESOLVED)
    identities = Identity.objects.filter(kind=Identity.Kind.EXTERNAL)
    are_few = len(wanted) <= FEW
    if are_few:
        identities = identities.filter(value__in=wanted["external_id"].to_list())
    rows = identities.values_list("value", "customer_id", "customer__known_since")
    found = bulk.read(rows, RESOLVED) if are_few else bulk.read_columns(rows, RESOLVED)
    return found.join(wanted, on="external_id", how="semi")


def resolve(known: pl.DataFrame, import_id: int | None = None, found: pl.DataFrame | None = None) -> pl.DataFrame:
    """Give external_id and customer_id of all; who is new is created, `known_since` moves only back.

    `known` has external_id and known_since, one row an id; `found` is what `find` gave of them just now, if it was
    asked. The result says in `is_new` who was created. Who is new names the import that told of them, if one did.
    """
    before = find(known["external_id"]) if found is None else found
    new = known.join(before, on="external_id", how="anti")
    if not new.is_empty():
        _create(new, import_id)
    earlier = before.join(known, on="external_id", suffix="_told").filter(
        pl.col("known_since_told") < pl.col("known_since")
    )
    moved = earlier.group_by("customer_id").agg(pl.col("known_since_told").min())
    bulk.update(Customer, moved.rename({"customer_id": "id", "known_since_told": "known_since"}), key=["id"])
    ids = pl.concat([before, find(new["external_id"])]) if not new.is_empty() else before
    return ids.select("external_id", "customer_id", is_new=pl.col("external_id").is_in(new["external_id"].implode()))


def _create(new: pl.DataFrame, import_id: int | None) -> None:
    """Store customers and the identities that point to them; both may be there already."""
    for some in new.iter_slices(FEW):
        with transaction.atomic():
            people = rows_of(some, import_id).with_columns(attributes=pl.lit("{}"))
            bulk.insert(Customer, people, ignore=["external_id"])
            named = Customer.objects.filter(external_id__in=some["external_id"].to_list())
            stored = bulk.read(named.values_list("external_id", "id", "known_since"), RESOLVED)
            hold(stored["customer_id"])
            bulk.insert(Identity, _pointing(stored), ignore=["kind", "value"])


def hold(customer_ids: pl.Series) -> None:
    """Hold customers until the commit, so that nobody merges or erases them while something is stored that names them.

    Raises IntegrityError where one is gone, as a foreign key would.
    """
    ids = customer_ids.unique().sort()
    rows = Customer.objects.select_for_update(no_key=True).filter(among("pk", ids)).order_by("pk")
    if len(rows.values_list("pk")) < len(ids):
        raise IntegrityError("A customer was merged or erased meanwhile.")


def rows_of(new: pl.DataFrame, import_id: int | None) -> pl.DataFrame:
    """Give what a customer's row begins with, for external_id and known_since."""
    seeds = seed_of(new["external_id"])
    return new.select(
        "external_id",
        "known_since",
        public_id=_public_ids(len(new)),
        seed=seeds,
        bucket=bucket_of(seeds),
        told_by_id=pl.lit(import_id, pl.Int64),
    )


def point(created: pl.DataFrame) -> None:
    """Store the identities of customers just created (customer_id, external_id, known_since)."""
    bulk.insert(Identity, _pointing(created))


def _pointing(customers: pl.DataFrame) -> pl.DataFrame:
    external = pl.lit(Identity.Kind.EXTERNAL.value)
    return customers.select("customer_id", kind=external, value="external_id", known_at="known_since")


def _public_ids(count: int) -> pl.Series:
    """Give random 128-bit ids, safe in a URL, as customers.models.new_public_id does one by one."""
    noise = secrets.token_bytes(PUBLIC_ID_BYTES * count)
    parts = [noise[i : i + PUBLIC_ID_BYTES] for i in range(0, len(noise), PUBLIC_ID_BYTES)]
    encoded = pl.Series("public_id", parts, dtype=pl.Binary).bin.encode("base64")
    return (
        encoded.str.replace_all("+", "-", literal=True).str.replace_all("/", "_", literal=True).str.strip_chars_end("=")
    )
