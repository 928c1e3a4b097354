"""What is done with a stored version: put back as a new one, or copied into a draft of its own."""

from datetime import datetime
from typing import NamedTuple

from django.db import IntegrityError, transaction

from campaigns import launch, plan
from campaigns.launch import How, LaunchError, User
from campaigns.models import Campaign, CampaignVersion
from segments.definition import name_of


class Called(NamedTuple):
    """How a copy is called."""

    name: str
    key: str


def version_of(campaign: Campaign, number: int) -> CampaignVersion:
    """Give one version of a campaign. Raises LaunchError."""
    found = campaign.versions.filter(number=number).first()
    if found is None:
        raise LaunchError(f"There is no version {number} of “{campaign}”.")
    return found


def revert(campaign: Campaign, number: int, by: User, at: datetime, *, while_sending: bool = False) -> Campaign:
    """Give a launched campaign the plan of an earlier version, as a new one, checked like any. Raises LaunchError."""
    stored = version_of(campaign, number)
    with transaction.atomic():
        changes = _values(stored)
        if not plan.differing(plan.of(Campaign.objects.select_related("audience").get(pk=campaign.pk)), stored.plan):
            raise LaunchError(f"The plan is that of version {number} already.")
        how = How("reverted", (f"It was put back to version {number}.",), while_sending)
        return launch.change(campaign, by, at, changes, how)


def duplicate(campaign: Campaign, called: Called, by: User, at: datetime, number: int | None = None) -> Campaign:
    """Make a draft with a campaign's plan, or with that of one of its versions. Raises LaunchError."""
    try:
        values = _values(version_of(campaign, number)) if number else plan.put(plan.of(campaign))
        with transaction.atomic():
            made = Campaign.objects.create(
                **{**values, "name": called.name},
                key=called.key,
                created_at=at,
                owner_id=launch.author_of(by),
                edited_by=name_of(by)[:150],
            )
            detail = {"from": campaign.key, "version": number or campaign.version}
            launch.note("duplicated", made, by, at, detail)
    except IntegrityError as taken:
        raise LaunchError(f"key: another campaign has the key {called.key}") from taken
    return made


def _values(stored: CampaignVersion) -> plan.Plan:
    try:
        return plan.put(stored.plan)
    except plan.PlanError as gone:
        raise LaunchError(str(gone)) from gone
