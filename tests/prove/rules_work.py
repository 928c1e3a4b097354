"""Reads random rules three ways, in a process of the program."""

import json
from pathlib import Path

from tests.segments import agreement


def agree(trees: str, path: str) -> None:
    """Read so many trees, and write down what was counted."""
    tally = agreement.agree(int(trees))
    found = {
        "trees": tally.trees,
        "leaves": tally.leaves,
        "worlds": tally.worlds,
        "customers": tally.customers,
        "kinds": tally.rows(),
        "silent": tally.silent(),
        "enough": agreement.ENOUGH,
        "differences": tally.differences,
    }
    Path(path).write_text(json.dumps(found))
