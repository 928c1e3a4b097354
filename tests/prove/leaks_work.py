"""Looks at sets with planted leaks, in a process of the program."""

import json
from collections import Counter
from pathlib import Path

from scoring import encoding, guard
from tests.scoring.leaks import shoppers, subscribers

CUSTOMERS = 2_000


def look(seeds: str, path: str) -> None:
    """Look at so many sets of each shape, and write down what was found."""
    planted: Counter[tuple[str, str]] = Counter()
    found: dict[tuple[str, str], Counter[str]] = {}
    missed, false, honest = [], [], 0
    for seed in range(int(seeds)):
        for world in (subscribers(CUSTOMERS, seed), shoppers(CUSTOMERS, seed)):
            told = guard.look(world.examples, seed)
            blocked = {one["field"]: one["kind"] for one in told["blocked"]}
            warned = {one["field"]: one["kind"] for one in told["warned"]}
            for field, leak in world.planted.items():
                kind = (warned if leak == "time" else blocked).get(field)
                planted[field, leak] += 1
                found.setdefault((field, leak), Counter()).update([kind] if kind else [])
                missed += [] if kind else [[field, leak, seed]]
            names = [name for name in world.examples.frame.columns if encoding.is_input(name)]
            honest += len(set(names) - set(world.planted))
            false += [[field, kind, seed] for field, kind in blocked.items() if field not in world.planted]
    rows = [
        (guard.name_of(field), leak, count, found[field, leak].total(), ", ".join(sorted(found[field, leak])))
        for (field, leak), count in planted.items()
    ]
    told_all = {"rows": rows, "missed": missed, "false": false, "honest": honest, "customers": CUSTOMERS}
    Path(path).write_text(json.dumps(told_all))
