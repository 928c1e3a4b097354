"""A shop with a live model of who orders most, fitted on its own features."""

import polars as pl

from customers import bulk, snapshot
from customers.history import Scope
from customers.models import Customer
from scoring import artifacts, learners, ranking, scores, spreads
from scoring.models import Evaluation, ModelVersion, Target
from scoring.ranking import BANDS
from tests.scoring.worlds import AS_OF, DAY, order_times, store_shop

FIGURES = {"auc": {"value": 0.8, "low": 0.77, "high": 0.83}}


def most_orders(number: int = 1, state: str = "live", *, passed: bool = True) -> ModelVersion:
    """Give a stored version of a model of who orders most, among 120 customers of a shop."""
    if not Customer.objects.exists():
        store_shop(120, order_times(120))
    moment = pl.lit(AS_OF).cast(bulk.UTC_MICROSECONDS)
    frame = snapshot.take(Scope(), AS_OF).with_columns(as_of=moment)
    labels = (frame["features.orders"] > frame["features.orders"].median()).to_numpy()
    model = learners.fit(frame, labels, 0, learners={learners.LOGISTIC: learners.MODELS[learners.LOGISTIC]})
    target, _ = Target.objects.get_or_create(
        key="most", label="Orders most", kind="attribute", attribute="plan", equals="gold", created_at=AS_OF
    )
    path, mac = artifacts.write(model, "most", number)
    gate = {"passed": passed, "baseline": "recency", "checks": []}
    version = ModelVersion.objects.create(
        target=target,
        number=number,
        state=state,
        reason="It ranks customers better.",
        learner=model.learner,
        validated="in_folds",
        as_of=AS_OF,
        created_at=AS_OF,
        seed=0,
        features=[column.name for column in model.reading.columns],
        artefact=path,
        artefact_mac=mac,
        customers=120,
        positives=int(labels.sum()),
        threshold=0.5,
        bands=BANDS,
        report={"gate": gate, "spreads": spreads.spreads(frame, model.reading.columns), "changes": ["It is new."]},
    )
    for origin in (None, AS_OF - 45 * DAY):
        Evaluation.objects.create(
            version=version, learner="logistic", origin=origin, customers=120, positives=9, figures=FIGURES
        )
    return version


def scored() -> pl.DataFrame:
    """Score everybody by the live version, and give the frame."""
    run = scores.begin(AS_OF)
    assert run is not None
    found = scores.score(snapshot.take(Scope(), AS_OF), AS_OF, run)
    ranking.rank(run)
    return found
