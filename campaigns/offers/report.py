"""What an offer did: given, redeemed, lapsed and left, its cost, and what went to who would have bought anyway.

Who would have bought anyway can be told from a control group alone. Where c of the control group and t of those with
the offer did what the campaign is for, c / t of those who did it with the offer would have done it without; those who
redeem are taken for such a part of them. The ratio and its interval are of Katz and others (1978), Obtaining confidence
intervals for the risk ratio in cohort studies; a ratio above one counts as one.
"""

from dataclasses import dataclass
from datetime import datetime
from math import sqrt

from django.db.models import Count, F, FloatField, Min, Sum
from django.db.models.functions import Coalesce

from campaigns import measure
from campaigns.models import Campaign, Offer, OfferCode
from campaigns.offers import stock
from campaigns.offers.stock import Stock
from campaigns.stats import Difference, Interval, Proportion, pooled_ratio, wilson

State = OfferCode.State
OUT = (State.GIVEN, State.REDEEMED, State.LAPSED)


@dataclass(frozen=True)
class Anyway:
    """The part of the redemptions by customers who would have bought anyway, its cost, and the words for it."""

    share: Interval | None
    cost: Interval | None
    words: str


@dataclass(frozen=True)
class Report:
    """An offer as of a time."""

    offer: str
    as_of: datetime
    given: int
    redeemed: int
    lapsed: int
    reserved: int
    share: Interval | None
    stock: Stock
    cost: float
    revenue: float
    anyway: Anyway

    @property
    def left(self) -> int | None:
        """Give how many codes are left; None where there is no end of them."""
        return self.stock.left


def report(offer: Offer, as_of: datetime) -> Report:
    """Give what an offer did up to now."""
    counts = dict(offer.codes.order_by().values_list("state").annotate(Count("pk")))
    out = offer.codes.filter(state__in=OUT, given_at__isnull=False).count()
    redeemed = offer.codes.filter(state=State.REDEEMED)
    many = counts.get(State.REDEEMED, 0)
    given = max(out, many)
    total = sum_of_cost(offer)
    revenue = redeemed.aggregate(total=Sum("order_value"))["total"] or 0.0
    return Report(
        offer=offer.key,
        as_of=as_of,
        given=given,
        redeemed=many,
        lapsed=counts.get(State.LAPSED, 0),
        reserved=counts.get(State.RESERVED, 0),
        share=wilson(Proportion(given, many)) if given else None,
        stock=stock.of(offer),
        cost=total,
        revenue=revenue,
        anyway=anyway(offer, total, as_of),
    )


def sum_of_cost(offer: Offer) -> float:
    """Give what the redeemed codes cost: each what is said of the offer, else what it is worth to the customer."""
    redeemed = offer.codes.filter(state=State.REDEEMED)
    if offer.cost is not None or not offer.is_percent:
        return redeemed.count() * (offer.value if offer.cost is None else offer.cost)
    worth = Coalesce(F("order_value"), 0.0, output_field=FloatField()) * (offer.value / 100.0)
    return redeemed.aggregate(total=Sum(worth))["total"] or 0.0


def anyway(offer: Offer, cost: float, as_of: datetime) -> Anyway:
    """Give what went to customers who would have bought anyway, over the campaigns that gave the offer."""
    redeemed = offer.codes.filter(state=State.REDEEMED, delivery__isnull=False)
    counts = dict(redeemed.order_by().values_list("delivery__decision__campaign").annotate(Count("pk")))
    if not counts:
        return Anyway(None, None, "Nothing was redeemed yet.")
    found = [(many, _ratio(Campaign.objects.get(pk=pk), offer, as_of)) for pk, many in sorted(counts.items())]
    known = [(many, ratio.interval) for many, ratio in found if ratio.interval is not None]
    if len(known) < len(found):
        why = next(ratio.message for _, ratio in found if ratio.interval is None)
        return Anyway(None, None, f"How many would have bought anyway cannot be told yet. {why}")
    share = _together(known)
    own = Interval(cost * share.value, cost * share.low, cost * share.high)
    return Anyway(share, own, _words(share, own))


def _ratio(campaign: Campaign, offer: Offer, as_of: datetime) -> Difference:
    """Give how often control did it for each time that those with the offer did."""
    codes = OfferCode.objects.filter(offer=offer, delivery__decision__campaign=campaign).order_by()
    with_offer = set(codes.values_list("delivery__decision__variant", flat=True).distinct())
    arms = measure.closed_arms(campaign, as_of, with_offer)
    if arms is None:
        return Difference(None, f"The arms of “{campaign}” are not as large as the draws make them.")
    treated, control = arms
    if control.customers == 0:
        ripe = "of whom the goal's time has run out" if campaign.control_share else ""
        return Difference(None, f"“{campaign}” has no control group {ripe}".strip() + ".")
    return pooled_ratio([(control.conversions, treated.conversions)])


def _together(found: list[tuple[int, Interval]]) -> Interval:
    """Give the mean over campaigns by their redemptions, at most one; their errors are independent of each other."""
    total = sum(many for many, _ in found)
    value = sum(many * one.value for many, one in found) / total
    below = sqrt(sum((many * (one.value - one.low)) ** 2 for many, one in found)) / total
    above = sqrt(sum((many * (one.high - one.value)) ** 2 for many, one in found)) / total
    return Interval(min(value, 1.0), max(0.0, min(value - below, 1.0)), min(value + above, 1.0))


def _words(share: Interval, cost: Interval) -> str:
    who = "of the redemptions were by customers who would have bought anyway"
    if share.low >= 1.0:
        return f"All {who}: {cost.value:,.0f} of the cost."
    spread = f"({share.low:.0%} to {share.high:.0%})".replace("%", " %")
    told = f"About {share.value:.0%}".replace("%", " %")
    return f"{told} {spread} {who}: {cost.value:,.0f} of the cost ({cost.low:,.0f} to {cost.high:,.0f})."


def since(offer: Offer) -> datetime | None:
    """Give when the first code was given."""
    first: datetime | None = offer.codes.aggregate(first=Min("given_at"))["first"]
    return first
