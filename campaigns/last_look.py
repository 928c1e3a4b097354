"""All that is looked at before messages begin: read at once, under the customers' locks, and judged one by one."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

import polars as pl

from campaigns.assignment import held_out
from campaigns.eligibility import COUNTED
from campaigns.models import Campaign, Decision, Delivery, FrequencyCap, Programme
from customers.consent import hash_of
from customers.models import Channel, Consent, Customer, Suppression
from segments.models import Membership

PAUSE = timedelta(minutes=15)  # until a campaign that paused itself is looked at again


class Refused(NamedTuple):
    """A delivery that does not begin: cancelled for good, or planned again, then due at `due_at` where that moves."""

    state: Delivery.State
    reason: str
    due_at: datetime | None = None
    outcome: Decision.Outcome | None = None


class Cap(NamedTuple):
    """At most so many messages in so many days; an empty channel or topic means any."""

    channel: str
    topic: str
    messages: int
    days: int

    def counts(self, channel: str, topic: str) -> bool:
        return self.channel in ("", channel) and self.topic in ("", topic)


class Begun(NamedTuple):
    """A message that counts against the caps."""

    at: datetime
    channel: str
    topic: str


@dataclass(frozen=True)
class Look:
    """What holds for the customers of some deliveries at one moment."""

    rules: Programme
    people: dict[int, Customer]
    caps: Sequence[Cap]
    granted: frozenset[tuple[int, str, str]]
    closed: frozenset[tuple[str, str]]
    held_out: frozenset[int]
    members: frozenset[tuple[int, int]]
    begun: dict[int, list[Begun]] = field(default_factory=lambda: defaultdict(list))

    def note(self, delivery: Delivery, until: datetime) -> None:
        """Count a delivery that begins against those that are judged after it."""
        self.begun[delivery.customer_id].append(Begun(until, delivery.channel, delivery.decision.campaign.topic))


def take(deliveries: Sequence[Delivery], people: dict[int, Customer], rules: Programme, until: datetime) -> Look:
    """Read what the deliveries' customers allow, in a few statements for all of them."""
    caps = [Cap("", "", rules.cap_messages, rules.cap_days)]
    caps += [Cap(*row) for row in FrequencyCap.objects.values_list("channel", "topic", "messages", "days")]
    granted = Consent.objects.filter(customer_id__in=people, is_granted=True)
    look = Look(
        rules=rules,
        people=people,
        caps=caps,
        granted=frozenset(granted.values_list("customer_id", "channel", "topic")),
        closed=_closed(deliveries, people),
        held_out=_held_out(people, rules.holdout_share),
        members=_members(deliveries, people),
    )
    since = until - timedelta(days=max(cap.days for cap in caps))
    # No upper end: what another worker began by a clock ahead of ours counts too.
    counted = Delivery.objects.filter(customer_id__in=people, began_at__gt=since, state__in=COUNTED)
    columns = ("customer_id", "began_at", "channel", "decision__campaign__topic")
    for customer_id, began_at, channel, topic in counted.values_list(*columns):
        if began_at is not None:
            look.begun[customer_id].append(Begun(began_at, channel, topic))
    return look


def address_of(customer: Customer, channel: str) -> str:
    """Give where the channel reaches a customer, or nothing."""
    return (customer.phone if channel == Channel.PHONE else customer.email) or ""


def judge(delivery: Delivery, look: Look, until: datetime) -> Refused | None:
    """Give why a delivery does not begin now, or nothing."""
    if refused := _plan(delivery, until):
        return refused
    if reason := _person(delivery, look):
        return Refused(Delivery.State.CANCELLED, reason)
    return _late(delivery, until) or _capped(delivery, look, until)


def _plan(delivery: Delivery, until: datetime) -> Refused | None:
    decision = delivery.decision
    campaign = decision.campaign
    if decision.outcome not in (Decision.Outcome.DELIVER, Decision.Outcome.DEFERRED):
        reason = f"The decision is now: {decision.get_outcome_display().lower()}."
        return Refused(Delivery.State.CANCELLED, reason)
    if campaign.state == Campaign.State.LIVE:
        return None
    reason = f"The campaign is {campaign.get_state_display().lower()}."
    if campaign.state == Campaign.State.PAUSED and campaign.paused_why:
        return _late(delivery, until) or Refused(Delivery.State.PLANNED, reason, until + PAUSE)
    return Refused(Delivery.State.CANCELLED, reason)


