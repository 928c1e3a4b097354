"""Where a customer stands at a campaign's line now, and the nearest change that would make her due."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from campaigns import triggers
from campaigns.explain_words import at, signed
from campaigns.models import Campaign, Slot, TriggerBaseline, TriggerState
from campaigns.triggers import (
    DateTrigger,
    EventTrigger,
    HandTrigger,
    ScheduleTrigger,
    ScoreTrigger,
    SegmentTrigger,
    Trigger,
    TriggerError,
)
from customers.models import Customer, Event
from scoring import why as scoring_why
from scoring.api import scores_of
from scoring.models import ModelVersion
from segments import why as segments_why
from segments.everybody import NoSnapshot
from segments.fields import catalogue
from segments.models import Segment
from segments.rules import RuleError
from segments.rules.meaning import NeedsFullCycle
from segments.why import NotYetKnown

NOT_FIRING = "No crossing has fired yet: only new data and passing time fire."


@dataclass
class Standing:
    """What is so, and what would have to be otherwise, each in sentences."""

    is_so: list[str] = field(default_factory=list)
    to_change: list[str] = field(default_factory=list)


def standing(customer: Customer, campaign: Campaign, now: datetime) -> Standing:
    """Give where a customer stands at the line of a campaign's trigger."""
    found = Standing()
    try:
        trigger = triggers.parse(campaign.trigger, catalogue())
    except TriggerError as error:
        found.is_so.append(f"The trigger cannot be used: {error}.")
        return found
    found.is_so.append(f"“{campaign}” acts: {_small(trigger.sentence())}")
    state = TriggerState.objects.filter(campaign=campaign, customer=customer).first()
    if isinstance(trigger, ScoreTrigger | SegmentTrigger):
        _side(found, customer, campaign, state)
    if isinstance(trigger, ScoreTrigger):
        _score(found, customer, trigger, is_inside=bool(state and state.is_inside))
    elif isinstance(trigger, SegmentTrigger):
        _segment(found, customer, trigger, now)
    else:
        _moment(found, customer, campaign, trigger, now)
    _fired(found, campaign, state, now)
    return found


def _side(found: Standing, customer: Customer, campaign: Campaign, state: TriggerState | None) -> None:
    """Say on which side of the line she was seen, since when."""
    if state is not None:
        side = "inside" if state.is_inside else "outside"
        seen = f"{customer} is {side} the line of “{campaign}” since {at(state.since)}, as seen on {at(state.as_of)}."
        found.is_so.append(seen if state.fired_at else f"{seen} {NOT_FIRING}")
    elif TriggerBaseline.objects.filter(campaign=campaign, bucket=customer.bucket).exists():
        found.is_so.append(f"{customer} has been outside the line of “{campaign}” ever since its launch.")
    else:
        found.is_so.append(f"“{campaign}” has not looked at {customer} yet: no cycle since its launch knew of both.")


def _score(found: Standing, customer: Customer, trigger: ScoreTrigger, *, is_inside: bool) -> None:
    told = scores_of([customer.pk], [trigger.score]).get(customer.pk)
    if not told:
        found.is_so.append(f"{customer} has no score {trigger.score}: the next cycle scores those of whom it speaks.")
        return
    one = told[0]
    value = one["percentile"] if trigger.is_percentile else one["value"]
    what = f"the percentile of the score {trigger.score}" if trigger.is_percentile else f"the score {trigger.score}"
    version = ModelVersion.objects.filter(target__key=trigger.score, number=one["version"]).first()
    since = f", live since {at(version.live_since)}" if version and version.live_since else ""
    line = f"the line is {trigger.enter:g}, and {trigger.leave:g} on the way back"
    by = f"as of {at(one['as_of'])}, by version {one['version']}{since}"
    found.is_so.append(f"{what[0].upper()}{what[1:]} is {value:.4g} {by}; {line}.")
    found.to_change += _distance(what, value, trigger, is_inside=is_inside)
    why = scoring_why.of_customer(customer, [trigger.score]).get(trigger.score)
    for words, reasons in (("raises", why.up), ("lowers", why.down)) if why else ():
        if reasons:
            found.is_so.append(f"What {words} it: {'; '.join(reasons)}.")
    if why and why.note:
        found.is_so.append(why.note)


def _distance(what: str, value: float, trigger: ScoreTrigger, *, is_inside: bool) -> list[str]:
    """Say how far the value is from the line that it has to cross."""
    is_above = trigger.direction == "above"
    is_beyond = value >= trigger.enter if is_above else value <= trigger.enter
    way, back = ("rise", "fall") if is_above else ("fall", "rise")
    if is_inside:
        gap = signed(trigger.leave - value)
        again = f"and {way} to {trigger.enter:g} again"
        return [f"To be due again, {what} would have to {back} past {trigger.leave:g} ({gap}) {again}."]
    if is_beyond:
        return [f"{what[0].upper()}{what[1:]} is past the line; the next cycle that sees new data may fire."]
    return [f"To be due, {what} would have to {way} to {trigger.enter:g} ({signed(trigger.enter - value)})."]


