"""Targets of every kind are trained from their questions, and score just those of whom they speak."""

from typing import Any

import numpy as np
import polars as pl
import pytest

from customers import history, ingest, snapshot
from customers.history import Scope
from customers.ingest import Records
from customers.models import Source
from scoring import artifacts, learners, questions, ranking, scores, targets, training, training_set
from scoring.models import ModelVersion
from scoring.populations import RECENCY
from tests.scoring.worlds import AS_OF, DAY, events_of, order_times, store_shop

pytestmark = [pytest.mark.door, pytest.mark.django_db, pytest.mark.once]
PEOPLE = 1200


@pytest.fixture
def orders() -> pl.DataFrame:
    """Give the orders of a stored shop, in which those who order often move from another plan to gold."""
    orders = order_times(PEOPLE)
    source = store_shop(PEOPLE, orders)
    often = orders.group_by("customer_id").len().filter(pl.col("len") > 6)
    rng = np.random.default_rng(2)
    ages = pl.Series("age", rng.integers(1, 400, often.height))
    moves = often.with_columns(ages).with_row_index("line")
    told = moves.select(
        pl.col("line").cast(pl.Int64),
        external_id=pl.format("c{}", "customer_id"),
        name=pl.lit("plan"),
        value=pl.lit('"gold"'),
        known_at=pl.lit(AS_OF) - pl.duration(days="age"),
    )
    ingest.put(Records(read=told.height, attributes=told, types={"plan": "text"}), source, AS_OF)
    history.sync()
    return orders


def live(name: str, answers: dict[str, Any]) -> ModelVersion:
    """Give a live version of a question's target: a simple rule, fitted on its training set."""
    target = targets.store(questions.make(name, answers, AS_OF))
    examples = training_set.build(target, AS_OF)
    read = [column for column in (RECENCY, "features.orders_90d") if column in examples.frame.columns]
    rule = learners.fit_only(examples.frame, examples.labels(), read)
    path, mac = artifacts.write(rule, target.key, 1)
    return ModelVersion.objects.create(
        target=target,
        number=1,
        state="live",
        learner=rule.learner,
        validated=examples.validated,
        as_of=AS_OF,
        created_at=AS_OF,
        seed=0,
        features=[column.name for column in rule.reading.columns],
        artefact=path,
        artefact_mac=mac,
        customers=examples.frame.height,
        positives=int(examples.labels().sum()),
        bands=ranking.BANDS,
    )


def scored(key: str) -> set[int]:
    """Give who has a score of a target in a run that begins now."""
    run = scores.begin(AS_OF)
    assert run is not None
    frame = scores.score(snapshot.take(Scope(), AS_OF), AS_OF, run)
    ranking.rank(run, [frame])
    return set(frame.filter(pl.col(f"scores.{key}").is_not_null())["customer_id"])


@pytest.mark.long
def test_who_is_not_yet_among_the_best_is_scored_by_the_line_of_training(orders: pl.DataFrame) -> None:
    target = targets.store(questions.make("best", {"horizon_days": 60, "percentile": 75}, AS_OF))
    version = training.train(target, AS_OF, names=(learners.LOGISTIC,))
    ModelVersion.objects.filter(pk=version.pk).update(state="live")
    recent = orders.filter(pl.col("occurred_at") > AS_OF - 365 * DAY).group_by("customer_id").len()
    spent = dict(recent.select("customer_id", pl.col("len") * 20.0).iter_rows())
    line = version.report["spend_line"]
    assert line == pytest.approx(float(np.quantile(list(spent.values()), 0.75)))
    assert scored(version.target.key) == {who for who, amount in spent.items() if amount <= line}


def test_who_has_the_plan_is_not_scored_for_moving_to_it(orders: pl.DataFrame) -> None:
    version = live("upgrade", {"attribute": "plan", "equals": "gold", "horizon_days": 60})
    plans = snapshot.take(Scope(), AS_OF)
    others = set(plans.filter(pl.col("attributes.plan") != "gold")["customer_id"])
    assert version.features == ["features.orders_90d"]
    assert scored(version.target.key) == others
    assert len(others) < PEOPLE


def test_what_our_mail_earns_is_foreseen_of_those_who_were_mailed(orders: pl.DataFrame) -> None:
    rng = np.random.default_rng(3)
    keen = rng.random(PEOPLE)
    sent = pl.DataFrame({"customer_id": np.repeat(np.arange(1, 801), 12), "age": rng.integers(1, 400, 9600)})
    mails = sent.with_columns(occurred_at=pl.lit(AS_OF) - pl.duration(days="age"))
    opened = mails.filter(pl.Series(rng.random(9600) < keen[mails["customer_id"].to_numpy() - 1] * 0.6))
    source = Source.objects.get(key="shop")
    for name, rows in (("Email Sent", mails), ("Email Opened", opened)):
        told = events_of(rows.with_columns(known_at="occurred_at"), name[6]).with_columns(name=pl.lit(name))
        ingest.put(Records(read=told.height, events=told), source, AS_OF)
    history.sync()
    version = live("engage", {})
    assert RECENCY in version.features
    recent = mails.filter(pl.col("occurred_at") > AS_OF - 90 * DAY)
    assert scored(version.target.key) == set(recent["customer_id"])
