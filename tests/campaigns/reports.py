"""Reports as values, for the tests of what is made of them."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

from campaigns.report import (
    Arm,
    Comparison,
    Contacts,
    Effect,
    Figure,
    Goal,
    Looks,
    Point,
    Reason,
    Report,
    Slice,
    Split,
    Stage,
    Tag,
    Verdict,
)
from campaigns.stats import CovariateMean, Interval, Mean, Planned, Proportion

AS_OF = datetime(2026, 3, 21, 12, tzinfo=UTC)
GOAL = Goal("Order Completed", 14)


def arm(name: str, customers: int, converted: int, each: float = 40.0, **changes: Any) -> Arm:
    """Give an arm of which so many converted, each with one order."""
    values: dict[str, Any] = {
        "converted": _figure(customers, converted, 1.0),
        "valued": _figure(customers, converted, each),
        "earned": _figure(customers, converted, 0.3 * each),
    }
    return Arm(name, **values | changes)


def _figure(customers: int, converted: int, each: float) -> Figure:
    return Figure(CovariateMean(Mean(customers, converted * each, converted * each * each)))


def effect(value: float, half: float, people: int = 1000, **changes: Any) -> Effect:
    """Give a difference with as much to each side."""
    total = Interval(people * value, people * (value - half), people * (value + half))
    return Effect(Interval(value, value - half, value + half), total=total, **changes)


def comparison(of: str = "treated", against: str = "control", **changes: Any) -> Comparison:
    values: dict[str, Any] = {
        "conversion": effect(0.0412, 0.02, p_value=0.001),
        "value": effect(1.65, 0.9, cut=0.21),
        "margin": effect(0.48, 0.35),
    }
    return Comparison(of, against, **values | changes)


def report(**changes: Any) -> Report:
    """Give a report of 1,200 customers with an effect; `changes` sets other fields."""
    treated, control = arm("treated", 1000, 130, messages=900, cost=45.0), arm("control", 150, 14)
    points = [
        Point(date(2026, 3, day), day * 50, effect(0.04, 0.2 / day), effect(1.6, 9.0 / day), effect(0.5, 4.0 / day))
        for day in (7, 14, 21)
    ]
    weeks = [Slice(f"2026-03-{day:02}", treated, control, arm("holdout", 20, 2), comparison()) for day in (2, 9)]
    values: dict[str, Any] = {
        "campaign": "winback",
        "as_of": AS_OF,
        "counted_at": AS_OF - timedelta(minutes=5),
        "goal": GOAL,
        "treated": treated,
        "control": control,
        "holdout": arm("holdout", 50, 5),
        "variants": (arm("main", 500, 60), arm("b", 500, 70)),
        "against_control": comparison(),
        "against_holdout": comparison(against="holdout"),
        "of_variants": (comparison("main"), comparison("b", margin=Effect(None, "Too few customers to compare."))),
        "looks": Looks(Planned(4000), 1200),
        "split": Split(True, 0.4, 0.6),
        "ripe_share": 0.75,
        "outcomes": {"deliver": 930, "suppressed": 70, "control": 150, "held_out": 50},
        "deliveries": {"sent": 900, "failed": 30},
        "funnel": (
            Stage("considered", "Considered", 1000),
            Stage("eligible", "Eligible", 930),
            Stage("delivered", "Delivered", 900),
            Stage("clicked", "Clicked", 90),
            Stage("converted", "Converted", 120),
        ),
        "reasons": (Reason("suppressed", "Never agreed to newsletter.", 70),),
        "weeks": tuple(weeks),
        "over_time": tuple(points),
        "bands": (Slice("high", treated, control, arm("holdout", 20, 2), comparison()),),
        "tags": (Tag("hero", 60, Proportion(60, 12)),),
        "words": ("The campaign earned 480 (130 to 830).",),
    }
    return Report(**values | changes)


def verdict(**changes: Any) -> Verdict:
    """Give what all campaigns did together."""
    told = report()
    values: dict[str, Any] = {
        "as_of": AS_OF,
        "counted_at": told.counted_at,
        "goal": GOAL,
        "reached": arm("reached", 9500, 1000),
        "holdout": arm("holdout", 500, 40),
        "against_holdout": comparison("reached", "holdout"),
        "looks": told.looks,
        "split": told.split,
        "ripe_share": 1.0,
        "contacts": Contacts({0: 5000, 1: 3000, 2: 1900, 3: 100}),
        "over_time": told.over_time,
        "words": ("All campaigns together earned 4,560 (1,235 to 7,885).",),
    }
    return Verdict(**values | changes)
