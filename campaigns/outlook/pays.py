"""The smallest line of a score that pays, with a campaign's own costs and value (scoring.money has the formula)."""

from typing import NamedTuple

from campaigns import steps
from campaigns.models import Campaign, Offer
from campaigns.offers import costs
from campaigns.outlook.shapes import Base, Cut, Missing, Pays
from campaigns.stats import Interval
from campaigns.triggers import ScoreTrigger
from campaigns.variants import Variant
from scoring import profit, save_rate, targets, terms
from scoring.models import Target
from scoring.profit import Earned
from scoring.terms import Terms


class _Rate(NamedTuple):
    """The share that a contact wins: as it was measured, with its interval, or as it was given."""

    value: float
    measured: Interval | None


def of(campaign: Campaign, trigger: ScoreTrigger, shared: tuple[Variant, ...], base: Base) -> Pays:
    """Give the line from which acting pays, of the held-out tests of the score's live version."""
    target = Target.objects.get(key=trigger.score)
    if targets.is_number(target) or trigger.direction != "above":
        return _unknown("A line that pays is drawn for chances, from the line up.")
    evaluation = profit.tested(target)
    if evaluation is None:
        return _unknown(f"The live version of {target} was not tested, so nothing tells what its lines earn.")
    value = next((one for one in (campaign.value, target.value, base.worth) if one is not None), None)
    rate = _rate(target)
    if missing := _missing(target, value, rate):
        said = " ".join(f"{one.what} is not known: {one.where}." for one in missing)
        return _unknown(f"No line can be drawn. {said}", missing)
    assert value is not None
    assert rate is not None
    contact = campaign.message_cost or target.contact_cost or 0.0
    told = Terms(value, contact, _offer_cost(shared), rate.value, terms.speaks_of_loss(target))
    return _drawn(told, rate, profit.curve(evaluation, told), trigger)


def _drawn(told: Terms, rate: _Rate, drawn: list[Earned], trigger: ScoreTrigger) -> Pays:
    line = terms.break_even(told)
    best = profit.at(line, drawn) if line is not None else None
    cuts = tuple(Cut(one.threshold, one.share, Interval(one.value, one.low, one.high)) for one in drawn)
    assumed = f"a contact wins {100 * rate.value:.3g} %, one is worth {told.value:,.2f} and a contact costs "
    assumed += f"{told.contact_cost:,.2f}" + (f" and an offer {told.offer_cost:,.2f}" if told.offer_cost else "")
    if line is None or best is None or best.value <= 0:
        return Pays(None, None, None, cuts, (), f"No line pays, if {assumed}.")
    interval = _interval(told, rate, line)
    earned = Interval(best.value, best.low, best.high)
    between = f" ({interval.low:.3f} to {interval.high:.3f}, as sure as the share won is)" if interval else ""
    runs = f"{earned.value:,.0f} per 1,000 customers ({earned.low:,.0f} to {earned.high:,.0f})"
    said = f"Acting pays from a score of {line:.3f} up{between} and is expected to earn {runs}, if {assumed}."
    unsure = " It may also lose: the interval reaches below nothing." if earned.low <= 0 else ""
    return Pays(line, interval, earned, cuts, (), said + unsure + _own(trigger, line, drawn))


def _own(trigger: ScoreTrigger, line: float, drawn: list[Earned]) -> str:
    """Say what the campaign's own line earns, where it is another."""
    own = None if trigger.is_percentile or abs(trigger.enter - line) < 0.0005 else profit.at(trigger.enter, drawn)
    return f" Your line of {trigger.enter:g} earns {own.value:,.0f} ({own.low:,.0f} to {own.high:,.0f})." if own else ""


def _interval(told: Terms, rate: _Rate, line: float) -> Interval | None:
    """Give the lines that the ends of the measured share draw; where the low end never pays, up to 1."""
    if rate.measured is None:
        return None
    high, low = (
        terms.break_even(Terms(told.value, told.contact_cost, told.offer_cost, end, told.is_loss))
        for end in (rate.measured.low, rate.measured.high)
    )
    return Interval(line, line if low is None else low, 1.0 if high is None else high)


def _rate(target: Target) -> _Rate | None:
    measured = save_rate.of(target)
    if measured is not None and save_rate.is_shown(measured):
        return _Rate(measured.value or 0.0, Interval(measured.value or 0.0, measured.low or 0.0, measured.high or 0.0))
    return None if target.save_rate is None else _Rate(target.save_rate, None)


def _missing(target: Target, value: float | None, rate: _Rate | None) -> tuple[Missing, ...]:
    found = []
    if value is None:
        found.append(Missing("What one more customer is worth", "write it under “What one is worth” in the plan"))
    if rate is None:
        where = f"write it under “Share that the contact wins” of the score {target}"
        found.append(Missing("How many a contact wins", f"{where}, or let a campaign with a control group measure it"))
    return tuple(found)


def _offer_cost(shared: tuple[Variant, ...]) -> float:
    """Give what the offer of one who is acted on costs, on average over the variants."""
    keys = {one.key: steps.offer_of(one.step) for one in shared}
    each = {offer.key: costs.of_one(offer) or 0.0 for offer in Offer.objects.filter(key__in=set(keys.values()))}
    return sum(one.share * each.get(keys[one.key], 0.0) for one in shared)


def _unknown(said: str, missing: tuple[Missing, ...] = ()) -> Pays:
    return Pays(None, None, None, (), missing, said)
