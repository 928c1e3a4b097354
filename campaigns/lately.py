"""How many messages and calls customers got lately: what the programme's cap is about."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl
from django.db.models import Count

from campaigns.eligibility import COUNTED, IS_CONTACT
from campaigns.models import Delivery, Programme
from customers import bulk
from customers.models import Customer

MOST = 20  # contacts that are told one by one; more are told together


@dataclass(frozen=True)
class Lately:
    """Customers by how many contacts began in the last `days`, at most `cap` of which are meant."""

    days: int
    cap: int
    customers: dict[int, int]

    @property
    def mean(self) -> float | None:
        """Give the contacts per customer."""
        people = sum(self.customers.values())
        return sum(many * n for many, n in self.customers.items()) / people if people else None


def read(house: Programme, as_of: datetime) -> Lately:
    """Count what began within the cap's days, as the cap counts it; who got nothing counts with none."""
    since = as_of - timedelta(days=house.cap_days)
    begun = Delivery.objects.filter(IS_CONTACT, state__in=COUNTED, began_at__gt=since, began_at__lte=as_of)
    each = begun.order_by().values("customer").annotate(n=Count("pk")).values_list("n")
    counted = bulk.read(each, {"n": pl.Int64}).group_by(pl.col("n").clip(upper_bound=MOST)).len().sort("n")
    found = {int(many): int(people) for many, people in counted.iter_rows()}
    nobody = Customer.objects.count() - sum(found.values())
    return Lately(house.cap_days, house.cap_messages, ({0: nobody} if nobody > 0 else {}) | found)
