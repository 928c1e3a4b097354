"""The leakage guard: fields that know the outcome are not read, and fields that only tell the time are named.

A field leaks when it is known only once the outcome is (Kaufman, Rosset, Perlich and Stitelman, Leakage in data mining,
2012). Nothing in a column says so; these marks do:
- alone it ranks customers nearly without fault;
- it is filled only for those of whom it came true;
- it holds dates later than the time it is to stand for;
- it numbers the rows, and the order of the rows tells the outcome;
- it adds to all other fields more than they know together. What is known in advance overlaps: one fact about a customer
  goes with another. What is measured while the outcome comes about, such as the length of the call in which she
  agrees, does not, and dwarfs the rest.
"""

from collections.abc import Collection, Iterator
from typing import NamedTuple

import numpy as np
import polars as pl
from scipy.stats import chi2
from sklearn.ensemble import HistGradientBoostingClassifier

from scoring import alone, encoding
from scoring.alone import Field
from scoring.encoding import CORE, Encoding, Matrix
from scoring.learners import EDGE, Flags, Floats, one_thread
from scoring.models import ModelVersion
from scoring.report import TIME_ONLY, Guarded, Suspect
from scoring.training_set import RECENCY, Ints, TrainingSet, draws, some

MOST_ROWS = 20_000
TOO_GOOD_AUC, STRONG_AUC, TIMES_THE_NEXT = 0.95, 0.85, 3.0
AS_GOOD = 0.02  # a feature of events may be so much better than the days since the last such event
FILLED_AUC, FILLED_PURITY, FEWEST_FILLED = 0.9, 0.98, 20
FUTURE_SHARE, FUTURE_AUC = 0.01, 0.6
FEWEST_REPEATS, ID_DIGITS, BY_CHANCE = 10.0, 6, 1e-4
STRONG_SHARE, MOST_CANDIDATES = 0.1, 3  # shares of what is unsure about the outcome
ADDED_SHARE, LITTLE_SHARE, ADDED_TO_LITTLE = 0.15, 0.03, 0.4
ADDED_ERRORS = 4.0
TWINS = 0.95  # correlation of two fields that say the same
FEWEST_TIMES, ROWS_A_TIME, TIME_AUC = 3, 20, 0.55
FEW_CHANGES, KNOWN_CHANGES, FEWEST_KNOWN = 0.05, 0.01, 2

TOO_GOOD, FILLED_AFTER, FUTURE_DATE, ID, OUT_OF_PROPORTION = "too_good", "filled_after", "future_date", "id", "too_much"
PLAN, ALLOWED = "plan", "vouched"
WARNINGS = (PLAN, TIME_ONLY)
NOT_READ = "It is not read. If it is known in time, vouch for it at the target."


class _Sample(NamedTuple):
    """Rows to look at, their answers, which half of the customers they belong to, and every field alone."""

    examples: TrainingSet
    frame: pl.DataFrame
    labels: Flags
    halves: Ints
    fields: list[Field]

    def is_told(self, name: str) -> bool:
        """Tell whether a field was told to us, and not reckoned from events as they were known at the time."""
        return name in CORE or name.startswith("attributes.")

    def is_undated(self, name: str) -> bool:
        """Tell whether nothing says since when a field's values are known."""
        in_folds = self.examples.validated == ModelVersion.Validated.IN_FOLDS
        return self.is_told(name) and (in_folds or name in self.examples.timeless)


def look(examples: TrainingSet, seed: int) -> Guarded:
    """Give the fields that must not be read and those to be warned of, each with a sentence that says why.

    What is vouched for is never blocked, but named. What no model may read is not looked at.
    """
    sample, vouched = _sample(examples, seed), examples.vouched
    found: dict[str, Suspect] = {}
    for check in (_filled_after, _too_good, _ids, _future_dates):
        found = {suspect["field"]: suspect for suspect in check(sample)} | found
    gone = {name for name, suspect in found.items() if suspect["kind"] not in WARNINGS and name not in vouched}
    found = {one["field"]: one for one in _out_of_proportion(sample, gone | set(vouched), gone, seed)} | found
    found = {one["field"]: one for one in _time_only(sample)} | found
    found = {name: _allowed(one) if name in vouched else one for name, one in sorted(found.items())}
    is_warning = {name: one["kind"] in (*WARNINGS, ALLOWED) for name, one in found.items()}
    return Guarded(
        blocked=[one for name, one in found.items() if not is_warning[name]],
        warned=[one for name, one in found.items() if is_warning[name]],
    )


def name_of(field: str) -> str:
    """Give a field's name without its prefix."""
    return field.removeprefix("attributes.").removeprefix("features.")


