"""A planted leak is always caught, and honest fields are left alone."""

import json
from pathlib import Path

from tests.prove.evidence import Evidence, Table
from tests.prove.home import Home

WORK = "tests.prove.leaks_work:look"
LIMIT_SECONDS = 1_800.0
MOST_FALSE = 200  # honest fields, of which one at most may be blocked


def prove(home: Home, size: int) -> Evidence:
    """Look at `size` sets of each of two shapes with planted leaks."""
    with home.embedded() as ours:
        path = Path(ours.folder) / "found.json"
        work = ours.start(WORK, str(size), str(path))
        assert work.wait(LIMIT_SECONDS) == 0, work.log.read_text()[-4000:]
        told = json.loads(path.read_text())
    assert told["missed"] == []
    assert len(told["false"]) * MOST_FALSE <= told["honest"]
    return Evidence(
        "Planted leaks",
        f"{size} seeds each make a file of {told['customers']:,} customers without dates and a shop over time. Planted "
        "are a measure of the moment in which the outcome comes about (like the length of a call), a field that is "
        "filled for most of those of whom it came true, counts of what came later, a number that follows the outcome, "
        "and a figure of the period. All are found by name, the last with a warning, the others blocked. Of "
        f"{told['honest']} honest fields, most of which tell something of the outcome, {len(told['false'])} were "
        "blocked.",
        [Table(("field", "leak", "planted", "found", "as"), told["rows"])],
    )