def _person(delivery: Delivery, look: Look) -> str:
    channel, campaign = Channel(delivery.channel), delivery.decision.campaign
    customer = look.people[delivery.customer_id]
    address = address_of(customer, channel)
    if customer.pk in look.held_out:
        return f"Among the {100 * look.rules.holdout_share:g}% whom all campaigns leave alone."
    if not address:
        return "There is no phone number." if channel == Channel.PHONE else f"There is no {_word(channel)} address."
    if (channel, hash_of(channel, address)) in look.closed:
        return "The address is suppressed."
    if (customer.pk, channel, campaign.topic) not in look.granted:
        return f"There is no consent for {channel}:{campaign.topic}."
    if campaign.audience_id is not None and (campaign.audience_id, customer.pk) not in look.members:
        return "The customer has left the campaign's audience."
    return ""


def _word(channel: Channel) -> str:
    return str(channel.label).lower()


def _late(delivery: Delivery, until: datetime) -> Refused | None:
    """Give up what waited too long."""
    expires = delivery.decision.expires_at
    if expires is None or until < expires:
        return None
    reason = f"It waited until {expires:%Y-%m-%d %H:%M}, and is left now: {delivery.decision.reason}"
    return Refused(Delivery.State.CANCELLED, reason, outcome=Decision.Outcome.INELIGIBLE)


def _capped(delivery: Delivery, look: Look, until: datetime) -> Refused | None:
    topic = delivery.decision.campaign.topic
    full = [
        found
        for cap in look.caps
        if cap.counts(delivery.channel, topic)
        if (found := _room(cap, look.begun[delivery.customer_id], until)) is not None
    ]
    if not full:
        return None
    latest = max(full)
    return limited(delivery, latest.sentence, latest.free_at, Decision.Outcome.CAPPED)


class Full(NamedTuple):
    """When a cap lets the next message through, and what it says until then."""

    free_at: datetime
    sentence: str


def _room(cap: Cap, begun: Collection[Begun], until: datetime) -> Full | None:
    since = until - timedelta(days=cap.days)
    counted = sorted(one.at for one in begun if one.at > since and cap.counts(one.channel, one.topic))
    if len(counted) < cap.messages:
        return None
    what = " ".join(["", *(word for word in (cap.channel, cap.topic) if word)])
    sentence = f"{len(counted)}{what} messages in {cap.days} days are enough."
    return Full(counted[len(counted) - cap.messages] + timedelta(days=cap.days), sentence)


def limited(delivery: Delivery, reason: str, free_at: datetime, outcome: Decision.Outcome) -> Refused:
    """Leave a delivery that may not begin before `free_at`, or let it wait, as its campaign wants it."""
    decision = delivery.decision
    campaign = decision.campaign
    if campaign.when_limited == Campaign.Limited.DROP and decision.outcome == Decision.Outcome.DELIVER:
        return Refused(Delivery.State.CANCELLED, reason)
    if free_at >= expires_at(decision):
        return Refused(Delivery.State.CANCELLED, f"{reason} It would wait too long.", outcome=outcome)
    return Refused(Delivery.State.PLANNED, reason, free_at, Decision.Outcome.DEFERRED)


def expires_at(decision: Decision) -> datetime:
    """Give when a decision that waits is given up."""
    return decision.expires_at or decision.due_at + timedelta(hours=decision.campaign.delay_hours)


def _closed(deliveries: Sequence[Delivery], people: dict[int, Customer]) -> frozenset[tuple[str, str]]:
    addresses = ((one.channel, address_of(people[one.customer_id], one.channel)) for one in deliveries)
    asked = {(channel, hash_of(channel, address)) for channel, address in addresses if address}
    hashes = [address_hash for _, address_hash in asked]
    found = Suppression.objects.filter(address_hash__in=hashes).values_list("channel", "address_hash")
    return frozenset(found) if asked else frozenset()


def _held_out(people: dict[int, Customer], share: float) -> frozenset[int]:
    seeds = pl.Series([one.seed for one in people.values()], dtype=pl.Int64)
    return frozenset(pk for pk, is_out in zip(people, held_out(seeds, share), strict=True) if is_out)


def _members(deliveries: Sequence[Delivery], people: dict[int, Customer]) -> frozenset[tuple[int, int]]:
    audiences = {key for one in deliveries if (key := one.decision.campaign.audience_id) is not None}
    if not audiences:
        return frozenset()
    rows = Membership.objects.filter(segment_id__in=audiences, customer_id__in=people)
    return frozenset(rows.values_list("segment_id", "customer_id"))
