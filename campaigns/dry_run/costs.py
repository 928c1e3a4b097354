"""What acting on those who match would cost: messages, and codes as far as they are expected to be used."""

from typing import NamedTuple

from campaigns.dry_run.shapes import Cost
from campaigns.dry_run.tried import Tried
from campaigns.models import Offer, OfferCode, Way
from campaigns.offers import costs

State = OfferCode.State
OUT = (State.GIVEN, State.REDEEMED, State.LAPSED)


class _Codes(NamedTuple):
    """What the codes of one offer are expected to cost, if that can be told, and the words for it."""

    total: float | None
    words: str


def of(tried: Tried) -> Cost:
    """Give what those who get their message at once cost."""
    campaign, many = tried.campaign, tried.going.height
    given = {key: number for key, number in tried.codes().items() if number}
    found = Offer.objects.filter(key__in=given).order_by("key")
    codes = [_codes(offer, given[offer.key]) for offer in found]
    known = [one.total for one in codes if one.total is not None]
    expected = sum(known) if len(known) == len(codes) else None
    total = many * campaign.message_cost + (expected or 0.0)
    what = "calls" if tried.way == Way.PHONE else "messages" if tried.way.is_contact else "changes"
    words = [f"{many:,} {what} at {campaign.message_cost:,.2f} each.", *(one.words for one in codes)]
    words += [f"About {total:,.2f} altogether."] if codes and expected is not None else []
    return Cost(
        messages=many,
        calls=many if tried.way == Way.PHONE else 0,
        codes=sum(given.values()),
        a_message=campaign.message_cost,
        offers=expected,
        total=total,
        sentence=" ".join(words),
    )


def _codes(offer: Offer, many: int) -> _Codes:
    """Reckon with the part that was redeemed of the codes given so far; of an offer that is new, with all of them."""
    out = offer.codes.filter(state__in=OUT, given_at__isnull=False).count()
    redeemed = offer.codes.filter(state=State.REDEEMED).count()
    part = redeemed / max(out, redeemed) if redeemed else 1.0
    each = costs.of_one(offer)
    head = f"{many:,} codes of “{offer}”"
    if each is None:
        return _Codes(None, f"{head}: what one costs is not known before one is redeemed.")
    rest = f"if {100 * part:.0f} % are redeemed as before" if redeemed else "if all of them are redeemed"
    return _Codes(many * part * each, f"{head} cost {many * part * each:,.2f}, {rest}.")
