"""Whom an offer is for: from when to when, members of its audience, and one code a customer."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

import polars as pl
from django.db.models import Q

from campaigns.eligibility import NAMED, among
from campaigns.models import Offer, OfferCode
from campaigns.steps import offer_of
from campaigns.variants import Variant
from customers import bulk
from segments import bitmaps

State = OfferCode.State
DAY = "%d %B %Y, %H:%M"
BARRED: bulk.Schema = {"customer_id": pl.Int64, "variant": pl.String, "barred": pl.String}


def of_variants(variants: Iterable[Variant]) -> dict[str, Offer]:
    """Give the offers that variants give, by the variants' keys."""
    keys = {one.key: offer_of(one.step) for one in variants}
    wanted = {key for key in keys.values() if key}
    found = (
        {offer.key: offer for offer in Offer.objects.filter(key__in=wanted).select_related("audience")}
        if wanted
        else {}
    )
    return {variant: found[key] for variant, key in keys.items() if key in found}


def barred(people: pl.DataFrame, offers: Mapping[str, Offer], as_of: datetime) -> pl.DataFrame:
    """Give who of some customers (`customer_id`, `bucket`, `variant`) may not have her variant's offer, and why.

    The rows are those of `BARRED`. `offers` are by variant. Whose code has lapsed may have another.
    """
    parts = [pl.DataFrame(schema=BARRED)]
    for variant, offer in offers.items():
        asked = people.filter(pl.col("variant") == variant)
        if not asked.is_empty():
            said = _why_not(asked, offer, as_of)
            parts.append(asked.select("customer_id", "variant", barred=said).drop_nulls("barred"))
    return pl.concat(parts)


class Promised:
    """What the campaigns of one pass have decided to give, so that no customer gets two codes of one offer."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._to: dict[int, pl.DataFrame] = {}

    def barred(self, people: pl.DataFrame, offers: Mapping[str, Offer], as_of: datetime) -> pl.DataFrame:
        """Add to customers (`customer_id`, `bucket`, `variant`) why they may not have their offer, as `barred`."""
        parts = [barred(people, offers, as_of)]
        for variant, offer in offers.items():
            if offer.pk in self._to:
                own = people.filter(pl.col("variant") == variant).join(self._to[offer.pk], on="customer_id", how="semi")
                said = pl.lit(f"Another campaign gives a code of the offer “{offer.name}” just now.")
                parts.append(own.select("customer_id", "variant", barred=said))
        found = pl.concat(parts).unique(["customer_id", "variant"], keep="first", maintain_order=True)
        return people.join(found, on=["customer_id", "variant"], how="left", maintain_order="left")

    def note(self, going: pl.DataFrame, offers: Mapping[str, Offer]) -> None:
        """Remember who gets what (`customer_id`, `variant`)."""
        for variant, offer in offers.items():
            own = going.filter(pl.col("variant") == variant).select("customer_id")
            self._to[offer.pk] = pl.concat([self._to[offer.pk], own]) if offer.pk in self._to else own


def shut(offer: Offer, at: datetime) -> str:
    """Say that an offer has not begun or has ended; "" while it is open."""
    if offer.starts_at is not None and at < offer.starts_at:
        return f"The offer “{offer.name}” begins on {offer.starts_at:{DAY}}."
    if offer.ends_at is not None and offer.ends_at <= at:
        return f"The offer “{offer.name}” ended on {offer.ends_at:{DAY}}."
    return ""


def end_of(offer: Offer, given: datetime) -> datetime:
    """Give until when a code is good that is given at a time."""
    end = given + timedelta(days=offer.valid_days)
    return end if offer.ends_at is None else min(end, offer.ends_at)


def taken(at: datetime) -> Q:
    """Give the condition of codes that keep their customers from another one of the offer."""
    return Q(state__in=(State.RESERVED, State.REDEEMED)) | Q(state=State.GIVEN, valid_until__gte=at)


def has_one(offer: Offer, state: str) -> str:
    """Say what keeps a customer from another code."""
    has = "has redeemed a code" if state == State.REDEEMED else "has a code that is still good"
    return f"The customer {has} of the offer “{offer.name}”."


def outside(offer: Offer) -> str:
    """Say that a customer is not among those an offer is for."""
    return f"Not in the segment {offer.audience}, which the offer “{offer.name}” is for."


def _why_not(asked: pl.DataFrame, offer: Offer, as_of: datetime) -> pl.Series:
    if reason := shut(offer, as_of):
        return pl.Series([reason] * asked.height, dtype=pl.String)
    rows = OfferCode.objects.filter(taken(as_of), among(asked, few=NAMED), offer=offer).values_list(
        "customer_id", "state"
    )
    codes = bulk.read(rows, {"customer_id": pl.Int64, "state": pl.String}).unique("customer_id")
    words = {str(state): has_one(offer, state) for state in OfferCode.TAKEN}
    has = asked.join(codes, on="customer_id", how="left", maintain_order="left")["state"]
    said = has.replace_strict(words, default=None, return_dtype=pl.String)
    if offer.audience_id is None:
        return said
    is_member = bitmaps.members(offer.audience_id, asked)
    return pl.select(pl.when(is_member).then(said).otherwise(pl.coalesce(said, pl.lit(outside(offer))))).to_series()
