"""What other programs ask for most: pages of members at any depth, and all members as a file."""

import random
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import NamedTuple

import polars as pl
from django.core.handlers.wsgi import WSGIHandler
from django.test import RequestFactory

from customers import bulk, keys, paging
from customers.keys import Scope
from customers.models import Customer
from segments import definition, exports, membership
from segments.exports import Export
from segments.models import Membership, Segment

PAGES = 300
FIVE = "&fields=country,features.spend_90d,features.orders_365d,scores.lapse,scores.buy"
PEOPLE: bulk.Schema = {"customer_id": pl.Int64, "bucket": pl.Int64}
FORMS = {"csv": exports.CSV, "ndjson": exports.NDJSON, "parquet": exports.PARQUET}


class Asked(NamedTuple):
    """The segment that everybody is in, and the query strings of pages, from its first to its last."""

    segment: Segment
    queries: list[str]
    secret: str


def prepare(at: datetime) -> Asked:
    """Put everybody into a segment, and choose the pages."""
    segment = definition.save(Segment(key="all-of-them", name="All of them", kind=Segment.Kind.LIST), None, at)
    people = bulk.read(Customer.objects.values_list("id", "bucket"), PEOPLE)
    membership.put(segment, people, pl.repeat(True, people.height, dtype=pl.Boolean, eager=True), at)
    _, secret = keys.create("bench", [Scope.SEGMENTS_READ], at, per_minute=100_000)
    depths = sorted(random.Random(1).choices(people["customer_id"].to_list(), k=PAGES))
    cursors = [paging.SIGNER.sign_object({"list": f"members of {segment.public_id}", "after": pk}) for pk in depths]
    return Asked(segment, [f"limit=1000&cursor={one}" for one in cursors], secret)


def address(segment: Segment) -> str:
    """Give the address of a segment's members."""
    return f"/api/v1/segments/{segment.public_id}/members/"


def pages(asked: Asked, more: str = "") -> list[float]:
    """Ask for each page as a web server does, through all that stands before the view; give the seconds of each."""
    handler, told = WSGIHandler(), []
    before = RequestFactory(SERVER_NAME="127.0.0.1", HTTP_AUTHORIZATION=f"Bearer {asked.secret}")
    for query in asked.queries:
        began = time.perf_counter()
        request = before.get(f"{address(asked.segment)}?{query}{more}")
        body = b"".join(handler(request.environ, _begin))
        told.append(time.perf_counter() - began)
        if not body.startswith(b'{"results":'):
            raise RuntimeError(f"A page of members was answered with {body[:300]!r}.")
    return told


def _begin(*_: object) -> Callable[[bytes], object]:
    """Stand for the server, which is told of status and headers first."""
    return bytes.splitlines


def file(asked: Asked, form: str, at: datetime) -> Iterator[bytes]:
    """Give all members as a file, in the parts in which it goes out."""
    return Export(asked.segment, FORMS[form], (), "bench", at).written()


def size(asked: Asked) -> int:
    """Give how many members there are."""
    return Membership.objects.filter(segment=asked.segment).count()
