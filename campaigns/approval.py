"""Whether a plan needs a second person's yes before it acts, and whether it has one."""

import math
from collections.abc import Iterator, Mapping
from copy import copy
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import TextChoices

from campaigns import plan, programme, variants
from campaigns.models import Approval, Campaign, Programme
from campaigns.reach import reach
from campaigns.steps import StepError
from customers import alerts
from customers.models import AuditEntry
from customers.panels import number, when

PREFIX = "campaign.approval."  # of the alerts
KEY = "key "  # how the names of integrations' keys begin where it is written who did something


class Stand(TextChoices):
    """How far a plan's approval is."""

    UNASKED = "unasked", "Nobody asked yet"
    ASKED = "asked", "Waits for an answer"
    GRANTED = "granted", "Approved"
    REFUSED = "refused", "Refused"
    VOID = "void", "Void: the plan was changed"


@dataclass(frozen=True)
class Need:
    """Why a plan needs a second person, how far that is, and the last word about it."""

    why: tuple[str, ...]
    stand: Stand
    last: Approval | None = None

    @property
    def is_met(self) -> bool:
        """Say whether it may act."""
        return self.stand == Stand.GRANTED

    @property
    def sentence(self) -> str:
        """Say why, and what is to be done."""
        return " ".join((*self.why, self._next()))

    def _next(self) -> str:
        last = self.last
        if last is None or self.stand == Stand.UNASKED:
            return "Ask for the approval of a second person."
        answer = f": {last.reason}" if last.reason else "."
        match self.stand:
            case Stand.ASKED:
                return f"{last.asked_by} asked for approval on {when(last.asked_at)}; somebody else must answer."
            case Stand.GRANTED:
                return f"{last.by} approved it on {when(last.at)}{answer}"
            case Stand.REFUSED:
                return f"{last.by} refused it on {when(last.at)}{answer}"
        whose = f"The approval by {last.by}" if last.is_granted else f"What {last.asked_by} asked for"
        return f"{whose} is void, since the plan, its offer or its segment was changed. Ask again."


def needed(campaign: Campaign) -> Need | None:
    """Give why a campaign's plan, as it stands in this object, needs a second person; none where it needs none."""
    why = tuple(_why(campaign, programme.current()))
    if not why:
        return None
    now = plan.digest(campaign)
    asked = list(campaign.approvals.order_by("-pk")) if campaign.pk else []
    same = next((one for one in asked if one.plan_digest == now), None)
    if same is not None:
        stands = {None: Stand.ASKED, True: Stand.GRANTED, False: Stand.REFUSED}
        return Need(why, stands[same.is_granted], same)
    last = next((one for one in asked if not one.changes), None)
    return Need(why, Stand.VOID if last and last.is_granted is not False else Stand.UNASKED, last)


def proposed(campaign: Campaign, changes: Mapping[str, Any]) -> Campaign:
    """Give a campaign as it would be with changes, which are told as a stored plan tells them. Raises PlanError."""
    other = copy(campaign)
    told = plan.of(campaign) | dict(changes)
    for name, value in plan.put(told).items():
        setattr(other, name, value)
    return other


def waiting(campaign: Campaign) -> Approval | None:
    """Give the question that waits for an answer, if the plan is still the one that was asked about."""
    last = campaign.approvals.order_by("-pk").first()
    if last is None or last.is_granted is not None:
        return None
    return last if fits(campaign, last) else None


def forget(campaign: Campaign, at: datetime) -> None:
    """Let the alert go about a question whose plan is another by now."""
    if waiting(campaign) is None:
        alerts.settle(f"{PREFIX}{campaign.key}", at)


def fits(campaign: Campaign, asked: Approval) -> bool:
    """Say whether a campaign's plan, with the changes that were asked about, is the one of the question."""
    try:
        return plan.digest(proposed(campaign, asked.changes)) == asked.plan_digest
    except plan.PlanError:
        return False


def selves(name: str) -> set[str]:
    """Give the names of one person: her own, or a key's and that of whoever made the key."""
    if not name.startswith(KEY):
        return {name} if name else set()
    made = AuditEntry.objects.filter(what="key made", about=name.removeprefix(KEY), by__isnull=False)
    return {name, *made.values_list("by__username", flat=True)}


def _why(campaign: Campaign, house: Programme) -> Iterator[str]:
    most, money = house.approval_customers, house.approval_budget
    if most is not None and (many := _customers(campaign)) > most:
        yield f"It is for up to {number(many)} customers, and one person may decide about {number(most)}."
    if money is None:
        return
    if campaign.budget is None:
        yield f"It has no budget, and one person may decide about {number(money, 2)} at most."
    elif campaign.budget > money:
        yield f"Its budget of {number(campaign.budget, 2)} is more than the {number(money, 2)} of one person."


def _customers(campaign: Campaign) -> int:
    """Give how many it may act on; of a plan that cannot be read, nobody: it is refused anyway."""
    try:
        way = variants.parse(campaign)[0].step.channel
    except StepError:
        return 0
    return math.ceil(reach(campaign, way).eligible * campaign.pilot_share)
