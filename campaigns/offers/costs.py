"""What one code of an offer costs us when it is redeemed."""

from campaigns.models import Offer, OfferCode
from campaigns.offers import report


def of_one(offer: Offer) -> float | None:
    """Give what is said of the offer, else what it is worth; of percents the mean so far, None before there is one."""
    if offer.cost is not None or not offer.is_percent:
        return offer.value if offer.cost is None else offer.cost
    redeemed = offer.codes.filter(state=OfferCode.State.REDEEMED, order_value__isnull=False).count()
    return report.sum_of_cost(offer) / redeemed if redeemed else None
