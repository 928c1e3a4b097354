"""Training of targets that are numbers: how much is spent, or how many days pass until it happens next.

As with a yes or no, the past is looked at from several times; a learner is chosen on the earlier ones and judged on the
later ones, by models of other customers whose windows had closed.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import NamedTuple

import numpy as np
import polars as pl

from scoring import drivers, learners, number_drivers, number_figures, number_rules, numbers, value, waiting
from scoring.evaluation import Figure
from scoring.learners import Flags, Floats
from scoring.models import Target
from scoring.number_drivers import Piece
from scoring.number_figures import CAPTURE, GINI, MAE, SPEARMAN, TOTAL, Amounts
from scoring.number_rules import GAP, RATE, Rule
from scoring.report import Check, Gate, Report, Season
from scoring.training_set import TrainingRefused, TrainingSet, draws
from scoring.words import Words

MEAN, CHANCE = "mean", "chance by BG/NBD"
IN_WORDS = {
    MEAN: "the mean of all customers",
    RATE: "everybody's own rate so far",
    GAP: "the usual gap since the last order",
}
ON_TIME = "on_time"
FEWEST_CUSTOMERS, FEWEST = 500, 200
MOST_JUDGED, MOST_CHOOSING = 3, 2
PARTS = 2
BOUND_99 = 2.326  # standard errors below which a difference lies with 1 % at most
YEAR = timedelta(days=365)
NEAR = timedelta(days=16)
SEASON_BOUNDS = (1 / 3, 3.0)
LARGE, SHOWN = 0.05, 3

UNNAMED: Words = {}
Progress = Callable[[str, float], None]
Fitted = numbers.Model | waiting.Model


class Origin(NamedTuple):
    """A time to stand at: rows that had closed by then, and its own."""

    at: datetime
    closed: Flags
    own: Flags


class Tested(NamedTuple):
    """What was foreseen at one origin by each name, row by row; `told` are days, where the target asks for them."""

    origin: datetime
    rows: "np.ndarray[tuple[int], np.dtype[np.int64]]"
    foreseen: dict[str, Floats]
    told: Floats
    pieces: "tuple[tuple[Fitted, np.ndarray[tuple[int], np.dtype[np.int64]]], ...]" = ()


@dataclass(frozen=True)
class Trained:
    """A fitted model of a number, and how it and the simple rules did on later times and other customers."""

    model: Fitted
    learner: str
    training_set: TrainingSet
    tests: list[Tested]
    pooled: dict[str, dict[str, Figure]]
    report: Report
    rule: Rule | None = None

    @property
    def passed(self) -> bool:
        return self.report["gate"]["passed"]


def learn(examples: TrainingSet, target: Target, seed: int, progress: Progress, called: Words = UNNAMED) -> Trained:
    """Give the model that did best at the earlier origins, judged at the later ones and fitted on all rows.

    `called` has the names of fields, for the words of what drives it.
    """
    stands = origins(examples)
    progress("Tests on later times and other customers", 0.3)
    tests = [_test(examples, target, stand, seed) for stand in stands]
    judged = tests[-MOST_JUDGED:] if len(tests) > MOST_JUDGED else tests[-max(len(tests) - 1, 1) :]
    learner = _chosen(examples, target, tests[: len(tests) - len(judged)], seed)
    progress("Fits on everything", 0.8)
    report = _report(examples, target, judged, learner)
    model: Fitted
    if target.kind == Target.Kind.NEXT:
        seen = np.concatenate([test.foreseen[learner] for test in tests])
        came = ~np.isnan(np.concatenate([examples.amounts()[test.rows] for test in tests]))
        fitted = waiting.fit(examples.frame, examples.amounts(), seed, examples.excluded)
        model = fitted.calibrated(learners.fit_sigmoid(seen, came))
    else:
        plain = numbers.fit(examples.frame, examples.amounts(), seed, examples.excluded, learner)
        model, report["season"] = _levelled(plain, examples)
    pooled = {name: figures_of(examples, target, judged, name, seed) for name in judged[0].foreseen}
    report["gate"] = _gate(examples, target, judged, learner, seed)
    progress("Explains", 0.9)
    is_chance = target.kind == Target.Kind.NEXT
    report["drivers"] = number_drivers.found(
        _pieces(examples, judged, learner, seed), called, seed, is_chance=is_chance
    )
    return Trained(model, learner, examples, judged, pooled, report, _rule(examples, target, judged, report, seed))


def origins(examples: TrainingSet) -> list[Origin]:
    """Give the last times, oldest first, before which enough windows had closed. Raises TrainingRefused."""
    customers = examples.frame["customer_id"].n_unique()
    if customers < FEWEST_CUSTOMERS:
        missing = FEWEST_CUSTOMERS - customers
        raise TrainingRefused(f"Training takes {FEWEST_CUSTOMERS} customers; there are {customers}, {missing} too few.")
    times, counted = examples.frame["as_of"], np.nan_to_num(examples.amounts()) > 0
    if counted.sum() < FEWEST:
        raise TrainingRefused(
            f"Training takes {FEWEST} cases in which it happened; there are {counted.sum()}, "
            f"{FEWEST - counted.sum()} too few."
        )
    found: list[Origin] = []
    for at in times.unique().sort(descending=True).to_list():
        closed = (times + examples.horizon <= at).to_numpy()
        if (counted & closed).sum() < FEWEST or len(found) == MOST_JUDGED + MOST_CHOOSING:
            break
        found.append(Origin(at, closed, (times == at).to_numpy()))
    if not found:
        raise TrainingRefused(
            f"No window of {examples.horizon.days} days had closed with {FEWEST} cases in which it happened when a "
            "later one began, so that the model could not be tested on later times. It takes a longer history, more "
            "customers, or a shorter horizon."
        )
    return found[::-1]


def _test(examples: TrainingSet, target: Target, stand: Origin, seed: int) -> Tested:
    """Foresee one origin's customers, each by a model that never saw her."""
    parts = draws(examples.frame, seed, PARTS)
    pieces, rows, models = [], [], []
    for part in range(PARTS):
        own = stand.own & (parts == part)
        if own.any():
            model = _fit(examples, target, stand.closed & (parts != part), seed, stand.at)
            frame = examples.frame.filter(pl.Series(own))
            rows.append(np.flatnonzero(own))
            models.append(model)
            pieces.append(_foreseen(model, frame, examples, stand.closed & (parts != part)))
    return Tested(
        stand.at,
        np.concatenate(rows),
        {name: np.concatenate([piece[name] for piece, _ in pieces]) for name in pieces[0][0]},
        np.concatenate([told for _, told in pieces]),
        tuple(zip(models, rows, strict=True)),
    )


