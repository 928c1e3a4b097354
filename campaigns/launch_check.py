"""What is known of a plan before it starts: what is wrong with it and where, whom it reaches, and how it looks."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from django.utils.safestring import SafeString

from campaigns import (
    findings,
    forecast,
    launch,
    launch_page,
    nameable,
    programme,
    render,
    step_preview,
    steps,
    story,
    trigger_words,
    triggers,
    variants,
)
from campaigns.forms import CampaignForm
from campaigns.models import Campaign, Way
from campaigns.reach import Reach, reach
from campaigns.triggers import EventTrigger, HandTrigger, ScheduleTrigger
from customers.panels import Cell, number, share
from segments.fields import catalogue

EXAMPLE = ".test"
NAMELESS = {"trigger_kind": "When", "action": "What", "entry": "Again", "how_many": "How many"}


class Problem(NamedTuple):
    """Something to mend, or to look at, with the field where that is done; no field: nowhere on this page."""

    text: str
    label: str = ""
    field: str = ""

    @property
    def anchor(self) -> str:
        """Give the id of its place on the page."""
        return f"at-{self.field}" if self.field in NAMELESS else f"id_{self.field}"


@dataclass(frozen=True)
class Check:
    """A plan in words, what stands against its start, what else to look at, and what is counted.

    `matching` are those who match already; None where the plan cannot be read so far, or where it asks nobody.
    """

    said: list[str]
    faults: list[Problem]
    remarks: list[Problem]
    facts: list[tuple[str, Cell]]
    basis: Cell = ""
    matching: int | None = None
    is_hand: bool = False
    heading: str = ""
    preview: SafeString | None = None

    @property
    def verdict(self) -> str:
        """Say whether it can start."""
        many = len(self.faults)
        return f"{many} {'thing' if many == 1 else 'things'} to mend before it can start." if many else ""

    @property
    def question(self) -> str:
        """Ask about those who match already, or say why nobody is asked about."""
        if self.matching is None:
            return ""
        many = f"{number(self.matching)} customer{'' if self.matching == 1 else 's'}"
        if self.is_hand:
            return f"It goes by hand, to {many} now. Send it at once?"
        if not self.matching:
            return "Nobody matches already: it begins with those who come to match."
        return f"{many} match{'es' if self.matching == 1 else ''} already. Is it for them, too?"


def of_form(form: CampaignForm, at: datetime) -> Check:
    """Check the plan that stands in a form."""
    form.full_clean()
    if not form.errors:
        form.check_launch()
    faults = [_fault(form, name, str(text)) for name, found in form.errors.items() for text in found]
    is_readable = not {"trigger_kind", "control_share", "pilot_share"} & set(form.errors) and form.instance.trigger
    said = story.tell(form.instance, trigger_words.names()) if is_readable else []
    return _look(form.instance, [one for one in said if not one.startswith(trigger_words.UNREADABLE)], faults, at)


def of_campaign(campaign: Campaign, at: datetime) -> Check:
    """Check the plan that is stored."""
    faults = []
    try:
        launch.check(campaign)
    except launch.LaunchError as refused:
        faults = [Problem(launch_page.sentence(str(refused)))]
    return _look(campaign, story.tell(campaign, trigger_words.names()), faults, at)


def _fault(form: CampaignForm, name: str, text: str) -> Problem:
    if name not in form.fields:
        return Problem(findings.capital(text))
    return Problem(findings.capital(text), str(form.fields[name].label or NAMELESS.get(name, "")), name)


def _look(campaign: Campaign, said: list[str], faults: list[Problem], at: datetime) -> Check:
    heading, preview = _preview(campaign)
    try:
        trigger = triggers.parse(campaign.trigger, catalogue())
        made = variants.parse(campaign, nameable.known())
        matching = None if isinstance(trigger, EventTrigger | ScheduleTrigger) else launch.waiting(campaign, at)
        foreseen = forecast.foresee(campaign, at)
    except ValueError:  # what is wrong stands among the faults
        return Check(said, faults, [], [], heading=heading, preview=preview)
    counted = reach(campaign, made[0].step.channel)
    remarks = list(_remarks(campaign, made, counted))
    way = made[0].step.channel
    facts: list[tuple[str, Cell]] = [
        ("Can be reached" if way.is_contact else "May be acted on", number(counted.eligible)),
        ("Foreseen a day", number(foreseen.a_day)),
        ("Left alone as control", share(campaign.control_share, 0)),
    ]
    if matching is not None:
        facts.insert(0, ("Match already", number(matching)))
    is_hand = isinstance(trigger, HandTrigger)
    return Check(said, faults, remarks, facts, foreseen.basis, matching, is_hand, heading, preview)


def _preview(campaign: Campaign) -> tuple[str, SafeString | None]:
    """Give what happens to Ada, drawn."""
    try:
        step = steps.parse(campaign.steps)[0]
        return step_preview.title(step), step_preview.draw(step)
    except (render.TemplateRefused, steps.StepError):  # what is wrong stands among the faults
        return "", None


def _remarks(campaign: Campaign, made: tuple[variants.Variant, ...], counted: Reach) -> Iterator[Problem]:
    way, house = made[0].step.channel, programme.current()
    if way.is_contact and not counted.agreed:
        yield Problem(f"Nobody agreed to “{campaign.topic}”: nothing would be sent.", "Who agreed to", "topic")
    elif way.is_contact and not counted.eligible:
        said = f"Nobody in “{campaign.audience}” agreed to “{campaign.topic}”: nothing would be sent."
        yield Problem(said, "Members of", "audience")
    if way == Way.EMAIL and EXAMPLE in house.sender:
        yield Problem(f"The sender is still {house.sender}: write your own address on the page of the programme.")
    if not campaign.control_share:
        said = "Nobody is left alone as its control: what it earns cannot be told."
        yield Problem(said, "Left alone as control", "control_share")
