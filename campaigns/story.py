"""A campaign's plan in sentences: when, who gets what, and unless what."""

from collections.abc import Iterator
from typing import Any

from campaigns import action_words, campaign_page, programme, trigger_words
from campaigns.models import Campaign, Offer, Programme
from campaigns.stats import FLOOR
from campaigns.trigger_words import Names
from customers.panels import number, share
from segments.models import Segment

METRICS = {"conversion": "conversions", "value": "value", "click": "clicks by people"}


def tell(campaign: Campaign, known: Names) -> list[str]:
    """Give the plan in words, as of Ada, a customer."""
    house = programme.current()
    return [
        trigger_words.told(campaign, known),
        *_gets(campaign),
        *_unless(campaign, house),
        *_shared(campaign),
    ]


def _gets(campaign: Campaign) -> Iterator[str]:
    step: dict[str, Any] = campaign.steps[0] if campaign.steps else {}
    what = action_words.befalls(step)
    if not what:
        yield "Then nothing happens yet."
        return
    segment = Segment.objects.filter(pk=campaign.audience_id).first() if campaign.audience_id else None
    belongs = f"belongs to “{segment}”" if segment else ""
    agreed = f"agreed to “{campaign.topic}”" if action_words.is_contact(step) else ""
    asked = " and ".join(one for one in (belongs, agreed) if one)
    yield f"Then {what}, if she {asked}." if asked else f"Then {what}."
    offer = Offer.objects.filter(key=step.get("offer", "")).first() if step.get("offer") else None
    if offer:
        good = f"good for {number(offer.valid_days)} days"
        yield f"With a code of her own for “{offer}”: {campaign_page.worth(offer)}, {good}."


def _unless(campaign: Campaign, house: Programme) -> Iterator[str]:
    alone = f"unless she is one of the {share(house.holdout_share, 0)} whom all campaigns leave alone"
    control = (
        f" or of the {share(campaign.control_share, 0)} left alone as its control" if campaign.control_share else ""
    )
    yield f"{alone[0].upper()}{alone[1:]}{control}."
    if campaign.steps and not action_words.is_contact(campaign.steps[0]):
        yield "It contacts nobody: no consent is asked for, and neither caps nor quiet hours hold it up."
    else:
        yield _limits(campaign, house)
    if campaign.entry == Campaign.Entry.ONCE:
        yield "She is considered once, and never again."
    elif campaign.entry == Campaign.Entry.DAYS and campaign.cooldown_days:
        yield f"She is not considered again within {number(campaign.cooldown_days)} days."


def _limits(campaign: Campaign, house: Programme) -> str:
    caps = f"she got {number(house.cap_messages)} messages in the last {number(house.cap_days)} days"
    waits = f"waits up to {number(campaign.delay_hours)} hours" if campaign.when_limited == "delay" else "is left"
    quiet = ", or it is her quiet hour" if house.quiet_from and house.quiet_until else ""
    return f"If {caps}{quiet}, it {waits}."


def _shared(campaign: Campaign) -> Iterator[str]:
    if campaign.variants:
        parts = [f"{one.get('key')} {share(one.get('share'), 0)}" for one in campaign.variants]
        yield f"By chance she gets one of the variants: {', '.join(parts)}; who is left, the plan above."
        yield from _compared(campaign)
    if campaign.pilot_share < 1:
        yield f"It is a pilot: only {share(campaign.pilot_share)} of the customers may get it for now."
    if campaign.budget is not None:
        yield f"It spends {number(campaign.budget, 2)} at most; the best scores come first."
    if campaign.most_a_day is not None:
        yield f"It sends {number(campaign.most_a_day)} messages a day at most; the best scores come first."


def _compared(campaign: Campaign) -> Iterator[str]:
    """Say how variants are judged, and what follows."""
    if campaign.chosen_variant:
        yield f"“{campaign.chosen_variant}” was chosen: everybody gets it for now."
    by = METRICS[campaign.winner_metric]
    if campaign.split == Campaign.Split.ADAPTIVE:
        yield f"Once a day more go to what does better by {by}; each variant keeps {share(FLOOR, 0)} at least."
    if campaign.winner == Campaign.Winner.SUGGEST:
        yield f"Where one does best by {by}, you are told."
    elif campaign.winner == Campaign.Winner.AUTOMATIC:
        yield f"Where one does best by {by}, everybody gets it from then on, and you are told."
