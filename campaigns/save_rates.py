"""How many a contact wins, measured: campaigns on a score tell the score's target, against their control groups.

Of those of whom the loss would come true, the share that is kept: (treated - control) / (1 - control), of the shares
that did what the campaign hoped for; that is 1 minus the ratio of the shares that did not. Of what is a gain, the share
that is won on top: treated / control - 1. So both are what the threshold that pays reckons with (scoring.money). The
ratios and their intervals are pooled over campaigns by stats.pooled_ratio.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from campaigns import measure
from campaigns.models import Campaign
from campaigns.stats import Difference, Interval, Proportion, pooled_ratio
from scoring import money, save_rate, targets
from scoring.models import MeasuredRate, Target
from scoring.save_rate import Measured

EVERY = timedelta(days=1)
Arms = tuple[Proportion, Proportion]


def watch(now: datetime) -> None:
    """Measure anew, once a day, what contacts win by each target on whose score campaigns act. Safe to do twice."""
    fresh = set(MeasuredRate.objects.filter(as_of__gt=now - EVERY).values_list("target_id", flat=True))
    asked = [one for one in Target.objects.filter(is_active=True).order_by("pk") if one.pk not in fresh]
    if not asked:
        return
    acting = _acting()
    for target in asked:
        if own := [one for one in acting.get(target.key, []) if tells_of(target, one.goal_event)]:
            save_rate.record(target, rate_of(target, own, now), now)


def tells_of(target: Target, goal: str) -> bool:
    """Tell whether reaching a campaign's goal is what should happen, by a target's own meaning of it."""
    if targets.is_number(target):
        return False
    if not target.event:
        return True
    is_undone_by_it = money.speaks_of_loss(target) and target.kind != Target.Kind.NO_EVENT
    return (goal == target.event) is not is_undone_by_it


def rate_of(target: Target, campaigns: Iterable[Campaign], as_of: datetime) -> Measured:
    """Give the share that the contacts of some campaigns won, up to a time."""
    told = [arms for one in campaigns if (arms := measure.closed_arms(one, as_of))]
    pairs = [(treated.conversions, control.conversions) for treated, control in told]
    pairs = [pair for pair in pairs if pair[0].n and pair[1].n]
    found = won(pairs, is_loss=money.speaks_of_loss(target))
    rate = found.interval
    return Measured(
        rate.value if rate else None,
        rate.low if rate else None,
        rate.high if rate else None,
        found.message,
        campaigns=len(pairs),
        treated=sum(treated.n for treated, _ in pairs),
        control=sum(control.n for _, control in pairs),
    )


def won(pairs: list[Arms], *, is_loss: bool) -> Difference:
    """Give the share that is won, of treated and control of each campaign."""
    found = pooled_ratio([(_undone(treated), _undone(control)) for treated, control in pairs] if is_loss else pairs)
    if found.interval is None:
        return found
    value, low, high = found.interval.value, found.interval.low, found.interval.high
    return Difference(Interval(1 - value, 1 - high, 1 - low) if is_loss else Interval(value - 1, low - 1, high - 1))


def _acting() -> dict[str, list[Campaign]]:
    """Give the campaigns that a score triggers and that have a control group, by the score's key."""
    found: dict[str, list[Campaign]] = {}
    launched = Campaign.objects.exclude(launched_at=None).filter(trigger__kind="score", control_share__gt=0.0)
    for campaign in launched.order_by("pk"):
        found.setdefault(campaign.trigger["score"], []).append(campaign)
    return found


def _undone(share: Proportion) -> Proportion:
    return Proportion(share.n, share.n - share.successes)
