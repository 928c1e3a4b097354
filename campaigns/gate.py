"""The last look before a message begins: one transaction, under the customer's lock, that ends in `sending` or not."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now

from campaigns import offers, programme, sending, steps
from campaigns.eligibility import COUNTED
from campaigns.models import Campaign, Decision, Delivery, DeliveryAttempt, Offer, OfferCode, Programme
from customers import consent
from customers.models import Channel, Consent, Customer

SENDING_LEASE = timedelta(minutes=10)  # longer than a mail server may take over all its answers
REASON_LENGTH = 300


@dataclass(frozen=True)
class Passed:
    """A delivery that is now `sending`, with all that its channel needs."""

    delivery: Delivery
    customer: Customer
    programme: Programme
    step: steps.Step
    code: OfferCode | None

    @property
    def campaign(self) -> Campaign:
        return self.delivery.decision.campaign

    def facts(self) -> dict[str, object]:
        """Give what a template may say about the customer; no value is an empty text."""
        customer = self.customer
        names = ("email", "phone", "external_id", "first_name", "last_name", "country", "city", "language")
        facts: dict[str, object] = {name: getattr(customer, name) or "" for name in names}
        facts["name"] = f"{facts['first_name']} {facts['last_name']}".strip()
        facts["attributes"] = dict(customer.attributes)
        return facts


class Refused(NamedTuple):
    """A delivery that does not begin: cancelled for good, or planned again."""

    state: Delivery.State
    reason: str


def pass_(delivery_id: int, token: str, until: datetime) -> Passed | Refused | None:
    """Commit `sending`, or the reason against it. None: the claim is no longer ours.

    The customer's row is locked, so that a withdrawal of consent is either seen here or waits until `sending` stands.
    Leases are judged by the database's clock; `until` is when the message begins, for caps and events.
    """
    with transaction.atomic():
        claimed = Delivery.objects.filter(
            pk=delivery_id, token=token, state=Delivery.State.CLAIMED, lease_until__gt=Now()
        )
        customer_id = claimed.values_list("customer_id", flat=True).first()
        if customer_id is None:
            return None
        customer = Customer.objects.select_for_update(no_key=True).filter(pk=customer_id).first()
        delivery = claimed.select_related("decision__campaign").first()
        if customer is None or delivery is None:
            return None
        ours = programme.current()
        refused = _refusal(delivery, customer, ours, until)
        if refused is None:
            ready = _ready(delivery, customer, ours)
            if isinstance(ready, Passed):
                return _begin(ready, until)
            refused = ready
        _refuse(delivery, refused, until)
        return refused


def _refusal(delivery: Delivery, customer: Customer, ours: Programme, until: datetime) -> Refused | None:
    if sending.is_stopped():
        return Refused(Delivery.State.PLANNED, "All sending is stopped.")
    reason = _plan_reason(delivery) or _customer_reason(delivery, customer) or _cap_reason(delivery, ours, until)
    return Refused(Delivery.State.CANCELLED, reason) if reason else None


def _plan_reason(delivery: Delivery) -> str:
    decision = delivery.decision
    if decision.campaign.state != Campaign.State.LIVE:
        return f"The campaign is {decision.campaign.get_state_display().lower()}."
    if decision.outcome != Decision.Outcome.DELIVER:
        return f"The decision is now: {decision.get_outcome_display().lower()}."
    return ""


def _customer_reason(delivery: Delivery, customer: Customer) -> str:
    channel, topic = Channel(delivery.channel), delivery.decision.campaign.topic
    address = customer.phone if channel == Channel.PHONE else customer.email
    if not address:
        return (
            f"There is no {channel.label.lower()} address." if channel == Channel.EMAIL else "There is no phone number."
        )
    if consent.is_suppressed(channel, address):
        return "The address is suppressed."
    granted = Consent.objects.filter(customer=customer, channel=channel, topic=topic, is_granted=True)
    if not granted.exists():
        return f"There is no consent for {channel}:{topic}."
    return ""


def _cap_reason(delivery: Delivery, ours: Programme, until: datetime) -> str:
    """No upper end: what another worker began by a clock ahead of ours counts too."""
    since = until - timedelta(days=ours.cap_days)
    began = Delivery.objects.filter(customer_id=delivery.customer_id, began_at__gt=since, state__in=COUNTED).count()
    if began < ours.cap_messages:
        return ""
    return f"{began} messages in {ours.cap_days} days are enough."


def _ready(delivery: Delivery, customer: Customer, ours: Programme) -> Passed | Refused:
    """Give the delivery with its step and offer, or the reason why there is nothing to send."""
    cancelled = Delivery.State.CANCELLED
    try:
        plan = steps.parse(delivery.decision.campaign.steps)
    except steps.StepError as error:
        return Refused(cancelled, f"The campaign cannot be used: {error}")
    if delivery.step >= len(plan) or plan[delivery.step].action != delivery.action:
        return Refused(cancelled, "The campaign no longer has this step.")
    step = plan[delivery.step]
    if not isinstance(step, steps.OfferStep):
        return Passed(delivery, customer, ours, step, None)
    offer = Offer.objects.filter(key=step.offer).first()
    if offer is None:
        return Refused(cancelled, f"There is no offer '{step.offer}'.")
    return Passed(delivery, customer, ours, step, OfferCode(offer=offer, delivery=delivery))


def _begin(ready: Passed, until: datetime) -> Passed | None:
    """Commit to `sending`, with its attempt and its code."""
    delivery = ready.delivery
    number = delivery.attempts + 1
    begun = Delivery.objects.filter(
        pk=delivery.pk, token=delivery.token, state=Delivery.State.CLAIMED, lease_until__gt=Now()
    ).update(
        state=Delivery.State.SENDING,
        began_at=until,
        attempts=F("attempts") + 1,
        lease_until=Now() + SENDING_LEASE,
        reason="",
    )
    if not begun:
        return None
    DeliveryAttempt.objects.create(delivery=delivery, number=number, began_at=until)
    delivery.state, delivery.began_at, delivery.attempts = Delivery.State.SENDING, until, number
    code = offers.reserve(delivery, ready.code.offer, until) if ready.code else None
    return Passed(delivery, ready.customer, ready.programme, ready.step, code)


def _refuse(delivery: Delivery, refused: Refused, until: datetime) -> None:
    is_over = refused.state == Delivery.State.CANCELLED
    Delivery.objects.filter(pk=delivery.pk, token=delivery.token).update(
        state=refused.state,
        reason=refused.reason[:REASON_LENGTH],
        token="",
        lease_until=None,
        ended_at=until if is_over else None,
    )
    if is_over:
        offers.release(delivery)
