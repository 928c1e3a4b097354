"""No effect is claimed where there is none, however often one looks; a planted one lies inside the interval."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from math import sqrt

import numpy as np

from campaigns.stats import (
    ALARM,
    Contrast,
    CovariateMean,
    Endless,
    Mean,
    Planned,
    Proportion,
    WeightedMean,
    adjusted,
    at_any_look,
    at_one_look,
    chance_of_split,
    contrast_of_means,
    contrast_of_proportions,
    contrast_of_weighted,
    is_balanced,
)
from tests.prove.evidence import Evidence, Table
from tests.prove.home import Home

DAYS = 56  # looks: one a day, until twice the plan
DAILY = 150  # customers decided a day
PLAN = DAYS // 2 * DAILY
CONTROL = 0.1
RATE, LIFT = 0.05, 0.02
MOST_ALARMS, MOST_ENDLESS, FEWEST_INSIDE, MOST_INSIDE = 0.06, 0.1, 0.93, 0.97
SEEDS = 2  # worlds that nothing was tuned on
EFFECTS, MORE = 2, 4  # times `size`: worlds with an effect, and without one, of which few are wrong
NO_PLAN = 1_000  # what the reports of campaigns without a plan are tuned to
WORK = "tests.prove.experiments_work:look"
MEASURED = 50  # worlds of which one is looked at in a database
LIMIT_SECONDS = 3_600.0
Floats = np.ndarray[tuple[int, ...], np.dtype[np.float64]]


@dataclass(frozen=True)
class World:
    """Customers in the order of their decisions; what each brought, and what she was worth before."""

    treated: Floats
    after: Floats
    before: Floats
    share: Floats
    effect: float


@dataclass(frozen=True)
class Kind:
    """A way to make worlds with a lift of the chance to buy, and to compare their arms."""

    make: Callable[[np.random.Generator, float], World]
    compare: Callable[[Floats, Floats], Contrast]


def prove(home: Home, size: int) -> Evidence:
    """Look daily at worlds of each kind: MORE times `size` without an effect, EFFECTS times with one."""
    planted, slack = EFFECTS * size, 3 / np.sqrt(size)
    alarms, inside = [], []
    for number, (name, kind) in enumerate(KINDS.items()):
        alarms.append((name, *(_percent(one) for one in _alarms(kind, MORE * size, number))))
        inside.append((name, *(_percent(one) for one in _inside(kind, planted, number))))
    splits, measured = _splits(size), _measured(home, max(2, size // MEASURED))
    evidence = Evidence("Experiments", _says(size, planted), [])
    # A small share says less: its limits give way by three standard errors.
    for name, _fixed, *always in alarms:
        for told, most in zip(always, (MOST_ALARMS, MOST_ENDLESS), strict=True):
            _hold(evidence, _share(told) <= most + 0.2 * slack * (size < 1000), f"{name}: {told} false alarms")
    for name, fixed, *always in inside:
        room = 0.25 * slack * (size < 1000)
        _hold(evidence, FEWEST_INSIDE - room <= _share(fixed) <= MOST_INSIDE + room, f"{name}: {fixed} inside")
        _hold(
            evidence,
            all(_share(one) >= 1 - MOST_ENDLESS - room for one in always),
            f"{name}: {always} inside at every look",
        )
    for what, told, least, most in splits:
        _hold(evidence, least <= _share(told) <= most, f"{what}: {told} stopped")
    for what, told, least, most in measured:
        _hold(evidence, least <= _share(told) <= most, f"measure(), {what}: {told}")
    evidence.tables = [
        Table(("no effect", "1 look's interval, looked at daily", "planned", "endless"), alarms, "False alarms."),
        Table(
            (
                "an effect",
                "1 look, at the plan",
                "planned, at the plan",
                "planned, at every look",
                "endless, every look",
            ),
            inside,
            "Worlds whose planted effect is inside the 95 % interval.",
        ),
        Table(("split", "read-outs stopped"), [row[:2] for row in splits], "Sample ratio."),
        Table(("campaigns in a database, looked at by measure()", "of the worlds"), [row[:2] for row in measured]),
        Table(("interval", "width at the plan, of one look's"), _widths()),
    ]
    return evidence


def _says(size: int, planted: int) -> str:
    return (
        f"{MORE * size:,} worlds of each kind have no effect, {planted:,} have one. {DAILY} customers a day are "
        "decided on, "
        f"{CONTROL:.0%} of them are control, and somebody looks every day for {DAYS} days, which is twice the plan of "
        f"{PLAN:,} customers. A false alarm is an interval without zero on any of these days: at most "
        f"{MOST_ALARMS:.0%} of the worlds may have one by the planned interval, which is the default. The endless one "
        f"holds asymptotically only: where a tenth is control and few buy, it claims a little more at its first looks, "
        f"at most {MOST_ENDLESS:.0%} here. The interval for one look must have the truth inside in "
        f"{FEWEST_INSIDE:.0%} to {MOST_INSIDE:.0%}; one that holds at every look has it inside more often on each."
    )


def _alarms(kind: Kind, size: int, number: int) -> tuple[float, float, float]:
    """Give the parts of the worlds without effect in which somebody who looks daily claims one, by interval."""
    found = [_looked(kind, kind.make(np.random.default_rng([SEEDS, number, seed]), 0.0)) for seed in range(size)]
    return tuple(float(np.mean([_any_misses(looks, which) for looks in found])) for which in range(3))  # type: ignore[return-value]


def _inside(kind: Kind, size: int, number: int) -> tuple[float, float, float, float]:
    """Give the parts of the worlds whose planted effect is inside: at the plan once, and by intervals for any look."""
    found = [_looked(kind, kind.make(np.random.default_rng([SEEDS, 99, number, seed]), LIFT)) for seed in range(size)]
    at_plan = DAYS // 2 - 1
    once, planned = (float(np.mean([not looks[at_plan][which] for looks in found])) for which in (0, 1))
    always = [float(np.mean([not _any_misses(looks, which) for looks in found])) for which in (1, 2)]
    return once, planned, always[0], always[1]


def _looked(kind: Kind, world: World) -> list[tuple[bool, bool, bool]]:
    """Say for each day whether the truth is outside of the interval for one look, the planned and the endless one."""
    looks = []
    for day, (one, other) in enumerate(zip(_sums(world, 1.0), _sums(world, 0.0), strict=True), 1):
        n, found = day * DAILY, kind.compare(one, other)
        intervals = (at_one_look(found), at_any_look(found, n, Planned(PLAN)), at_any_look(found, n, Endless(NO_PLAN)))
        misses = [
            one.interval is not None and not one.interval.low <= world.effect <= one.interval.high for one in intervals
        ]
        looks.append((misses[0], misses[1], misses[2]))
    return looks


def _any_misses(looks: list[tuple[bool, bool, bool]], which: int) -> bool:
    return any(day[which] for day in looks)


def _splits(size: int) -> list[tuple[str, str, float, float]]:
    """Give how often a split is stopped: a sound one hardly ever, one that loses a tenth of control's always."""
    rng = np.random.default_rng([SEEDS, 7])
    n, slack = 200_000, 4 / size
    sound, broken = rng.binomial(n, CONTROL, size), rng.binomial(n, CONTROL * 0.95, size)
    variance = n * CONTROL * (1 - CONTROL)
    names = ("a", "b", "c")
    even = dict.fromkeys(names, 1 / 3)
    fair, uneven = rng.multinomial(n, [1 / 3] * 3, size), rng.multinomial(n, [0.34, 0.33, 0.33], size)
    stopped = {
        "control, sound": [not is_balanced(int(one), n * CONTROL, variance) for one in sound],
        "variants, sound": [_stops(dict(zip(names, map(int, one), strict=True)), even) for one in fair],
        "control, one of twenty lost": [not is_balanced(int(one), n * CONTROL, variance) for one in broken],
        "variants, 34 : 33 : 33 instead of thirds": [
            _stops(dict(zip(names, map(int, one), strict=True)), even) for one in uneven
        ],
    }
    limits = {name: (0.0, 0.005 + slack) if "sound" in name else (0.99, 1.0) for name in stopped}
    return [(name, _percent(float(np.mean(each))), *limits[name]) for name, each in stopped.items()]


