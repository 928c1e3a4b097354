"""The gate: a version goes live only if, where nothing was chosen, it is better than the best simple rule, surely.

"Surely" is a one-sided bound of 99 %: the difference must exceed 2.326 standard errors. The error is that of a paired
bootstrap of whole customers; the normal quantile is taken because the quantile of 200 resamples at 1 % rests on two of
them. One standard error would let 16 % of noise through. Differences are of the mean AUC over the tested times, each
of which ranks customers of one time only, so that nobody gains by telling the times apart. In folds the error is half
as large again, because what is tested in one fold was learnt from in the others (Nadeau and Bengio 2003: the root of
(1/5 + 1/4) / (1/5)).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.stats import norm

from scoring import evaluation
from scoring.evaluation import Gain, Outcome, Weights
from scoring.report import Check, Gate
from scoring.season import BAND

BOUND = 2.326  # standard errors: one-sided 99 % of a normal
WORSE = 1.645  # standard errors: one-sided 95 %, against the live version
ERROR = 0.05  # of calibration, beyond what chance alone gives
CHANCE = 0.5  # the AUC of it
IN_FOLDS = 1.5  # of the bootstrap's error


@dataclass(frozen=True)
class Case:
    """What the gate weighs: the outcomes and AUCs (see `evaluation.aucs`) of the learner and of the simple rules.

    `origins` names the tested times, `words` the rules; `unresolved` are fields that the guard blocks and the model
    still reads.
    """

    learner: str
    outcome: Outcome
    aucs: Mapping[str, Weights]
    words: Mapping[str, str]
    origins: Sequence[str] = ()
    is_season_known: bool = True
    unresolved: Sequence[str] = field(default=())

    @property
    def ours(self) -> Weights:
        return self.aucs[self.learner]

    def gain(self, name: str, over: Weights | float) -> Gain:
        """Give how much a learner's or a rule's mean AUC exceeds another."""
        found = evaluation.gain(self.aucs[name], over)
        return found if self.origins else found._replace(error=IN_FOLDS * found.error)

    @property
    def baseline(self) -> str:
        """The best simple rule on these very rows: no other is harder to beat."""
        return max(self.words, key=lambda name: (float(self.aucs[name][:, 0].mean()), name))


def gate(case: Case) -> Gate:
    """Give every condition with its figures; the gate is passed if all are met."""
    checks = [_beats_chance(case), _beats_rule(case), _is_calibrated(case), _holds_everywhere(case), _is_guarded(case)]
    return {"passed": all(check["passed"] for check in checks), "baseline": case.baseline, "checks": checks}


def reason(verdict: Gate) -> str:
    """Say why a version goes live, or the first condition that it does not meet."""
    failed = [check["sentence"] for check in verdict["checks"] if not check["passed"]]
    met = next(check["sentence"] for check in verdict["checks"] if check["name"] == "baseline")
    return failed[0] if failed else met


def is_surely_better(gain: Gain, share: float = BOUND) -> bool:
    """Tell whether a difference exceeds so many of its standard errors."""
    return gain.difference > 0 and gain.difference > share * gain.error


def may_serve(case: Case) -> bool:
    """Tell whether the best simple rule is surely better than chance, being the best of several (Bonferroni)."""
    rules = max(1, len(case.words) - 1)  # the base rate is none
    share = float(norm.isf((1 - norm.cdf(BOUND)) / rules))
    return is_surely_better(case.gain(case.baseline, CHANCE), share)


def against(live: str, gain: Gain, what: str = "AUC") -> Check:
    """Compare a new version with the live one on the same customers, at times that neither had seen."""
    passed = gain.difference >= -WORSE * gain.error
    word = "not worse than" if passed else "worse than"
    sentence = (
        f"It is {word} the live {live} on times that neither had seen: a difference of {what} of "
        f"{gain.difference:+.3f}, standard error {gain.error:.3f}."
    )
    return {"name": "champion", "passed": passed, "sentence": sentence}


def _beats_chance(case: Case) -> Check:
    gain = case.gain(case.learner, CHANCE)
    passed = is_surely_better(gain)
    verdict = "is better than chance" if passed else "cannot be told from chance"
    sentence = (
        f"Its ranking {verdict}: AUC {CHANCE + gain.difference:.3f}, at least {_least(gain, CHANCE):.3f} with 99 % "
        "confidence; chance is 0.5."
    )
    return {"name": "chance", "passed": passed, "sentence": sentence}


def _beats_rule(case: Case) -> Check:
    gain = case.gain(case.learner, case.aucs[case.baseline])
    passed, rule = is_surely_better(gain), case.words[case.baseline]
    theirs = float(case.aucs[case.baseline][:, 0].mean())
    verdict = "It ranks customers better than" if passed else "It does not surely beat"
    sentence = (
        f"{verdict} {rule}: AUC {theirs + gain.difference:.3f} against {theirs:.3f}, a difference of "
        f"{gain.difference:.3f}, at least {_least(gain):.3f} with 99 % confidence."
    )
    return {"name": "baseline", "passed": passed, "sentence": sentence}


def _is_calibrated(case: Case) -> Check:
    found = evaluation.ece(case.outcome)
    chance = min(found, evaluation.chance_ece(case.outcome))
    rate = float(case.outcome.labels.mean())
    bound = ERROR if case.is_season_known else max(ERROR, BAND * rate)
    passed = found - chance <= bound
    why = "" if case.is_season_known else f" ({BAND:.0%} of the share of {rate:.1%}, as the season is not known)"
    sentence = (
        f"Its chances are off by {found:.3f} on average, of which {chance:.3f} is what chance alone gives: "
        f"{'within' if passed else 'beyond'} the bound of {bound:.3f}{why if bound > ERROR else ''}."
    )
    return {"name": "calibration", "passed": passed, "sentence": sentence}


def _holds_everywhere(case: Case) -> Check:
    differences = case.ours - case.aucs[case.baseline]
    errors = np.std(differences[:, 1:], axis=1, ddof=1)
    worst = int(np.argmin(differences[:, 0] + BOUND * errors))
    gain = Gain(float(differences[worst, 0]), float(errors[worst]))
    passed = gain.difference >= -BOUND * gain.error
    where = f"At {case.origins[worst]}" if case.origins else "Over all"
    verdict = "not worse" if passed else "worse"
    sentence = (
        f"{where}, where it does worst, it is {verdict} than {case.words[case.baseline]} by more than chance: a "
        f"difference of AUC of {gain.difference:+.3f}, standard error {gain.error:.3f}."
    )
    return {"name": "origins", "passed": passed, "sentence": sentence}


def _is_guarded(case: Case) -> Check:
    passed = not case.unresolved
    sentence = (
        "No field that it reads tells the answer."
        if passed
        else f"It reads what may tell the answer: {', '.join(case.unresolved)}. Leave it out, or vouch for it."
    )
    return {"name": "guard", "passed": passed, "sentence": sentence}


def _least(gain: Gain, start: float = 0.0) -> float:
    return start + gain.difference - BOUND * gain.error