def _segment(found: Standing, customer: Customer, trigger: SegmentTrigger, now: datetime) -> None:
    segment = Segment.objects.get(key=trigger.segment)
    told = membership(customer, segment, now)
    found.is_so += told.is_so
    since = segment.memberships.filter(customer=customer).values_list("since", flat=True).first()
    if trigger.edge == "stays" and since:
        found.to_change.append(
            f"The customer will have been in “{segment}” for so long on {at(since + timedelta(days=trigger.days))}."
        )
    elif trigger.edge == "left" and since:
        found.to_change += told.to_change or [f"The customer would have to leave “{segment}”."]
    elif since:
        found.to_change.append(f"To be due, the customer would have to leave “{segment}” and enter it again.")
    elif trigger.edge == "left":
        found.to_change.append(f"To be due, the customer would have to enter “{segment}” and leave it.")
    else:
        found.to_change += told.to_change


def membership(customer: Customer, segment: Segment, now: datetime) -> Standing:
    """Give whether a customer is in a segment, by its rule, and the nearest change that would turn that."""
    found = Standing()
    try:
        why = segments_why.why(segment, customer, now)
    except (RuleError, NeedsFullCycle, NotYetKnown, NoSnapshot) as error:
        found.is_so.append(f"Why {customer} is or is not in “{segment}” cannot be said: {error}")
        return found
    is_in = "is in" if why.is_in else "is not in"
    since = f" since {at(why.since)}" if why.since else ""
    found.is_so.append(
        f"{customer} {is_in} the segment “{segment}”{since}, by version {segment.rule_version} of its rule"
        f"{_dated(segment)}, as of {at(why.as_of)}."
    )
    if why.pin:
        found.is_so.append(
            f"{customer} was set by hand: {why.pin.get_kind_display().lower()}. {why.pin.reason}".strip()
        )
        found.to_change.append("The rule counts again once what was set by hand is taken back.")
        return found
    moves = [move.text for move in why.explanation.nearest]
    turn = "To leave" if why.is_in else "To enter"
    if moves:
        found.to_change.append(f"{turn} “{segment}”, it would take: {' and '.join(moves)}.")
    return found


def _dated(segment: Segment) -> str:
    version = segment.versions.filter(number=segment.rule_version).first()
    return f" of {at(version.at)}" if version else ""


def _moment(found: Standing, customer: Customer, campaign: Campaign, trigger: Trigger, now: datetime) -> None:
    """Say when such a moment was, and when the next one is."""
    if isinstance(trigger, EventTrigger):
        events = Event.objects.filter(customer=customer, name=trigger.of.event, occurred_at__lte=now)
        last = events.order_by("-occurred_at").values_list("occurred_at", flat=True).first()
        said = (
            f"The last {trigger.of.event} was on {at(last)}." if last else f"{customer} has no {trigger.of.event} yet."
        )
        found.is_so.append(said)
        found.to_change.append(
            f"The next one makes {customer} due, if it is told within {campaign.lateness_hours} hours."
        )
    elif isinstance(trigger, DateTrigger):
        name = trigger.field.removeprefix("attributes.")
        value = customer.birth_date if name == "birth_date" else customer.attributes.get(name)
        found.is_so.append(f"The {name} is {value}." if value else f"The {name} is not known.")
        if not value:
            found.to_change.append(f"To be due, {name} would have to be known.")
    elif isinstance(trigger, ScheduleTrigger | HandTrigger):
        slots = Slot.objects.filter(campaign=campaign)
        last = slots.filter(done_at__isnull=False).order_by("-at").values_list("at", flat=True).first()
        following = slots.filter(done_at__isnull=True).order_by("at").values_list("at", flat=True).first()
        found.is_so.append(f"It last acted on {at(last)}." if last else "It has not acted yet.")
        if following:
            found.to_change.append(f"It acts next on {at(following)}.")


def _fired(found: Standing, campaign: Campaign, state: TriggerState | None, now: datetime) -> None:
    """Say which crossing fired last, and until when none fires again."""
    if state is None or state.fired_at is None:
        return
    found.is_so.append(f"The last crossing that fired was number {state.round}, on {at(state.fired_at)}.")
    rested = state.fired_at + timedelta(days=campaign.cooldown_days)
    if campaign.entry == Campaign.Entry.ONCE:
        found.to_change.append("Nothing: this campaign considers everybody once, and never again.")
    elif campaign.entry == Campaign.Entry.DAYS and rested > now:
        found.to_change.append(f"No crossing fires again before {at(rested)}: once in {campaign.cooldown_days} days.")


def _small(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:]


def waits(customer: Customer, campaign: Campaign) -> str:
    """Say in one sentence whether she was seen at the line, by what is stored."""
    state = TriggerState.objects.filter(campaign=campaign, customer=customer).first()
    if state is None:
        return "Nothing is in the way; the customer has not been due."
    side = "inside" if state.is_inside else "outside"
    fired = f"; it last fired on {at(state.fired_at)}" if state.fired_at else ", and no crossing has fired"
    return f"Nothing is in the way; the customer is {side} its line since {at(state.since)}{fired}."
