"""What stands between a plan and its launch: the plan in words, what is missing, and the buttons of its life."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.http import urlencode
from django.utils.safestring import SafeString

from campaigns import (
    brakes,
    campaign_page,
    forecast,
    launch,
    nameable,
    programme,
    render,
    slots,
    standing,
    step_preview,
    steps,
    story,
    trigger_words,
    variants,
)
from campaigns.forms import CampaignForm
from campaigns.models import Campaign, Way
from campaigns.reach import Reach, reach
from customers.admin import Button
from customers.panels import Cell, Panel, lines, moment, number, share
from segments.models import Membership, Segment

ENDS = ("pause", "stop")
PILOT = 0.05
WIDER = (0.05, 0.20, 0.50, 1.0)
ADDRESSES = {
    Way.EMAIL: "an e-mail address",
    Way.PHONE: "a phone number",
    Way.SMS: "a phone number",
    Way.PUSH: "a device that takes messages",
}
EXAMPLE = ".test"
State = Campaign.State


def plan(campaign: Campaign) -> Panel:
    """Give the plan in words, and where it stands."""
    said = story.tell(campaign, trigger_words.names())
    if campaign.fires_on_start:
        said.append("At its launch it was asked to act on those who matched already.")
    facts: list[tuple[str, Cell]] = [
        ("State", campaign_page.state_tag(campaign.state, campaign.get_state_display())),
        ("Launched", moment(campaign.launched_at)),
        ("Version", str(campaign.version)),
        ("Goal", f"{campaign.goal_event} within {campaign.goal_days} days"),
        ("Control", share(campaign.control_share, 0)),
    ]
    if campaign.pilot_share < 1:
        facts.append(("Pilot", share(campaign.pilot_share)))
    if campaign.forecast is not None:
        facts.append(("Foreseen a day", number(campaign.forecast)))
    if campaign.owner_id:
        facts.append(("Looked after by", str(campaign.owner)))
    return Panel("The plan", lines(said), facts=facts, drawing=_ways(campaign), warning=" ".join(_paused(campaign)))


def _ways(campaign: Campaign) -> SafeString | None:
    """Give the ways to the form and to the mails, while anything may be changed."""
    if campaign.state == State.STOPPED:
        return None
    ways = [("Edit the plan", reverse("admin:campaigns_campaign_edit", args=[campaign.pk]))]
    if campaign_page.is_mail(campaign):
        composer = reverse("admin:campaigns_campaign_compose", args=[campaign.pk])
        ways.append(("Write the mail", composer))
        keys = [str(one.get("key")) for one in campaign.variants]
        ways += [(f"Write variant {key}", f"{composer}?{urlencode({'variant': key})}") for key in keys]
    text = '<a class="cusp-button" href="{}">{}</a>'
    return format_html('<p class="cusp-row">{}</p>', format_html_join(" ", text, ((url, words) for words, url in ways)))


def _paused(campaign: Campaign) -> Iterator[str]:
    """Give what a campaign waits for: an answer to its brakes, or a segment that cannot be told."""
    if campaign.state == State.PAUSED and campaign.paused_why:
        yield f"It paused itself: {campaign.paused_why} Let it go on, or stop it for good."
    watched = str(campaign.trigger.get("segment", "")) if isinstance(campaign.trigger, dict) else ""
    for segment in Segment.objects.exclude(problem="").order_by("name"):
        if segment.key == watched:
            yield f"Its segment “{segment}” is paused, and nobody is considered until it is mended: {segment.problem}."
        elif segment.pk == campaign.audience_id:
            yield f"Its audience “{segment}” is paused, and stays as it was: {segment.problem}."


def told(form: CampaignForm) -> dict[str, Any]:
    """Give the plan that stands in a form in words, what it lacks, and how a message or change would look."""
    form.full_clean()
    missing = [
        f"{form.fields[name].label or 'Choose'}: {text}" if name in form.fields else str(text)
        for name, found in form.errors.items()
        for text in found
        if name not in ("name", "key")
    ]
    is_readable = not {"trigger_kind", "control_share", "pilot_share"} & set(form.errors) and bool(
        form.instance.trigger
    )
    said = story.tell(form.instance, trigger_words.names()) if is_readable else []
    sound = [one for one in said if not one.startswith(trigger_words.UNREADABLE)]
    return {"missing": missing, "said": sound, **_preview(form)}


def _preview(form: CampaignForm) -> dict[str, Any]:
    """Give what happens to Ada, drawn; of a mail the composer shows it."""
    try:
        step = steps.parse(form.instance.steps)[0]
        if isinstance(step, steps.EmailStep):
            return {}
        return {"preview": step_preview.draw(step), "heading": step_preview.title(step)}
    except (render.TemplateRefused, steps.StepError):  # what is wrong stands at its field
        return {}


def ready(campaign: Campaign, at: datetime) -> Panel:
    """Give what is known before a launch: who matches, who can be reached, what is foreseen, and what is missing."""
    try:
        launch.check(campaign)
        made = variants.parse(campaign, nameable.known())
    except ValueError as refused:
        return Panel("Before it is launched", f"It cannot be launched yet. {sentence(str(refused))}")
    counted = reach(campaign, made[0].step.channel)
    foreseen = forecast.foresee(campaign, at)
    facts: list[tuple[str, Cell]] = [
        ("Match already", number(launch.waiting(campaign))),
        ("Can be reached" if made[0].step.channel.is_contact else "May be acted on", number(counted.eligible)),
        ("Foreseen a day", number(foreseen.a_day)),
    ]
    missing = list(_missing(campaign, made, counted))
    words = [foreseen.basis, *missing] if foreseen.basis else missing
    note = lines(words) if words else "Nothing is missing."
    warning = _alarm(campaign, counted) if made[0].step.channel.is_contact else ""
    return Panel("Before it is launched", note, facts=facts, warning=warning)


def _alarm(campaign: Campaign, counted: Reach) -> str:
    if not counted.agreed:
        return f"Nobody agreed to “{campaign.topic}”: nothing would be sent."
    if not counted.eligible:
        return f"Nobody in “{campaign.audience}” agreed to “{campaign.topic}”: nothing would be sent."
    return ""


def _missing(campaign: Campaign, made: tuple[variants.Variant, ...], counted: Reach) -> Iterator[str]:
    way = made[0].step.channel
    house = programme.current()
    if way.is_contact:
        belong = f"; {number(counted.eligible)} of them belong to “{campaign.audience}”" if campaign.audience else ""
        yield f"{number(counted.agreed)} customers agreed to “{campaign.topic}” and have {ADDRESSES[way]}{belong}."
    else:
        yield "Nobody is contacted: it needs no consent, and no cap and no quiet hour holds it up."
    for one in made:
        for name in steps.unguarded(one.step):
            where = f" of variant {one.key}" if one.key else ""
            yield f"The text{where} shows nothing for customers without {name}: add | default: '…' to it."
    if way == Way.EMAIL and EXAMPLE in house.sender:
        yield f"The sender is still {house.sender}: write your own address on the page of the programme."
    if not campaign.control_share:
        yield "Nobody is left alone as its control: what it earns cannot be told."


def buttons(campaign: Campaign) -> list[Button]:
    """Offer what the state of a campaign allows."""
    if campaign.state == State.DRAFT:
        return list(_launches(campaign))
    under_way = standing.of(campaign)
    ends = f"Stop this campaign for good? It cannot be launched again. {standing.stopped(under_way)}"
    stop = Button("stop", "Stop for good", "bad", ends)
    if campaign.state == State.PAUSED and campaign.paused_why:
        asked = "Let it go on? What it held back is sent."
        return [Button("go-on", "Go on", "main", asked), stop]
    if campaign.state == State.PAUSED:
        return [Button("resume", "Resume", "main", f"Let it go on? {standing.resumed(under_way)}"), stop]
    if campaign.state == State.LIVE:
        return [*_by_hand(campaign), *_widenings(campaign), _pause(under_way), stop]
    return []


def _pause(under_way: standing.Standing) -> Button:
    return Button("pause", "Pause", "", f"Pause it? {standing.paused(under_way)}")


def _launches(campaign: Campaign) -> Iterator[Button]:
    """Offer to launch: with a pilot, and, where customers match already, to act on them, too."""
    try:
        matching = launch.waiting(campaign)
    except launch.LaunchError:  # what is wrong is said when it is launched
        matching = 0
    many = number(matching)
    later = (
        f"{many} customers match already; it acts only when others come to match."
        if matching
        else "It acts from the next cycle on."
    )
    yield Button("launch", "Launch", "main", f"Launch this campaign? {later}")
    few = share(PILOT, 0)
    if campaign.pilot_share > PILOT:
        yield Button(
            "pilot", f"Launch to {few} first", "", f"Launch it to {few} of the customers? You widen it later. {later}"
        )
    if matching:
        now = f"Act on all {many} customers who match already, within consent, caps and control, and on others?"
        yield Button("launch-for-all", f"Launch, and act on the {many} who match already", "", now)


def _widenings(campaign: Campaign) -> Iterator[Button]:
    """Offer the next wider share, and everybody. Who had it stays in: the draw is the same."""
    wider = [one for one in WIDER if one > campaign.pilot_share + 1e-9]
    for one in dict.fromkeys((*wider[:1], *wider[-1:])):
        whom = "everybody" if one == 1 else share(one, 0)
        asked = f"Let {whom} get it? It acts when others come to match."
        yield Button(f"widen-{round(100 * one)}", f"Widen to {whom}", "main" if one == wider[0] else "", asked)
    if wider:
        asked = "Let everybody get it, and act on those who match already and were outside the pilot?"
        yield Button("widen-100-also", "Widen to everybody, also who matches already", "", asked)


def _by_hand(campaign: Campaign) -> Iterator[Button]:
    """Offer to begin a campaign that goes by hand, with the number of its audience."""
    if campaign.trigger.get("kind") == "hand":
        many = number(Membership.objects.filter(segment=campaign.audience_id).count())
        asked = f"Begin now for the {many} customers of “{campaign.audience}”, within consent, caps and control?"
        yield Button("by-hand", f"Send now to {many} customers", "main", asked)


def do(campaign: Campaign, name: str, by: User, at: datetime) -> str:
    """Do what a button says, and give a sentence about it."""
    if name.startswith("widen-"):
        return _widen(campaign, name, by, at)
    if name == "by-hand":
        slots.by_hand(campaign, by, at)
        return f"{campaign.name} has begun. Who gets it and why stands below and under Decisions within moments."
    if name == "go-on":
        released = brakes.go_on(campaign, by, at)
        return f"{campaign.name} goes on. {number(released)} messages that it held back are on their way."
    if name == "pause":
        return f"{campaign.name} is paused. {standing.paused(launch.pause(campaign, by, at))}"
    if name == "stop":
        return f"{campaign.name} is stopped. {standing.stopped(launch.stop(campaign, by, at))}"
    with transaction.atomic():
        if name == "pilot":
            launch.edit(campaign, by, at, pilot_share=PILOT)
        if name == "resume":
            matching = launch.resume(campaign, by, at)
        else:
            matching = launch.launch(campaign, by, at, fires_on_start=name == "launch-for-all")
    told = "it acts on them in the next cycle" if name == "launch-for-all" else "it acts when others come to match"
    whom = f" for {share(campaign.pilot_share)} of the customers" if campaign.pilot_share < 1 else ""
    return f"{campaign.name} is live{whom}. {number(matching)} customers match already; {told}."


def _widen(campaign: Campaign, name: str, by: User, at: datetime) -> str:
    """Let more customers in; who was in stays in."""
    _, percent, *also = name.split("-")
    to = int(percent) / 100
    matching = launch.widen(campaign, to, by, at, fires_for_waiting=bool(also))
    told = f" It acts on the {number(matching)} who match already." if also and matching else ""
    return f"{campaign.name} is for {'everybody' if to == 1 else f'{share(to, 0)} of the customers'} now.{told}"


def sentence(message: str) -> str:
    """Give a fault of a plan as a sentence that says where to mend it."""
    path, _, what = message.partition(": ")
    if not what or " " in path:
        return message
    where = "In the mail" if ".content" in path else "In the plan"
    return f"{where}: {what}{'' if what.endswith('.') else '.'}"
