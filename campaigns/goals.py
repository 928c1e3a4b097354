"""What is wrong with a campaign's goal, in sentences: nothing may be read of one that cannot be reached."""

from datetime import datetime

from campaigns.models import Campaign
from customers.models import Event, EventName


def unheard_of(campaign: Campaign) -> tuple[str, ...]:
    """Say that an event that nobody was seen to do is not known either; nothing where it is."""
    if EventName.objects.filter(name=campaign.goal_event).exists():
        return ()
    return (f"No event is called {campaign.goal_event}: nobody can reach this goal. Check its name.",)


def longer_than_history(campaign: Campaign, as_of: datetime) -> tuple[str, ...]:
    """Say that the goal's time is longer than all that is known; nothing where it is not."""
    first = Event.objects.order_by("stored_xact", "pk").values_list("occurred_at", flat=True).first()
    if first is None or (as_of - first).days >= campaign.goal_days:
        return ()
    days = max(0, (as_of - first).days)
    return (f"The goal's {campaign.goal_days} days are longer than the history, which has {days}.",)