def _sample(examples: TrainingSet, seed: int) -> _Sample:
    """Give all rows of as many customers as are needed."""
    frame = examples.frame
    if frame.height > MOST_ROWS:
        frame = frame.filter(pl.Series(some(frame, seed, MOST_ROWS / frame.height)))
    answers = frame["label"]
    if answers.dtype != pl.Boolean:
        answers = (answers > answers.median()).fill_null(value=True)
    labels, halves = answers.to_numpy().astype(bool), draws(frame, seed + 1, 2)
    return _Sample(examples, frame, labels, halves, alone.fields(frame, labels, halves, examples.excluded))


def _filled_after(sample: _Sample) -> Iterator[Suspect]:
    """Find fields of which it tells the outcome whether they have a value."""
    rare = sample.labels if sample.labels.mean() <= 0.5 else ~sample.labels
    for name in sorted(sample.frame.columns):
        if not (encoding.is_input(name) and sample.is_told(name)) or name in sample.examples.excluded:
            continue
        filled = sample.frame[name].is_not_null().to_numpy()
        figure = _auc_of(filled, sample.labels)
        groups = [group for group in (filled, ~filled) if group.sum() >= FEWEST_FILLED]
        is_pure = any(rare[group].mean() >= FILLED_PURITY for group in groups if not group.all())
        if figure > FILLED_AUC or is_pure:
            yes, no = filled[sample.labels].mean(), filled[~sample.labels].mean()
            what = f"{name_of(name)} is filled for {_percent(yes)} of those of whom it came true and {_percent(no)} of "
            yield _suspect(name, FILLED_AFTER, what + "the others: it is filled in once the outcome is known", figure)


def _too_good(sample: _Sample) -> Iterator[Suspect]:
    """Find fields that alone rank nearly without fault, or that are far ahead of all others."""
    recency = max((field.auc for field in sample.fields if field.name == RECENCY), default=0.0)
    for field in sample.fields:
        name = name_of(field.name)
        is_feature = field.name.startswith("features.")
        if not (sample.is_told(field.name) or is_feature):
            continue
        if field.auc > TOO_GOOD_AUC and not (is_feature and field.auc < recency + AS_GOOD):
            what = f"{name} alone ranks customers nearly without fault (AUC {field.auc:.3f})"
            yield _suspect(field.name, TOO_GOOD, f"{what}: hardly anything known in advance does", field.auc)
        elif field.auc > STRONG_AUC and sample.is_undated(field.name):
            next_lift = max((other.lift for other in sample.fields if not _are_twins(field, other)), default=9.0)
            if field.lift > TIMES_THE_NEXT * next_lift:
                what = f"The tenth of the customers that {name} puts first holds {field.lift:.1f} times its share of "
                what += f"those of whom it came true, the next best field's {next_lift:.1f} times"
                yield _suspect(field.name, TOO_GOOD, f"{what}: it seems to be known only with the outcome", field.lift)


def _future_dates(sample: _Sample) -> Iterator[Suspect]:
    """Find dates after the time that a row stands for, where that tells the outcome."""
    for name in sorted(sample.frame.columns):
        if not (encoding.is_input(name) and sample.frame[name].dtype.is_temporal()) or name in sample.examples.excluded:
            continue
        date = pl.col(name).cast(pl.Datetime("us", "UTC"))
        later = sample.frame.select((date > pl.col("as_of")).fill_null(value=False)).to_series().to_numpy()
        figure = _auc_of(later, sample.labels)
        if later.mean() < FUTURE_SHARE or figure < FUTURE_AUC:
            continue
        what = (
            f"{name_of(name)} lies in the future for {_percent(later.mean())} of the rows, and that tells the outcome"
        )
        if name in sample.examples.timeless:
            yield _suspect(name, FUTURE_DATE, f"{what}: nothing says that it was known by then", figure)
        else:
            end = "It is read as a plan. If it is not one, exclude it at the target."
            yield Suspect(field=name, kind=PLAN, why=f"{what}. {end}", figure=round(figure, 6))


