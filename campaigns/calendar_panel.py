"""The calendar as a block of a page: a drawing of the campaigns that did most, and every day in words."""

from collections import defaultdict
from datetime import date

from django.utils.formats import date_format
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from campaigns.calendar import BACK, Calendar, Entry, Kind
from campaigns.models import Campaign
from customers import charts
from customers.charts import Lane
from customers.panels import Cell, Panel, link, number

LANES = 20  # of a drawing; the table and the file have all
NAMED = 12  # campaigns that a day of the table names
MONDAY = 0


def panel(told: Calendar) -> Panel:
    """Give the calendar; a day that several campaigns share names each."""
    by_day: dict[date, list[Entry]] = defaultdict(list)
    for one in told.entries:
        by_day[one.day].append(one)
    rows = [_row(day, by_day[day], told) for day in reversed(told.days) if by_day[day]]
    note = (
        "Filled days went; outlined days are to come: planned already, named by a schedule, or foreseen from what was "
        "seen at the launch. Consent, caps and budgets take their part when it comes to it."
    )
    return Panel(
        "What goes out when",
        note if rows else "",
        head=("Day", "Went out", "To come", "By campaign"),
        rows=rows,
        drawing=_drawing(told) if rows else None,
        empty="Nothing went out in four weeks, and nothing is to come. Make a campaign and launch it.",
        is_folded=True,
    )


def _row(day: date, entries: list[Entry], told: Calendar) -> tuple[Cell, ...]:
    went = [one for one in entries if one.kind == Kind.WENT_OUT]
    next_ = [one for one in entries if one.kind != Kind.WENT_OUT]
    named = format_html_join("; ", "{} {} {}", ((link(e.campaign), _many(e), e.kind.label) for e in entries[:NAMED]))
    more = f"; and {len(entries) - NAMED} more" if len(entries) > NAMED else ""
    words = f"{date_format(day, 'D j M Y')}{' (today)' if day == told.today else ''}"
    return words, _sum(went), _sum(next_), format_html("{}{}", named, more)


def _sum(entries: list[Entry]) -> str:
    known = [one.deliveries for one in entries if one.deliveries is not None]
    return f"{'about ' if _is_guess(entries) else ''}{number(sum(known))}" if known else "–"


def _is_guess(entries: list[Entry]) -> bool:
    return any(one.kind in (Kind.SCHEDULED, Kind.FORESEEN) for one in entries)


def _many(entry: Entry) -> str:
    return "an unknown number" if entry.deliveries is None else number(entry.deliveries)


def _drawing(told: Calendar) -> SafeString:
    """Draw those campaigns of which most went out or is to come."""
    weights: dict[Campaign, float] = defaultdict(float)
    for one in told.entries:
        weights[one.campaign] += one.deliveries or 0.0
    shown = sorted(weights, key=lambda campaign: (-weights[campaign], campaign.name))[:LANES]
    days: dict[Campaign, list[tuple[int, float, bool, str]]] = {campaign: [] for campaign in shown}
    for one in told.entries:
        if one.campaign in days:
            words = f"{date_format(one.day, 'j M')}: {_many(one)} {one.kind.label}"
            is_next = one.kind != Kind.WENT_OUT
            days[one.campaign].append(((one.day - told.first).days, one.deliveries or 0.0, is_next, words))
    lanes = [Lane(campaign.name, days[campaign]) for campaign in shown]
    heads = [(n, date_format(day, "j M")) for n, day in enumerate(told.days) if day.weekday() == MONDAY]
    left_out = len(weights) - len(shown)
    label = "What goes out on which day" + (f", without {left_out} smaller campaigns" if left_out > 0 else "")
    return charts.calendar(lanes, heads, len(told.days), BACK, label)
