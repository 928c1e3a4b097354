"""What the bench scores is what it says: forty columns, the averaged model, everybody once."""

import numpy as np

from config import bench_models
from scoring.learners import AVERAGE


def test_forty_columns_are_read_and_two_workers_score_as_one_does() -> None:
    by = bench_models.model(1)
    parts = bench_models.people(bench_models.PART + 40, 1)
    assert by.learner == AVERAGE
    assert len(by.reading.columns) == 40
    assert [len(part) for part in parts] == [bench_models.PART, 40]
    alone, together = (bench_models.score(by, parts[1:], workers) for workers in (1, 2))
    assert np.array_equal(alone, together)
    assert len(np.unique(alone)) == 40
