"""A formula says of every customer what the fitted model says, for every learner."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from scoring import artifacts, formula, learners
from scoring.learners import MODELS, Model, Sigmoid
from scoring.models import ModelVersion, Target
from scoring.seals import ArtifactError
from scoring.unfolding import unfold
from tests.scoring.worlds import signal

CALIBRATION = Sigmoid(0.9, -0.3)


def with_holes(seed: int, count: int = 700) -> pl.DataFrame:
    frame = signal(count, 1.5, seed)[0].frame
    hidden = np.random.default_rng(seed).random(count) < 0.2
    return frame.with_columns(pl.when(~pl.Series(hidden)).then("features.load").alias("features.load"))


@pytest.fixture(scope="module")
def model() -> Model:
    frame = with_holes(1)
    return learners.fit(frame, frame["label"].to_numpy(), 0)


def odds_of(model: Model, frame: pl.DataFrame) -> learners.Floats:
    chances = model.chances(frame)
    found: learners.Floats = np.log(chances / (1 - chances))
    return found


@pytest.mark.parametrize("learner", MODELS)
def test_every_learner_is_written_down_exactly(model: Model, learner: str) -> None:
    one = model.speaking(learner, CALIBRATION)
    frame = with_holes(2)
    found = formula.from_bytes(unfold(one).to_bytes())
    odds = found.odds(found.reading.matrix(frame))
    np.testing.assert_allclose(odds, odds_of(one, frame), atol=1e-6)
    assert odds.std() > 0.1


@pytest.mark.parametrize("only", [["features.load"], []])
def test_simple_rules_too(only: list[str]) -> None:
    frame = with_holes(1)
    rule = learners.fit_only(frame, frame["label"].to_numpy(), only)
    found = unfold(rule)
    np.testing.assert_allclose(found.odds(found.reading.matrix(frame)), odds_of(rule, frame), atol=1e-6)


def test_it_comes_with_the_model_file_and_is_refused_with_a_torn_one(model: Model, lake: Path) -> None:
    one = model.speaking(learners.AVERAGE, CALIBRATION)
    path, mac = artifacts.write(one, "churn", 1)
    version = ModelVersion(target=Target(key="churn"), number=1, artefact=path, artefact_mac=mac)
    frame = with_holes(3)
    found = formula.of_version(version)
    np.testing.assert_allclose(found.odds(found.reading.matrix(frame)), odds_of(one, frame), atol=1e-6)
    (lake / path).write_bytes((lake / path).read_bytes()[:-50])
    with pytest.raises(ArtifactError, match="not the one that was stored"):
        formula.of_version(version)
    with pytest.raises(ArtifactError, match="cannot be read"):
        formula.from_bytes(b"PK\x03\x04 torn")
