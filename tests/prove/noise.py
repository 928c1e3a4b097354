"""A target of pure noise goes live hardly ever, and one with something in it does."""

import json
from collections import Counter
from pathlib import Path

from tests.prove.evidence import Evidence, Table
from tests.prove.home import Home

WORK = "tests.prove.noise_work:train"
LIMIT_SECONDS = 10_800.0
MOST_SHARE = 0.05  # of the seeds, live on noise
PLANTED_SHARE = 0.1  # of the seeds are trained with a signal too
FEWEST_FOUND = 0.9  # of these, live
WORKERS = 5  # processes


def prove(home: Home, size: int) -> Evidence:
    """Train on noise with `size` seeds, half in folds and half over time, and on a signal with a tenth of them."""
    workers = min(WORKERS, size)
    seeds = size // workers
    planted = max(1, int(seeds * PLANTED_SHARE))
    with home.embedded() as ours:
        paths = {number * seeds: Path(ours.folder) / f"trained_{number}.json" for number in range(workers)}
        works = [ours.start(WORK, str(at), str(seeds), str(planted), str(path)) for at, path in paths.items()]
        for work in works:
            assert work.wait(LIMIT_SECONDS) == 0, work.log.read_text()[-4000:]
        rows = [row for path in paths.values() for row in json.loads(path.read_text())]
    noise = [row for row in rows if not row["is_planted"]]
    signal = [row for row in rows if row["is_planted"]]
    assert len(noise) == size, f"{size} seeds cannot be shared by {workers}"
    assert sum(bool(row["live"]) for row in noise) <= MOST_SHARE * size, noise
    assert sum(row["live"] == "model" for row in signal) >= FEWEST_FOUND * len(signal), signal
    table = [
        (
            name,
            how.replace("_", " "),
            len(some),
            sum(row["live"] == "model" for row in some),
            sum(row["live"] == "rule" for row in some),
            f"{sum(row['auc'] for row in some) / len(some):.3f}",
            f"{max(row['auc'] for row in some):.3f}",
        )
        for name, each in (("noise", noise), ("a signal", signal))
        for how in sorted({row["how"] for row in each})
        for some in [[row for row in each if row["how"] == how]]
    ]
    failed = Counter(check for row in noise for check in row["failed"])
    picked = Counter(row["learner"] for row in noise)
    return Evidence(
        "Noise",
        f"{size} targets of pure noise were trained with all six learners, half in folds and half over time, and "
        f"{len(signal)} of the same customers with a signal in two of their fields. What goes live is a model that "
        "passes every check of the gate, or a simple rule that stands in for one because it is surely better than "
        "chance. On noise that may be at most 5 % together; a signal must be found at least nine times in ten.",
        [
            Table(("target", "validated", "trained", "models live", "rules live", "mean AUC", "largest AUC"), table),
            Table(("check of the gate", "not met, on noise"), sorted(failed.items())),
            Table(("learner chosen, on noise", "times"), sorted(picked.items())),
        ],
    )
