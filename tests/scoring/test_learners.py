"""What a model answers does not depend on how its answer is reckoned."""

from datetime import UTC, datetime

import numpy as np
import polars as pl

from scoring import encoding, learners

AS_OF = datetime(2026, 1, 1, tzinfo=UTC)


def people(rows: int) -> pl.DataFrame:
    """Give customers with a skewed number, one with holes, a text and a yes/no."""
    rng = np.random.default_rng(7)
    holes = pl.Series(rng.normal(size=rows)).set(pl.Series(rng.random(rows) < 0.3), None)
    return pl.DataFrame(
        {
            "features.spend": rng.lognormal(sigma=2.0, size=rows),
            "features.gap": holes,
            "attributes.plan": pl.Series(["free", "plus", None])[rng.integers(0, 3, rows).tolist()],
            "attributes.vip": rng.random(rows) < 0.5,
            "as_of": pl.Series([AS_OF] * rows, dtype=pl.Datetime("us", "UTC")),
        }
    )


def labels_of(frame: pl.DataFrame) -> learners.Flags:
    return (frame["features.spend"].log() + frame["features.gap"].fill_null(1.0) > 0.5).to_numpy()


def test_the_folded_line_gives_the_log_odds_of_the_whole_pipeline() -> None:
    frame = people(400)
    model = learners.fit(frame, labels_of(frame), 1, learners={learners.LOGISTIC: {"C": 1.0}})
    pipeline, others = (
        model.fitted[learners.LOGISTIC],
        people(900).with_columns(pl.lit(None, pl.Float64).alias("features.gap")),
    )
    for one in (frame, others):
        matrix = model.reading.matrix(one)
        np.testing.assert_allclose(learners.line_of(pipeline)(matrix), pipeline.decision_function(matrix), atol=1e-9)


def test_models_that_share_their_inputs_read_the_same_as_alone() -> None:
    frame = people(300)
    plain = encoding.learn(frame)
    without = encoding.learn(frame, {"attributes.plan"})
    inputs, some = encoding.Inputs(frame, [plain, without]), np.array([0, 7, 299])
    for reading in (plain, without):
        np.testing.assert_array_equal(inputs.matrix(reading), reading.matrix(frame))
        np.testing.assert_array_equal(inputs.matrix(reading, some), reading.matrix(frame)[some])
