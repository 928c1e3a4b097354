"""What other programs ask for most: pages of members at any depth, and all members as a file."""

import random
import time
from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

import polars as pl
from django.test import RequestFactory
from django.urls import resolve

from customers import bulk, keys, paging
from customers.keys import Scope
from customers.models import Customer
from segments import definition, exports, membership
from segments.exports import Export
from segments.models import Membership, Segment

PAGES = 300
PEOPLE: bulk.Schema = {"customer_id": pl.Int64, "bucket": pl.Int64}
FORMS = {"csv": exports.CSV, "ndjson": exports.NDJSON, "parquet": exports.PARQUET}


class Asked(NamedTuple):
    """The segment that everybody is in, and the addresses of pages at random depths."""

    segment: Segment
    addresses: list[str]
    secret: str


def prepare(at: datetime) -> Asked:
    """Put everybody into a segment, and choose the pages."""
    segment = definition.save(Segment(key="all-of-them", name="All of them", kind=Segment.Kind.LIST), None, at)
    people = bulk.read(Customer.objects.values_list("id", "bucket"), PEOPLE)
    membership.put(segment, people, pl.repeat(True, people.height, dtype=pl.Boolean, eager=True), at)
    _, secret = keys.create("bench", [Scope.SEGMENTS_READ], at, per_minute=100_000)
    draws = random.Random(1)
    depths = draws.choices(people["customer_id"].to_list(), k=PAGES)
    cursors = [paging.SIGNER.sign_object({"list": f"members of {segment.public_id}", "after": pk}) for pk in depths]
    return Asked(segment, [f"{address(segment)}?limit=1000&cursor={one}" for one in cursors], secret)


def address(segment: Segment) -> str:
    """Give the address of a segment's members."""
    return f"/api/v1/segments/{segment.public_id}/members/"


def pages(asked: Asked) -> list[float]:
    """Ask for each page by the view that serves it; give the seconds that each took."""
    view = resolve(address(asked.segment))
    told = []
    for one in asked.addresses:
        began = time.perf_counter()
        request = RequestFactory(SERVER_NAME="127.0.0.1").get(one, headers={"Authorization": f"Bearer {asked.secret}"})
        answer = view.func(request, **view.kwargs).render()
        told.append(time.perf_counter() - began)
        if answer.status_code != 200:
            raise RuntimeError(f"A page of members was answered with {answer.status_code}.")
    return told


def file(asked: Asked, form: str, at: datetime) -> Iterator[bytes]:
    """Give all members as a file, in the parts in which it goes out."""
    return Export(asked.segment, FORMS[form], (), "bench", at).written()


def size(asked: Asked) -> int:
    """Give how many members there are."""
    return Membership.objects.filter(segment=asked.segment).count()
