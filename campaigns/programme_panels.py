"""The blocks of the programme's report: all campaigns together against those whom all of them leave alone."""

from campaigns.lately import MOST, Lately
from campaigns.models import Programme
from campaigns.report import Verdict
from campaigns.report_effects import arms, basis, effects, over_time
from customers import charts
from customers.charts import Part
from customers.panels import Cell, Panel, lines, number, share, when


def panels(verdict: Verdict, house: Programme, lately: Lately) -> list[Panel]:
    """Give the blocks of the page that the verdict fills."""
    compared = [verdict.against_holdout]
    return [
        said(verdict, house),
        effects(compared, verdict.split, "Against those whom all campaigns leave alone"),
        over_time(verdict.over_time, verdict.split),
        arms((verdict.reached, verdict.holdout), verdict.split),
        contacts(lately),
    ]


def said(verdict: Verdict, house: Programme) -> Panel:
    """Give what may be said of all campaigns together."""
    facts: list[tuple[str, Cell]] = [
        ("Left alone by all campaigns", share(house.holdout_share, 0)),
        ("Contacts each, within the goal's days", number(verdict.contacts.mean, 2)),
        *basis(verdict.looks, verdict.split, verdict.ripe_share),
        ("Counted as of", when(verdict.counted_at)),
    ]
    goal = f"The goal is {verdict.goal}; everyone counts, written to or not."
    return Panel("What all campaigns earned together", lines([*verdict.words, goal]), facts=facts)


def contacts(told: Lately) -> Panel:
    """Give how many messages and calls customers got lately, beside the cap."""
    people = sum(told.customers.values())
    most = max(told.customers, default=0)
    named = [
        (f"{n} or more" if n == MOST else number(n), told.customers.get(n, 0), n > told.cap) for n in range(most + 1)
    ]
    rows = [
        (f"{label}, over the cap" if is_over else label, number(many), share(many / people))
        for label, many, is_over in named
        if many
    ]
    facts: list[tuple[str, Cell]] = [
        ("The cap", f"{number(told.cap)} in {number(told.days)} days"),
        ("Contacts each", number(told.mean, 2)),
    ]
    parts = [Part(label, many, "wait" if is_over else "") for label, many, is_over in named]
    line = sum(not is_over for _, _, is_over in named)
    title = f"Customers by how many messages and calls they got in {number(told.days)} days; the line is the cap"
    return Panel(
        "Contacts per customer",
        facts=facts if people else (),
        head=("Messages and calls", "Customers", "Share"),
        rows=rows,
        drawing=charts.columns(parts, title, line) if people else None,
        empty="There are no customers yet. Import them, then launch a campaign.",
    )
