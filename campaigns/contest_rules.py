"""What a comparison of variants needs: two of them, and a metric by which they can be told apart."""

import json
from typing import Any

from django.db.models import Max

from campaigns import variants
from campaigns.action_words import MAILS
from campaigns.models import Campaign
from campaigns.sharing import FEWEST
from campaigns.steps import StepError
from customers.models import Event

LATELY = 20_000  # of all events, in which those of the goal are looked for
ENOUGH = 20  # of the goal's without a value, to say that it has none
LEADS = ("http", "{{", '"products"')  # what a mail has that leads anywhere


def check(campaign: Campaign) -> None:
    """Raise StepError where variants cannot be compared as the campaign asks, with the place."""
    is_adaptive = campaign.split == Campaign.Split.ADAPTIVE
    if variants.count(campaign) < FEWEST:
        if is_adaptive:
            raise StepError("split", "shares that follow the results need two variants or more, and there is one")
        if campaign.winner == Campaign.Winner.AUTOMATIC:
            raise StepError("winner", "a winner needs two variants or more, and there is one")
        return
    if campaign.winner == Campaign.Winner.OFF and not is_adaptive:
        return
    if campaign.winner_metric == Campaign.Metric.CLICK:
        _check_links(campaign)
    if campaign.winner_metric == Campaign.Metric.VALUE and not has_value(campaign.goal_event):
        told = f"the goal {campaign.goal_event} came without a value of late; compare by conversions"
        raise StepError("winner_metric", told)


def has_value(goal: str) -> bool:
    """Say whether the events of a goal tell what they are worth; of an event that is hardly seen yet it may be so."""
    newest = Event.objects.aggregate(newest=Max("pk"))["newest"] or 0
    seen = Event.objects.filter(pk__gt=newest - LATELY, name=goal).values_list("value", flat=True)
    values = list(seen.order_by("-pk")[:ENOUGH])
    return len(values) < ENOUGH or any(value is not None for value in values)


def _check_links(campaign: Campaign) -> None:
    """Raise StepError where nothing can be clicked, or where no click is told of."""
    steps: list[Any] = [*campaign.steps, *(one["step"] for one in campaign.variants)]
    if any(step["action"] not in MAILS for step in steps):
        raise StepError("winner_metric", "only clicks in e-mails are told of; compare by conversions")
    for step in steps:
        written = json.dumps({name: step[name] for name in ("body", "content") if name in step})
        if step.get("content") != {} and not any(lead in written for lead in LEADS):
            raise StepError("winner_metric", "a variant has no link that could be clicked; compare by conversions")
