"""Made-up customers with many honest fields, and the leaks that are planted among them."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from scoring.labels import label
from scoring.training_set import TrainingSet, of_snapshots
from tests.scoring.worlds import AS_OF, DAY, attribute_set, features_at, history_of, order_times, people, silence

HONEST = 34  # fields of a set without dates
Random = np.random.Generator
Column = Any


class World(NamedTuple):
    """A training set, and which of its fields leak how."""

    examples: TrainingSet
    planted: dict[str, str]


def subscribers(count: int, seed: int) -> World:
    """Give customers of whom some leave, as one file without dates: who was stored later has a higher number."""
    rng = np.random.default_rng(seed)
    health, wealth, age = rng.normal(size=count), rng.normal(size=count), rng.normal(size=count)
    index = np.repeat(rng.normal(size=40), -(-count // 40))[:count]
    contract = np.digitize(health + rng.normal(size=count), [-0.5, 0.7])
    odds = -1.2 - 0.8 * health - 0.5 * contract + 0.3 * age**2 + 0.3 * wealth * (contract == 0) + 0.6 * index
    leaves = rng.random(count) < 1 / (1 + np.exp(-odds))
    reasons, says = rng.choice(["price", "service"], count), leaves & (rng.random(count) < 0.7)
    columns = {f"attributes.{name}": values for name, values in _honest(rng, health, wealth, age, contract).items()}
    leaks = {
        "talk": ("duration", np.exp(rng.normal(5.2 + 1.3 * leaves, 0.75 - 0.2 * leaves))),
        "goodbye": ("filled", [reason if told else None for reason, told in zip(reasons, says, strict=True)]),
        "payments_next": ("future", rng.poisson(np.where(leaves, 1.2, 4.5) * np.exp(0.2 * wealth))),
        "line": ("order", 1000 + np.argsort(np.argsort(leaves + rng.normal(0, 1.5, count)))),
        "rate": ("time", np.round(index, 3)),
    }
    frame = people(count, seed, columns | {f"attributes.{name}": values for name, (_, values) in leaks.items()})
    return World(
        attribute_set(frame.fill_nan(None), leaves), {f"attributes.{name}": kind for name, (kind, _) in leaks.items()}
    )


def _honest(rng: Random, health: Column, wealth: Column, age: Column, contract: Column) -> dict[str, Column]:
    """Give fields that go with what decides, more or less, in all the shapes that imports have."""
    count = len(health)
    drawn: list[Callable[[Column], Column]] = [
        lambda x: x,
        lambda x: np.exp(1.5 * x),
        lambda x: np.round(10 * x),
        lambda x: np.where(x > 1, np.round(100 * np.expm1(np.abs(x))), 0.0),
        lambda x: np.where(rng.random(count) < 0.3, np.nan, x),
        lambda x: x > 0.5,
        lambda x: np.array(["low", "middle", "high", "top"])[np.digitize(x, [-0.7, 0.5, 1.6])],
        lambda x: np.char.add("place ", np.digitize(x, np.linspace(-3, 3, 200)).astype(str)),
    ]
    found: dict[str, Column] = {"contract": np.array(["month", "year", "two years"])[contract], "age": age}
    for i in range(HONEST - 4):
        cause = (health, wealth, age, rng.normal(size=count))[i % 4]
        found[f"f{i}"] = drawn[i % len(drawn)](rng.uniform(0.2, 0.9) * cause + rng.normal(size=count))
    found["number"] = rng.permutation(np.arange(50_000, 50_000 + count))
    found["until"] = np.where(
        contract > 0, np.datetime64(AS_OF.date()) + rng.integers(5, 700, count), np.datetime64("NaT")
    ).astype("datetime64[D]")
    return found


def shoppers(count: int, seed: int) -> World:
    """Give customers at several times, some of whom stay away; an attribute taken as known for ever knows the end."""
    orders = order_times(count, seed)
    rng = np.random.default_rng(seed)
    late = orders.filter(pl.col("occurred_at") > AS_OF - 240 * DAY)
    ends = late.group_by("customer_id").agg(
        pl.len().cast(pl.Float64).alias("attributes.orders_this_year"), last=pl.col("occurred_at").max()
    )
    frame = people(count, seed).join(ends, on="customer_id", how="left", maintain_order="left")
    frame = frame.with_columns(
        pl.col("attributes.orders_this_year").fill_null(0.0),
        pl.col("last").dt.date().alias("attributes.last_seen"),
        pl.Series("attributes.plan", rng.choice(["month", "year"], count)),
        pl.Series("attributes.height", rng.normal(size=count)),
    ).drop("last")
    stands = [AS_OF - (45 + 30 * i) * DAY for i in reversed(range(6))]
    snapshots = [
        label(silence(), features_at(orders, frame, t), history_of(orders), t).with_columns(
            pl.lit(round(float(rng.normal()), 3)).alias("attributes.rate")
        )
        for t in stands
    ]
    examples = of_snapshots(snapshots, silence())
    timeless = frozenset(f"attributes.{name}" for name in ("orders_this_year", "last_seen", "plan", "height"))
    planted = {"attributes.orders_this_year": "future", "attributes.last_seen": "future", "attributes.rate": "time"}
    return World(TrainingSet(examples.frame, examples.validated, examples.horizon, timeless=timeless), planted)
