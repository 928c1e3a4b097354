"""Trains on noise and on a planted signal, in a process of the program."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from scoring import training
from scoring.models import ModelVersion
from scoring.training_set import RECENCY, TrainingSet, ordered

AS_OF = datetime(2026, 1, 1, tzinfo=UTC)
TIMES, STEP = 6, timedelta(days=30)
CUSTOMERS = {ModelVersion.Validated.IN_FOLDS: 600, ModelVersion.Validated.OVER_TIME: 500}
RATE, STRENGTH = 0.4, 1.0
FIELDS = 6


def train(first: str, seeds: str, planted: str, path: str) -> None:
    """Train for the seeds from the first up, half in folds and half over time; write down what went live."""
    rows = []
    for seed in range(int(first), int(first) + int(seeds)):
        how = list(CUSTOMERS)[seed % 2]
        for strength in (0.0, STRENGTH) if seed < int(first) + int(planted) else (0.0,):
            trained = training.learn(made(how, strength, seed), seed)
            live = "model" if trained.passed else "rule" if trained.rule else ""
            failed = [check["name"] for check in trained.verdict["checks"] if not check["passed"]]
            auc = trained.figures["auc"].value
            told = {"seed": seed, "how": how, "is_planted": strength > 0, "live": live, "failed": failed, "auc": auc}
            rows.append({**told, "learner": trained.judged.learner})
    Path(path).write_text(json.dumps(rows))


def made(how: ModelVersion.Validated, strength: float, seed: int) -> TrainingSet:
    """Give customers with fields of every kind; of strength 0, none says anything about the answer."""
    rng = np.random.default_rng(seed)
    count = CUSTOMERS[how]
    seeds = rng.integers(-(2**63), 2**63 - 1, count)
    own = pl.DataFrame({"customer_id": np.arange(1, count + 1), "seed": seeds, **_told(rng, count)})
    in_folds = how == ModelVersion.Validated.IN_FOLDS
    stands = [AS_OF - STEP * (1 if in_folds else number + 1) for number in range(1 if in_folds else TIMES)]
    frame = ordered(pl.concat([_at(own, t, rng, strength) for t in stands]))
    return TrainingSet(frame, how, timedelta(0) if in_folds else STEP, baseline="" if in_folds else RECENCY)


def _told(rng: np.random.Generator, count: int) -> dict[str, Any]:
    """Give what does not change: a text, a yes or no, a number with holes."""
    numbers = pl.Series(rng.normal(size=count))
    return {
        "attributes.plan": pl.Series(["a", "b", "c", "d"])[rng.integers(0, 4, count).tolist()],
        "attributes.member": rng.random(count) < 0.3,
        "attributes.size": numbers.set(pl.Series(rng.random(count) < 0.2), None),
    }


def _at(own: pl.DataFrame, t: datetime, rng: np.random.Generator, strength: float) -> pl.DataFrame:
    """Give what does change, and what came: with a chance of 0.4, moved by the first number."""
    count = own.height
    numbers = {f"features.n{i}": rng.normal(size=count) if i % 2 else rng.lognormal(size=count) for i in range(FIELDS)}
    odds = np.log(RATE / (1 - RATE)) + strength * (numbers["features.n1"] + numbers["features.n3"])
    label = rng.random(count) < 1 / (1 + np.exp(-odds))
    moment = pl.lit(t).cast(pl.Datetime("us", "UTC")).alias("as_of")
    columns = {**numbers, RECENCY: rng.exponential(60, count), "label": label}
    return own.with_columns(moment, *(pl.Series(name, values) for name, values in columns.items()))
