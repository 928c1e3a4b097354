"""The meaning of rules, their explanation and a naive reading agree on random rules, customers, events and times."""

import json
from pathlib import Path

from tests.prove.evidence import Evidence, Table
from tests.prove.home import Home

WORK = "tests.prove.rules_work:agree"
LIMIT_SECONDS = 1_800.0


def prove(home: Home, size: int) -> Evidence:
    """Read `size` random trees three ways, and as many single conditions besides."""
    with home.embedded() as ours:
        path = Path(ours.folder) / "tally.json"
        work = ours.start(WORK, str(size), str(path))
        assert work.wait(LIMIT_SECONDS) == 0, work.log.read_text()[-4000:]
        tally = json.loads(path.read_text())
    assert tally["differences"] == []
    assert tally["trees"] >= size
    assert tally["silent"] == [] or size < tally["enough"]
    return Evidence(
        "Rules",
        f"{tally['trees']:,} random trees of conditions, and {tally['leaves']:,} single conditions, were read for "
        f"{tally['customers']:,} random customers in {tally['worlds']:,} worlds: by the mask that segments use, by the "
        "explanation of one customer, and by a naive reading that goes customer by customer and shares no code with "
        "the first two. The customers have no values, ties, letters with odd cases, events that were known late; the "
        "times lie on and beside the ends of windows, days of 23 and 25 hours, 29 February and the year's end, in six "
        "zones. All three agree on every customer. The table counts, for every node and operator, the cases, and those "
        "that held for some of a world's customers but not for all: none may be 0.",
        [Table(("node, operator, window or switch", "cases", "held for some, not for all"), tally["kinds"])],
    )