def _fit(examples: TrainingSet, target: Target, rows: Flags, seed: int, at: datetime) -> Fitted:
    frame, came = examples.frame.filter(pl.Series(rows)), examples.amounts()[rows]
    if target.kind == Target.Kind.NEXT:
        return waiting.fit(frame, came, seed, examples.excluded)
    model = numbers.fit(frame, came, seed, examples.excluded)
    factor = _season(model, frame, np.maximum(came, 0.0), at)
    return model if factor is None else replace(model, season=factor)


def _season(model: numbers.Model, frame: pl.DataFrame, came: Floats, at: datetime) -> float | None:
    """Give by how much last year's same season says the total is higher; None where no time a year ago is known."""
    off = [abs(t + YEAR - at) for t in frame["as_of"].unique().sort()]
    nearest = frame["as_of"].unique().sort()[int(np.argmin(np.array(off)))]
    if min(off) > NEAR:
        return None
    then = (frame["as_of"] == nearest).to_numpy()
    present = frame.filter(pl.col("as_of") == pl.col("as_of").max())
    total = numbers.same_season(frame.filter(pl.Series(then)), came[then], present)
    there = model.amounts(present).sum()
    return float(np.clip(total / there, *SEASON_BOUNDS)) if there > 0 else None


def _levelled(model: numbers.Model, examples: TrainingSet) -> tuple[numbers.Model, Season]:
    """Set the level that is foreseen from the end of the last window on, and say how."""
    newest = examples.frame["as_of"].max()
    if not isinstance(newest, datetime):
        raise TypeError("as_of must be a time")
    factor = _season(model, examples.frame, np.maximum(examples.amounts(), 0.0), newest + examples.horizon)
    before = float(model.amounts(examples.frame.filter(pl.col("as_of") == newest)).mean())
    after = before * (factor or 1.0)
    if factor is None:
        said = "The season is unknown, as no time a year ago is known: the level is that of the latest three times."
    else:
        said = f"The level is that of last year's same season: {factor - 1:+.0%} against the latest three times."
    told: Season = {"known": factor is not None, "before": before, "after": after, "sentence": said}
    return (model if factor is None else replace(model, season=factor)), told


