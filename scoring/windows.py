"""Whose scores which snapshot holds, until the time they speak of is over and they can be judged."""

from datetime import UTC, datetime, timedelta

from django.db.models import QuerySet

from scoring.models import ModelVersion, ScoredSnapshot, ScoreRun

GRACE = timedelta(days=1)  # what happened in a window is known by then


def plan(run: ScoreRun) -> None:
    """Note that the snapshot of a published run holds its versions' scores; of a day, the newest one counts."""
    versions = ModelVersion.objects.filter(pk__in=run.versions.values(), target__horizon_days__isnull=False)
    ScoredSnapshot.objects.bulk_create(
        [
            ScoredSnapshot(
                version=version,
                day=run.as_of.astimezone(UTC).date(),
                as_of=run.as_of,
                due_at=run.as_of + timedelta(days=version.target.horizon_days or 0) + GRACE,
            )
            for version in versions.select_related("target")
            if _scored_at(run, version.target_id) == run.as_of
        ],
        update_conflicts=True,
        unique_fields=["version", "day"],
        update_fields=["as_of", "due_at"],
    )


def _scored_at(run: ScoreRun, target: int) -> datetime:
    """Give the as-of time of a target's scores in a run: the run's, unless it says that they were kept."""
    told = run.scored_at.get(str(target))
    return datetime.fromisoformat(told) if told else run.as_of


def closed(at: datetime) -> "QuerySet[ScoredSnapshot]":
    """Give the snapshots whose scores can be judged by now, oldest first."""
    due = ScoredSnapshot.objects.filter(due_at__lte=at).select_related("version__target")
    return due.order_by("as_of", "pk")
