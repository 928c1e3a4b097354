"""Bad input ends in a clear sentence, and what was live stays, with its scores."""

from datetime import datetime
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from customers import snapshot
from customers.history import Scope
from scoring import encoding, guard, ranking, scores, training, versions
from scoring.models import ModelVersion, Score, ScoreRun, Target
from scoring.training_set import TrainingRefused, of_attribute
from scoring.versions import VersionError
from tests.scoring.worlds import AS_OF, DAY, attribute_set, light_learners, people

COUNT = 620


def answers(values: list[Any]) -> pl.DataFrame:
    """Give customers with a number and an answer."""
    return people(len(values), 1, {"attributes.load": np.arange(len(values)) % 97, "attributes.left": values})


@pytest.mark.parametrize(
    ("values", "says"),
    [
        (["yes"] * 600, "Training takes 200 cases that did not come true; there are 0, 200 too few"),
        (["no"] * 600, '"left" is "yes"; the values are: no'),
        (["yes", "no", "yes"], "Training takes 500 customers; there are 3, 497 too few"),
        ([None] * 599 + ["no"], '"left" is "yes"; the values are: no'),
        ([f"c{i}" for i in range(599)] + ["yes"], "names them, and cannot be foreseen"),
    ],
)
def test_an_answer_that_cannot_be_learnt_is_refused_with_what_is_missing(values: list[Any], says: str) -> None:
    target = Target(key="left", kind="attribute", attribute="left", equals="yes", created_at=AS_OF)
    with pytest.raises(TrainingRefused, match=says):
        training.learn(of_attribute(answers(values), target, AS_OF), 0)


def test_ten_thousand_levels_are_left_out_with_the_reason() -> None:
    rng = np.random.default_rng(1)
    columns = {"attributes.street": [f"street {i % 10_000}" for i in range(30_000)], "attributes.x": rng.random(30_000)}
    examples = attribute_set(people(30_000, 1, columns), rng.random(30_000) < 0.5)
    assert guard.look(examples, 0) == {"blocked": [], "warned": []}
    read = encoding.learn(examples.frame)
    assert [column.name for column in read.columns] == ["attributes.x"]
    assert read.dropped == {"attributes.street": "too many different values"}


def csv_of_a_company() -> str:
    """Give a file with columns of which nothing can be learnt, and one that tells who left."""
    rng = np.random.default_rng(3)
    load = rng.normal(size=COUNT)
    left = rng.random(COUNT) < 1 / (1 + np.exp(-1.8 * load))
    frame = pl.DataFrame(
        {
            "id": [f"c{i}" for i in range(COUNT)],
            "left": np.where(left, "yes", "no"),
            "load": load.round(3).astype(str),
            "endless": np.where(rng.random(COUNT) < 0.1, "inf", rng.integers(0, 50, COUNT).astype(str)),
            "same": ["one"] * COUNT,
            "empty": [None] * COUNT,
            "street": [f"street {i}" for i in range(COUNT)],
            "until": [str((AS_OF + int(day) * DAY).date()) for day in rng.integers(1, 400, COUNT)],
        }
    )
    return frame.write_csv()


def run(*words: str) -> str:
    out = StringIO()
    call_command(*words, stdout=out)
    return out.getvalue()


def published(frame: pl.DataFrame, at: datetime) -> None:
    """Score customers and publish that."""
    begun = scores.begin(at)
    assert begun is not None
    scores.score(frame, at, begun)
    ranking.rank(begun)


def scores_now() -> dict[int, float]:
    return dict(Score.objects.filter(run__state=ScoreRun.State.PUBLISHED).values_list("customer_id", "value"))


@pytest.mark.long
@pytest.mark.once
@pytest.mark.door
@pytest.mark.django_db
def test_columns_of_which_nothing_can_be_learnt_are_left_out_and_what_breaks_later_keeps_the_old_scores(
    tmp_path: Path, lake: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    light_learners(monkeypatch)
    file = tmp_path / "company.csv"
    file.write_text(csv_of_a_company())
    run("import_customers", str(file), "--id", "id", "--known-since", "2025-06-01")
    train = ("train", "--attribute", "left", "--equals", "yes", "--as-of", "2026-01-01")
    assert "live" in run(*train)
    version = ModelVersion.objects.get()
    assert version.state == ModelVersion.State.LIVE
    assert {"attributes.load", "attributes.endless", "attributes.until"} >= set(version.features) >= {"attributes.load"}
    everybody = snapshot.take(Scope(), AS_OF)
    published(everybody, AS_OF)
    kept = scores_now()
    assert kept.keys() == set(everybody.filter(~pl.col("attributes.left"))["customer_id"])
    assert all(0.0 < value < 1.0 for value in kept.values())

    whole = lake / version.artefact
    half = whole.with_name("half.skops")
    half.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    second = ModelVersion.objects.get()
    second.pk, second.number, second.state = None, 2, ModelVersion.State.CANDIDATE
    second.artefact = str(half.relative_to(lake))
    second.save()
    with pytest.raises(VersionError, match=r"left_yes v2 cannot go live\. .* is not the one that was stored"):
        versions.promote(second, None, AS_OF, "We want it.")
    assert ModelVersion.objects.get(state=ModelVersion.State.LIVE) == version

    gone = tmp_path / "gone.csv"
    gone.write_text("id,left\n" + "".join(f"c{i},yes\n" for i in range(COUNT)))
    run("import_customers", str(gone), "--id", "id", "--known-since", "2025-07-01")
    with pytest.raises(CommandError, match="there are 0, 200 too few"):
        run(*train)

    published(snapshot.take(Scope(), AS_OF + DAY).drop("attributes.load"), AS_OF + DAY)
    assert "reads attributes.load, which the customers no longer have: train again" in caplog.text
    assert scores_now() == kept
    whole.write_bytes(half.read_bytes())
    published(snapshot.take(Scope(), AS_OF + 2 * DAY), AS_OF + 2 * DAY)
    assert "is not the one that was stored; train the target again" in caplog.text
    assert scores_now() == kept
