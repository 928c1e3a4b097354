"""Whether the last mails of a campaign did harm: bounces, complaints and unsubscribes, against what is usual.

An exact binomial test (Clopper and Pearson 1934: the tail of the binomial distribution), one-sided. In 2,000
simulated years of a campaign at usual rates, looked at each day, it gave 6 alarms (docs/marketers.md, Brakes).
"""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from math import exp, lgamma, log
from typing import NamedTuple

from django.db.models import QuerySet

from campaigns.models import Campaign, Delivery
from customers.models import Channel, Event

FEWEST = 50  # mails, before anything is said
MOST = 5_000  # of the last mails
RECENT, HISTORY = timedelta(days=3), timedelta(days=90)
WAITED = timedelta(days=10)  # the longest from a decision to its mail
ENOUGH = 500  # mails that make a history
TIMES = 2  # what is usual
ALARM = 1e-5  # the chance of as many by accident, below which they are none
SEVERAL = 3  # that one mail in a small run goes wrong says nothing
HANDED = (Delivery.State.SENT, Delivery.State.FAILED, Delivery.State.UNCERTAIN)


class Harm(NamedTuple):
    """One kind of harm: its event, the share that providers no longer bear, and the one they ask to stay below."""

    name: str
    event: str
    limit: float
    usual: float


# Gmail and Yahoo ask bulk senders for a spam rate below 0.1 % and never 0.3 % (standards 1.6); providers of mail close
# accounts from 5 % of bounces (Amazon SES reviews from 5 %); 2 % who leave is ten times what newsletters see.
COMPLAINTS = Harm("complaints", "Email Marked as Spam", 0.003, 0.001)
BOUNCES = Harm("bounces", "Email Bounced", 0.05, 0.02)
UNSUBSCRIBES = Harm("unsubscribes", "Unsubscribed", 0.02, 0.005)
HARMS = (COMPLAINTS, BOUNCES, UNSUBSCRIBES)


class Seen(NamedTuple):
    """So many mails, and how many of them did each kind of harm."""

    mails: int
    harmed: Mapping[str, int]


def found(recent: Seen, own: Seen, all_: Seen) -> str:
    """Say what is wrong with recent mails, by the limits, their own history and that of all; "" where nothing is."""
    if recent.mails < FEWEST:
        return ""
    for harm in HARMS:
        many = recent.harmed.get(harm.name, 0)
        rate = many / recent.mails
        if many < SEVERAL:
            continue
        told = f"{many:,} {harm.name} among its last {recent.mails:,} mails ({rate:.1%})"
        if rate > harm.limit and at_least(many, recent.mails, harm.usual) < ALARM:
            return f"{told}; {harm.limit:.1%} is the most that is borne."
        known = [one for one in (own, all_) if one.mails >= ENOUGH]
        if known and all(_is_new(recent, one, harm) for one in known):
            return f"{told}; {max(_rate(one, harm) for one in known):.2%} were usual."
    return ""


def at_least(many: int, of: int, chance: float) -> float:
    """Give the chance of at least so many of so many, each with the same chance (the binomial tail, exactly)."""
    if many <= 0:
        return 1.0
    if not 0.0 < chance < 1.0:
        return float(chance >= 1.0)
    if many <= of * chance:
        return 1.0  # more than one in three: nothing that could be an alarm
    term = exp(
        lgamma(of + 1) - lgamma(many + 1) - lgamma(of - many + 1) + many * log(chance) + (of - many) * log(1 - chance)
    )
    total, odds = term, chance / (1 - chance)
    for k in range(many, of):
        term *= odds * (of - k) / (k + 1)
        total += term
        if term < total * 1e-12:
            break
    return min(1.0, total)


def look(campaign: Campaign, since: datetime | None, now: datetime) -> str:
    """Say what is wrong with a campaign's mails of the last days (after `since`); "" where nothing is."""
    begin = max(now - RECENT, since) if since else now - RECENT
    recent = _seen(_mails(begin, now).filter(decision__campaign=campaign))
    if recent.mails < FEWEST or max(recent.harmed.values()) < SEVERAL:
        return ""
    before = _mails(now - HISTORY, begin)
    return found(recent, _seen(before.filter(decision__campaign=campaign)), _seen(before))


def _is_new(recent: Seen, history: Seen, harm: Harm) -> bool:
    """Tell whether there is at least twice as much harm as in a history, and not by accident.

    The conditional test of two rates, which knows how little a short history says (Przyborowski and Wilenski 1940).
    """
    now, then = recent.harmed.get(harm.name, 0), history.harmed.get(harm.name, 0)
    if now < TIMES * recent.mails * _rate(history, harm):
        return False
    return at_least(now, now + then, recent.mails / (recent.mails + history.mails)) < ALARM


def _rate(history: Seen, harm: Harm) -> float:
    return history.harmed.get(harm.name, 0) / history.mails


def _mails(after: datetime, until: datetime) -> "QuerySet[Delivery]":
    decided = {"decision__as_of__gt": after - WAITED}
    handed = Delivery.objects.filter(channel=Channel.EMAIL, state__in=HANDED, **decided)
    return handed.filter(began_at__gt=after, began_at__lte=until)


def _seen(mails: "QuerySet[Delivery]") -> Seen:
    """Count the last of some mails, and those that were told to have done harm; what was refused for good bounced."""
    rows = list(mails.order_by("-began_at", "-pk").values_list("public_id", "customer_id", "state")[:MOST])
    harmed: dict[str, set[str]] = {harm.name: set() for harm in HARMS}
    harmed[BOUNCES.name].update(public_id for public_id, _, state in rows if state == Delivery.State.FAILED)
    ours = {public_id for public_id, _, _ in rows}
    for name, public_id in _told(sorted({customer for _, customer, _ in rows})):
        if public_id in ours:
            harmed[name].add(public_id)
    return Seen(len(rows), {name: len(ids) for name, ids in harmed.items()})


def _told(customers: list[int]) -> Iterator[tuple[str, str]]:
    """Give the harm that was told of some customers' mails, with the delivery."""
    names = {harm.event: harm.name for harm in HARMS}
    for first in range(0, len(customers), 500):
        part = customers[first : first + 500]
        told = Event.objects.filter(customer__in=part, name__in=list(names)).values_list("name", "properties")
        for name, properties in told:
            yield names[name], str(properties.get("delivery", ""))
