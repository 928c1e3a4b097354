"""Model files come back the same; torn, swapped and foreign ones are refused."""

import io
import pickle
from pathlib import Path

import joblib
import numpy as np
import pytest
from skops import io as skops_io

from scoring import artifacts, learners
from scoring.artifacts import ArtifactError
from scoring.learners import MODELS, Model, Sigmoid
from scoring.models import ModelVersion, Target
from tests.scoring.worlds import signal


@pytest.fixture(scope="module")
def model() -> Model:
    examples, _, _ = signal(600, 1.0)
    small = MODELS | {learners.FOREST: {"trees": 5, "least_rows": 10}, learners.BOOSTING: {"trees": 10, "leaves": 8}}
    return learners.fit(examples.frame, examples.labels(), 0, learners=small).speaking(
        learners.AVERAGE, Sigmoid(0.9, -0.1)
    )


def stored(model: Model) -> ModelVersion:
    path, mac = artifacts.write(model, "churn", 1)
    return ModelVersion(target=Target(key="churn"), number=1, artefact=path, artefact_mac=mac)


@pytest.mark.parametrize("learner", MODELS)
def test_a_stored_model_says_the_same(model: Model, learner: str) -> None:
    one = model.speaking(learner, Sigmoid(1.1, 0.2))
    frame = signal(600, 1.0, seed=2)[0].frame
    again = artifacts.read(stored(one))
    assert isinstance(again, Model)
    assert np.array_equal(again.chances(frame), one.chances(frame))


def test_a_torn_file_is_refused(model: Model, lake: Path) -> None:
    version = stored(model)
    path = lake / version.artefact
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ArtifactError, match="not the one that was stored"):
        artifacts.read(version)
    with pytest.raises(ArtifactError, match="not a whole skops file"):
        artifacts.from_bytes(path.read_bytes())


def test_a_missing_file_is_refused(model: Model, lake: Path) -> None:
    version = stored(model)
    (lake / version.artefact).unlink()
    with pytest.raises(ArtifactError, match="cannot be read"):
        artifacts.read(version)


def test_another_secret_key_refuses_the_file(model: Model, settings: object) -> None:
    version = stored(model)
    settings.SECRET_KEY = "another"  # type: ignore[attr-defined]
    with pytest.raises(ArtifactError, match="not the one that was stored"):
        artifacts.read(version)


def test_pickle_and_joblib_are_refused(model: Model) -> None:
    dumped = io.BytesIO()
    joblib.dump(model.fitted, dumped)
    for content in (pickle.dumps(model.fitted), dumped.getvalue(), b"", b"\x00" * 50):
        with pytest.raises(ArtifactError):
            artifacts.from_bytes(content)


def test_a_type_that_is_not_on_the_list_is_refused() -> None:
    with pytest.raises(ArtifactError, match="not trusted"):
        artifacts.from_bytes(skops_io.dumps({"form": 1, "reading": Path("x")}))


def test_a_skops_file_of_another_kind_is_refused() -> None:
    with pytest.raises(ArtifactError, match="another version"):
        artifacts.from_bytes(skops_io.dumps({"form": 99}))
