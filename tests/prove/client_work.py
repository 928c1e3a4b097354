"""The shop that a generated client pulls segments from, and what changes in it meanwhile."""

import sys

import polars as pl
from django.core.management import execute_from_command_line
from django.utils import timezone

from customers import ingest, keys
from customers.ingest import Records
from customers.keys import Scope
from customers.models import Source
from segments import definition
from segments.models import Segment

PLANS = ("gold", "silver", "none")
EVERY = 5  # customers, one of whom changes her plan
PER_MINUTE = 1_000_000


def fill(size: str) -> None:
    """Store so many customers and a segment for each of their plans; say the secret of a key that reads and pins."""
    now = timezone.now()
    _tell(pl.int_range(int(size), eager=True), 0)
    for plan in PLANS:
        rule = {"version": 1, "rule": {"field": "attributes.plan", "op": "is", "value": plan}}
        definition.save(Segment(key=plan, name=plan.title(), rule=rule), None, now)
    _cycle()
    scopes = (Scope.SEGMENTS_READ, Scope.SEGMENTS_WRITE)
    _, secret = keys.create("client", scopes, now, per_minute=PER_MINUTE)
    sys.stdout.write(f"{secret}\n")


def change(size: str) -> None:
    """Give one customer in five another plan, add a tenth of new ones, and turn the loop once."""
    known = int(size)
    _tell(pl.int_range(0, known, EVERY, eager=True), 1)
    _tell(pl.int_range(known, known + known // 10, eager=True), 0)
    _cycle()


def _tell(numbers: pl.Series, shift: int) -> None:
    """Tell the plans of some customers by their numbers."""
    source, _ = Source.objects.get_or_create(key="shop", defaults={"name": "The shop", "kind": Source.Kind.API})
    plans = pl.Series([f'"{PLANS[(number + shift) % len(PLANS)]}"' for number in numbers])
    told = pl.DataFrame({"line": numbers, "external_id": "c" + numbers.cast(pl.String), "name": "plan", "value": plans})
    ingest.put(Records(read=len(told), attributes=told), source, timezone.now())


def _cycle() -> None:
    execute_from_command_line(["manage.py", "cycle"])
