"""Files stored, customers part by part: while some are stored the next are read, and memory holds only a few."""

from contextlib import closing
from dataclasses import replace
from datetime import datetime
from typing import NamedTuple

import polars as pl
from django.db import connection

from customers import cleaning, identity, ingest, quality_days, side_by_side
from customers.customer_mapping import People
from customers.events import Progress
from customers.ingest import Result
from customers.models import Import, Source
from customers.prepared import Prepared
from customers.quality_days import Values

CUSTOMERS = {"postgresql": 25_000, "sqlite": 20_000}  # of a part


class Part(NamedTuple):
    """What became of a part of the lines, and the values that they brought."""

    result: Result
    brought: Values


def store(file: Prepared, of_import: Import, source: Source, at: datetime, on_progress: Progress | None) -> Result:
    """Store what a file tells, as `ingest.put` does, and what its values are like."""
    if file.people is not None:
        return _people(file.people, of_import, source, at, on_progress)
    records = replace(file.records, import_id=of_import.pk)
    result = ingest.put(records, source, at, on_progress)
    quality_days.note(of_import, quality_days.brought(records), result, at, records)
    return result


def _people(people: People, of_import: Import, source: Source, at: datetime, on_progress: Progress | None) -> Result:
    told = people.external_ids.to_frame("external_id")
    fit = told["external_id"].filter(~told["external_id"].str.contains(cleaning.NUL, literal=True))
    known = told.join(identity.find(fit), on="external_id", how="left", maintain_order="left")
    numbers = parts_of(known["external_id"], known["customer_id"], CUSTOMERS[connection.vendor])
    order, ends = numbers.arg_sort(), numbers.sort()

    def stored(number: int) -> Part:
        begin, end = (ends.search_sorted(number, side) for side in ("left", "right"))
        places = order.slice(begin, end - begin)
        records = replace(people.part(places).records(), import_id=of_import.pk)
        found = known[places].drop_nulls("customer_id").unique("external_id")
        return Part(ingest.store(records, source, at, found=found), quality_days.brought(records))

    parts, done = list[Part](), 0
    with closing(side_by_side.each(stored, range(numbers.n_unique()))) as each:
        for part in each:
            parts.append(part)
            done += part.result.read
            if on_progress:
                on_progress(done, len(told))
    result = ingest.together([part.result for part in parts])
    ingest.quarantine(result.refused, source, at, of_import.pk)
    fields = dict.fromkeys(field for part in parts for field in part.brought)
    brought = {name: pl.concat(part.brought[name] for part in parts if name in part.brought) for name in fields}
    quality_days.note(of_import, brought, result, at)
    return result


def parts_of(external_ids: pl.Series, customer_ids: pl.Series, customers: int) -> pl.Series:
    """Give the number of each line's part, of so many customers each; all lines of a customer are in the same one."""
    first = pl.col("first")  # line of the same customer
    found = pl.DataFrame({"name": external_ids, "id": customer_ids}).with_row_index("first")
    for same in ("name", "id"):
        told = pl.col(same).is_not_null()
        if not found.select(pl.col(same).drop_nulls().is_unique().all()).item():
            found = found.with_columns(first=pl.when(told).then(first.min().over(same)).otherwise(first))
    return found.select(first.rank("dense").cast(pl.Int64) - 1).to_series() // customers
