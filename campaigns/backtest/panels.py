"""A back-test as pages show it: asked for by a press, watched until it has ended, and told in words, charts, tables."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from campaigns.backtest.told import OPTIMISTIC, day_of
from campaigns.campaign_page import STATE_TAGS
from campaigns.models import Backtest, Decision
from campaigns.report_file import Figure
from customers import charts
from customers.charts import Part
from customers.models import Customer
from customers.panels import Cell, Panel, lines, link, number, share, when

State = Backtest.State
NOTHING_YET = (
    "Nothing was tried yet. Press “Try the last 30 days”: within minutes you read here who would have become due, what "
    "would have gone out, and what it would have cost."
)
SOURCES = {
    "recorded": "those recorded that day",
    "live_then": "the model that was live then",
    "today": "today's model: optimistic",
    "none": "no score is asked for",
}


def panels(asked: Backtest | None, *, may_see_customers: bool, reloads: bool = False) -> list[Panel]:
    """Give the blocks of the page; one that `reloads` is loaded again as soon as the work has ended."""
    if asked is None:
        return [Panel("What it would have done", empty=NOTHING_YET)]
    title = f"What “{asked.campaign}” would have done"
    period = f"From {when(asked.since)} to {when(asked.until)}."
    if asked.state in (State.WAITING, State.RUNNING):
        return [Panel(title, period, drawing=bar(asked, reloads=reloads))]
    if asked.state != State.DONE:
        return [Panel(title, period, warning=_ended(asked))]
    people = [_sample(asked.result)] if may_see_customers else []
    said = asked.result["words"]
    warning = " ".join(one for one in said if one.startswith(OPTIMISTIC))
    words = lines([period, *(one for one in said if not one.startswith(OPTIMISTIC))])
    return [
        Panel(title, words, warning=warning),
        _days(asked.result),
        _became(asked.result),
        _each(asked.result),
        _went_on(asked.result),
        *people,
    ]


def bar(asked: Backtest, *, reloads: bool) -> SafeString:
    """Give the bar that follows the work by itself."""
    shown = {"asked": asked, "progress": progress(asked), "reloads": reloads}
    return render_to_string("admin/backtest_bar.html", shown)


def progress(asked: Backtest) -> SafeString:
    """Give how far it is, in a bar and a sentence."""
    told = {
        State.WAITING: "Waits for its turn: one back-test runs at a time",
        State.RUNNING: f"{asked.days_done:,} of {asked.days:,} days are acted out",
        State.DONE: "Done: open this page again to read it",
        State.CANCELLED: "Cancelled",
        State.FAILED: f"It could not be done. {asked.problem}",
    }
    percent = round(100 * asked.days_done / max(asked.days, 1))
    return render_to_string("admin/backtest_progress.html", {"percent": percent, "sentence": told[State(asked.state)]})


def figures(asked: Backtest) -> Iterator[Figure]:
    """Give every figure of a back-test that is done."""
    result = asked.result
    yield from (Figure("words", "all", "said", words=one) for one in result["words"])
    for name in ("considered", "customers", "sent", "reached", "caps_hit", "consents_later"):
        if name in result:  # what was tried before that was counted lacks it
            yield Figure("totals", "all", name, result[name])
    for name, value in result["cost"].items():
        yield Figure("cost", "all", name, value)
    for day in result["days"]:
        for name in ("considered", "sent"):
            yield Figure("days", day["at"], name, day[name])
        for outcome, many in day["outcomes"].items():
            yield Figure("days", day["at"], outcome, many)
        yield Figure("days", day["at"], "scores", words=SOURCES[day["source"]])
    yield from (Figure("reasons", one["outcome"], one["reason"], one["customers"]) for one in result["reasons"])
    yield from (Figure("messages", str(many), "customers", customers) for many, customers in result["messages_each"])
    yield from (Figure("offers", one["offer"], "codes needed", one["needed"]) for one in result["offers"])
    yield from (Figure("overlaps", one["campaign"], "customers", one["customers"]) for one in result["overlaps"])
    for name in ("entered", "others"):
        for figure in ("customers", "share", "value_each"):
            yield Figure("association, not effect", name, figure, result["went_on"][name][figure])


def _ended(asked: Backtest) -> str:
    if asked.state == State.CANCELLED:
        return "It was cancelled; nothing of it is kept. Choose how many days, and begin again."
    return f"It could not be done. {asked.problem}"


def _days(result: dict[str, Any]) -> Panel:
    """Give each day: who became due, and what went."""
    what = "Calls" if result["is_calls"] else "Messages"
    points = [(datetime.fromisoformat(day["at"]), float(day["sent"])) for day in result["days"]]
    capacity = result["calls_capacity"]
    head = ["Day", "Became due", what, "Scores"]
    rows: list[list[Cell]] = [
        [day_of(day["at"]), number(day["considered"]), number(day["sent"]), SOURCES[day["source"]]]
        for day in result["days"]
    ]
    if capacity is not None:
        head.append("Calls that could be made")
        rows = [[*row, number(capacity)] for row in rows]
    drawing = charts.over_time(points, f"{what} that would have gone out, each day", is_line=False) if points else None
    return Panel("Day by day", head=head, rows=rows, drawing=drawing, is_folded=True)


def _became(result: dict[str, Any]) -> Panel:
    """Give what would have become of everybody, and why."""
    names = {one.value: str(one.label) for one in Decision.Outcome}
    counted = sorted(result["outcomes"].items(), key=lambda one: -one[1])
    parts = [Part(names[name], many, STATE_TAGS.get(name, "")) for name, many in counted]
    rows = [(names[one["outcome"]], one["reason"], number(one["customers"])) for one in result["reasons"]]
    rest = result["other_reasons"]
    if rest["reasons"]:
        rows.append(("", f"{rest['reasons']:,} other reasons", number(rest["customers"])))
    drawing = charts.stack(parts) if parts else None
    empty = "Nobody would have become due in these days."
    return Panel(
        "What would have become of them", head=("Outcome", "Why", "Times"), rows=rows, drawing=drawing, empty=empty
    )


def _each(result: dict[str, Any]) -> Panel:
    """Give how many messages a customer would have got."""
    parts = [Part(f"{many:,}", customers) for many, customers in result["messages_each"]]
    rows = [(number(many), number(customers)) for many, customers in result["messages_each"]]
    what = "Calls" if result["is_calls"] else "Messages"
    drawing = charts.columns(parts, f"Customers, by how many {what.lower()} each would have got")
    head, empty = (what, "Customers"), "Nothing would have gone out to anybody."
    return Panel(f"{what} for each customer", head=head, rows=rows, drawing=drawing if rows[1:] else None, empty=empty)


def _went_on(result: dict[str, Any]) -> Panel:
    found = result["went_on"]
    names = {"entered": "Became due", "others": "Did not"}
    rows = [
        (name, number(one["customers"]), share(one["share"], 2), number(one["value_each"], 2))
        for key, name in names.items()
        for one in (found[key],)
    ]
    note = (
        "An association, not an effect: whoever becomes due differs from the others anyway. "
        f"The goal is {found['goal']} within {found['days']} days."
    )
    return Panel(
        "What they went on to do", note, head=("Who", "Customers", "Reached the goal", "Value each"), rows=rows
    )


def _sample(result: dict[str, Any]) -> Panel:
    """Give some decisions with their reasons; whoever was erased since is left out."""
    ids = [one["customer"] for one in result["sample"]]
    people = Customer.objects.in_bulk(ids)
    names = {one.value: str(one.label) for one in Decision.Outcome}
    rows = [
        (link(people[one["customer"]]), day_of(one["at"]), names[one["outcome"]], one["reason"])
        for one in result["sample"]
        if one["customer"] in people
    ]
    return Panel(
        "Some of them", head=("Customer", "Day", "Outcome", "Why"), rows=rows, empty="There is nobody to show."
    )
