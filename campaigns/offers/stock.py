"""How many codes of an offer are left, and whose campaign therefore chooses."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from django.db.models import Q

from campaigns.models import Campaign, Offer, OfferCode

State = OfferCode.State
LIMITED = Q(stock__isnull=False) | Q(codes_from=Offer.Codes.POOL)


@dataclass(frozen=True)
class Stock:
    """So many codes of an offer are left, of so many; None: as many as are wanted."""

    name: str
    total: int | None
    left: int | None

    @property
    def sentence(self) -> str:
        """Say that there are no more."""
        total = self.total or 0
        return f"{total:,} of {total:,} codes of the offer “{self.name}” are taken."


def keys_of(campaign: Campaign) -> set[str]:
    """Give the keys of the offers that a campaign's steps name."""
    others = [one.get("step") for one in _dicts(campaign.variants)]
    named = [step.get("offer") for step in _dicts([*_dicts(campaign.steps), *others])]
    return {key for key in named if isinstance(key, str) and key}


def chooses(campaign: Campaign) -> bool:
    """Say whether a campaign gives codes of which there are only so many, so that it chooses who gets them."""
    keys = keys_of(campaign)
    return bool(keys) and Offer.objects.filter(LIMITED, key__in=keys).exists()


def stocks(offers: Iterable[Offer]) -> dict[str, Stock]:
    """Give what is left of offers, by key; the limited ones are locked until the commit."""
    ids = [offer.pk for offer in offers]
    limited = Offer.objects.filter(LIMITED, pk__in=ids).order_by("pk").select_for_update(no_key=True)
    found = {offer.key: of(offer) for offer in limited}
    return {offer.key: found.get(offer.key) or of(offer) for offer in offers}


def of(offer: Offer) -> Stock:
    """Give what is left of one offer."""
    if offer.codes_from == Offer.Codes.GENERATED and offer.stock is None:
        return Stock(offer.name, None, None)
    codes = OfferCode.objects.filter(offer=offer)
    free, every = None, None
    if offer.codes_from == Offer.Codes.POOL:
        free, every = codes.filter(state=State.FREE).count(), codes.count()
        if offer.stock is None:
            return Stock(offer.name, every, free)
    stock = offer.stock or 0
    left = max(0, stock - codes.filter(state__in=OfferCode.TAKEN).count())
    if free is not None and every is not None and free < left:
        return Stock(offer.name, every, free)
    return Stock(offer.name, stock, left)


def _dicts(data: object) -> list[Mapping[str, object]]:
    return [one for one in data if isinstance(one, dict)] if isinstance(data, list) else []
