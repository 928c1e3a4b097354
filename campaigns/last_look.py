"""All that is looked at before messages begin: read at once, under the customers' locks, and judged one by one."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property, partial
from typing import NamedTuple

import polars as pl

from campaigns import caps, deferral, programme, quiet
from campaigns.assignment import held_out
from campaigns.caps import Cap
from campaigns.deferral import Limits, Message, Ruling
from campaigns.models import Campaign, Decision, Delivery, Programme
from customers.consent import hash_of
from customers.models import Channel, Consent, Customer, Suppression
from segments.models import Membership

Outcome = Decision.Outcome
PAUSE = timedelta(minutes=15)  # until a campaign that paused itself is looked at again


class Refused(NamedTuple):
    """A delivery that does not begin: cancelled for good, or planned again; with what that makes of its decision."""

    state: Delivery.State
    reason: str
    ruling: Ruling | None = None


class Run:
    """What is read once in a run of deliveries: the caps, and where a customer may be of whom we know no place."""

    @cached_property
    def caps(self) -> tuple[Cap, ...]:
        return caps.current(programme.current())

    @cached_property
    def _zones(self) -> frozenset[str]:
        return quiet.elsewhere()

    def elsewhere(self) -> frozenset[str]:
        """Give the zones of all our customers."""
        return self._zones


@dataclass(frozen=True)
class Look:
    """What holds for the customers of some deliveries at one moment."""

    rules: Programme
    people: dict[int, Customer]
    messages: dict[int, list[Message]]
    granted: frozenset[tuple[int, str, str]]
    closed: frozenset[tuple[str, str]]
    held_out: frozenset[int]
    members: frozenset[tuple[int, int]]
    run: Run

    def note(self, delivery: Delivery, until: datetime) -> None:
        """Count a delivery that begins against those that are judged after it."""
        kept = [one for one in self.messages.get(delivery.customer_id, []) if one.delivery_id != delivery.pk]
        topic = delivery.decision.campaign.topic
        kept.append(Message(delivery.pk, delivery.priority, True, until, delivery.channel, topic))
        self.messages[delivery.customer_id] = kept

    def limits(self, customer: Customer) -> Limits:
        """Give what limits the messages to one of the customers."""
        allowed_at = partial(quiet.allowed_at, customer, programme=self.rules, others=self.run.elsewhere)
        return Limits(self.run.caps, self.messages.get(customer.pk, []), allowed_at)


def take(
    deliveries: Sequence[Delivery], people: dict[int, Customer], rules: Programme, until: datetime, run: Run
) -> Look:
    """Read what the deliveries' customers allow, in a few statements for all of them."""
    granted = Consent.objects.filter(customer_id__in=people, is_granted=True)
    return Look(
        rules=rules,
        people=people,
        messages=deferral.messages(people, until, run.caps),
        granted=frozenset(granted.values_list("customer_id", "channel", "topic")),
        closed=_closed(deliveries, people),
        held_out=_held_out(people, rules.holdout_share),
        members=_members(deliveries, people),
        run=run,
    )


def address_of(customer: Customer, channel: str) -> str:
    """Give where the channel reaches a customer, or nothing."""
    return (customer.phone if channel == Channel.PHONE else customer.email) or ""


def judge(delivery: Delivery, look: Look, until: datetime) -> Refused | None:
    """Give why a delivery does not begin now, or nothing."""
    if refused := _plan(delivery, until):
        return refused
    if reason := _person(delivery, look):
        return Refused(Delivery.State.CANCELLED, reason, Ruling(Outcome.INELIGIBLE, reason))
    ruling = deferral.judge(delivery, look.limits(look.people[delivery.customer_id]), until)
    if ruling.outcome == Outcome.DELIVER:
        return None
    state = Delivery.State.PLANNED if ruling.outcome == Outcome.DEFERRED else Delivery.State.CANCELLED
    return Refused(state, ruling.limit, ruling)


def _plan(delivery: Delivery, until: datetime) -> Refused | None:
    decision = delivery.decision
    campaign = decision.campaign
    if decision.outcome not in (Outcome.DELIVER, Outcome.DEFERRED):
        reason = f"The decision is now: {decision.get_outcome_display().lower()}."
        return Refused(Delivery.State.CANCELLED, reason)
    if campaign.state == Campaign.State.LIVE:
        return None
    reason = f"The campaign is {campaign.get_state_display().lower()}."
    expires_at = deferral.expiry(decision)
    if campaign.state == Campaign.State.PAUSED and campaign.paused_why and until + PAUSE < expires_at:
        return Refused(Delivery.State.PLANNED, reason, Ruling(Outcome.DEFERRED, reason, until + PAUSE))
    return Refused(Delivery.State.CANCELLED, reason, Ruling(Outcome.INELIGIBLE, reason))


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
