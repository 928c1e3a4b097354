"""Approval on a campaign's page: what stands against acting, what was asked, and the buttons of both people."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.contrib.auth.models import User

from campaigns import approval, asking, plan, plan_words
from campaigns.approval import Need, Stand
from campaigns.models import Approval, Campaign
from customers.admin import Button
from customers.panels import Cell, Panel, lines, moment

ASK, WIDER, APPROVE, REFUSE, PUT = "ask-approval", "ask-wider", "approve", "refuse", "put-approved"
NAMES = (ASK, WIDER, APPROVE, REFUSE, PUT)
State = Campaign.State


def panels(campaign: Campaign) -> list[Panel]:
    """Give what a second person has to say about a campaign; nothing where nobody has."""
    asked = approval.waiting(campaign) or asking.granted_change(campaign)
    need = approval.needed(campaign) if campaign.state != State.STOPPED else None
    if asked is None and (need is None or campaign.state == State.LIVE):
        return []
    if asked is not None and asked.changes:
        return [_of_change(campaign, asked)]
    return [_of_plan(need)] if need else []


def _of_plan(need: Need) -> Panel:
    warning = "" if need.is_met else need.sentence
    return Panel("Approval", "" if warning else need.sentence, warning=warning, facts=_facts(need.last))


def _of_change(campaign: Campaign, asked: Approval) -> Panel:
    said = plan_words.compared(plan.of(campaign), plan.of(approval.proposed(campaign, asked.changes)))
    done = f"{asked.by} approved it: it can be put into force." if asked.is_granted else ""
    waits = "" if asked.is_granted else f"{asked.asked_by} asks a second person to approve a change."
    return Panel("Approval", lines([*([done] if done else []), *said]), facts=_facts(asked), warning=waits)


def _facts(asked: Approval | None) -> list[tuple[str, Cell]]:
    if asked is None:
        return []
    facts: list[tuple[str, Cell]] = [("Asked by", asked.asked_by), ("Asked", moment(asked.asked_at))]
    if asked.is_granted is not None:
        what = "Approved by" if asked.is_granted else "Refused by"
        facts += [(what, asked.by), ("Answered", moment(asked.at)), ("Said", asked.reason or "–")]
    return facts


def buttons(campaign: Campaign, user: User) -> Iterator[Button]:
    """Offer to ask, to answer, and to put an approved change into force."""
    may_launch = user.has_perm("campaigns.launch_campaign")
    may_ask = may_launch or user.has_perm("campaigns.change_campaign")
    waiting = approval.waiting(campaign)
    if waiting and may_launch and asking.may_answer(campaign, waiting, user.get_username()):
        yield Button(
            APPROVE, "Approve", "main", "Approve exactly this plan? Any change of it makes your approval void."
        )
        yield Button(REFUSE, "Refuse", "bad", asks="Why")
    if may_launch and not waiting and asking.granted_change(campaign):
        yield Button(PUT, "Put the approved change into force", "main", "Change the plan as it was approved?")
    if not may_ask or waiting:
        return
    need = approval.needed(campaign) if campaign.state in (State.DRAFT, State.PAUSED) else None
    if need and need.stand in (Stand.UNASKED, Stand.VOID, Stand.REFUSED):
        yield Button(ASK, "Ask for approval", "main")
    if campaign.state == State.LIVE and campaign.pilot_share < 1 and _is_too_wide(campaign):
        yield Button(WIDER, "Ask to widen to everybody")


def do(campaign: Campaign, name: str, by: User, at: datetime, said: str) -> str:
    """Do what a button says, and give a sentence about it. Raises LaunchError."""
    if name in (ASK, WIDER):
        asking.ask(campaign, by, at, _everybody() if name == WIDER else None)
        return "Approval is asked for: whoever may launch campaigns is told, and somebody else must answer."
    if name == PUT:
        asking.carry_out(campaign, by, at)
        return f"The change holds from now on, as version {campaign.version}."
    asking.answer(campaign, by, at, is_granted=name == APPROVE, reason=said)
    return "It is approved as it stands." if name == APPROVE else "It is refused."


def _everybody() -> dict[str, Any]:
    return {"pilot_share": 1.0}


def _is_too_wide(campaign: Campaign) -> bool:
    need = approval.needed(approval.proposed(campaign, _everybody()))
    return need is not None and not need.is_met