def _foreseen(
    model: Fitted, frame: pl.DataFrame, examples: TrainingSet, closed: Flags
) -> tuple[dict[str, Floats], Floats]:
    """Give what each learner and each simple rule foresees, and the days that are told."""
    matrix = model.reading.matrix(frame)
    if isinstance(model, waiting.Model):
        chances = model.chance.predict(matrix)
        found = {learners.AVERAGE: chances}
        if value.CHANCE in frame.columns:
            found[CHANCE] = frame[value.CHANCE].fill_null(0.0).to_numpy()
        if number_rules.may_read(frame, GAP):
            rule = _fit_rule(examples, GAP, closed)
            found[GAP] = rule.ranks(rule.reading.matrix(frame))
        return found, model.told(chances)
    found = model.reckon(matrix, numbers.SPEAKERS)
    found[MEAN] = np.full(frame.height, np.maximum(examples.amounts()[closed], 0.0).mean())
    if number_rules.may_read(frame, RATE):
        rule = _fit_rule(examples, RATE, closed)
        found[RATE] = rule.ranks(rule.reading.matrix(frame))
    return found, np.full(frame.height, np.nan)


def _chosen(examples: TrainingSet, target: Target, tests: list[Tested], seed: int) -> str:
    """Give the learner that ranked best at these origins; the average where there are none."""
    if target.kind == Target.Kind.NEXT:
        return learners.AVERAGE
    names = [name for name in numbers.SPEAKERS if all(name in test.foreseen for test in tests)]
    if not tests:
        return numbers.AVERAGE
    return max(names, key=lambda name: ranking_of(examples, target, tests, name, seed).value)


def _pieces(examples: TrainingSet, tests: list[Tested], learner: str, seed: int) -> list[Piece]:
    """Give the models that judged, speaking by one learner, with what came of some of the rows they had not seen."""
    few = drivers.few(examples.frame, sum(len(test.rows) for test in tests), seed)
    found = []
    for test in tests:
        for model, rows in test.pieces:
            own = rows[few[rows]]
            speaker = model.chance if isinstance(model, waiting.Model) else model.speaking(learner)
            came = np.nan_to_num(examples.amounts()[own], nan=float(examples.horizon.days))
            if isinstance(model, waiting.Model):
                came = examples.horizon.days - came
            found.append(Piece(speaker, examples.frame[own], np.maximum(came, 0.0)))
    return found


def amounts_of(examples: TrainingSet, target: Target, tests: list[Tested], name: str) -> Amounts:
    """Give what was foreseen beside what came; of days, how much sooner than the horizon it came."""
    rows = np.concatenate([test.rows for test in tests])
    came = examples.amounts()[rows]
    if target.kind == Target.Kind.NEXT:
        came = examples.horizon.days - np.nan_to_num(came, nan=float(examples.horizon.days))
    customers = examples.frame["customer_id"].to_numpy()[rows]
    return Amounts(np.maximum(came, 0.0), np.concatenate([test.foreseen[name] for test in tests]), customers)


def ranking_of(
    examples: TrainingSet, target: Target, tests: list[Tested], name: str, seed: int
) -> number_figures.Draws:
    """Give the mean over origins of the normalised Gini coefficient, with its resamples."""
    drawn = [number_figures.ranking(amounts_of(examples, target, [test], name), seed) for test in tests]
    return number_figures.Draws(
        float(np.mean([one.value for one in drawn])), np.mean([one.resampled for one in drawn], axis=0)
    )


def figures_of(examples: TrainingSet, target: Target, tests: list[Tested], name: str, seed: int) -> dict[str, Figure]:
    amounts = amounts_of(examples, target, tests, name)
    found = number_figures.figures(amounts, seed)
    if target.kind != Target.Kind.NEXT:
        return found
    came = examples.amounts()[np.concatenate([test.rows for test in tests])]
    kept = {key: found[key] for key in (GINI, SPEARMAN, CAPTURE)}
    if name != learners.AVERAGE:
        return kept
    happened = replace(amounts, came=(~np.isnan(came)).astype(np.float64))
    told = np.concatenate([test.told for test in tests])
    is_told = ~np.isnan(told)
    days = number_figures.figures(Amounts(came, told, amounts.customers).at(is_told & ~np.isnan(came)), seed)
    return {
        **kept,
        TOTAL: number_figures.figures(happened, seed)[TOTAL],
        MAE: days[MAE],
        ON_TIME: number_figures.share((np.nan_to_num(came, nan=np.inf) <= told)[is_told]),
    }


def _gate(examples: TrainingSet, target: Target, tests: list[Tested], learner: str, seed: int) -> Gate:
    """Say whether the model surely ranks customers better than every simple rule, and how far off its total was."""
    ours = ranking_of(examples, target, tests, learner, seed)
    rules = {name: ranking_of(examples, target, tests, name, seed) for name in tests[0].foreseen if name in IN_WORDS}
    baseline = max(rules, key=lambda name: rules[name].value) if rules else MEAN
    checks = [_beats("chance", "chance", ours, _chance(ours))]
    if rules:
        checks.append(_beats("simple rule", IN_WORDS[baseline], ours, rules[baseline]))
    return {"passed": all(check["passed"] for check in checks), "baseline": baseline, "checks": checks}


