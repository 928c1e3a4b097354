"""What a campaign's plan was: each version with who made it, when, and what was changed."""

from collections.abc import Sequence
from datetime import datetime

from campaigns import plan
from campaigns.models import Campaign, CampaignVersion
from customers.audit import Actor
from segments.definition import name_of

LAUNCHED = "It was launched with this plan."


def note(campaign: Campaign, by: Actor, at: datetime, changed: Sequence[str]) -> CampaignVersion:
    """Store the present plan as the version that its campaign says, in the caller's transaction."""
    return CampaignVersion.objects.create(
        campaign=campaign,
        number=campaign.version,
        plan=plan.of(campaign),
        changed=list(changed),
        by=name_of(by)[:150],
        at=at,
    )


def of(campaign: Campaign) -> list[CampaignVersion]:
    """Give all versions, the newest first."""
    return list(campaign.versions.order_by("-number"))


def began(campaign: Campaign) -> dict[int, datetime]:
    """Give when each version began to hold."""
    return dict(campaign.versions.order_by("number").values_list("number", "at"))
