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

from scoring import encoding, number_rules, numbers, waiting
from scoring.formula import MEMBER
from scoring.learners import Floats, Model, Sigmoid
from scoring.models import ModelVersion
from scoring.numbers import Blend, Curve
from scoring.seals import ArtifactError as ArtifactError
from scoring.seals import content_of
from scoring.seals import mac_of as mac_of
from scoring.unfolding import unfold

Served = Model | numbers.Model | waiting.Model | number_rules.Rate | number_rules.Gap
CHANCE, AMOUNT, DAYS = "chance", "amount", "days"  # what a model tells
RATE, GAP = "rate", "gap"  # simple rules of amounts and of days
FORM = 3  # raised when the content's form changes; an older file is refused and the model trained again
TRUSTED = (
    "numpy.dtype",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
    "sklearn.tree._tree.Tree",
)


def write(model: Served, target_key: str, number: int) -> tuple[str, str]:
    """Store the model below the lake; give the file's path there and its MAC."""
    name = f"models/{target_key}/{number}.skops"
    content = to_bytes(model)
    _publish(Path(settings.LAKE_URL) / name, content)
    return name, mac_of(content)


def to_bytes(model: Served) -> bytes:
    """Give the model as a file."""
    content = skops_io.dumps({"form": FORM, **_plain(model)}, compression=zipfile.ZIP_DEFLATED)
    return _with_formula(content, model)


def read(version: ModelVersion) -> Served:
    """Give the version's model after checking its MAC. Raises ArtifactError."""
    return _kept(content_of(version))


def from_bytes(content: bytes) -> Served:
    """Give the model in a skops file whose types are all on the allow-list. Raises ArtifactError."""
    try:
        plain: dict[str, Any] = skops_io.loads(content, trusted=list(TRUSTED))
    except UntrustedTypesFoundException as error:  # before anything was made of it
        untrusted = set(skops_io.get_untrusted_types(data=content)) - set(TRUSTED)
        message = f"The model file holds types that are not trusted: {', '.join(sorted(untrusted))}."
        raise ArtifactError(message) from error
    except (zipfile.BadZipFile, KeyError, ValueError) as error:
        raise ArtifactError(f"The model file is not a whole skops file: {error}.") from error
    if not isinstance(plain, dict) or plain.get("form") != FORM:
        raise ArtifactError("The model file was written by another version of the program; train the target again.")
    return _model(plain)


def _plain(model: Served) -> dict[str, Any]:
    """Give what a file holds of a model, as numbers, texts and fitted learners."""
    if isinstance(model, waiting.Model):
        return {**_plain(model.chance), "kind": DAYS, "days": _points(model.days)}
    if isinstance(model, number_rules.Rate):
        return {"kind": RATE, "horizon": model.days, "level": model.level}
    if isinstance(model, number_rules.Gap):
        told = {"slope": model.calibration.slope, "shift": model.calibration.shift}
        return {"kind": GAP, "horizon": model.days, **told, "days": _points(model.curve)}
    found: dict[str, Any] = {
        "reading": model.reading.to_json(),
        "fitted": dict(model.fitted),
        "learner": model.learner,
    }
    if isinstance(model, Model):
        return {**found, "kind": CHANCE, "slope": model.calibration.slope, "shift": model.calibration.shift}
    blend = model.blend
    return {
        **found,
        "kind": AMOUNT,
        "place": model.place,
        "most": model.most,
        "levels": dict(model.levels),
        "season": model.season,
        "ranks": {name: _points(curve) for name, curve in blend.ranks.items()} if blend else {},
        "amounts": _points(blend.amounts) if blend else None,
    }


def _model(plain: dict[str, Any]) -> Served:
    if plain["kind"] == RATE:
        return number_rules.Rate(plain["horizon"], plain["level"])
    if plain["kind"] == GAP:
        return number_rules.Gap(plain["horizon"], Sigmoid(plain["slope"], plain["shift"]), Curve(*plain["days"]))
    reading, fitted, learner = encoding.from_json(plain["reading"]), plain["fitted"], plain["learner"]
    if plain["kind"] == AMOUNT:
        ranks = {name: Curve(*points) for name, points in plain["ranks"].items()}
        blend = Blend(ranks, Curve(*plain["amounts"])) if plain["amounts"] else None
        shape = (plain["place"], plain["most"], plain["levels"], blend, learner, plain["season"])
        return numbers.Model(reading, fitted, *shape)
    chance = Model(reading, fitted, learner, Sigmoid(plain["slope"], plain["shift"]))
    return waiting.Model(chance, Curve(*plain["days"])) if plain["kind"] == DAYS else chance


def _points(curve: Curve) -> list[Floats]:
    return [curve.at, curve.to]


@functools.lru_cache(maxsize=16)
def _kept(content: bytes) -> Served:
    """Give the model of a file, read once a process: it takes a third of a second, and every bucket asks for it."""
    return from_bytes(content)


def _with_formula(content: bytes, model: Served) -> bytes:
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
