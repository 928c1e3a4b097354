"""Which of several arms does best, if one does: each against each, by intervals that hold at every look.

The chance of one false word is shared out over all pairs (Dunn, Multiple comparisons among means, JASA 1961), not over
those with the leader alone: who leads is told by the same numbers.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from campaigns.stats.intervals import contrast_of_weighted, too_few
from campaigns.stats.looks import Endless, Planned, at_any_look
from campaigns.stats.values import CONFIDENCE, Contrast, Difference, WeightedMean

WORTHWHILE = 0.1  # of what the arms do on average: a smaller difference is not worth to go on for


@dataclass(frozen=True)
class Verdict:
    """Who leads, by how much before each other arm, and what follows from it.

    `winner`: the leader, if it is better than every other. `alike`: those that come so near to the leader that the
    difference is not worthwhile, while all others are worse.
    """

    leader: str
    ahead: Mapping[str, Difference] = field(default_factory=dict)
    winner: str = ""
    alike: tuple[str, ...] = ()
    worthwhile: float = 0.0


def best_of(
    arms: Mapping[str, WeightedMean], looks: Planned | Endless, *, typical: float = 1.0, part: float = WORTHWHILE
) -> Verdict:
    """Judge at least two arms. `typical` is what a customer who did it brings: 1 where it is asked whether she did.

    Of a difference it is said that it is not worthwhile when the whole interval is smaller than that part of the mean
    of the arms (two one-sided tests, Schuirmann 1987).
    """
    means = {key: arm.value or 0.0 for key, arm in arms.items()}
    leader = max(means, key=lambda key: means[key])
    pairs = len(arms) * (len(arms) - 1) // 2
    so_far, confidence = sum(arm.n for arm in arms.values()), 1 - (1 - CONFIDENCE) / pairs
    ahead: dict[str, Difference] = {}
    for key, arm in arms.items():
        if key != leader:
            message = too_few(int(arms[leader].effective), int(arm.effective))
            found = Contrast(0.0, 0.0) if message else apart(arms[leader], arm, typical)
            ahead[key] = Difference(None, message) if message else at_any_look(found, so_far, looks, confidence)
    worthwhile = part * sum(means.values()) / len(means)
    known = {key: one.interval for key, one in ahead.items() if one.interval}
    beaten = {key for key, one in known.items() if one.low > 0.0}
    near = {key for key, one in known.items() if max(-one.low, one.high) < worthwhile} - beaten
    is_over = len(beaten | near) == len(ahead)
    return Verdict(
        leader,
        ahead,
        winner=leader if is_over and not near else "",
        alike=tuple(sorted(near)) if is_over else (),
        worthwhile=worthwhile,
    )


def apart(one: WeightedMean, other: WeightedMean, typical: float) -> Contrast:
    """Give one minus other of two arms with customers, as it is tested whether they differ.

    Its variance is that of both together, as if they did not differ (Pearson 1900), where that of each is smaller: with
    shares that follow the results an arm that was unlucky at first gets few customers, whose low mean would make its
    own variance small too. Of an outcome of typical size t with mean m that is m (t - m).
    """
    found = contrast_of_weighted(one, other)
    mean = (one.total + other.total) / (one.weights + other.weights)
    together = mean * (typical - mean) * (1 / one.effective + 1 / other.effective)
    return Contrast(found.value, max(found.variance, together), found.degrees)
