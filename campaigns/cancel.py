"""What was planned and will not be done: cancelled in two statements, each row with the reason."""

from datetime import datetime

from campaigns import offers
from campaigns.models import Campaign, Decision, Delivery


def planned(campaign: Campaign, reason: str, at: datetime) -> int:
    """Cancel what a campaign has planned, and give up what it deferred; give how many deliveries that were.

    What a worker has claimed already is refused by the gate, or was begun before this.
    """
    waiting = Delivery.objects.filter(decision__campaign=campaign, state=Delivery.State.PLANNED)
    offers.release(waiting)
    cancelled = waiting.update(state=Delivery.State.CANCELLED, reason=reason, ended_at=at)
    deferred = Decision.objects.filter(campaign=campaign, outcome=Decision.Outcome.DEFERRED)
    deferred.update(outcome=Decision.Outcome.INELIGIBLE, reason=reason)
    return cancelled
