"""Offers: a code of the customer's own that is worth something for a time, and of which there may be so many.

Reserved with the decision, given when its message is sent, redeemed once, released when it lapses.
"""

from campaigns.offers.hold import give, release, tell
from campaigns.offers.redemption import OfferRefused, redeem
from campaigns.offers.reserve import Wanted, at_gate, for_deliveries
from campaigns.offers.stock import Stock, chooses, keys_of, stocks
from campaigns.offers.stock import of as stock_of
from campaigns.offers.terms import Promised, of_variants

__all__ = [
    "OfferRefused",
    "Promised",
    "Stock",
    "Wanted",
    "at_gate",
    "chooses",
    "for_deliveries",
    "give",
    "keys_of",
    "of_variants",
    "redeem",
    "release",
    "stock_of",
    "stocks",
    "tell",
]
