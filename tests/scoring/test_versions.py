"""A version is promoted, retired and rolled back by hand, with a reason on record; its old scores return."""

from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from django.conf import settings
from django.contrib.auth.models import User

from customers import snapshot
from customers.history import Scope
from customers.models import AuditEntry
from scoring import ranking, scores, training, versions
from scoring.learners import LOGISTIC
from scoring.models import ModelVersion, Score, Target
from scoring.training import Trained
from scoring.versions import VersionError
from tests.scoring.worlds import AS_OF, DAY, order_times, signal, store_shop

pytestmark = [pytest.mark.door, pytest.mark.django_db]


@pytest.fixture(scope="module")
def trained() -> Trained:
    return training.learn(signal(600, 1.5)[0], 0, names=(LOGISTIC,))


@pytest.fixture
def target() -> Target:
    return Target.objects.create(
        key="gone", label="Gone", kind="attribute", attribute="gone", equals="yes", created_at=AS_OF
    )


@pytest.fixture
def ann() -> User:
    return User.objects.create(username="ann")


def other(trained: Trained) -> Trained:
    """Give a model whose chances are less sure."""
    usual = trained.model.calibration
    return replace(trained, model=replace(trained.model, calibration=replace(usual, slope=usual.slope / 2)))


def kept(trained: Trained, target: Target, state: str, *, passed: bool = True) -> ModelVersion:
    """Give a stored version in a state of our choice."""
    live = list(target.versions.filter(state="live").values_list("pk", flat=True))
    version = training.keep(trained, target, AS_OF, 0)
    report = {**version.report, "gate": {"passed": passed, "baseline": "recency", "checks": []}}
    ModelVersion.objects.filter(pk=version.pk).update(state=state, report=report, live_since=None, before=None)
    if state == ModelVersion.State.CANDIDATE:
        ModelVersion.objects.filter(pk__in=live).update(state="live", retired_at=None)
    version.refresh_from_db()
    return version


def states(target: Target) -> list[str]:
    return list(target.versions.order_by("number").values_list("state", flat=True))


def test_a_candidate_that_passed_goes_live_and_the_live_one_is_retired(
    trained: Trained, target: Target, ann: User
) -> None:
    first, second = kept(trained, target, "live"), kept(trained, target, "candidate")
    versions.promote(second, ann, AS_OF + DAY)
    assert states(target) == ["retired", "live"]
    assert (second.live_since, second.before) == (AS_OF + DAY, first)
    first.refresh_from_db()
    assert first.retired_at == AS_OF + DAY
    entry = AuditEntry.objects.get()
    assert (entry.what, entry.about, entry.by) == ("model promoted", "gone v2", ann)


def test_one_that_did_not_pass_takes_a_reason_which_is_on_record(trained: Trained, target: Target, ann: User) -> None:
    kept(trained, target, "live")
    second = kept(trained, target, "candidate", passed=False)
    with pytest.raises(VersionError, match="gone v2 did not pass the gate"):
        versions.promote(second, ann, AS_OF, "  ")
    assert states(target) == ["live", "candidate"]
    versions.promote(second, ann, AS_OF, "A campaign needs it today.")
    assert states(target) == ["retired", "live"]
    assert "A campaign needs it today." in second.reason
    assert AuditEntry.objects.get().detail == {"reason": "A campaign needs it today.", "passed_gate": False}


def test_a_version_whose_file_is_cut_in_half_never_becomes_live(trained: Trained, target: Target, ann: User) -> None:
    first, second = kept(trained, target, "live"), kept(trained, target, "candidate")
    path = Path(settings.LAKE_URL) / second.artefact
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(VersionError, match="gone v2 cannot go live"):
        versions.promote(second, ann, AS_OF)
    assert states(target) == ["live", "candidate"]
    versions.promote(kept(trained, target, "candidate"), ann, AS_OF)
    (Path(settings.LAKE_URL) / first.artefact).unlink()
    with pytest.raises(VersionError, match="gone v1 cannot go live"):
        versions.roll_back(target, ann, AS_OF)
    assert states(target) == ["retired", "candidate", "live"]


def test_a_retired_version_is_not_scored_and_its_target_has_none(trained: Trained, target: Target, ann: User) -> None:
    frame = world(trained)
    first = kept(trained, target, "live")
    published(frame)
    versions.retire(first, ann, AS_OF, "It is about last year's prices.")
    assert states(target) == ["retired"]
    published(frame)
    assert "scores.gone" not in ranking.attach(frame).columns
    with pytest.raises(VersionError, match="retired already"):
        versions.retire(first, ann, AS_OF)
    assert AuditEntry.objects.get().what == "model retired"


def world(trained: Trained) -> pl.DataFrame:
    """Give 600 stored customers whom the model can score."""
    store_shop(600, order_times(1).head(0))
    known = snapshot.take(Scope(), AS_OF).select("customer_id", "seed", "bucket")
    inputs = trained.training_set.frame.sort("customer_id").select("attributes.plan", "features.load", "features.noise")
    return known.hstack(inputs)


def published(frame: pl.DataFrame) -> dict[int, float]:
    """Score and publish as of the one time, and give what is published."""
    run = scores.begin(AS_OF)
    assert run is not None
    scores.score(frame, AS_OF, run)
    ranking.rank(run)
    found = Score.objects.filter(run=ranking.published())
    return dict(found.values_list("customer_id", "value"))


def test_after_a_roll_back_the_old_scores_return(trained: Trained, target: Target, ann: User) -> None:
    frame = world(trained)
    first = kept(trained, target, "live")
    old = published(frame)
    assert versions.are_served()
    versions.promote(kept(other(trained), target, "candidate"), ann, AS_OF)
    assert not versions.are_served()
    new = published(frame)
    assert new.keys() == old.keys()
    assert new != old
    assert versions.roll_back(target, ann, AS_OF, "Too few foreseen.") == first
    assert not versions.are_served()
    assert published(frame) == old
    assert versions.are_served()
    assert states(target) == ["live", "retired"]
    entry = AuditEntry.objects.get(what="model rolled back")
    assert (entry.about, entry.by) == ("gone v1", ann)
    assert entry.detail == {"reason": "Too few foreseen.", "rolled_back": "gone v2"}


def test_rolling_back_twice_goes_back_twice_and_not_forth(trained: Trained, target: Target, ann: User) -> None:
    first, second = kept(trained, target, "live"), kept(trained, target, "candidate")
    versions.promote(second, ann, AS_OF)
    third = kept(trained, target, "candidate")
    versions.promote(third, ann, AS_OF + DAY)
    assert versions.roll_back(target, ann, AS_OF + 2 * DAY) == second
    assert versions.roll_back(target, ann, AS_OF + 3 * DAY) == first
    assert states(target) == ["live", "retired", "retired"]
    with pytest.raises(VersionError, match="No version of Gone was live before gone v1"):
        versions.roll_back(target, ann, AS_OF + 4 * DAY)


def test_what_a_training_puts_live_remembers_what_it_replaced(trained: Trained, target: Target, ann: User) -> None:
    first, second = training.keep(trained, target, AS_OF, 0), training.keep(trained, target, AS_OF + DAY, 1)
    assert (second.before, second.live_since) == (first, AS_OF + DAY)
    assert versions.roll_back(target, ann, AS_OF + 2 * DAY) == first
