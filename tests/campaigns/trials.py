"""Campaigns that were tried: decisions about customers, and who did what was hoped for."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from campaigns.models import Campaign, Decision
from customers.models import Customer, Event, Source


def let_b_do_better(of: Campaign, people: Iterable[Customer], at: datetime) -> None:
    """Decide about customers by turns for both variants at a time; of those with b more reach the goal a day later."""
    source, _ = Source.objects.get_or_create(key="shop", defaults={"name": "Shop", "kind": "api"})
    for index, one in enumerate(people):
        Decision.objects.create(
            campaign=of,
            customer=one,
            round=1,
            bucket=one.bucket,
            outcome="deliver",
            reason="x",
            cause="data",
            as_of=at,
            due_at=at,
            campaign_version=1,
            arm="treated",
            draw=0.5,
            probability=0.5,
            variant="b" if index % 2 else "main",
        )
        if index % 10 == 0 or index % 4 == 1:
            Event.objects.create(
                customer=one,
                source=source,
                message_id=f"ran-{index}",
                name=of.goal_event,
                occurred_at=at + timedelta(days=1),
                known_at=at + timedelta(days=1),
                value=10.0,
            )
