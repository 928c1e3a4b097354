"""A new version against the live one, on customers at times that neither had seen."""

import numpy as np
import polars as pl

from scoring import artifacts, evaluation, gate
from scoring.artifacts import ArtifactError
from scoring.encoding import FrameMismatch
from scoring.evaluation import Outcome
from scoring.minimums import FEWEST_AT_ORIGIN
from scoring.models import ModelVersion
from scoring.report import Check
from scoring.training_set import TrainingSet
from scoring.validation import Judged

LIVE = "live"


def compare(examples: TrainingSet, judged: Judged, version: ModelVersion, seed: int) -> Check:
    """Compare the learner that was judged with a live version, where that can be tested after its own time.

    Where it cannot, the gate alone decides, and the check says so.
    """
    since = int(version.as_of.timestamp() * 1_000_000)
    later = (judged.times >= since) if judged.origins else np.zeros(len(judged.times), dtype=bool)
    own = judged.outcome.at(later)
    if min(own.labels.sum(), (~own.labels).sum()) < FEWEST_AT_ORIGIN:
        return untested(version, "no window that was tested began after it was trained")
    try:
        model = artifacts.read(version)
        chances = model.predict(model.reading.matrix(examples.frame[pl.Series(judged.rows[later])]))
    except (ArtifactError, FrameMismatch) as error:
        return untested(version, str(error).rstrip("."))
    outcomes = {judged.learner: own, LIVE: Outcome(own.labels, chances, own.flagged, own.customers)}
    aucs = evaluation.aucs(outcomes, judged.times[later], seed)
    return gate.against(f"version {version.number}", evaluation.gain(aucs[judged.learner], aucs[LIVE]))


def untested(version: ModelVersion, why: str) -> Check:
    """Give that the live version could not be compared with a new one."""
    sentence = f"The live version {version.number} could not be compared with it ({why}): passing the gate decides."
    return {"name": "champion", "passed": True, "sentence": sentence}
