"""The outlook of one campaign: its size, the base rate of its goal, and the line of its score."""

from datetime import datetime

from campaigns import launch, variants
from campaigns.assignment import CONTROL, TREATED
from campaigns.dry_run import DryRun
from campaigns.models import Campaign
from campaigns.outlook import base, pays, power
from campaigns.outlook.power import Size
from campaigns.outlook.shapes import Outlook
from campaigns.triggers import ScoreTrigger, Slotted


def of(campaign: Campaign, tried: DryRun, as_of: datetime, *, with_matching: bool = True) -> Outlook:
    """Give what a campaign's size can show, and where its line should be.

    `tried` is its dry run; without `with_matching` those who match already are not acted on. Raises LaunchError for a
    plan that could not be launched, LakeError where the history cannot be read.
    """
    trigger = launch.check(campaign)
    arms = {one.name: one.customers for one in tried.arms}
    is_slotted = isinstance(trigger, Slotted)
    at_once = arms.get(TREATED, 0) + arms.get(CONTROL, 0) if with_matching or is_slotted else 0
    found = base.of(campaign, trigger, as_of)
    # By schedule or by hand the same audience comes again, and each counts once.
    coming = 0.0 if is_slotted else (tried.a_day.a_day or 0.0) * campaign.pilot_share / (1 - campaign.control_share)
    size = Size(at_once, coming, campaign.goal_days, campaign.control_share)
    line = pays.of(campaign, trigger, variants.parse(campaign), found) if isinstance(trigger, ScoreTrigger) else None
    return Outlook(found, power.of(size, found), line)
