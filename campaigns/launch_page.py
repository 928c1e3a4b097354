"""A campaign's plan in words, and the buttons of its life."""

from collections.abc import Iterator
from datetime import datetime

from django.contrib.auth.models import User
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.http import urlencode
from django.utils.safestring import SafeString

from campaigns import (
    brakes,
    campaign_page,
    launch,
    slots,
    standing,
    story,
    trigger_words,
)
from campaigns.models import Campaign
from customers.admin import Button
from customers.panels import Cell, Panel, lines, moment, number, share
from segments.models import Membership, Segment

ENDS = ("pause", "stop")
WIDER = (0.05, 0.20, 0.50, 1.0)
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


def _ways(campaign: Campaign) -> SafeString:
    """Give the ways to the launch page and to the mails, while anything may be changed, and to the versions."""
    page = reverse("admin:campaigns_campaign_launch", args=[campaign.pk])
    ways = [("Edit the plan", page)] if campaign.state not in (State.DRAFT, State.STOPPED) else []
    ways.append(("Versions, and copies", reverse("admin:campaigns_campaign_versions", args=[campaign.pk])))
    if campaign.state != State.STOPPED and campaign_page.is_mail(campaign):
        composer = reverse("admin:campaigns_campaign_compose", args=[campaign.pk])
        ways.append(("Write the mail", composer))
        keys = [str(one.get("key")) for one in campaign.variants]
        ways += [(f"Write variant {key}", f"{composer}?{urlencode({'variant': key})}") for key in keys]
    text = '<a class="cusp-button" href="{}">{}</a>'
    first = format_html('<a class="cusp-button cusp-button-main" href="{}">Check and start it</a> ', page)
    rest = format_html_join(" ", text, ((url, words) for words, url in ways))
    return format_html('<p class="cusp-row">{}{}</p>', first if campaign.state == State.DRAFT else "", rest)


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


def buttons(campaign: Campaign) -> list[Button]:
    """Offer what the state of a campaign allows."""
    if campaign.state == State.DRAFT:
        return []
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
    matching = launch.resume(campaign, by, at)
    whom = f" for {share(campaign.pilot_share)} of the customers" if campaign.pilot_share < 1 else ""
    many = f"{number(matching)} customers match already; it acts when others come to match."
    return f"{campaign.name} is live{whom}. {many} {standing.resumed(standing.of(campaign))}"


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