def _fit_rule(examples: TrainingSet, name: str, rows: Flags | None = None) -> Rule:
    """Fit a simple rule on some rows, or on all."""
    frame, came = examples.frame, examples.amounts()
    if rows is not None:
        frame, came = frame.filter(pl.Series(rows)), came[rows]
    return number_rules.fit(name, frame, came, examples.horizon)


def _rule(examples: TrainingSet, target: Target, tests: list[Tested], report: Report, seed: int) -> Rule | None:
    """Give the best simple rule fitted on all rows, where it surely ranks customers better than chance."""
    name = report["gate"]["baseline"]
    if name not in (RATE, GAP):
        return None
    ranks = ranking_of(examples, target, tests, name, seed)
    return _fit_rule(examples, name) if _beats("chance", "chance", ranks, _chance(ranks))["passed"] else None


def _chance(ranks: number_figures.Draws) -> number_figures.Draws:
    return number_figures.Draws(0.0, np.zeros(len(ranks.resampled)))


def _beats(name: str, rule: str, ours: number_figures.Draws, theirs: number_figures.Draws) -> Check:
    gain, error = ours.value - theirs.value, float(np.std(ours.resampled - theirs.resampled, ddof=1))
    least = gain - BOUND_99 * error
    compared = (
        f"normalised Gini {ours.value:.3f} against {theirs.value:.3f}, at least {least:+.3f} with 99 % confidence"
    )
    said = "It ranks customers better than" if least > 0 else "It does not surely rank customers better than"
    return {"name": name, "passed": bool(least > 0), "sentence": f"{said} {rule}: {compared}."}


def _report(examples: TrainingSet, target: Target, tests: list[Tested], learner: str) -> Report:
    """Give what training saw, and what to know of the figures."""
    came = np.nan_to_num(examples.amounts())
    report: Report = {
        "customers": examples.frame["customer_id"].n_unique(),
        "positives": int((came > 0).sum()),
        "rows": len(came),
        "base_rate": round(float((came > 0).mean()), 6),
        "times": [f"{t:%Y-%m-%d}" for t in examples.frame["as_of"].unique().sort()],
        "notes": _notes(examples, target, tests, learner),
    }
    if examples.value:
        report["value"] = examples.value.plain()
    return report


def _simulated(examples: TrainingSet) -> list[str]:
    """Say between what the total is expected to lie by BG/NBD and Gamma-Gamma, were their parameters known."""
    if examples.value is None:
        return []
    newest = examples.frame.filter(pl.col("as_of") == pl.col("as_of").max())
    drawn = value.simulated_total(examples.value, newest, examples.horizon / timedelta(weeks=1), examples.horizon.days)
    low, middle, high = (f"{one:,.0f}" for one in np.quantile(drawn, [0.05, 0.5, 0.95]))
    return [
        f"By chance alone the total of these {newest.height:,} customers lies between {low} and {high} nine times in "
        f"ten (middle {middle}), as BG/NBD and Gamma-Gamma have it."
    ]


def _notes(examples: TrainingSet, target: Target, tests: list[Tested], learner: str) -> list[str]:
    """Say what to know before the figures are used."""
    if target.kind == Target.Kind.NEXT:
        told = np.concatenate([test.told for test in tests])
        return [
            "The days are those by which it is as likely as not. No day is told for whom that is not within "
            f"{examples.horizon.days} days: {np.isnan(told).mean():.0%} of the customers in the tests."
        ]
    amounts = [amounts_of(examples, target, [test], learner) for test in tests]
    simulated = _simulated(examples)
    off = [
        f"{one.foreseen.sum() / one.came.sum() - 1:+.0%} ({test.origin:%Y-%m-%d})"
        for one, test in zip(amounts, tests, strict=True)
    ]
    said = [f"In the tests the total was off by {', '.join(off)}: expect as much of the next one.", *simulated]
    newest = amounts[-1]
    largest = np.argsort(-newest.came, kind="stable")[:SHOWN]
    share = newest.came[largest].sum() / newest.came.sum()
    if share >= LARGE:
        rest = np.setdiff1d(np.arange(len(newest.came)), largest)
        without = newest.foreseen[rest].sum() / newest.came[rest].sum() - 1
        said.append(
            f"{SHOWN} customers made {share:.0%} of what was spent; without them the total was off by {without:+.0%}."
        )
    if examples.value and examples.value.is_correlated:
        said.append(
            "Who orders more often spends otherwise on a day with an order (correlation "
            f"{examples.value.correlation:.2f}): amounts by Gamma-Gamma are off."
        )
    return said