def _ids(sample: _Sample) -> Iterator[Suspect]:
    """Find numbers that only number the customers, where their order tells the outcome."""
    frame = sample.examples.frame.unique("customer_id", keep="last", maintain_order=True)
    for name in sorted(frame.columns):
        if not (encoding.is_input(name) and sample.is_told(name)) or name in sample.examples.excluded:
            continue
        if not (frame[name].dtype.is_numeric() or frame[name].dtype == pl.String):
            continue
        if not _numbers_customers(frame[name].cast(pl.Float64, strict=False).drop_nulls().to_numpy()):
            continue
        place = sample.frame[name].cast(pl.Float64, strict=False).rank("ordinal").fill_null(0).to_numpy()
        codes = (place * alone.BINS // (len(place) + 1)).astype(np.int64)
        positives, negatives = alone.counted(codes, sample.labels, alone.BINS)
        expected, base = (positives + negatives) * sample.labels.mean(), sample.labels.mean()
        is_used = expected > 0
        distance = ((positives - expected)[is_used] ** 2 / (expected[is_used] * (1 - base))).sum()
        if chi2.sf(distance, is_used.sum() - 1) < BY_CHANCE:
            what = f"{name_of(name)} is another number for every customer, and their order tells the outcome"
            figure = alone.auc(positives / np.maximum(positives + negatives, 1), positives, negatives)
            yield _suspect(name, ID, f"{what}: the file was sorted, or numbers were given with the outcome", figure)


def _numbers_customers(values: Floats) -> bool:
    """Tell whether whole numbers never repeat where those of a measure would.

    Of n numbers drawn from a range of r, n * n / 2r pairs are equal by chance, and more where some are likelier.
    """
    if len(values) < FEWEST_FILLED or not np.array_equal(values, np.floor(values)):
        return False
    if len(np.unique(values)) < len(values):
        return False
    least, most = float(values.min()), float(values.max())
    repeats = len(values) ** 2 / (2 * (most - least + 1))
    digits = [len(str(int(abs(end)))) for end in (least, most)]
    return repeats >= FEWEST_REPEATS or (digits[0] == digits[1] >= ID_DIGITS and least > 0)


def _out_of_proportion(
    sample: _Sample, allowed: Collection[str], gone: Collection[str], seed: int
) -> Iterator[Suspect]:
    """Find fields that add to all others more than the others know together, or alone tell more than they do.

    Two such fields would hide behind each other, so that those that add much are measured against the rest together.
    """
    fields = [field for field in sample.fields if field.name not in gone]
    strong = [field for field in fields if field.share >= STRONG_SHARE and sample.is_undated(field.name)]
    strong = [field for field in strong if field.name not in allowed]
    if not strong:
        return
    fits = _Fits(sample, {field.name for field in fields}, seed)
    everything = fits.losses(frozenset())
    leaps: dict[str, float] = {}
    for field in sorted(strong, key=lambda field: -field.share)[:MOST_CANDIDATES]:
        group = frozenset(other.name for other in strong if _are_twins(field, other))
        added = (fits.losses(group) - everything) / fits.entropy
        if added.mean() >= max(ADDED_SHARE, ADDED_ERRORS * added.std() / np.sqrt(len(added))):
            leaps |= dict.fromkeys(group, float(added.mean()))
    if not leaps:
        return
    rest = 1 - float(fits.losses(frozenset(leaps)).mean()) / fits.entropy
    together = 1 - float(everything.mean()) / fits.entropy
    most = max([together - rest, *(field.share for field in strong if field.name in leaps)])
    if most < (rest if rest > LITTLE_SHARE else ADDED_TO_LITTLE):
        return
    names = ", ".join(sorted(map(name_of, leaps)))
    what = (
        f"All other fields tell {_percent(rest)} of what is unsure about the outcome, with {names} {_percent(together)}"
    )
    for name, figure in leaps.items():
        why = f"{what}: {name_of(name)} seems to be measured while the outcome comes about, or after"
        yield _suspect(name, OUT_OF_PROPORTION, why, figure)


class _Fits:
    """Small boostings on some of the fields, each half of the customers foretold from the other."""

    def __init__(self, sample: _Sample, names: Collection[str], seed: int) -> None:
        unread = [name for name in sample.frame.columns if name not in names]
        self._reading: Encoding = encoding.learn(sample.frame, excluded=unread)
        self._matrix: Matrix = self._reading.matrix(sample.frame)
        self._sample, self._seed = sample, seed
        base = sample.labels.mean()
        self.entropy = float(-(base * np.log(base) + (1 - base) * np.log1p(-base)))

    def losses(self, without: frozenset[str]) -> Floats:
        """Give each row's negative log-likelihood, foretold by all fields but some."""
        is_out = np.array([column.name in without for column in self._reading.columns])
        matrix = self._matrix[:, ~is_out[self._reading.sources()]]
        labels, halves = self._sample.labels, self._sample.halves
        chances = np.full(len(labels), labels.mean())
        for half in (0, 1):
            if matrix.shape[1]:
                with one_thread():
                    fitted = _boosting(self._seed).fit(matrix[halves != half], labels[halves != half])
                    chances[halves == half] = fitted.predict_proba(matrix[halves == half])[:, 1]
        chances = np.clip(chances, EDGE, 1 - EDGE)
        losses: Floats = -np.where(labels, np.log(chances), np.log1p(-chances))
        return losses


def _boosting(seed: int) -> HistGradientBoostingClassifier:
    return HistGradientBoostingClassifier(
        learning_rate=0.15, max_iter=40, max_leaf_nodes=8, min_samples_leaf=40, early_stopping=False, random_state=seed
    )


def _time_only(sample: _Sample) -> Iterator[Suspect]:
    """Find fields that tell when, and not who."""
    slow = [field for field in sample.fields if _is_slow(sample.frame[field.name])]
    if sample.examples.validated == ModelVersion.Validated.OVER_TIME:
        found = _same_for_all(sample, slow)
    else:
        slow = [field for field in slow if field.auc >= TIME_AUC]
        found = _known_together(sample, slow) | _in_runs(sample, slow)
    for field in slow:
        if field.name in found:
            why = f"{name_of(field.name)} {found[field.name]}. It is read, but what it tells may not last. "
            why += "If so, exclude it at the target."
            yield Suspect(field=field.name, kind=TIME_ONLY, why=why, figure=round(field.auc, 6))


def _is_slow(values: pl.Series) -> bool:
    """Tell whether a field has few enough values for each to be a period's."""
    return FEWEST_TIMES <= values.n_unique() <= values.len() / ROWS_A_TIME


def _same_for_all(sample: _Sample, slow: list[Field]) -> dict[str, str]:
    """Find fields of one value at every time, over several times."""
    names = [field.name for field in slow]
    most = sample.frame.group_by("as_of").agg(pl.col(names).n_unique()).select(pl.col(names).max())
    return {
        name: "is the same for everybody at a time: it tells when, and not who" for name in names if most[name][0] == 1
    }


def _in_runs(sample: _Sample, slow: list[Field]) -> dict[str, str]:
    """Find fields that hardly change from one customer to the one stored next, as if the file were a diary."""
    order = np.argsort(sample.frame["customer_id"].to_numpy(), kind="stable")
    what = "is the same for long runs of customers that were stored one after another: it tells when, and not who"
    return {field.name: what for field in slow if _changes(_codes(sample, field)[order]) < FEW_CHANGES}


def _known_together(sample: _Sample, slow: list[Field]) -> dict[str, str]:
    """Find numbers of which one gives at least two others, without being like them: figures of one period, or place."""
    numbers = [field for field in slow if sample.frame[field.name].dtype.is_numeric()]
    codes = {field.name: _codes(sample, field) for field in numbers}
    found: dict[str, str] = {}
    for key in numbers:
        order = np.argsort(codes[key.name], kind="stable")
        within = np.diff(codes[key.name][order]) == 0
        others = [
            other
            for other in numbers
            if not _are_twins(key, other) and _changes(codes[other.name][order], within) < KNOWN_CHANGES
        ]
        if len(others) >= FEWEST_KNOWN:
            group = {field.name for field in (key, *others)}
            for name in group:
                with_it = ", ".join(sorted(map(name_of, group - {name})))
                found.setdefault(
                    name, f"goes with {with_it}, as the figures of a period do: it tells when, and not who"
                )
    return found


def _codes(sample: _Sample, field: Field) -> Ints:
    codes: Ints = sample.frame[field.name].rank("dense").fill_null(0).cast(pl.Int64).to_numpy()
    return codes


def _changes(codes: Ints, counted: Flags | None = None) -> float:
    """Give how often neighbours differ, in proportion to how often two rows picked at random do."""
    shares = np.bincount(codes) / len(codes)
    differ = np.diff(codes) != 0
    if counted is not None:
        differ = differ[counted]
    return float(differ.mean() / max(1e-9, 1 - (shares**2).sum()))


def _suspect(name: str, kind: str, why: str, figure: float) -> Suspect:
    return Suspect(field=name, kind=kind, why=f"{why}. {NOT_READ}", figure=round(figure, 6))


def _allowed(suspect: Suspect) -> Suspect:
    """Give a suspect that is read all the same."""
    if suspect["kind"] in WARNINGS:
        return suspect
    return {**suspect, "kind": ALLOWED, "why": suspect["why"].replace(NOT_READ, "It is read, as you vouch for it.")}


def _are_twins(one: Field, two: Field) -> bool:
    """Tell whether two fields say the same, themselves included."""
    if one is two:
        return True
    return abs(float(np.corrcoef(one.codes, two.codes)[0, 1])) >= TWINS


def _auc_of(flags: Flags, labels: Flags) -> float:
    """Give the AUC of a yes or no, whichever way it points."""
    return 0.5 + abs(float(flags[labels].mean() - flags[~labels].mean())) / 2


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
