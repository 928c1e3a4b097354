"""The members of a segment, page by page, with scores and other values; who entered and left, in order of commits."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import NamedTuple

import polars as pl
from django.db.models import Exists, F, OuterRef, Q
from django.db.models.fields.tuple_lookups import Tuple, TupleGreaterThan

from customers import bulk
from customers.columns import Replaced
from customers.models import Customer
from scoring import ranking
from scoring.models import Score, Target
from segments import everybody
from segments.models import Following, Membership, MembershipChange, Segment

ROOM = 2**48  # customers below one place in the order of scores
UNSCORED = ranking.MILLION + 1


class Member(NamedTuple):
    """One member; `place` is where the list goes on after it. Who was erased or left just now has no external id."""

    customer_id: int
    external_id: str | None
    since: datetime | None
    place: int


class Change(NamedTuple):
    """One customer entered or left; (`xact`, `id`) is where the list goes on after it."""

    external_id: str
    kind: str
    as_of: datetime
    xact: int
    id: int


def by_id(segment: Segment, after: int, limit: int) -> list[Member]:
    """Give members in the order of their numbers. The page is cut within the membership index, before the join."""
    rows = Membership.objects.filter(segment=segment, customer_id__gt=after).order_by("customer_id")
    since = dict(rows.values_list("customer_id", "since")[:limit])
    return _named([(pk, pk) for pk in since], since)


def by_score(segment: Segment, target: Target, after: int, limit: int, *, is_descending: bool) -> list[Member]:
    """Give members in the order of a score, those without one last."""
    level, customer = divmod(after, ROOM)
    scored = Score.objects.filter(run=ranking.published(), target=target)
    places: list[tuple[int, int]] = []
    if level < UNSCORED:
        mine = scored.filter(Exists(Membership.objects.filter(segment=segment, customer=OuterRef("customer"))))
        value = (ranking.MILLION - level if is_descending else level) / ranking.MILLION
        further = Q(value__lt=value) if is_descending else Q(value__gt=value)
        mine = mine.filter(further | Q(value=value, customer__gt=customer)) if after else mine
        order = "-value" if is_descending else "value"
        for pk, found in mine.order_by(order, "customer_id").values_list("customer_id", "value")[:limit]:
            millionths = round(found * ranking.MILLION)
            places.append((pk, (ranking.MILLION - millionths if is_descending else millionths) * ROOM + pk))
    if len(places) < limit:
        rows = Membership.objects.filter(segment=segment, customer_id__gt=customer if level == UNSCORED else 0)
        rows = rows.filter(~Exists(scored.filter(customer=OuterRef("customer")))).order_by("customer_id")
        ids = rows.values_list("customer_id", flat=True)[: limit - len(places)]
        places += [(pk, UNSCORED * ROOM + pk) for pk in ids]
    chosen = Membership.objects.filter(segment=segment, customer_id__in=[pk for pk, _ in places])
    return _named(places, dict(chosen.values_list("customer_id", "since")))


def values_of(customer_ids: Sequence[int], names: Collection[str]) -> dict[int, dict[str, object]]:
    """Give fields of some customers as of the latest snapshot, by id. Raises NoSnapshot."""
    while True:
        try:
            frame = everybody.latest().frame([], names)
        except Replaced:
            continue
        wanted = pl.Series(customer_ids, dtype=pl.Int64)
        rows = frame.filter(pl.col("customer_id").is_in(wanted.implode())).iter_rows(named=True)
        return {row["customer_id"]: {name: row.get(name) for name in names} for row in rows}


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


def _named(places: Sequence[tuple[int, int]], since: dict[int, datetime]) -> list[Member]:
    """Give members in the order of their places."""
    external = dict(Customer.objects.filter(pk__in=list(since)).values_list("pk", "external_id"))
    return [Member(pk, external.get(pk), since.get(pk), at) for pk, at in places]
