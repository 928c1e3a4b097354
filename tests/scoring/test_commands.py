"""The commands train and score as a marketer would ask."""

import json
from io import StringIO
from pathlib import Path

import polars as pl
import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from customers import snapshot
from customers.history import Scope
from customers.models import Customer
from scoring import ranking, why
from scoring.learners import MODELS
from scoring.models import ModelVersion, Score
from tests.scoring.worlds import AS_OF, DAY, few_times, light_learners, order_times, store_shop

pytestmark = [pytest.mark.door, pytest.mark.django_db]
KEYS = (
    "target version live reason auc average_precision brier ece precision recall f1 threshold lift baseline origins "
    "validated"
)


def run(*words: str) -> str:
    out = StringIO()
    call_command(*words, stdout=out)
    return out.getvalue()


@pytest.mark.long
@pytest.mark.once
def test_train_train_again_then_score_gives_figures_scores_and_reasons(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few_times(monkeypatch, 6)
    light_learners(monkeypatch)
    orders = order_times(700)
    store_shop(710, orders)
    file = tmp_path / "figures.json"
    words = ("--event", "Order Completed", "--within", "45", "--absent", "--as-of", "2026-01-01", "--json", str(file))
    assert "on later times and other customers" in run("train", *words)
    figures = json.loads(file.read_text())
    assert set(KEYS.split()) <= set(figures)
    assert set(figures["auc"]) == {"value", "low", "high"}
    live = ModelVersion.objects.get(state="live")
    assert figures["live"] is not live.is_baseline
    assert figures["validated"] == "over_time"
    assert len(figures["origins"]) == 3
    assert figures["auc_mean_over_origins"]["low"] < figures["auc_mean_over_origins"]["value"]
    assert all(one["passed"] for one in figures["gate"]["checks"]) is figures["live"]
    assert {one["learner"] for one in figures["learners"]} >= {*MODELS, "recency", "rfm", "base rate"}
    assert figures["season"]["known"] is False
    assert f"version {ModelVersion.objects.count() + 1}" in run(
        "train", "no_order_completed_45d", "--as-of", "2026-01-01T00:00:00Z"
    )
    assert run("score", "--as-of", "2026-01-01").startswith("Scored 710 customers")
    assert "published already" in run("score", "--as-of", "2026-01-01")
    frame = ranking.attach(snapshot.take(Scope(), AS_OF))
    recent = orders.filter(pl.col("occurred_at") > AS_OF - 365 * DAY)["customer_id"].n_unique()
    assert frame["scores.no_order_completed_45d.band"].count() == Score.objects.count() == recent < 700
    live = ModelVersion.objects.get(state="live")
    before = live.number - (2 if live.is_baseline else 1)
    assert live.report["changes"][-1].endswith(f"of version {before}.")
    last = frame.sort("scores.no_order_completed_45d").tail(1)["customer_id"].item()
    (said,) = why.of_customer(Customer.objects.get(pk=last)).values()
    assert len(said.up) >= 1


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((), "Give one of"),
        (("churn", "--event", "x"), "Give one of"),
        (("--attribute", "plan"), "needs --equals"),
        (("--event", "Order Completed"), "needs --within"),
        (("--question", "lapse", "--answer", "soon"), "is not an answer such as"),
        (("--question", "lapse", "--answer", "horizon_days=0"), "1 to 365 days, not 0"),
        (("--question", "lapse", "--answer", "event=Order"), "No event is named"),
        (("nothing",), 'No target has the key "nothing"'),
        (("--attribute", "plan", "--equals", "gold"), "the values are: month, year"),
        (("--attribute", "plan", "--equals", "year", "--as-of", "soon"), "not a date"),
    ],
)
def test_what_cannot_be_trained_is_said_in_a_sentence(words: tuple[str, ...], says: str) -> None:
    store_shop(5, order_times(1).head(0))
    with pytest.raises(CommandError, match=says):
        run("train", *words)
