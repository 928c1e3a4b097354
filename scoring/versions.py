"""Which version of a target speaks: promoted, retired, rolled back. A cycle then scores everybody by it.

Another model fires nothing: the edges of a cycle whose scores come from another version are set in silence.
"""

from datetime import datetime
from typing import Any

from django.db import transaction

from customers import audit
from customers.audit import Actor
from scoring import seals
from scoring.models import ModelVersion, ScoreRun, Target

State = ModelVersion.State
LONGEST_REASON = 600


class VersionError(ValueError):
    """A version that cannot be promoted, retired or returned to: the message says why."""


def passed_gate(version: ModelVersion) -> bool:
    """Tell whether the version passed every condition when it was tested."""
    gate = version.report.get("gate")
    return bool(gate and gate["passed"])


def promote(version: ModelVersion, by: Actor, at: datetime, reason: str = "") -> None:
    """Let a version go live by hand. One that did not pass the gate takes a reason. Raises VersionError."""
    with transaction.atomic():
        _locked(version)
        if version.state == State.LIVE:
            raise VersionError(f"{version} is live already.")
        if not passed_gate(version) and not reason.strip():
            raise VersionError(
                f"{version} did not pass the gate: {version.reason} Say why it should go live all the same."
            )
        _check_file(version)
        if not passed_gate(version):
            version.reason = f"Live by hand: {reason.strip()} It had not passed: {version.reason}"[:LONGEST_REASON]
            version.save(update_fields=["reason"])
        go_live(version, at)
        audit.note(at, by, "model promoted", str(version), reason=reason.strip(), passed_gate=passed_gate(version))


def retire(version: ModelVersion, by: Actor, at: datetime, reason: str = "") -> None:
    """Take a version out of use; without a live one the target is not scored. Raises VersionError."""
    with transaction.atomic():
        _locked(version)
        if version.state == State.RETIRED:
            raise VersionError(f"{version} is retired already.")
        was = version.state
        ModelVersion.objects.filter(pk=version.pk).update(state=State.RETIRED, retired_at=at)
        version.refresh_from_db()
        audit.note(at, by, "model retired", str(version), reason=reason.strip(), was=was)


def roll_back(target: Target, by: Actor, at: datetime, reason: str = "") -> ModelVersion:
    """Let the version before the live one go live again, and give it. Raises VersionError.

    It is the one that the live version replaced; where none is live, the last that was.
    """
    with transaction.atomic():
        Target.objects.select_for_update().get(pk=target.pk)
        live = target.versions.filter(state=State.LIVE).first()
        before = before_of(target)
        if before is None:
            raise VersionError(f"No version of {target} was live before {live or 'now'}.")
        _check_file(before)
        returned_to = before.before
        go_live(before, at)
        ModelVersion.objects.filter(pk=before.pk).update(before=returned_to)
        before.refresh_from_db()
        detail = {"rolled_back": str(live)} if live else {}
        audit.note(at, by, "model rolled back", str(before), reason=reason.strip(), **detail)
        return before


def before_of(target: Target) -> ModelVersion | None:
    """Give the version that rolling back returns to."""
    live = target.versions.filter(state=State.LIVE).select_related("before").first()
    if live is not None:
        return live.before
    return target.versions.filter(state=State.RETIRED, live_since__isnull=False).order_by("-retired_at").first()


def go_live(version: ModelVersion, at: datetime) -> None:
    """Put a version in the live one's place, which is retired and remembered."""
    with transaction.atomic():
        Target.objects.select_for_update().get(pk=version.target_id)
        replaced = (
            ModelVersion.objects.filter(target=version.target_id, state=State.LIVE).exclude(pk=version.pk).first()
        )
        if replaced is not None:
            ModelVersion.objects.filter(pk=replaced.pk).update(state=State.RETIRED, retired_at=at)
        changed: dict[str, Any] = {"state": State.LIVE, "live_since": at, "retired_at": None, "before": replaced}
        ModelVersion.objects.filter(pk=version.pk).update(**changed)
        version.refresh_from_db()


def are_served() -> bool:
    """Tell whether the newest scores, published or on their way, are those of the live versions."""
    live = ModelVersion.objects.filter(state=State.LIVE, target__is_active=True).values_list("target", "pk")
    run = ScoreRun.objects.exclude(state=ScoreRun.State.OLD).order_by("-pk").first()
    return (run.versions if run else {}) == {str(target): version for target, version in live}


def _locked(version: ModelVersion) -> None:
    """Hold the target until the commit, and read the version as it is then."""
    Target.objects.select_for_update().get(pk=version.target_id)
    version.refresh_from_db()


def _check_file(version: ModelVersion) -> None:
    try:
        seals.content_of(version)
    except seals.ArtifactError as error:
        raise VersionError(f"{version} cannot go live. {error}") from error