def _stops(counts: dict[str, int], shares: dict[str, float]) -> bool:
    return chance_of_split([counts], [shares]) < ALARM


def _measured(home: Home, worlds: int) -> list[tuple[str, str, float, float]]:
    """Give what measure() itself says of campaigns in a database: an effect where one is planted, and nowhere else."""
    with home.embedded() as ours:
        path = ours.folder / "looked.json"
        ours.call("manage.py", "migrate", "--verbosity", "0")
        work = ours.start(WORK, str(worlds), str(max(1, worlds // 2)), str(path))
        assert work.wait(LIMIT_SECONDS) == 0, work.log.read_text()[-4000:]
        told = json.loads(path.read_text())
    none = [world for world in told if not world["is_planted"]]
    planted = [world for world in told if world["is_planted"]]
    slack, room = 3 * sqrt(0.05 * 0.95 / len(none)), 3 * sqrt(0.05 * 0.95 / len(planted))
    rows: list[tuple[str, list[bool], float, float]] = [
        ("no effect, one claimed at one of the looks", [world["claims"] for world in none], 0.0, 0.05 + slack),
        ("an effect, said at the end", [world["is_said"] for world in planted], 0.9, 1.0),
        ("an effect, inside the interval at the end", [world["is_inside"] for world in planted], 0.95 - room, 1.0),
    ]
    return [(what, _percent(float(np.mean(found))), least, most) for what, found, least, most in rows]


def _widths() -> list[tuple[str, str]]:
    one = at_one_look(Contrast(0.0, 1.0)).interval
    assert one is not None
    return [
        ("planned", f"{Planned(PLAN).times(PLAN) / one.high:.2f}"),
        ("endless, tuned to the plan", f"{Endless(PLAN).times(PLAN) / one.high:.2f}"),
        (f"endless, tuned to {NO_PLAN:,}", f"{Endless(NO_PLAN).times(PLAN) / one.high:.2f}"),
    ]


def _drawn(rng: np.random.Generator, lift: float, share: Floats) -> tuple[Floats, Floats]:
    """Draw who is treated, and who buys."""
    treated = (rng.random(share.size) < share).astype(float)
    return treated, (rng.random(share.size) < RATE + lift * treated).astype(float)


def _shares(first: float = 1 - CONTROL, second: float = 1 - CONTROL) -> Floats:
    """Give everybody's chance to be treated: one until half the plan, another after it."""
    return np.where(np.arange(DAYS * DAILY) < PLAN // 2, first, second)


def _buyers(rng: np.random.Generator, lift: float) -> World:
    treated, bought = _drawn(rng, lift, _shares())
    return World(treated, bought, np.zeros(bought.size), _shares(), lift)


def _spenders(rng: np.random.Generator, lift: float) -> World:
    """Most spend nothing, some a little, few a lot; four times as many buy."""
    treated = (rng.random(DAYS * DAILY) < 1 - CONTROL).astype(float)
    bought = rng.random(treated.size) < 4 * (RATE + lift * treated)
    spent = bought * rng.gamma(2.0, 20.0, treated.size)
    return World(treated, spent, np.zeros(spent.size), _shares(), 4 * lift * 40.0)


def _known(rng: np.random.Generator, lift: float) -> World:
    """Who spent before spends again."""
    before = rng.gamma(2.0, 20.0, DAYS * DAILY)
    treated, _ = _drawn(rng, lift, _shares())
    after = 0.7 * before + rng.gamma(2.0, 10.0, before.size) + 100 * lift * treated
    return World(treated, after, before, _shares(), 100 * lift)


def _changed(rng: np.random.Generator, lift: float) -> World:
    """The control share grows from a tenth to a half, and twice as many buy: plain means would see an effect."""
    share = _shares(0.9, 0.5)
    treated = (rng.random(share.size) < share).astype(float)
    bought = rng.random(share.size) < _shares(4 * RATE, 8 * RATE) + lift * treated
    return World(treated, bought.astype(float), np.zeros(share.size), share, lift)


def _plain(one: Floats, other: Floats) -> Contrast:
    return contrast_of_means(_mean(one), _mean(other))


def _by_share(one: Floats, other: Floats) -> Contrast:
    return contrast_of_proportions(*(Proportion(int(arm[0]), int(arm[1])) for arm in (one, other)))


def _by_covariate(one: Floats, other: Floats) -> Contrast:
    arms = [CovariateMean(_mean(arm), Mean(int(arm[0]), *map(float, arm[3:5])), float(arm[5])) for arm in (one, other)]
    return adjusted(*arms).contrast


def _by_weight(one: Floats, other: Floats) -> Contrast:
    return contrast_of_weighted(*(WeightedMean(int(arm[0]), *map(float, arm[6:])) for arm in (one, other)))


def _mean(arm: Floats) -> Mean:
    return Mean(int(arm[0]), float(arm[1]), float(arm[2]))


def _sums(world: World, arm: float) -> Floats:
    """Give an arm's sums at the end of each day: of 1, y, y2, x, x2, xy, and of w, wy, w2, w2y, w2y2."""
    own, y, x = (world.treated == arm).astype(float), world.after, world.before
    w = own / (world.share if arm else 1 - world.share)
    each = [own, own * y, own * y * y, own * x, own * x * x, own * x * y, w, w * y, w * w, w * w * y, w * w * y * y]
    return np.cumsum(each, axis=1)[:, DAILY - 1 :: DAILY].T


def _percent(part: float) -> str:
    return f"{part:.1%}"


def _share(told: str) -> float:
    return float(told.rstrip("%")) / 100


def _hold(evidence: Evidence, holds: bool, otherwise: str) -> None:
    if not holds:
        evidence.missed.append(otherwise)


KINDS = {
    "5 % buy": Kind(_buyers, _by_share),
    "20 % buy, for 40 on average": Kind(_spenders, _plain),
    "spending, adjusted by the time before": Kind(_known, _by_covariate),
    "shares that changed, 20 to 40 % buy, weighted": Kind(_changed, _by_weight),
}
