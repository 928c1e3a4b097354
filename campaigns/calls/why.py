"""Why a customer is called, in three plain reasons, and what the call is expected to gain."""

from datetime import datetime, timedelta
from typing import NamedTuple

from django.db.models import Count, Max, Sum

from campaigns.models import Campaign, Decision
from customers.generations import LakeError
from customers.models import Customer, Event
from customers.panels import number
from scoring import save_rate, terms
from scoring import why as scoring_why
from scoring.models import Target

MOST_REASONS = 3
ORDER = "Order Completed"


class Gain(NamedTuple):
    """What a call is expected to earn, or why that cannot be said."""

    value: float | None
    words: str


def reasons(decision: Decision, customer: Customer, at: datetime) -> list[str]:
    """Give three reasons: what drives the score that made her due, else what made her due and what she did."""
    drivers = _drivers(decision.campaign, customer)
    return [*drivers, decision.reason, *_did(customer, at)][:MOST_REASONS]


def gain(campaign: Campaign, score: float | None) -> Gain:
    """Give score x value x save rate - cost, as scoring reckons it; a campaign's own value and cost go first."""
    target = _target(campaign)
    if target is None or score is None:
        return Gain(None, "No estimate: no score made this customer due.")
    told = terms.terms_of(target)
    value = campaign.value if campaign.value is not None else target.value
    if value is None:
        return Gain(None, f"No estimate: nobody said what one customer of “{target}” is worth.")
    rate = _rate(target)
    if rate is None:
        return Gain(None, "No estimate: how many a contact wins is neither given nor measured yet.")
    cost = campaign.message_cost or target.contact_cost or 0.0
    offer_cost = told.offer_cost if told else target.offer_cost or 0.0
    whole = terms.Terms(value, cost, offer_cost, rate, terms.speaks_of_loss(target))
    said = f"chance {score:.2f} x value {number(value, 2)} x {100 * rate:.0f} % won"
    costs = f", less what the call costs ({number(cost, 2)})" if cost else ""
    return Gain(round(whole.expected(score) or 0.0, 6), f"An estimate: {said}{costs}.")


def _target(campaign: Campaign) -> Target | None:
    trigger = campaign.trigger if isinstance(campaign.trigger, dict) else {}
    if trigger.get("kind") != "score":
        return None
    return Target.objects.filter(key=trigger.get("score")).first()


def _rate(target: Target) -> float | None:
    """Give the share that a contact wins: the given one, else the measured one where it is surely above nothing."""
    if target.save_rate is not None:
        return target.save_rate
    measured = save_rate.of(target)
    return min(measured.value or 0.0, save_rate.MOST) if measured and save_rate.is_shown(measured) else None


def _drivers(campaign: Campaign, customer: Customer) -> list[str]:
    """Give what moved her score over the line, the weightiest first."""
    target = _target(campaign)
    if target is None:
        return []
    try:
        found = scoring_why.of_customer(customer, [target.key]).get(target.key)
    except LakeError:
        return []
    if found is None:
        return []
    said = found.up if campaign.trigger.get("direction", "above") == "above" else found.down
    return [f"{one[:1].upper()}{one[1:]}." for one in said]


def _did(customer: Customer, at: datetime) -> list[str]:
    """Give what she bought so far, in two sentences."""
    orders = Event.objects.filter(customer=customer, name=ORDER, occurred_at__lte=at)
    told = orders.aggregate(count=Count("pk"), worth=Sum("value"), last=Max("occurred_at"))
    if not told["count"]:
        return []
    days = (at - told["last"]) // timedelta(days=1)
    ago = "today" if days < 1 else "yesterday" if days == 1 else f"{number(days)} days ago"
    orders_said = "One order" if told["count"] == 1 else f"{number(told['count'])} orders"
    return [f"The last order was {ago}.", f"{orders_said} so far, worth {number(told['worth'] or 0.0, 2)}."]
