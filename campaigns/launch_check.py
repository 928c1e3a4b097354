"""What is known of a plan before it starts: what is wrong with it and where, whom it reaches, and how it looks."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, NamedTuple

from django.utils.safestring import SafeString

from campaigns import (
    approval,
    dry_run,
    findings,
    in_flight,
    launch,
    launch_page,
    outlook,
    programme,
    render,
    start_fields,
    step_preview,
    steps,
    story,
    trigger_words,
    triggers,
    variants,
)
from campaigns.approval import Need, Stand
from campaigns.backtest import asking, panels
from campaigns.campaign_page import STATE_TAGS
from campaigns.dry_run import DryRun, Message, Reasoned
from campaigns.forms import CampaignForm
from campaigns.models import Campaign, Decision, Way
from campaigns.outlook import Detectable, Outlook
from campaigns.reach import reach
from campaigns.triggers import EventTrigger, HandTrigger, ScheduleTrigger
from customers.history import LakeError
from customers.panels import Cell, Panel, number, share, tag
from segments.fields import catalogue

EXAMPLE = ".test"
MOST_NAMED = 3
UNCOUNTED = ("name", "key", "owner")  # what is wrong with these changes no count
# Where a limit that a dry run meets is changed.
WHERE = {
    "budget": ("Budget", "budget"),
    "day": ("Most messages a day", "most_a_day"),
    "stock": ("Offer", "offer"),
}
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
    """A plan in words, what stands against its start, what else to look at, and what a dry run counts.

    `already` says of a campaign that runs what becomes of those who are in it.

    `matching` are those who match already; None where the plan cannot be read so far, or where it asks nobody. `need`
    is the second person's yes that the plan needs, if it needs one.
    """

    said: list[str]
    faults: list[Problem]
    remarks: list[Problem] = field(default_factory=list)
    facts: list[tuple[str, Cell]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    reasons: list[tuple[Cell, str, str]] = field(default_factory=list)
    messages: tuple[Message, ...] = ()
    matching: int | None = None
    is_hand: bool = False
    heading: str = ""
    preview: SafeString | None = None
    is_mail: bool = False
    need: Need | None = None
    already: list[str] = field(default_factory=list)
    outlook: Outlook | None = None
    past: Panel | None = None

    @property
    def lacks_approval(self) -> bool:
        """Say whether a second person must say yes before it starts."""
        return self.need is not None and not self.need.is_met

    @property
    def may_ask(self) -> bool:
        """Say whether asking for that yes is what is to be done."""
        return self.need is not None and self.need.stand not in (Stand.GRANTED, Stand.ASKED)

    @property
    def weeks(self) -> list[tuple[str, str, str, str]]:
        """Give what can be shown after so many weeks: their number, customers, and the smallest change."""
        rows = self.outlook.power.weeks if self.outlook else ()
        return [(number(one.weeks), number(one.customers), number(one.control), _smallest(one)) for one in rows]

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


def _smallest(one: Detectable) -> str:
    if one.points is None:
        return "nothing yet"
    part = f", {one.relative:+.0%} of what happens anyway" if one.relative is not None else ""
    return f"{100 * one.points:.2f} points{part}"


def of_form(form: CampaignForm, at: datetime) -> Check:
    """Check the plan that stands in a form."""
    form.full_clean()
    if not form.errors:
        form.check_launch()
    faults = [_fault(form, name, str(text)) for name, found in form.errors.items() for text in found]
    is_readable = not {"trigger_kind", "control_share", "pilot_share"} & set(form.errors) and form.instance.trigger
    said = story.tell(form.instance, trigger_words.names()) if is_readable else []
    sound = [one for one in said if not one.startswith(trigger_words.UNREADABLE)]
    also = form.cleaned_data.get("whom") == start_fields.ALSO
    found = _look(form.instance, Check(sound, faults, already=_already(form)), at, also=also)
    is_draft = form.instance.state == Campaign.State.DRAFT
    return found if is_draft or form.is_felt else replace(found, need=None)


def _already(form: CampaignForm) -> list[str]:
    """Say what becomes of those who are in a campaign that runs, by what was changed."""
    if form.instance.pk is None or form.instance.state == Campaign.State.DRAFT:
        return []
    return in_flight.said(in_flight.count(form.instance), form.changes())


def of_campaign(campaign: Campaign, at: datetime) -> Check:
    """Check the plan that is stored."""
    faults = []
    try:
        launch.check(campaign)
    except launch.LaunchError as refused:
        faults = [Problem(launch_page.sentence(str(refused)))]
    return _look(campaign, Check(story.tell(campaign, trigger_words.names()), faults), at, also=False)


def _fault(form: CampaignForm, name: str, text: str) -> Problem:
    if name not in form.fields:
        return Problem(findings.capital(text))
    return Problem(findings.capital(text), str(form.fields[name].label or NAMELESS.get(name, "")), name)


def _look(campaign: Campaign, told: Check, at: datetime, *, also: bool) -> Check:
    """Try the plan, as far as it can be read; with `also` it begins with those who match already."""
    plan = launch.as_stored(campaign)
    found = _asking(replace(told, past=_past(campaign), **_preview(plan)), plan, at)
    if any(one.field not in UNCOUNTED for one in told.faults):
        return found
    try:
        tried = dry_run.run(plan, at)
        ahead = outlook.of(plan, tried, at, with_matching=also)
    except LakeError:
        return replace(found, remarks=[Problem("Nothing is counted: the history cannot be read now.")])
    except ValueError:  # what is wrong stands among the faults
        return found
    return replace(
        found,
        remarks=[*(Problem(one.sentence, *WHERE.get(one.about, ())) for one in tried.warnings), *_remarks(plan)],
        facts=list(_facts(tried, plan)),
        notes=[one for one in (tried.means, _cost(tried), tried.a_day.basis, _overlapping(tried)) if one],
        reasons=[_reason(one) for one in tried.reasons],
        messages=tried.messages,
        need=approval.needed(plan),
        outlook=ahead,
    )


def _past(campaign: Campaign) -> Panel | None:
    """Give what the newest back-test of a stored plan tells first."""
    if campaign.pk is None:
        return None
    return panels.panels(asking.latest(campaign), may_see_customers=False)[0]


def _asking(found: Check, plan: Campaign, at: datetime) -> Check:
    """Add whether, and how many, match already."""
    try:
        trigger = triggers.parse(plan.trigger, catalogue())
        if isinstance(trigger, EventTrigger | ScheduleTrigger):
            return found
        return replace(found, matching=launch.waiting(plan, at), is_hand=isinstance(trigger, HandTrigger))
    except ValueError:  # what is wrong stands among the faults
        return found


def _facts(tried: DryRun, campaign: Campaign) -> Iterator[tuple[str, Cell]]:
    arms = {one.name: one.customers for one in tried.arms}
    yield "Match now", number(tried.matching)
    yield "Would get it now", number(tried.getting)
    if tried.waiting:
        yield "Would get it later", number(tried.waiting)
    yield f"Left alone as control, {share(campaign.control_share, 0)}", number(arms.get("control", 0))
    yield "Foreseen a day", number(tried.a_day.a_day)
    if tried.cost.total:
        yield "Cost of those now", number(tried.cost.total, 2)


def _cost(tried: DryRun) -> str:
    if tried.cost.a_message or tried.cost.codes:
        return tried.cost.sentence
    return "What one message costs is not said; it may be, under More."


def _overlapping(tried: DryRun) -> str:
    """Say who of them other campaigns write to."""
    found = tried.overlaps
    if not found.customers:
        return ""
    who = ", ".join(f"“{one.name}” {number(one.customers)}" for one in found.campaigns[:MOST_NAMED])
    return f"{number(found.customers)} of them were written to within {found.days} days, or are about to be: {who}."


def _reason(one: Reasoned) -> tuple[Cell, str, str]:
    label = Decision.Outcome(one.outcome).label
    return tag(label, STATE_TAGS.get(one.outcome, "")), number(one.customers), one.reason


def _preview(campaign: Campaign) -> dict[str, Any]:
    """Give what happens to Ada, drawn."""
    try:
        step = steps.parse(campaign.steps)[0]
        is_mail = isinstance(step, steps.EmailStep)
        return {"heading": step_preview.title(step), "preview": step_preview.draw(step), "is_mail": is_mail}
    except (render.TemplateRefused, steps.StepError):  # what is wrong stands among the faults
        return {}


def _remarks(campaign: Campaign) -> Iterator[Problem]:
    way, house = variants.parse(campaign)[0].step.channel, programme.current()
    counted = reach(campaign, way)
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
