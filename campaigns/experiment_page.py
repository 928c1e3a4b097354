"""The variants on a campaign's page: how they do, who wins, their shares over time, and the buttons for that."""

from collections.abc import Iterator
from datetime import datetime

from django.contrib.auth.models import User

from campaigns import experiments, sharing
from campaigns.contest import CLICK_DAYS, Contest, Metric, contest
from campaigns.models import Campaign, VariantShares
from campaigns.stats import FLOOR
from campaigns.steps import StepError
from customers import charts
from customers.admin import Button
from customers.charts import Span
from customers.panels import Panel, lines, moment, number, share

LAST, FEW = 30, 7  # batches
USE, BACK = "use-", "take-choice-back"
HEADS = {Metric.CONVERSION: "Converted", Metric.VALUE: "Value", Metric.CLICK: "Clicked"}
State = Campaign.State


def panels(campaign: Campaign, at: datetime) -> list[Panel]:
    """Give how the variants of a launched campaign do, and their shares over time; nothing where there are none."""
    if not campaign.variants:
        return []
    try:
        found = contest(campaign, at)
    except StepError:  # what is wrong with the plan is said where it is told
        return []
    rows = list(sharing.learned(campaign).order_by("-at")[:LAST])
    return [_compared(campaign, found), *([_shared(campaign, rows)] if rows or _is_adaptive(campaign) else [])]


def buttons(campaign: Campaign) -> Iterator[Button]:
    """Offer to use the variant that does best, or to take a choice back."""
    if campaign.state not in (State.LIVE, State.PAUSED):
        return
    if campaign.chosen_variant:
        asked = "Let the shares hold again? No winner is looked for until you ask for it in the plan."
        yield Button(BACK, f"Take back that all get {campaign.chosen_variant}", "", asked)
    elif best := experiments.winner_told(campaign):
        asked = f"Give everybody “{best}” from now on? This can be taken back."
        yield Button(f"{USE}{best}", f"Use {best} for everybody", "main", asked)


def do(campaign: Campaign, name: str, by: User, at: datetime) -> str:
    """Do what a button says, and give a sentence about it."""
    if name == BACK:
        variant = campaign.chosen_variant
        experiments.take_back(campaign, by, at)
        return f"“{variant}” is one of several again: the shares hold. No winner is looked for."
    variant = name.removeprefix(USE)
    if not experiments.choose(campaign, variant, by, at):
        raise experiments.ChoiceError("The plan was changed since the page was shown. Look at it again.")
    return f"Everybody gets “{variant}” from now on."


def does(name: str) -> bool:
    """Say whether a button is one of these."""
    return name == BACK or name.startswith(USE)


def _is_adaptive(campaign: Campaign) -> bool:
    return campaign.split == Campaign.Split.ADAPTIVE


def _compared(campaign: Campaign, found: Contest) -> Panel:
    days = f"{found.days} {'day' if found.days == 1 else 'days'}"
    said = [*found.words, f"Those count whose decision is {days} old, sent or not; {number(found.waiting)} more wait."]
    if campaign.chosen_variant:
        said.insert(0, f"Everybody gets “{campaign.chosen_variant}” since {_day(sharing.chosen_at(campaign))}.")
    rows, spans = [], []
    for key, arm in found.arms.items():
        plain = found.plain[key]
        told = number(arm.value, 2) if found.metric == Metric.VALUE else share(arm.value, 2)
        rows.append((key, number(plain.n), number(plain.total), told))
    for key, ahead in found.verdict.ahead.items() if found.verdict else ():
        if one := ahead.interval:
            words = _words(found, one.value, one.low, one.high)
            spans.append(Span(f"against {key}", one.value, one.low, one.high, words))
    leader = found.verdict.leader if found.verdict else ""
    label = f"what “{leader}” is ahead of each other variant, with intervals that hold at any look"
    head = ("Variant", "Customers", HEADS[found.metric], "Each" if found.metric == Metric.VALUE else "Share")
    drawing = charts.intervals(spans, label) if spans else None
    return Panel("The variants", lines(said), head=head, rows=rows, drawing=drawing)


def _words(found: Contest, value: float, low: float, high: float) -> str:
    if found.metric == Metric.VALUE:
        return f"{value:+,.2f} ({low:+,.2f} to {high:+,.2f})"
    return f"{100 * value:+.1f} ({100 * low:+.1f} to {100 * high:+.1f})"


def _day(at: datetime) -> str:
    return f"{at:%Y-%m-%d}"


def _shared(campaign: Campaign, rows: list[VariantShares]) -> Panel:
    """Give the shares over time: the newest batches in a table, and what the leader of today got in a chart."""
    if not rows:
        wait = CLICK_DAYS if campaign.winner_metric == Metric.CLICK else campaign.goal_days
        empty = f"The shares are those of the plan until the first customers' {wait} days are over."
        return Panel("Their shares over time", empty=empty)
    keys = list(dict.fromkeys(key for row in rows for key in row.shares))
    table = [
        (moment(row.at), *(share(row.shares.get(key, 0.0), 1) for key in keys), number(_known(row))) for row in rows
    ]
    most = max(rows[0].shares, key=lambda key: float(rows[0].shares[key]))
    points = [(row.at, 100 * float(row.shares.get(most, 0.0))) for row in reversed(rows)]
    said = f"“{most}” gets most now: {share(rows[0].shares[most], 1)}. Each keeps {share(FLOOR, 0)} at least."
    return Panel(
        "Their shares over time",
        said,
        head=("From", *keys, "Customers known by then"),
        rows=table,
        drawing=charts.over_time(points, f"share of “{most}” in percent") if len(points) > 1 else None,
        is_folded=len(rows) > FEW,
    )


def _known(row: VariantShares) -> int | None:
    return sum(one["customers"] for one in row.drawn_from.values()) if row.drawn_from else None
