"""The end of a target: it goes with its models and scores, unless something uses it."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

from django.conf import settings
from django.db import models, transaction

from scoring.models import Score, ScoreRun, Target

# Segments and campaigns add theirs: each names what of it uses a target.
USERS: list[Callable[[Target], list[str]]] = []


class TargetInUse(Exception):
    """A target that something uses: the message names it."""

    def __init__(self, target: Target, users: list[str]) -> None:
        super().__init__(f"Target '{target.key}' is used by {', '.join(users)}.")
        self.users = users


def users(target: Target) -> list[str]:
    """Name what uses a target's scores."""
    return [name for one in USERS for name in one(target)]


def delete(target: Target) -> None:
    """Delete a target with its versions, their files and its scores. Raises TargetInUse that names who uses it."""
    if using := users(target):
        raise TargetInUse(target, using)
    files = list(target.versions.values_list("artefact", flat=True))
    with transaction.atomic():
        # Run by run: that is how scores are found.
        Score.objects.filter(run__in=list(ScoreRun.objects.values_list("pk", flat=True)), target=target).delete()
        try:
            target.delete()
        except models.ProtectedError as error:
            kinds = Counter(str(one._meta.verbose_name_plural) for one in error.protected_objects)
            using = [f"{count} {kind}" for kind, count in sorted(kinds.items())]
            raise TargetInUse(target, using) from error
        transaction.on_commit(lambda: _remove(files))


def _remove(files: list[str]) -> None:
    for name in filter(None, files):
        (Path(settings.LAKE_URL) / name).unlink(missing_ok=True)
