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
from campaigns.models import Campaign, Decision, Delivery, Programme, Way
from customers import devices as device_book
from customers.consent import ADDRESSES, hash_of
from customers.models import Channel, Consent, Customer, Suppression
from customers.statements import Reading
from segments.models import Membership

Outcome = Decision.Outcome
MISSING = {
    Channel.EMAIL: "There is no e-mail address.",
    Channel.PHONE: "There is no phone number.",
    Channel.SMS: "There is no phone number.",
    Channel.PUSH: "There is no device that takes messages.",
}
GRANTED: Reading[tuple[int, str, str]] = Reading(
    lambda people: Consent.objects.filter(customer_id__in=people, is_granted=True).values_list(
        "customer_id", "channel", "topic"
    )
)
CLOSED: Reading[tuple[str, str]] = Reading(
    lambda hashes: Suppression.objects.filter(address_hash__in=hashes).values_list("channel", "address_hash")
)
PAUSE = timedelta(minutes=15)  # until a campaign that paused itself is looked at again


def _now(at: datetime) -> datetime:
    return at


UNLIMITED = Limits((), (), _now)


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
    devices: dict[int, list[str]]
    run: Run

    def addresses(self, customer: Customer, channel: Channel) -> list[str]:
        """Give where a channel reaches a customer."""
        if channel == Channel.PUSH:
            return self.devices.get(customer.pk, [])
        address = getattr(customer, ADDRESSES[channel])
        return [address] if address else []

    def open_addresses(self, customer: Customer, channel: Channel) -> tuple[str, ...]:
        """Give those that are not suppressed."""
        found = self.addresses(customer, channel)
        return tuple(one for one in found if (channel, hash_of(channel, one)) not in self.closed)

    def note(self, delivery: Delivery, until: datetime) -> None:
        """Count a delivery that begins against those that are judged after it, if it contacts the customer."""
        if not Way(delivery.channel).is_contact:
            return
        kept = [one for one in self.messages.get(delivery.customer_id, []) if one.delivery_id != delivery.pk]
        topic = delivery.decision.campaign.topic
        kept.append(Message(delivery.pk, delivery.priority, True, until, delivery.channel, topic))
        self.messages[delivery.customer_id] = kept

    def limits(self, delivery: Delivery) -> Limits:
        """Give what limits a delivery: nothing where nobody is contacted."""
        if not Way(delivery.channel).is_contact:
            return UNLIMITED
        customer = self.people[delivery.customer_id]
        allowed_at = partial(quiet.allowed_at, customer, programme=self.rules, others=self.run.elsewhere)
        return Limits(self.run.caps, self.messages.get(customer.pk, []), allowed_at)


def take(
    deliveries: Sequence[Delivery], people: dict[int, Customer], rules: Programme, until: datetime, run: Run
) -> Look:
    """Read what the deliveries' customers allow, in a few statements for all of them."""
    devices = _devices(deliveries)
    return Look(
        rules=rules,
        people=people,
        messages=deferral.messages(people, until, run.caps),
        granted=frozenset(GRANTED.rows(list(people))),
        closed=_closed(deliveries, people, devices),
        held_out=_held_out(people, rules.holdout_share),
        members=_members(deliveries, people),
        devices=devices,
        run=run,
    )


def judge(delivery: Delivery, look: Look, until: datetime) -> Refused | None:
    """Give why a delivery does not begin now, or nothing."""
    if refused := _plan(delivery, until):
        return refused
    if reason := _person(delivery, look):
        return Refused(Delivery.State.CANCELLED, reason, Ruling(Outcome.INELIGIBLE, reason))
    ruling = deferral.judge(delivery, look.limits(delivery), until)
    if ruling.outcome == Outcome.DELIVER:
        return None
    state = Delivery.State.PLANNED if ruling.outcome == Outcome.DEFERRED else Delivery.State.CANCELLED
    return Refused(state, ruling.limit, ruling)


def barred(delivery: Delivery, look: Look) -> str:
    """Give why a customer may not be contacted by a delivery at all, or nothing."""
    return _person(delivery, look)


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
    way, campaign = Way(delivery.channel), delivery.decision.campaign
    customer = look.people[delivery.customer_id]
    if customer.pk in look.held_out:
        return f"Among the {100 * look.rules.holdout_share:g}% whom all campaigns leave alone."
    if way.is_contact and (reason := _contact(customer, Channel(way), campaign.topic, look)):
        return reason
    if campaign.audience_id is not None and (campaign.audience_id, customer.pk) not in look.members:
        return "The customer has left the campaign's audience."
    return ""


def _contact(customer: Customer, channel: Channel, topic: str, look: Look) -> str:
    """Give why a channel may not reach a customer about a topic: of several addresses, one that is open will do."""
    addresses = look.addresses(customer, channel)
    if not addresses:
        return MISSING[channel]
    if all((channel, hash_of(channel, address)) in look.closed for address in addresses):
        return "The address is suppressed."
    if (customer.pk, channel, topic) not in look.granted:
        return f"There is no consent for {channel}:{topic}."
    return ""


def _devices(deliveries: Sequence[Delivery]) -> dict[int, list[str]]:
    """Give the devices of those who are to get a push message."""
    who = {one.customer_id for one in deliveries if one.channel == Channel.PUSH}
    return device_book.of(who) if who else {}


def _closed(
    deliveries: Sequence[Delivery], people: dict[int, Customer], devices: dict[int, list[str]]
) -> frozenset[tuple[str, str]]:
    asked: set[tuple[str, str]] = set()
    for one in deliveries:
        column = ADDRESSES.get(one.channel)
        own = [getattr(people[one.customer_id], column)] if column else devices.get(one.customer_id, [])
        asked |= {(one.channel, hash_of(one.channel, address)) for address in own if address}
    return frozenset(CLOSED.rows([address_hash for _, address_hash in asked]))


def _held_out(people: dict[int, Customer], share: float) -> frozenset[int]:
    seeds = pl.Series([one.seed for one in people.values()], dtype=pl.Int64)
    return frozenset(pk for pk, is_out in zip(people, held_out(seeds, share), strict=True) if is_out)


def _members(deliveries: Sequence[Delivery], people: dict[int, Customer]) -> frozenset[tuple[int, int]]:
    audiences = {key for one in deliveries if (key := one.decision.campaign.audience_id) is not None}
    if not audiences:
        return frozenset()
    rows = Membership.objects.filter(segment_id__in=audiences, customer_id__in=people)
    return frozenset(rows.values_list("segment_id", "customer_id"))
