"""What stands between a customer and a campaign's message now, apart from its trigger, and until when."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

import polars as pl

from campaigns import assignment, offers, programme, quiet, variants
from campaigns.assignment import CONTROL, HOLDOUT, OUTSIDE, Shares
from campaigns.eligibility import COUNTED, IS_CONTACT
from campaigns.explain_words import at
from campaigns.models import Campaign, Delivery, FrequencyCap, Programme
from campaigns.sharing import shares_of
from campaigns.steps import StepError
from campaigns.variants import Variant
from customers import consent, devices
from customers.models import Channel, Consent, ConsentChange, Customer, Suppression
from segments.models import Membership


class Obstacle(NamedTuple):
    """What stands in the way, and what would have to change."""

    is_so: str
    to_change: str


def obstacles(customer: Customer, campaign: Campaign, now: datetime) -> list[Obstacle]:
    """Give everything that would keep the campaign from writing to the customer if she were due now."""
    ours = programme.current()
    try:
        shared = variants.parse(campaign)
    except StepError as error:
        return [Obstacle(f"The campaign cannot act: {error}.", "It would have to be mended.")]
    parts = shares_of(campaign, shared, now)
    shares = Shares(ours.holdout_share, campaign.control_share, campaign.pilot_share, parts)
    way = shared[0].step.channel
    found = [*_state(campaign, ours), *_drawn(customer, campaign, shares)]
    if not way.is_contact:
        return [*found, *_audience(customer, campaign)]
    channel = Channel(way)
    return [
        *found,
        *_reach(customer, campaign, channel),
        *_audience(customer, campaign),
        *_offer(customer, campaign, shared, shares, now),
        *_caps(customer, campaign, ours, channel, now),
        *_quiet(customer, ours, now),
    ]


def _state(campaign: Campaign, ours: Programme) -> Iterator[Obstacle]:
    if campaign.state != Campaign.State.LIVE:
        why = f" {campaign.paused_why}" if campaign.paused_why else ""
        state = campaign.get_state_display().lower()
        change = "Nothing: it was stopped for good." if state == "stopped" else "It would have to be live."
        yield Obstacle(f"“{campaign}” is {state}: it decides about nobody.{why}", change)
    if ours.is_sending_stopped:
        why = f" {ours.stopped_why}" if ours.stopped_why else ""
        yield Obstacle(f"All sending is stopped since {at(ours.stopped_at)}.{why}", "Sending would have to go on.")


def _drawn(customer: Customer, campaign: Campaign, shares: Shares) -> Iterator[Obstacle]:
    """Say whether she is left alone: drawn by a stable hash, with the shares of now."""
    drawn = assignment.assign(pl.Series([customer.seed], dtype=pl.Int64), campaign.key, shares).row(0, named=True)
    arms = {
        HOLDOUT: (f"the {shares.holdout:.0%} whom all campaigns leave alone", "a smaller holdout"),
        CONTROL: (
            f"the {shares.control:.0%} whom “{campaign}” leaves alone, to measure its effect",
            "a smaller control share",
        ),
        OUTSIDE: (f"those outside the pilot of {shares.pilot:.0%}", "a wider pilot"),
    }
    if drawn["arm"] in arms:
        who, change = arms[drawn["arm"]]
        said = f"{customer} is among {who}: the draw is {drawn['draw']:.4f}, and it stays."
        yield Obstacle(said, f"Nothing that the customer does; only {change}.")


def _reach(customer: Customer, campaign: Campaign, channel: Channel) -> Iterator[Obstacle]:
    word, topic = channel.label.lower(), campaign.topic
    granted = Consent.objects.filter(customer=customer, channel=channel, topic=topic).first()
    if granted is None or not granted.is_granted:
        last = ConsentChange.objects.filter(customer=customer, channel=channel, topic=topic, is_granted=False)
        since = last.order_by("-at", "-pk").first()
        said = f"It was withdrawn on {at(since.at)} ({since.source})." if since else "None was ever recorded."
        yield Obstacle(
            f"There is no consent for {word} about “{topic}”. {said}", "The customer would have to agree to it."
        )
    addresses = _addresses(customer, channel)
    if not addresses:
        yield Obstacle(f"There is no address for {word}.", "One would have to be known.")
        return
    hashes = {consent.hash_of(channel, one) for one in addresses}
    shut = list(Suppression.objects.filter(channel=channel, address_hash__in=hashes))
    closed = shut[0] if len(shut) == len(hashes) else None
    if closed:
        said = f"The address for {word} is closed since {at(closed.at)}: {closed.get_reason_display().lower()}."
        yield Obstacle(said, "The suppression would have to be taken away, by somebody who may.")


def _addresses(customer: Customer, channel: Channel) -> list[str]:
    if channel == Channel.PUSH:
        return devices.of([customer.pk]).get(customer.pk, [])
    address = getattr(customer, consent.ADDRESSES[channel])
    return [address] if address else []


def _audience(customer: Customer, campaign: Campaign) -> Iterator[Obstacle]:
    audience = campaign.audience
    if audience and not Membership.objects.filter(segment=audience, customer=customer).exists():
        yield Obstacle(
            f"{customer} is not in the audience, the segment “{audience}”.",
            f"The customer would have to enter “{audience}”.",
        )


def _offer(
    customer: Customer, campaign: Campaign, shared: Sequence[Variant], shares: Shares, now: datetime
) -> Iterator[Obstacle]:
    """Say why she may not have the offer of her variant, and that no code of it is left."""
    seeds = pl.Series([customer.seed], dtype=pl.Int64)
    variant = assignment.shared_out(seeds, campaign.key, shares.variants)["variant"].item()
    given = {key: offer for key, offer in offers.of_variants(shared).items() if key == variant}
    asked = pl.DataFrame({"customer_id": [customer.pk], "bucket": [customer.bucket], "variant": [variant]})
    for said in offers.Promised().barred(asked, given, now)["barred"].drop_nulls():
        yield Obstacle(said, "The customer would have to be one who may have the offer.")
    for offer in given.values():
        if (left := offers.stock_of(offer)).left == 0:
            yield Obstacle(left.sentence, f"Codes of “{offer.name}” would have to lapse, or more be put in stock.")


def _caps(
    customer: Customer, campaign: Campaign, ours: Programme, channel: Channel, now: datetime
) -> Iterator[Obstacle]:
    """Say which caps are full, and when the first message that counts falls out of each."""
    began = Delivery.objects.filter(IS_CONTACT, customer=customer, state__in=COUNTED, began_at__lte=now)
    caps = [FrequencyCap(messages=ours.cap_messages, days=ours.cap_days), *FrequencyCap.objects.order_by("days")]
    for cap in caps:
        if cap.channel not in ("", channel) or cap.topic not in ("", campaign.topic):
            continue
        counted = began.filter(began_at__gt=now - timedelta(days=cap.days))
        counted = counted.filter(channel=cap.channel) if cap.channel else counted
        counted = counted.filter(decision__campaign__topic=cap.topic) if cap.topic else counted
        newest = list(counted.order_by("-began_at").values_list("began_at", flat=True)[: cap.messages])
        if len(newest) == cap.messages and newest[-1] is not None:
            end = newest[-1] + timedelta(days=cap.days)
            yield Obstacle(f"The cap is full: {str(cap).strip()}.", f"There is room again from {at(end)} on.")


def _quiet(customer: Customer, ours: Programme, now: datetime) -> Iterator[Obstacle]:
    """Say whether it is quiet where the customer is, and until when."""
    allowed = quiet.allowed_at(customer, now, ours)
    if allowed is None:
        change = "The time zone would have to be known, or the quiet hours be shorter."
        yield Obstacle(f"There is no hour that is not quiet wherever {customer} may be.", change)
    elif allowed > now:
        yield Obstacle(f"It is quiet where {customer} is.", f"A message may begin from {at(allowed)} on.")
