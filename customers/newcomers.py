"""Customers who are new, stored whole at once: with their addresses, facts, permissions and what points to them."""

from contextlib import closing
from dataclasses import dataclass
from datetime import datetime

import polars as pl
from django.db import IntegrityError, connection, transaction

from customers import attributes, bulk, consent, identity, side_by_side
from customers.events import Progress
from customers.models import Customer

PORTION = {"postgresql": 50_000, "sqlite": 2_000}  # customers of one transaction
CREATED: bulk.Schema = {"external_id": pl.String, "customer_id": pl.Int64}


@dataclass(frozen=True)
class Told:
    """What was told of customers, by external id: addresses, facts and consents."""

    addresses: pl.DataFrame
    facts: pl.DataFrame
    consents: pl.DataFrame


def store(
    new: pl.DataFrame, told: Told, received: datetime, import_id: int | None, on_progress: Progress | None = None
) -> pl.DataFrame:
    """Store customers that nobody knows (external_id, known_since); give who was stored, and their customer_id.

    Who was stored by somebody else meanwhile is left out.
    """
    size = PORTION[connection.vendor]
    numbered = new.with_row_index("place")
    places = numbered.select("external_id", portion=pl.col("place") // size)
    frames = (told.addresses, told.facts, told.consents)
    told = Told(*(_cut(frame, places) for frame in frames)) if len(new) > size else told

    def stored(portion: int) -> pl.DataFrame:
        some = new.slice(portion * size, size)
        frames = (told.addresses, told.facts, told.consents)
        theirs = Told(*(_of(frame, portion) for frame in frames)) if len(new) > size else told
        try:
            return _store_portion(some, theirs, received, import_id)
        except IntegrityError:  # somebody else was faster with one of them
            return pl.DataFrame(schema=CREATED)

    created = [pl.DataFrame(schema=CREATED)]
    with closing(side_by_side.each(stored, range(-(-len(new) // size)))) as portions:
        for number, ids in enumerate(portions, start=1):
            created.append(ids)
            if on_progress and not ids.is_empty():
                on_progress(min(number * size, len(new)), len(new))
    return pl.concat(created)


def _cut(frame: pl.DataFrame, places: pl.DataFrame) -> pl.DataFrame:
    """Give the rows about newcomers, those of a portion behind each other."""
    theirs = frame.join(places, on="external_id", how="inner", maintain_order="left")
    return theirs.sort("portion", maintain_order=True)


def _of(frame: pl.DataFrame, portion: int) -> pl.DataFrame:
    begin, end = (frame["portion"].search_sorted(portion, side) for side in ("left", "right"))
    return frame.slice(begin, end - begin).drop("portion")


@transaction.atomic
def _store_portion(new: pl.DataFrame, told: Told, received: datetime, import_id: int | None) -> pl.DataFrame:
    ids = new.select("external_id", customer_id=bulk.new_ids(Customer, len(new)))
    changes = attributes.first_changes(_with_ids(told.facts, ids))
    addresses = (
        _with_ids(told.addresses, ids).group_by("customer_id").agg(pl.exclude("customer_id").drop_nulls().last())
    )
    people = identity.rows_of(new, import_id).with_columns(id=ids["customer_id"])
    for extra in (addresses, attributes.latest(changes)):
        people = people.join(extra, left_on="id", right_on="customer_id", how="left", maintain_order="left")
    bulk.insert(Customer, people.with_columns(pl.col("attributes").fill_null("{}")))
    identity.point(new.with_columns(ids["customer_id"]))
    attributes.begin(changes, import_id)
    consent.begin(_with_ids(told.consents, ids), received)
    return ids


def _with_ids(rows: pl.DataFrame, ids: pl.DataFrame) -> pl.DataFrame:
    return rows.join(ids, on="external_id", how="inner", maintain_order="left").drop("external_id")
