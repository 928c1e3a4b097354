"""The large proofs by name. Each is a function of a home and a size; it raises AssertionError where it fails."""

from collections.abc import Callable
from typing import NamedTuple

from tests.prove import (
    adaptive,
    client,
    experiments,
    figures,
    full_disk,
    kills,
    lake,
    leaks,
    noise,
    parity,
    rules,
    schema,
)
from tests.prove.evidence import Evidence
from tests.prove.home import Home


class Proof(NamedTuple):
    """A proof with its size for docs/evidence, and its small share for every run of the tests."""

    run: Callable[[Home, int], Evidence]
    full: int
    small: int


PROOFS = {
    "kills": Proof(kills.prove, full=5, small=1),
    "lake": Proof(lake.prove, full=50, small=3),
    "both-ways": Proof(parity.prove, full=1_000, small=120),
    "rules": Proof(rules.prove, full=2_400, small=72),
    "figures": Proof(figures.prove, full=figures.EVERY_ROW, small=900),
    "noise": Proof(noise.prove, full=200, small=2),
    "leaks": Proof(leaks.prove, full=6, small=1),
    "experiments": Proof(experiments.prove, full=1_000, small=10),
    "adaptive": Proof(adaptive.prove, full=300, small=5),
    "full-disk": Proof(full_disk.prove, full=2, small=1),
    "schema": Proof(schema.prove, full=200, small=2),
    "client": Proof(client.prove, full=20_000, small=300),
}
