"""What changed since the version before, in sentences."""

from collections.abc import Collection
from dataclasses import dataclass

from scoring import words
from scoring.models import ModelVersion
from scoring.report import Figures, Report
from scoring.words import Words

MOST_FIELDS = 5  # named in a sentence
NOTICED = 0.05  # of the base rate, or of the number of customers: less is no change
LEARNERS = {
    "logistic": "logistic regression",
    "tree": "decision tree",
    "forest": "random forest",
    "boosting": "gradient boosting",
    "network": "neural network",
    "average": "average of logistic regression and gradient boosting",
    "recency": "rule of recency",
    "rfm": "rule of recency, frequency and spend",
    "value": "rule of past purchases",
    "base rate": "base rate",
}


@dataclass(frozen=True)
class Told:
    """What is told of a version beside another."""

    number: int
    learner: str
    auc: Figures
    fields: frozenset[str]
    blocked: frozenset[str]
    customers: int
    base_rate: float


def since_before(version: ModelVersion) -> list[str]:
    """Give what changed since the live version, or since the last one where none is live."""
    others = version.target.versions.exclude(pk=version.pk).order_by("-number")
    before = others.filter(state=ModelVersion.State.LIVE).first() or others.first()
    return changes(of_version(version), of_version(before) if before else None, words.known())


def of_version(version: ModelVersion) -> Told:
    """Give what a stored version tells of itself."""
    report: Report = version.report
    own = version.evaluations.filter(origin=None, learner=version.learner).first()
    nothing = Figures(value=0.5, low=0.5, high=0.5)
    return Told(
        number=version.number,
        learner=version.learner,
        auc=own.figures.get("auc", nothing) if own else nothing,
        fields=frozenset(version.features),
        blocked=blocked_of(report),
        customers=version.customers,
        base_rate=report.get("base_rate", 0.0),
    )


def blocked_of(report: Report) -> frozenset[str]:
    """Give the fields that the leakage guard blocked."""
    guard = report.get("guard")
    return frozenset(one["field"] for one in guard["blocked"]) if guard else frozenset()


def changes(now: Told, before: Told | None, called: Words) -> list[str]:
    """Give a sentence for everything that is not as it was in the version before."""
    if before is None:
        return ["It is the first version."]
    told = [_learner(now, before), _auc(now, before), *_fields(now, before, called), *_rows(now, before)]
    return [one for one in told if one]


def _learner(now: Told, before: Told) -> str:
    if now.learner == before.learner:
        return ""
    ours, theirs = (LEARNERS.get(one.learner, one.learner) for one in (now, before))
    return f"The learner is now the {ours}; version {before.number} was the {theirs}."


def _auc(now: Told, before: Told) -> str:
    """Say how the AUC moved; the two were judged on different rows, so that overlapping intervals tell nothing."""
    ours, theirs = now.auc, before.auc
    texts = [f"{one['value']:.3f} ({one['low']:.3f} to {one['high']:.3f})" for one in (ours, theirs)]
    if ours["low"] > theirs["high"]:
        verdict = "better than"
    elif ours["high"] < theirs["low"]:
        verdict = "worse than"
    else:
        verdict = "not clearly different from"
    return f"AUC is {texts[0]}, {verdict} the {texts[1]} of version {before.number}."


def _fields(now: Told, before: Told, called: Words) -> list[str]:
    fresh, gone = now.blocked - before.blocked, before.blocked - now.blocked
    told = [
        (now.fields - before.fields, "It now reads"),
        (before.fields - now.fields - now.blocked, "It no longer reads"),
        (fresh, "The leakage guard now blocks"),
        (gone, "The leakage guard no longer blocks"),
    ]
    return [f"{start} {_names(fields, called)}." for fields, start in told if fields]


def _rows(now: Told, before: Told) -> list[str]:
    told = []
    if before.base_rate and abs(now.base_rate / before.base_rate - 1) > NOTICED:
        told.append(
            f"It comes true for {now.base_rate:.1%} of the customers it learnt from, before {before.base_rate:.1%}."
        )
    if before.customers and abs(now.customers / before.customers - 1) > NOTICED:
        told.append(f"It learnt from {now.customers:,} customers, before from {before.customers:,}.")
    return told


def _names(fields: Collection[str], called: Words) -> str:
    labels = sorted(f"“{words.name_of(field, called).label}”" for field in fields)
    shown, more = labels[:MOST_FIELDS], len(labels) - MOST_FIELDS
    if more > 0:
        return f"{', '.join(shown)} and {more} more"
    return " and ".join([", ".join(shown[:-1]), shown[-1]]) if len(shown) > 1 else shown[0]
