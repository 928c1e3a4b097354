"""A fitted model as plain numbers: what it takes to ask it about a few customers without the libraries that fitted it.

Pages and REST start without these libraries; scores of everybody are reckoned with them (scoring.learners).
"""

import functools
import io
import json
import zipfile
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from scoring import encoding, seals
from scoring.encoding import Encoding, Matrix
from scoring.models import ModelVersion
from scoring.seals import ArtifactError

MEMBER = "formula.npz"  # of a model file
EDGE = 1e-6  # no chance is certain
BLOCK = 2_048  # rows that a network is asked about at a time, so that they stay near the processor

Floats = np.ndarray[tuple[int], np.dtype[np.float64]]
Ints = np.ndarray[tuple[int], np.dtype[np.int64]]
Flags = np.ndarray[tuple[int], np.dtype[np.bool_]]
Arrays = dict[str, np.ndarray[tuple[int, ...], np.dtype[np.float64]]]


@dataclass(frozen=True)
class Line:
    """A linear model with its filling and scaling folded into it: what a column adds, and adds where it is NaN."""

    start: float
    slopes: Floats
    missing: Floats

    def __call__(self, matrix: Matrix) -> Floats:
        """Give the log-odds of each row."""
        is_missing = np.isnan(matrix)
        holes = np.flatnonzero(is_missing.any(axis=0))
        odds: Floats = self.start + np.where(is_missing, 0.0, matrix) @ self.slopes
        return odds + is_missing[:, holes] @ self.missing[holes]

    def chances(self, matrix: Matrix) -> Floats:
        return expit(self(matrix))


@dataclass(frozen=True)
class Trees:
    """Trees, one after the other: a leaf's children are itself. Log-odds are summed up, or chances averaged."""

    start: float
    is_sum: bool
    roots: Ints
    columns: Ints
    edges: Floats
    left: Ints
    right: Ints
    values: Floats
    holes_left: Flags

    def chances(self, matrix: Matrix) -> Floats:
        """Give the chance of each row. A forest's trees read single precision."""
        read = matrix if self.is_sum else matrix.astype(np.float32)
        rows = np.arange(len(read))[:, None]
        at = np.broadcast_to(self.roots, (len(read), len(self.roots)))
        while True:
            values = read[rows, self.columns[at]]
            goes_left = np.where(np.isnan(values), self.holes_left[at], values <= self.edges[at])
            following = np.where(goes_left, self.left[at], self.right[at])
            if np.array_equal(following, at):
                break
            at = following
        found: Floats = self.values[at].sum(axis=1)
        return expit(self.start + found) if self.is_sum else found / max(len(self.roots), 1)


@dataclass(frozen=True)
class Layers:
    """A network of rectified layers, with the filling, the marks of holes and the scaling before it."""

    fill: Floats
    marked: Ints
    mean: Floats
    scale: Floats
    weights: tuple[Matrix, ...]
    shifts: tuple[Floats, ...]

    def chances(self, matrix: Matrix) -> Floats:
        found = np.empty(len(matrix))
        for first in range(0, len(matrix), BLOCK):
            rows = self._first(matrix[first : first + BLOCK])
            for weights, shift in zip(self.weights[1:], self.shifts[1:], strict=True):
                rows = np.maximum(rows, 0.0, out=rows) @ weights + shift
            found[first : first + BLOCK] = expit(rows[:, 0])
        return found

    def _first(self, matrix: Matrix) -> Matrix:
        """Give what the first layer adds up to."""
        slopes, missing, start = self._folded
        is_missing = np.isnan(matrix)
        holes = np.flatnonzero(is_missing.any(axis=0))
        found: Matrix = np.where(is_missing, 0.0, matrix) @ slopes
        found += start
        return found + is_missing[:, holes] @ missing[holes] if len(holes) else found

    @functools.cached_property
    def _folded(self) -> tuple[Matrix, Matrix, Floats]:
        """Give the first layer with the filling and the scaling in it: what a column adds, adds as NaN; the start."""
        width = len(self.fill)
        slopes: Matrix = self.weights[0] / self.scale[:, None]
        missing = self.fill[:, None] * slopes[:width]
        missing[self.marked] += slopes[width:]
        return slopes[:width], missing, self.shifts[0] - self.mean @ slopes


Part = Line | Trees | Layers
PARTS: dict[str, type[Part]] = {"line": Line, "trees": Trees, "layers": Layers}


@dataclass(frozen=True)
class Formula:
    """How to read a frame, the parts whose chances are averaged, and the calibration on the log-odds."""

    reading: Encoding
    parts: tuple[Part, ...]
    slope: float = 1.0
    shift: float = 0.0

    def odds(self, matrix: Matrix) -> Floats:
        """Give the calibrated log-odds of each row of a matrix that `reading` made."""
        chances = np.mean([part.chances(matrix) for part in self.parts], axis=0)
        return self.slope * logit(np.clip(chances, EDGE, 1 - EDGE)) + self.shift

    def to_bytes(self) -> bytes:
        """Give it as a file of arrays (npz)."""
        kinds = [next(name for name, kind in PARTS.items() if isinstance(part, kind)) for part in self.parts]
        header = {"reading": self.reading.to_json(), "parts": kinds, "slope": self.slope, "shift": self.shift}
        arrays = {"header": np.frombuffer(json.dumps(header).encode(), dtype=np.uint8)}
        for number, part in enumerate(self.parts):
            for one in fields(part):
                value = getattr(part, one.name)
                several = enumerate(value) if isinstance(value, tuple) else [("", value)]
                arrays |= {f"{number}.{one.name}.{place}": np.asarray(item) for place, item in several}
        file = io.BytesIO()
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
        return file.getvalue()


def of_version(version: ModelVersion) -> Formula:
    """Give the formula of a version's file. Raises ArtifactError."""
    return _kept(seals.content_of(version))


@functools.lru_cache(maxsize=16)
def _kept(content: bytes) -> Formula:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return from_bytes(archive.read(MEMBER))
    except (zipfile.BadZipFile, KeyError) as error:
        raise ArtifactError(f"The model file holds no formula; train the target again: {error}.") from error


def from_bytes(content: bytes) -> Formula:
    """Give the formula in a file of arrays. Raises ArtifactError."""
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as file:
            arrays = dict(file)
        header = json.loads(arrays.pop("header").tobytes())
        parts = tuple(_part(PARTS[kind], f"{number}.", arrays) for number, kind in enumerate(header["parts"]))
        return Formula(encoding.from_json(header["reading"]), parts, header["slope"], header["shift"])
    except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise ArtifactError(f"The formula cannot be read: {error}.") from error


def expit(odds: Floats) -> Floats:
    """Give chances from log-odds."""
    found: Floats = 1 / (1 + np.exp(-np.clip(odds, -500.0, 500.0)))
    return found


def logit(chances: Floats) -> Floats:
    """Give log-odds from chances."""
    found: Floats = np.log(chances / (1 - chances))
    return found


def _part(kind: type[Part], prefix: str, arrays: Arrays) -> Part:
    found: dict[str, Any] = {}
    for one in fields(kind):
        start = f"{prefix}{one.name}."
        items = {name.removeprefix(start): array for name, array in arrays.items() if name.startswith(start)}
        if "" in items:
            found[one.name] = items[""].item() if items[""].ndim == 0 else items[""]
        else:
            found[one.name] = tuple(items[place] for place in sorted(items, key=int))
    return kind(**found)
