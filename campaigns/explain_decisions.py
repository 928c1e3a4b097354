"""What was decided about a customer, and what came of it: versions, draws, deliveries, touches, conversion."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import NamedTuple

from campaigns import action_words, versions
from campaigns.explain_words import at
from campaigns.models import Campaign, Decision, Delivery, Touch
from customers.models import Customer, Event
from segments.models import Segment, SegmentVersion


class Told(NamedTuple):
    """One decision with its sentences."""

    decision: Decision
    sentences: list[str]


def decided(customer: Customer, campaign: Campaign) -> list[Told]:
    """Give every decision about both with what came of it, the newest first."""
    rows = Decision.objects.filter(campaign=campaign, customer=customer).select_related("model_version__target")
    rows = rows.prefetch_related("deliveries__tries", "deliveries__touches", "deliveries__webhook_message")
    found = list(rows.order_by("-as_of", "-pk"))
    dates = _dates(campaign) if found else {}
    return [Told(each, list(_sentences(each, campaign, dates))) for each in found]


def _sentences(decision: Decision, campaign: Campaign, dates: dict[int, datetime]) -> Iterator[str]:
    outcome = decision.get_outcome_display().lower()
    yield f"{at(decision.as_of)}, crossing {decision.round}: {outcome}. {decision.reason}"
    yield f"The cause was {decision.cause}. {_versions(decision, campaign, dates)}"
    if decision.score is not None:
        yield f"The score was {decision.score:.3f}{_model(decision)}."
    variant = f", variant {decision.variant}" if decision.variant else ""
    yield (
        f"The draw was {decision.draw:.4f}: arm {decision.arm}{variant}, with a probability of "
        f"{decision.probability:.2f}."
    )
    if decision.outcome == Decision.Outcome.DEFERRED:
        until = f", and is given up after {at(decision.expires_at)}" if decision.expires_at else ""
        yield f"It waits until {at(decision.due_at)}{until}."
    for delivery in sorted(decision.deliveries.all(), key=lambda one: one.step):
        yield from _delivered(delivery, decision.campaign_version)
    if converted := _converted(decision, campaign):
        yield converted


def _versions(decision: Decision, campaign: Campaign, dates: dict[int, datetime]) -> str:
    """Name the versions in force, with their dates, and say where there is a newer one."""
    told = [_version("campaign", decision.campaign_version, campaign.version, dates)]
    key = campaign.trigger.get("segment", "") if isinstance(campaign.trigger, dict) else ""
    segment = Segment.objects.filter(key=key).first() if decision.rule_version else None
    if decision.rule_version and segment:
        rows = SegmentVersion.objects.filter(segment=segment, number__in=(decision.rule_version, segment.rule_version))
        of_rule = dict(rows.values_list("number", "at"))
        told.append(_version(f"rule of “{segment}”", decision.rule_version, segment.rule_version, of_rule))
    return " ".join(told)


def _version(what: str, then: int, now: int, dates: dict[int, datetime]) -> str:
    dated = f" of {at(dates[then])}" if then in dates else ""
    if then == now:
        return f"The {what} was at version {then}{dated}, as it is now."
    since = f" since {at(dates[now])}" if now in dates else ""
    return f"The {what} was at version {then}{dated}; it is at version {now}{since}."


def _dates(campaign: Campaign) -> dict[int, datetime]:
    """Give when each version of a campaign began."""
    return {1: campaign.created_at} | versions.began(campaign)


def _model(decision: Decision) -> str:
    version = decision.model_version
    if version is None:
        return ""
    return f", by version {version.number} of {version.target.key}, trained on {at(version.created_at)}"


def _delivered(delivery: Delivery, decided: int) -> Iterator[str]:
    when = f" on {at(delivery.ended_at)}" if delivery.ended_at else f", due {at(delivery.due_at)}"
    reason = f" {delivery.reason}" if delivery.reason else ""
    state = action_words.state(delivery)
    yield f"{delivery.get_action_display()}: {state}{when}.{reason} (Delivery {delivery.public_id}.)"
    for each in sorted(delivery.tries.all(), key=lambda one: one.number):
        answer = f"{each.result or 'no answer yet'}. {each.receipt}".strip()
        by = f", by version {each.campaign_version} of the plan" if each.campaign_version not in (None, decided) else ""
        yield f"Attempt {each.number} on {at(each.began_at)}{by}: {answer}"
    if delivery.resolution:
        yield f"Somebody settled it: {delivery.resolution}"
    touched = list(delivery.touches.all())
    if touched:
        yield _touched(touched)


def _touched(touched: list[Touch]) -> str:
    people = [one for one in touched if one.is_machine is False]
    opens = sum(one.kind == Touch.Kind.OPEN for one in people)
    machines = sum(one.is_machine is True for one in touched)
    unknown = len(touched) - len(people) - machines
    said = (
        f"By people it was opened {opens} times and clicked {len(people) - opens} times; machines came {machines} times"
    )
    return f"{said}; {unknown} touches are not judged yet." if unknown else f"{said}."


def _converted(decision: Decision, campaign: Campaign) -> str:
    """Say whether the goal was reached within its days: counted from the decision, whoever was written to."""
    end = decision.as_of + timedelta(days=campaign.goal_days)
    goals = Event.objects.filter(
        customer_id=decision.customer_id, name=campaign.goal_event, occurred_at__gt=decision.as_of, occurred_at__lte=end
    )
    first = goals.order_by("occurred_at").values_list("occurred_at", flat=True).first()
    if first:
        return f"The goal, {campaign.goal_event}, was reached on {at(first)}."
    return f"The goal, {campaign.goal_event} by {at(end)}, was not reached, as far as is known."
