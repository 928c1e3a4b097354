"""Why did, or didn't, a customer get something: what is stored about both, in sentences."""

from datetime import datetime

from campaigns.models import Campaign, Decision, Delivery, TriggerBaseline, TriggerState
from customers.models import Customer


def sentences(customer: Customer, campaign: Campaign) -> list[str]:
    """Give where the customer stands for the campaign, and every decision about both, newest first."""
    decisions = Decision.objects.filter(campaign=campaign, customer=customer).select_related("model_version__target")
    told = [sentence for each in decisions.order_by("-as_of", "-pk") for sentence in _decided(each)]
    return [*_standing(customer, campaign), *(told or [f"“{campaign}” has decided nothing about {customer}."])]


def _standing(customer: Customer, campaign: Campaign) -> list[str]:
    told = []
    if campaign.state != Campaign.State.LIVE:
        told.append(f"“{campaign}” is {campaign.get_state_display().lower()}: it decides about nobody.")
    state = TriggerState.objects.filter(campaign=campaign, customer=customer).first()
    if state is None:
        return [*told, _never_inside(customer, campaign)]
    side = "inside" if state.is_inside else "outside"
    told.append(
        f"{customer} is {side} the line of “{campaign}” since {_at(state.since)}, as seen on {_at(state.as_of)}."
    )
    if state.fired_at is None:
        told.append("No crossing has fired yet: only new data and passing time fire.")
    else:
        told.append(f"The last crossing that fired was number {state.round}, on {_at(state.fired_at)}.")
    return told


def _never_inside(customer: Customer, campaign: Campaign) -> str:
    looked = TriggerBaseline.objects.filter(campaign=campaign, bucket=customer.bucket).first()
    if looked is None:
        return f"“{campaign}” has not looked at {customer} yet: no cycle since its launch knew of both."
    return f"{customer} has been outside the line of “{campaign}” ever since its launch."


def _decided(decision: Decision) -> list[str]:
    outcome = decision.get_outcome_display().lower()
    told = [f"{_at(decision.as_of)}, crossing {decision.round}: {outcome}. {decision.reason}"]
    version = f" by {decision.model_version}" if decision.model_version else ""
    if decision.score is not None:
        told.append(f"  The score was {decision.score:.3f}{version}.")
    told.append(
        f"  The draw was {decision.draw:.4f}: arm {decision.arm}, with a probability of {decision.probability:.2f}. "
        f"The cause was {decision.cause}; the campaign was at version {decision.campaign_version}."
    )
    return [*told, *(_delivered(delivery) for delivery in decision.deliveries.order_by("step"))]


def _delivered(delivery: Delivery) -> str:
    when = f" on {_at(delivery.ended_at)}" if delivery.ended_at else f", due {_at(delivery.due_at)}"
    reason = f" {delivery.reason}" if delivery.reason else ""
    return f"  {delivery.get_action_display()}: {delivery.get_state_display().lower()}{when}.{reason}"


def _at(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
