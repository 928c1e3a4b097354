"""What the campaign would run into: its budget and day, the channel, the stock, the agents, and quiet hours."""

from collections.abc import Iterator
from datetime import timedelta
from math import ceil

import polars as pl
from django.db.models import Sum

from campaigns import allocate, offers, sending
from campaigns.calls import making
from campaigns.deferral import NEVER, QUIET
from campaigns.dry_run.shapes import Warned
from campaigns.dry_run.tried import Outcome, Tried
from campaigns.models import Agent, CallTask, Offer, Throughput, Way

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
MINUTES = 60


def of(tried: Tried) -> tuple[Warned, ...]:
    """Give what limits it, the hardest first."""
    return tuple(_all(tried))


def _all(tried: Tried) -> Iterator[Warned]:
    stopped = sending.status()
    if stopped.is_stopped:
        yield Warned("sending", f"All sending is stopped: {stopped.why}")
    if tried.going.is_empty() and tried.waiting.is_empty():
        yield Warned("nobody", "Nobody would get it now.")
    yield from _purse(tried)
    yield from _stock(tried)
    yield from _throughput(tried)
    if tried.way == Way.PHONE:
        yield from _calls(tried)
    yield from _quiet(tried)


def _purse(tried: Tried) -> Iterator[Warned]:
    """Say whom the budget, or the most a day, leaves out."""
    campaign = tried.campaign
    if campaign.budget is None and campaign.most_a_day is None:
        return
    purse = allocate.purse(campaign, tried.as_of)
    over = tried.decisions.filter(pl.col("outcome") == Outcome.OVER_BUDGET).height
    wanted = tried.going.height + tried.waiting.height + over
    if purse.affordable is not None and purse.affordable < wanted:
        said = f"The budget of {campaign.budget or 0:,.2f} pays {purse.affordable:,} messages more"
        yield Warned("budget", f"{said}; {wanted:,} customers may get one.")
    if campaign.most_a_day is not None and purse.room_today is not None and purse.room_today < wanted:
        days = ceil(wanted / campaign.most_a_day)
        late = campaign.delay_hours if campaign.when_limited == campaign.Limited.DELAY else 0
        waits = f"they wait up to {late} hours" if late else "whom today has no room for is left"
        said = f"{campaign.most_a_day:,} messages a day are the most: {wanted:,} take {days:,} days, and {waits}."
        yield Warned("day", said)


def _stock(tried: Tried) -> Iterator[Warned]:
    """Say for how many no code is left."""
    for offer in Offer.objects.filter(key__in=tried.codes()).order_by("key"):
        stock = offers.stock_of(offer)
        if stock.left is None:
            continue
        left_out = _because(tried.decisions, stock.sentence)
        if left_out:
            yield Warned(
                "stock", f"{stock.left:,} codes of “{offer}” are left: for {left_out:,} customers there is none."
            )


def _throughput(tried: Tried) -> Iterator[Warned]:
    """Say how long the channel takes, where that is longer than an hour."""
    limit = Throughput.objects.filter(channel=tried.way).first()
    many = tried.going.height
    if limit is None or many <= limit.per_minute * MINUTES:
        return
    hours = many / limit.per_minute / MINUTES
    takes = f"{hours:,.0f} hours" if hours < 48 else f"{hours / 24:,.0f} days"
    yield Warned("throughput", f"At {limit.per_minute:,} a minute {many:,} messages take {takes}.")


def _calls(tried: Tried) -> Iterator[Warned]:
    """Say how long the agents take, where all of them have limits, and what would not be called in time."""
    agents = Agent.objects.filter(user__is_active=True)
    if not agents.exists() or agents.filter(calls_a_day=None).exists():
        return
    a_day = agents.aggregate(most=Sum("calls_a_day"))["most"]
    many = tried.going.height
    queued = CallTask.objects.filter(state__in=(CallTask.State.OPEN, CallTask.State.CLAIMED)).count()
    kept = (making.expiry(tried.campaign, tried.as_of) - tried.as_of) / DAY
    days = ceil((many + queued) / a_day)
    late = max(0, many - max(0, int(a_day * kept) - queued))
    if days <= 1:
        return
    before = f" and {queued:,} that are in the queue" if queued else ""
    said = f"The agents make {a_day:,} calls a day: {many:,} calls{before} take {days:,} days."
    lost = f" A call waits {kept:g} days, so about {late:,} would not be made." if late else ""
    yield Warned("calls", said + lost)


def _quiet(tried: Tried) -> Iterator[Warned]:
    """Say how many are held up by quiet hours."""
    later = _because(tried.waiting, QUIET[:-1])
    left = _because(tried.decisions, QUIET[:-1]) + _because(tried.decisions, NEVER) - later
    if later:
        yield Warned("quiet", f"For {later:,} customers it is a quiet hour: their message waits until it is over.")
    if left:
        yield Warned("quiet", f"For {left:,} customers it is a quiet hour: they are left out.")


def _because(decisions: pl.DataFrame, words: str) -> int:
    """Count the decisions whose reason has these words."""
    each = decisions.group_by("reason").agg(customers=pl.len())
    return int(each.filter(pl.col("reason").str.contains(words, literal=True))["customers"].sum())
