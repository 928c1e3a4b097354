"""Codes reserved for deliveries: for all of a pass at once when they are planned, and at the gate where one is missing.

Of an offer with a stock or a list, its row is locked first (`stock.stocks`), so that no more go than there are.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import polars as pl
from django.db import IntegrityError, transaction

from campaigns.models import Delivery, Offer, OfferCode
from campaigns.offers import codes, hold, stock, terms
from customers import bulk
from customers.ids import among
from customers.models import Customer
from segments.models import Membership

State = OfferCode.State
PLANNED: bulk.Schema = {"delivery_id": pl.Int64, "decision_id": pl.Int64}


def for_deliveries(planned: pl.DataFrame, offers: Mapping[str, Offer], as_of: datetime) -> None:
    """Reserve codes for the planned deliveries of decisions (`decision_id`, `customer_id`, `variant`).

    `offers` are by variant. Where somebody else was first, or the list is at its end, there is none: the gate says so.
    """
    for variant, offer in offers.items():
        own = planned.filter(pl.col("variant") == variant)
        if own.is_empty():
            continue
        rows = Delivery.objects.filter(among("decision", own["decision_id"]), step=0).values_list("pk", "decision_id")
        own = own.join(bulk.read(rows, PLANNED), on="decision_id", maintain_order="left")
        _lapse(offer, own["customer_id"], as_of)
        if offer.codes_from == Offer.Codes.POOL:
            _from_pool(own, offer)
        else:
            _make(own, offer)


@dataclass(frozen=True)
class Wanted:
    """A delivery that is about to begin, and the offer that it gives."""

    delivery: Delivery
    customer: Customer
    offer: Offer


def at_gate(wanted: Sequence[Wanted], at: datetime) -> dict[int, OfferCode | str]:
    """Give the codes of a few deliveries by their ids, good from `at` on; or the sentence that says why there is none.

    The customers' rows are locked. What was reserved with the decision is found; what is missing is reserved.
    """
    if not wanted:
        return {}
    ids = [one.delivery.pk for one in wanted]
    held = {code.delivery_id: code for code in OfferCode.objects.filter(delivery__in=ids).select_for_update()}
    there = _Others.of(wanted, at)
    stock.stocks({one.offer.pk: one.offer for one in wanted if one.delivery.pk not in held}.values())  # in one order
    found: dict[int, OfferCode | str] = {}
    for one in wanted:
        code = _own(held.get(one.delivery.pk), one)
        found[one.delivery.pk] = there.refusal(one, at) or code or _anew(one, at)
        there.note(one)
    for one in wanted:
        answer = found[one.delivery.pk]
        if isinstance(answer, OfferCode):
            answer.offer, answer.valid_until = one.offer, terms.end_of(one.offer, at)
    OfferCode.objects.bulk_update([code for code in found.values() if isinstance(code, OfferCode)], ["valid_until"])
    return found


@dataclass
class _Others:
    """What else customers have of offers, and who is among those an offer is for."""

    taken: dict[tuple[int, int], tuple[int | None, str]]
    members: set[tuple[int, int]]

    @classmethod
    def of(cls, wanted: Sequence[Wanted], at: datetime) -> "_Others":
        people, offers = {one.customer.pk for one in wanted}, {one.offer.pk for one in wanted}
        rows = OfferCode.objects.filter(terms.taken(at), customer__in=people, offer__in=offers)
        taken = {(row.offer_id, row.customer_id or 0): (row.delivery_id, row.state) for row in rows}
        audiences = {one.offer.audience_id for one in wanted if one.offer.audience_id is not None}
        belongs = Membership.objects.filter(segment__in=audiences, customer__in=people) if audiences else ()
        return cls(taken, {(row.segment_id, row.customer_id) for row in belongs})

    def refusal(self, one: Wanted, at: datetime) -> str:
        """Say why a customer may not have the offer now; "" where she may."""
        if reason := terms.shut(one.offer, at):
            return reason
        other = self.taken.get((one.offer.pk, one.customer.pk))
        if other is not None and other[0] != one.delivery.pk:
            return terms.has_one(one.offer, other[1])
        audience = one.offer.audience_id
        if audience is not None and (audience, one.customer.pk) not in self.members:
            return terms.outside(one.offer)
        return ""

    def note(self, one: Wanted) -> None:
        self.taken.setdefault((one.offer.pk, one.customer.pk), (one.delivery.pk, State.RESERVED))


def _own(code: OfferCode | None, one: Wanted) -> OfferCode | None:
    """Give the delivery's code if it is one of its offer; another is let go of."""
    if code is None or (code.offer_id == one.offer.pk and code.state in OfferCode.HELD):
        return code
    hold.release([one.delivery])
    OfferCode.objects.filter(delivery=one.delivery).update(delivery=None)
    return None


def _anew(one: Wanted, at: datetime) -> OfferCode | str:
    left = stock.stocks([one.offer])[one.offer.key]
    if left.left == 0:
        return left.sentence
    own = pl.DataFrame({"delivery_id": [one.delivery.pk], "customer_id": [one.customer.pk]})
    _lapse(one.offer, own["customer_id"], at)
    if one.offer.codes_from == Offer.Codes.POOL:
        _from_pool(own, one.offer)
    else:
        _make(own, one.offer)
    made = OfferCode.objects.filter(delivery=one.delivery).first()
    return made or terms.has_one(one.offer, State.RESERVED)


def _lapse(offer: Offer, customers: pl.Series, as_of: datetime) -> None:
    """End the codes of customers whose time is over, so that they may have others."""
    given = OfferCode.objects.filter(among("customer", customers), offer=offer, state=State.GIVEN)
    given.filter(valid_until__lt=as_of).update(state=State.LAPSED)


def _make(own: pl.DataFrame, offer: Offer) -> None:
    """Make codes for deliveries (`delivery_id`, `customer_id`), but none for who got one meanwhile."""
    rows = own.select(
        "delivery_id",
        "customer_id",
        offer_id=pl.lit(offer.pk, pl.Int64),
        code=codes.made(offer.key, own.height),
        state=pl.lit(State.RESERVED.value),
    )
    try:
        with transaction.atomic():
            bulk.insert(OfferCode, rows)
    except IntegrityError:  # somebody else was first with some of them
        made = (OfferCode(**row) for row in rows.iter_rows(named=True))
        OfferCode.objects.bulk_create(made, batch_size=5_000, ignore_conflicts=True)


def _from_pool(own: pl.DataFrame, offer: Offer) -> None:
    """Take codes of a list for deliveries (`delivery_id`, `customer_id`), as far as there are any."""
    free = OfferCode.objects.filter(offer=offer, state=State.FREE).order_by("pk")
    ids = list(free.select_for_update(skip_locked=True).values_list("pk", flat=True)[: own.height])
    rows = own.head(len(ids)).select(
        "delivery_id", "customer_id", id=pl.Series(ids, dtype=pl.Int64), state=pl.lit(State.RESERVED.value)
    )
    try:
        with transaction.atomic():
            bulk.update(OfferCode, rows, key=["id"])
    except IntegrityError:  # somebody else was first with some of them
        for row in rows.iter_rows(named=True):
            _take(row)


def _take(row: Mapping[str, Any]) -> None:
    changes = {name: value for name, value in row.items() if name != "id"}
    try:
        with transaction.atomic():
            OfferCode.objects.filter(pk=row["id"]).update(**changes)
    except IntegrityError:
        return
