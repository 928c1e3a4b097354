"""Model files: skops with an allow-list, the model's formula beside it, sealed by an HMAC. Never pickle."""

import functools
import io
import os
import zipfile
from pathlib import Path
from typing import Any

from django.conf import settings
from skops import io as skops_io
from skops.io.exceptions import UntrustedTypesFoundException

from scoring import encoding
from scoring.formula import MEMBER
from scoring.learners import Model, Sigmoid
from scoring.models import ModelVersion
from scoring.seals import ArtifactError as ArtifactError
from scoring.seals import content_of
from scoring.seals import mac_of as mac_of
from scoring.unfolding import unfold

FORM = 2  # raised when the content's form changes; an older file is refused and the model trained again
TRUSTED = (
    "numpy.dtype",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
    "sklearn.tree._tree.Tree",
)


def write(model: Model, target_key: str, number: int) -> tuple[str, str]:
    """Store the model below the lake; give the file's path there and its MAC."""
    name = f"models/{target_key}/{number}.skops"
    content = skops_io.dumps(
        {
            "form": FORM,
            "reading": model.reading.to_json(),
            "fitted": dict(model.fitted),
            "learner": model.learner,
            "slope": model.calibration.slope,
            "shift": model.calibration.shift,
        },
        compression=zipfile.ZIP_DEFLATED,
    )
    content = _with_formula(content, model)
    _publish(Path(settings.LAKE_URL) / name, content)
    return name, mac_of(content)


def read(version: ModelVersion) -> Model:
    """Give the version's model after checking its MAC. Raises ArtifactError."""
    return _kept(content_of(version))


def from_bytes(content: bytes) -> Model:
    """Give the model in a skops file whose types are all on the allow-list. Raises ArtifactError."""
    try:
        untrusted = set(skops_io.get_untrusted_types(data=content)) - set(TRUSTED)
        if untrusted:
            raise ArtifactError(f"The model file holds types that are not trusted: {', '.join(sorted(untrusted))}.")
        plain: dict[str, Any] = skops_io.loads(content, trusted=list(TRUSTED))
    except (zipfile.BadZipFile, KeyError, ValueError, UntrustedTypesFoundException) as error:
        raise ArtifactError(f"The model file is not a whole skops file: {error}.") from error
    if not isinstance(plain, dict) or plain.get("form") != FORM:
        raise ArtifactError("The model file was written by another version of the program; train the target again.")
    calibration = Sigmoid(plain["slope"], plain["shift"])
    return Model(encoding.from_json(plain["reading"]), plain["fitted"], plain["learner"], calibration)


@functools.lru_cache(maxsize=16)
def _kept(content: bytes) -> Model:
    """Give the model of a file, read once a process: it takes a third of a second, and every bucket asks for it."""
    return from_bytes(content)


def _with_formula(content: bytes, model: Model) -> bytes:
    """Put the model's formula into its file, which is a zip, for those who explain scores without the learners."""
    file = io.BytesIO(content)
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr(MEMBER, unfold(model).to_bytes())
    return file.getvalue()


def _publish(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    with part.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    part.rename(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
