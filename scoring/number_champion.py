"""A new model of a number against the live one, on customers at times that neither had seen."""

import numpy as np
import polars as pl

from scoring import artifacts, champion, forecasts, gate, number_rules, waiting
from scoring.artifacts import ArtifactError
from scoring.encoding import FrameMismatch
from scoring.evaluation import Gain
from scoring.forecasts import Trained
from scoring.learners import Floats
from scoring.models import ModelVersion
from scoring.report import Check


def compare(trained: Trained, live: ModelVersion, seed: int) -> Check:
    """Compare the rankings of both where the tests lie after the live version's own time.

    Where they do not, the gate alone decides, and the check says so.
    """
    examples, target = trained.training_set, live.target
    later = [test for test in trained.tests if test.origin >= live.as_of]
    if not later:
        return champion.untested(live, "no window that was tested began after it was trained")
    try:
        model = artifacts.read(live)
        theirs = [_foreseen(model, examples.frame[test.rows]) for test in later]
    except (ArtifactError, FrameMismatch) as error:
        return champion.untested(live, str(error).rstrip("."))
    rival = [test._replace(foreseen={champion.LIVE: one}) for test, one in zip(later, theirs, strict=True)]
    ours = forecasts.ranking_of(examples, target, later, trained.learner, seed)
    other = forecasts.ranking_of(examples, target, rival, champion.LIVE, seed)
    gain = Gain(ours.value - other.value, float(np.std(ours.resampled - other.resampled, ddof=1)))
    return gate.against(f"version {live.number}", gain, "the normalised Gini")


def _foreseen(model: artifacts.Served, frame: pl.DataFrame) -> Floats:
    matrix = model.reading.matrix(frame)
    if isinstance(model, number_rules.Gap):
        return model.ranks(matrix)
    return model.chance.predict(matrix) if isinstance(model, waiting.Model) else model.predict(matrix)
