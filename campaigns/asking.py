"""A second person's word on a plan: asked for, given or refused; each with an audit entry, and an alert meanwhile."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import transaction
from django.urls import reverse

from campaigns import approval, launch, plan
from campaigns.approval import PREFIX, Stand
from campaigns.launch import LaunchError, User
from campaigns.models import Approval, Campaign
from customers import alerts
from customers.models import Alert
from segments.definition import name_of

REASON_LENGTH = 300


def ask(campaign: Campaign, by: User, at: datetime, changes: Mapping[str, Any] | None = None) -> Approval:
    """Ask for approval of a campaign's plan, or of its plan with changes, told as a stored plan tells them.

    Whoever asks again for the same gets the same question. Raises LaunchError where nothing needs approval, and for a
    plan that could not be launched.
    """
    with transaction.atomic():
        launch.hold(campaign)
        if campaign.state == Campaign.State.STOPPED:
            raise LaunchError("A stopped campaign can do nothing that needs approval.")
        wanted = _wanted(campaign, changes or {})
        launch.check(wanted)
        need = approval.needed(wanted)
        if need is None:
            raise LaunchError("It is within the limits of the programme: nobody needs to approve it.")
        if need.is_met:
            raise LaunchError(need.sentence)
        if need.stand == Stand.ASKED and need.last:
            return need.last
        asked = Approval.objects.create(
            campaign=campaign,
            plan_digest=plan.digest(wanted),
            changes=dict(changes or {}),
            asked_by=name_of(by)[:150],
            asked_at=at,
        )
        launch.note("approval asked", campaign, by, at, {"digest": asked.plan_digest, "changes": sorted(asked.changes)})
        alerts.raise_(_cause(campaign, asked, need.why), at)
    return asked


def answer(campaign: Campaign, by: User, at: datetime, *, is_granted: bool, reason: str = "") -> Approval:
    """Grant or refuse what was asked about a campaign, if its plan is still the same. Raises LaunchError.

    Nobody answers who asked, or who changed the plan last; nor a key that one of them made.
    """
    said = " ".join(reason.split())[:REASON_LENGTH]
    with transaction.atomic():
        launch.hold(campaign)
        asked = approval.waiting(campaign)
        if asked is None:
            raise LaunchError(_nothing(campaign))
        _refuse_own(campaign, asked, name_of(by))
        if not is_granted and not said:
            raise LaunchError("reason: say why it is refused")
        asked.by, asked.at, asked.is_granted, asked.reason = name_of(by)[:150], at, is_granted, said
        asked.save(update_fields=["by", "at", "is_granted", "reason"])
        what = "approval granted" if is_granted else "approval refused"
        launch.note(what, campaign, by, at, {"digest": asked.plan_digest, "asked_by": asked.asked_by, "reason": said})
        alerts.settle(f"{PREFIX}{campaign.key}", at)
    return asked


def granted_change(campaign: Campaign) -> Approval | None:
    """Give the change that was approved last and does not hold yet, if the plan is still the one it was asked of."""
    last = campaign.approvals.order_by("-pk").first()
    if last is None or not last.is_granted or not last.changes or not approval.fits(campaign, last):
        return None
    return last if plan.digest(campaign) != last.plan_digest else None


def carry_out(campaign: Campaign, by: User, at: datetime) -> Campaign:
    """Change a plan as it was approved. Raises LaunchError."""
    with transaction.atomic():
        launch.hold(campaign)
        granted = granted_change(campaign)
        if granted is None:
            raise LaunchError("There is no approved change that still fits the plan.")
        values = plan.put({**plan.of(campaign), **granted.changes})
        changes = {name: values[name] for name in granted.changes}
        said = f"As {granted.by} approved it for {granted.asked_by}."
        return launch.change(campaign, by, at, changes, launch.How(said=(said,)))


def may_answer(campaign: Campaign, asked: Approval, name: str) -> bool:
    """Say whether this person is another than who asked and who changed the plan last."""
    others = approval.selves(asked.asked_by) | approval.selves(campaign.edited_by)
    return not approval.selves(name) & others


def _wanted(campaign: Campaign, changes: Mapping[str, Any]) -> Campaign:
    for name in sorted(changes.keys() - set(plan.FIELDS)):
        raise LaunchError(f"{name}: cannot be edited")
    try:
        return approval.proposed(campaign, changes)
    except plan.PlanError as gone:
        raise LaunchError(str(gone)) from gone


def _refuse_own(campaign: Campaign, asked: Approval, name: str) -> None:
    if may_answer(campaign, asked, name):
        return
    did = (
        "asked for this approval"
        if approval.selves(name) & approval.selves(asked.asked_by)
        else "changed the plan last"
    )
    raise LaunchError(f"Who {did} cannot answer: a second person must.")


def _nothing(campaign: Campaign) -> str:
    last = campaign.approvals.order_by("-pk").first()
    if last is not None and last.is_granted is None:
        return (
            f"What {last.asked_by} asked for is void, since the plan, its offer or its segment was changed. Ask again."
        )
    return "Nobody asked for approval."


def _cause(campaign: Campaign, asked: Approval, why: tuple[str, ...]) -> alerts.Cause:
    link = reverse("admin:campaigns_campaign_change", args=[campaign.pk])
    sentence = f"{asked.asked_by} asks a second person to approve “{campaign}”. {' '.join(why)}"
    return alerts.Cause(f"{PREFIX}{campaign.key}", Alert.Kind.CAMPAIGN, sentence, link)
