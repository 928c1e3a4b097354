"""Looks at campaigns through measure() itself, again and again, in a process of the program."""

import json
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from campaigns import measure
from campaigns.assignment import Shares, assign
from campaigns.models import Campaign, Decision
from customers.models import Customer, Event, EventName, Source
from tests.campaigns.people import T0, campaign, customers

PEOPLE, DAYS, GOAL_DAYS = 1_000, 14, 7
RATE, LIFT = 0.2, 0.15
SHARES = Shares(holdout=0.05, control=0.3)
OUTCOMES = {"treated": "deliver", "control": "control", "holdout": "held_out"}
DAY = timedelta(days=1)
SEEDS = 2


def look(worlds: str, planted: str, path: str) -> None:
    """Look every other day at so many worlds without an effect and so many with one; write down what was claimed."""
    people, source = customers(PEOPLE), Source.objects.create(key="shop", name="Shop", kind="api")
    rng = np.random.default_rng(SEEDS)
    told = [_world(f"none-{n}", people, source, 0.0, rng) for n in range(int(worlds))]
    told += [_world(f"planted-{n}", people, source, LIFT, rng) for n in range(int(planted))]
    Path(path).write_text(json.dumps(told))


def _world(key: str, people: list[Customer], source: Source, lift: float, rng: np.random.Generator) -> dict[str, bool]:
    """Let one campaign decide about all over two weeks, and some of them reach its goal."""
    one = campaign(key, goal_event=key, goal_days=GOAL_DAYS, planned_customers=PEOPLE, control_share=SHARES.control)
    EventName.objects.create(name=key)
    decided = {each.pk: T0 + n * DAYS * DAY / PEOPLE for n, each in enumerate(people)}
    arms = assign(pl.Series([each.seed for each in people]), key, SHARES)
    Decision.objects.bulk_create(
        _decision(one, each, row, decided) for each, row in zip(people, arms.rows(named=True), strict=True)
    )
    chance = np.where((arms["arm"] == "treated").to_numpy(), RATE + lift, RATE)
    later = rng.random(PEOPLE) * GOAL_DAYS
    who = [each for each, did in zip(people, rng.random(PEOPLE) < chance, strict=True) if did]
    at = {each.pk: decided[each.pk] + after * DAY for each, after in zip(people, later, strict=True)}
    Event.objects.bulk_create(
        Event(
            customer=each,
            source=source,
            message_id=f"{key} {each.pk}",
            name=key,
            occurred_at=at[each.pk],
            known_at=at[each.pk],
            value=40.0,
        )
        for each in who
    )
    looks = [measure.measure(one, T0 + day * DAY) for day in range(2, DAYS + GOAL_DAYS + 3, 2)]
    found = [each.against_control.conversion.interval for each in looks]
    last = found[-1]
    return {
        "is_planted": lift > 0,
        "claims": any(each.excludes_zero for each in found if each),
        "is_inside": last is not None and last.low <= lift <= last.high,
        "is_said": any("because of the campaign" in word for word in looks[-1].words),
    }


def _decision(of: Campaign, who: Customer, row: dict[str, object], decided: dict[int, datetime]) -> Decision:
    at = decided[who.pk]
    told = {"round": 1, "bucket": who.bucket, "outcome": OUTCOMES[str(row["arm"])], "reason": "x", "cause": "data"}
    return Decision(campaign=of, customer=who, as_of=at, due_at=at, campaign_version=1, **told, **row)
