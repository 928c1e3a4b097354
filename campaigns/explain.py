"""Why did, or didn't, a customer get something: one chain from where she stands to what came of each decision."""

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from campaigns import explain_decisions, explain_limits, explain_trigger
from campaigns.explain_decisions import Told
from campaigns.models import Campaign, Decision
from customers.models import Customer


@dataclass(frozen=True)
class Explanation:
    """Where a customer stands for a campaign, what would have to change, and what was decided, the newest first."""

    customer: Customer
    campaign: Campaign
    as_of: datetime
    standing: list[str]
    to_change: list[str]
    decisions: list[Told]


class WhyNot(NamedTuple):
    """One campaign's last decision about a customer, none where it never considered her, and what is in the way."""

    campaign: Campaign
    decision: Decision | None
    sentence: str


def explain(customer: Customer, campaign: Campaign, now: datetime) -> Explanation:
    """Give the whole chain about a customer and a campaign as of now."""
    seen = explain_trigger.standing(customer, campaign, now)
    limits = explain_limits.obstacles(customer, campaign, now)
    standing = [*seen.is_so, *(one.is_so for one in limits)]
    to_change = [*seen.to_change, *dict.fromkeys(one.to_change for one in limits)]
    decisions = explain_decisions.decided(customer, campaign)
    return Explanation(customer, campaign, now, standing, to_change, decisions)


def sentences(customer: Customer, campaign: Campaign, now: datetime) -> list[str]:
    """Give the chain in plain lines; those about one decision are indented below its first."""
    chain = explain(customer, campaign, now)
    told = [*chain.standing, *(f"What would have to change: {one}" for one in chain.to_change)]
    if not chain.decisions:
        return [*told, f"“{campaign}” has decided nothing about {customer}."]
    for one in chain.decisions:
        first, *others = one.sentences
        told += [first, *(f"  {each}" for each in others)]
    return told


def why_not(customer: Customer, now: datetime) -> list[WhyNot]:
    """Give for each live campaign the last decision about a customer, and what is in its way now, if anything."""
    last: dict[int, Decision] = {}
    for decision in Decision.objects.filter(customer=customer).order_by("as_of", "pk"):
        last[decision.campaign_id] = decision
    live = Campaign.objects.filter(state=Campaign.State.LIVE).select_related("audience").order_by("priority", "name")
    return [WhyNot(campaign, last.get(campaign.pk), _short(customer, campaign, now)) for campaign in live]


def _short(customer: Customer, campaign: Campaign, now: datetime) -> str:
    limits = explain_limits.obstacles(customer, campaign, now)
    if limits:
        return limits[0].is_so
    return explain_trigger.waits(customer, campaign)
