"""Writers and readers of the lake, each to be run in a process of the program.

History comes in batches: all rows of a batch are committed at once and carry its number, so that a reader can tell
whether a generation holds whole batches only.
"""

import hashlib
import itertools
import json
import random
import resource
import sys
import time
from datetime import timedelta

import polars as pl
from django.core.management import execute_from_command_line
from django.db import transaction

from customers import bulk, events, history
from customers.history import Lake, Scope
from customers.models import AttributeChange, Customer, Event, Product, Source
from tests.prove import mails

CUSTOMERS = 60
ROWS = 240  # of each table in a batch
MARK = "batch"
PAUSE_SECONDS = 0.02  # between two reads, or else they take both cores


def fill() -> None:
    """Make the customers, and the first batch."""
    mails.customers(CUSTOMERS, "l")
    Source.objects.create(key="prove", name="Prove", kind=Source.Kind.API)
    Product.objects.create(external_id="p")
    _commit(1)
    history.sync()


def write(seed: str) -> None:
    """Commit a batch and bring the lake up to date, for ever; now and then, write all of it afresh. Say each step."""
    rng = random.Random(seed)
    for number in itertools.count(Event.objects.count() // ROWS + 1):
        _commit(number)
        _say("begin")
        history.rebuild() if rng.random() < 0.2 else history.sync()
        _say("done")


def read() -> None:
    """Pin and read the lake, for ever. Say how many batches were there; fail where one is not whole."""
    seen = 0
    while True:
        batches = _whole_batches(history.pin())
        if batches < seen:
            raise AssertionError(f"{batches} batches after {seen}")
        seen = batches
        _say(f"read {batches}")
        time.sleep(PAUSE_SECONDS)


def contents() -> None:
    """Say the number of rows and a digest of every table."""
    lake = history.pin()
    for name in history.TABLES:
        frame = getattr(lake, name)(Scope()).collect()
        frame = frame.sort(frame.columns)
        digest = hashlib.sha256("\n".join(map(str, frame.iter_rows())).encode()).hexdigest()
        _say(f"{name} {len(frame)} {digest}")


def grow() -> None:
    """Commit one more batch."""
    _commit(Event.objects.count() // ROWS + 1)


def limited(largest: str, *command: str) -> None:
    """Run a command of manage.py that may write no file larger than so many bytes."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(largest), resource.RLIM_INFINITY))
    execute_from_command_line(["manage.py", *command])


def _whole_batches(lake: Lake) -> int:
    """Give how many batches the lake holds; raise AssertionError unless each is there as a whole, in every table."""
    everybody = Scope()
    counted = {
        "events": lake.events(everybody).group_by(pl.col("value").cast(pl.Int64)).len(),
        "lines": lake.lines(everybody).group_by(pl.col("quantity").cast(pl.Int64)).len(),
        "attributes": lake.attributes(everybody).group_by(pl.col("value").cast(pl.Int64)).len(),
    }
    held = {name: dict(frame.collect().iter_rows()) for name, frame in counted.items()}
    first = held["events"]
    if set(first.values()) != {ROWS} or sorted(first) != list(range(1, len(first) + 1)):
        raise AssertionError(f"generation {lake.generation} holds a part: {first}")
    if any(other != first for other in held.values()):
        raise AssertionError(f"the tables of generation {lake.generation} differ: {held}")
    return len(first)


def _commit(number: int) -> None:
    at = mails.KNOWN + timedelta(hours=number)
    ids = list(Customer.objects.filter(external_id__startswith="l").values_list("pk", flat=True))
    rows = pl.DataFrame({"customer_id": pl.Series(ids * (ROWS // len(ids)), dtype=pl.Int64)}).with_columns(
        message_id=pl.format(f"{number}-{{}}", pl.int_range(pl.len())),
        known_at=pl.lit(at, dtype=bulk.UTC_MICROSECONDS),
    )
    happened = rows.with_columns(
        name=pl.lit(MARK),
        occurred_at="known_at",
        value=pl.lit(float(number)),
        properties=pl.lit(json.dumps({MARK: number})),
    )
    bought = rows.select("message_id", product_id=Product.objects.get().pk, quantity=pl.lit(float(number)))
    told = rows.select("customer_id", "known_at", name=pl.lit(MARK), value=pl.lit(str(number)))
    with transaction.atomic():
        events.store(happened, bought, Source.objects.get(key="prove"))
        bulk.insert(AttributeChange, told)


def _say(words: str) -> None:
    sys.stdout.write(f"{words}\n")
    sys.stdout.flush()
