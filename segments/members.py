"""The members of a segment, page by page, with scores and other values; who entered and left, in order of commits."""

from collections.abc import Collection
from datetime import datetime
from typing import NamedTuple

import polars as pl
from django.db.models import Exists, F, Max, OuterRef, Q, Sum
from django.db.models.fields.tuple_lookups import Tuple, TupleGreaterThan

from customers import bulk
from customers.columns import Replaced
from customers.ids import among
from customers.models import Customer
from scoring import ranking
from scoring.models import Score, Target
from segments import everybody
from segments.models import Bitmap, Following, Membership, MembershipChange, Segment

ROOM = 2**48  # customers below one place in the order of scores
UNSCORED = ranking.MILLION + 1


MEMBER: bulk.Schema = {"customer_id": pl.Int64, "external_id": pl.String, "since": bulk.UTC_MICROSECONDS}
SCORED: bulk.Schema = {"customer_id": pl.Int64, "value": pl.Float64}
PLACE: bulk.Schema = {"customer_id": pl.Int64, "level": pl.Int64}


class Change(NamedTuple):
    """One customer entered or left; (`xact`, `id`) is where the list goes on after it."""

    external_id: str
    kind: str
    as_of: datetime
    xact: int
    id: int


def state(segment: Segment) -> str:
    """Give what differs whenever somebody entered or left a segment, or a member was erased or merged."""
    counts = {"entered": Sum("entered"), "left": Sum("left"), "lost": Max("segment__following__lost")}
    told = Bitmap.objects.filter(segment=segment).aggregate(**counts)
    return "-".join(str(told[name] or 0) for name in counts)


def by_id(segment: Segment, after: int, limit: int) -> pl.DataFrame:
    """Give members in the order of their numbers: customer_id, level, external_id, since.

    Both tables are bound: else PostgreSQL joins from the first customer on, however far the page is.
    """
    rows = Customer.objects.filter(pk__gt=after, memberships__segment=segment, memberships__customer__gt=after)
    found = bulk.read(rows.order_by("pk").values_list("pk", "external_id", "memberships__since")[:limit], MEMBER)
    return found.with_columns(level=pl.lit(0, pl.Int64))


def by_score(segment: Segment, target: Target, after: int, limit: int, *, is_descending: bool) -> pl.DataFrame:
    """Give what `by_id` gives in the order of a score, those without one last.

    Who left or was erased just now has no external id: the list goes on behind her place.
    """
    level, customer = divmod(after, ROOM)
    scored = Score.objects.filter(run=ranking.published(), target=target)
    places = pl.DataFrame(schema=PLACE)
    if level < UNSCORED:
        mine = scored.filter(Exists(Membership.objects.filter(segment=segment, customer=OuterRef("customer"))))
        value = (ranking.MILLION - level if is_descending else level) / ranking.MILLION
        further = Q(value__lt=value) if is_descending else Q(value__gt=value)
        mine = mine.filter(further | Q(value=value, customer__gt=customer)) if after else mine
        order = "-value" if is_descending else "value"
        found = bulk.read(mine.order_by(order, "customer_id").values_list("customer_id", "value")[:limit], SCORED)
        millionths = (pl.col("value") * ranking.MILLION).round().cast(pl.Int64)
        places = found.select("customer_id", level=ranking.MILLION - millionths if is_descending else millionths)
    if places.height < limit:
        rows = Membership.objects.filter(segment=segment, customer_id__gt=customer if level == UNSCORED else 0)
        rows = rows.filter(~Exists(scored.filter(customer=OuterRef("customer")))).order_by("customer_id")
        ids = bulk.read(rows.values_list("customer_id")[: limit - places.height], {"customer_id": pl.Int64})
        places = pl.concat([places, ids.with_columns(level=pl.lit(UNSCORED, pl.Int64))])
    people = Customer.objects.filter(among("pk", places["customer_id"]), memberships__segment=segment)
    named = bulk.read(people.values_list("pk", "external_id", "memberships__since"), MEMBER)
    return places.join(named, on="customer_id", how="left", maintain_order="left")


def place_of(page: pl.DataFrame) -> int:
    """Give where the list goes on after the last member of a page."""
    pk, level = page.select("customer_id", "level").row(-1)
    return int(level) * ROOM + int(pk)


def values_of(customer_ids: pl.Series, names: Collection[str]) -> pl.DataFrame:
    """Give fields of some customers as of the latest snapshot, a row for each, in their order. Raises NoSnapshot."""
    while True:
        try:
            return everybody.latest().values(customer_ids, names)
        except Replaced:
            continue


def changes(segment: Segment, xact: int, after: int, limit: int) -> list[Change]:
    """Give who entered and left after a place in the order of commits, as far as nobody can still commit before."""
    place = Tuple(F("stored_xact"), F("pk"))
    rows = MembershipChange.objects.filter(TupleGreaterThan(place, (xact, after)), segment=segment)
    if (below := bulk.committed_below()) is not None:
        rows = rows.filter(stored_xact__lt=below)
    columns = ("customer__external_id", "kind", "as_of", "stored_xact", "pk")
    return [Change(*row) for row in rows.order_by("stored_xact", "pk").values_list(*columns)[:limit]]


def newest_change(segment: Segment) -> tuple[int, int]:
    """Give the place after all that is committed now."""
    rows = MembershipChange.objects.filter(segment=segment)
    if (below := bulk.committed_below()) is not None:
        rows = rows.filter(stored_xact__lt=below)
    return rows.order_by("-stored_xact", "-pk").values_list("stored_xact", "pk").first() or (0, 0)


def forgotten(segment: Segment) -> int:
    """Give how often changes of a segment were forgotten, because somebody was erased or merged."""
    return Following.objects.filter(segment=segment).values_list("lost", flat=True).first() or 0
