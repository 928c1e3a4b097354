"""Saving and deleting segments: what cannot be read, or is in use, is refused with the reason."""

from datetime import datetime
from typing import TYPE_CHECKING

from django.db import DEFAULT_DB_ALIAS, models, transaction
from django.db.models.deletion import Collector

from customers import snapshot
from scoring import ranking
from segments import cuts, membership
from segments.fields import catalogue
from segments.models import Bucket, Segment, SegmentVersion
from segments.rules import Rule, needs, parse
from segments.rules.needs import named

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser, AnonymousUser


class SegmentInUse(Exception):
    """A segment that others use can be neither deleted nor given another key."""

    def __init__(self, segment: Segment, users: list[str]) -> None:
        super().__init__(f"Segment '{segment.key}' is used by {', '.join(users)}.")
        self.users = users


def save(segment: Segment, by: "AbstractBaseUser | AnonymousUser | None", at: datetime) -> Segment:
    """Store a segment; a changed rule becomes a new version. Raises RuleError, or SegmentInUse for a changed key.

    Cut-points of operators that compare with all customers are taken from the latest snapshot, where there is one.
    """
    rule = parse(segment.rule, catalogue(), segment.key)
    with transaction.atomic():
        before = Segment.objects.select_for_update().filter(pk=segment.pk).first() if segment.pk else None
        if before and before.key != segment.key and (using := users(before)):
            raise SegmentInUse(before, using)
        _write(segment, before, by, at)
    _cut(rule)
    return segment


def users(segment: Segment) -> list[str]:
    """Name the segments whose rules refer to this one, and whatever else the database protects it for."""
    others = Segment.objects.exclude(pk=segment.pk).order_by("name").values_list("name", "rule")
    return [f"segment {name}" for name, rule in others if segment.key in named(rule, "segment")] + _protected(segment)


def delete(segment: Segment) -> None:
    """Delete a segment with its memberships and history. Raises SegmentInUse that names who uses it."""
    with transaction.atomic():
        membership.lock(list(Bucket.objects.values_list("pk", flat=True)))
        if using := users(segment):
            raise SegmentInUse(segment, using)
        segment.delete()


def _protected(segment: Segment) -> list[str]:
    """Name the rows that forbid the segment's deletion."""
    try:
        Collector(using=DEFAULT_DB_ALIAS, origin=segment).collect([segment])
    except models.ProtectedError as error:
        return sorted(f"{one._meta.verbose_name} {one}" for one in error.protected_objects)
    return []


def _write(
    segment: Segment, before: Segment | None, by: "AbstractBaseUser | AnonymousUser | None", at: datetime
) -> None:
    if before is None:
        segment.created_at = segment.created_at or at
        segment.created_by_id = by.pk if by else None
        segment.rule_version = 1
        segment.save()
    else:
        segment.rule_version = before.rule_version + (segment.rule != before.rule)
        segment.save(update_fields=["key", "name", "description", "rule", "rule_version"])
    if before is None or segment.rule != before.rule:
        SegmentVersion.objects.create(
            segment=segment, number=segment.rule_version, rule=segment.rule, at=at, by_id=by.pk if by else None
        )


def _cut(rule: Rule) -> None:
    wanted = needs(rule).cuts
    taken_at = snapshot.latest() if wanted else None
    if taken_at is not None:
        cuts.store(cuts.take([ranking.attach(snapshot.load(taken_at))], wanted), taken_at)
