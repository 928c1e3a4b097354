"""Saving and deleting segments: what cannot be read, or is in use, is refused with the reason."""

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

import polars as pl
from django.db import DEFAULT_DB_ALIAS, models, transaction
from django.db.models.deletion import Collector

from customers import attributes, bulk, snapshot
from customers.models import ApiKey
from scoring import ranking
from scoring.models import Target
from scoring.removal import USERS
from segments import by_hand, cuts, membership
from segments.fields import catalogue
from segments.models import Bucket, ListMember, Segment, SegmentPin, SegmentVersion
from segments.rules import Rule, RuleError, needs, parse, sentence
from segments.rules.needs import named
from segments.rules.nodes import Listed, walk
from segments.rules.parser import VERSION

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser, AnonymousUser

    By = AbstractBaseUser | AnonymousUser | ApiKey | None

LISTED = {"version": VERSION, "rule": {"listed": True}}
CHANGEABLE = [
    *("key", "name", "description", "folder", "tags", "rule", "rule_version"),
    *("edition", "changed_at", "changed_by"),
]


class SegmentInUse(Exception):
    """A segment that others use can be neither deleted nor given another key."""

    def __init__(self, segment: Segment, users: list[str]) -> None:
        super().__init__(f"Segment '{segment.key}' is used by {', '.join(users)}.")
        self.users = users


class SegmentChanged(Exception):
    """A segment was changed by somebody else since it was read; nothing of either is lost."""

    def __init__(self, stored: Segment) -> None:
        who = f" by {stored.changed_by}" if stored.changed_by else ""
        when = f" on {stored.changed_at:%Y-%m-%d at %H:%M:%S} UTC" if stored.changed_at else ""
        super().__init__(f"Segment '{stored.key}' was changed{who}{when}, after you had opened it. Read it again.")
        self.stored = stored


def save(segment: Segment, by: "By", at: datetime, edition: int | None = None) -> Segment:
    """Store a segment; a changed rule becomes a new version. With `edition`, only if that is the one stored.

    Raises RuleError, SegmentInUse for a changed key, and SegmentChanged where somebody else was faster. Cut-points of
    operators that compare with all customers are taken from the latest snapshot, where there is one.
    """
    with transaction.atomic():
        before = Segment.objects.select_for_update().filter(pk=segment.pk).first() if segment.pk else None
        if before and edition is not None and before.edition != edition:
            raise SegmentChanged(before)
        if before and before.kind != segment.kind:
            raise RuleError("kind", f"a {before.kind} stays a {before.kind}; make another segment")
        if before and before.key != segment.key and (using := users(before)):
            raise SegmentInUse(before, using)
        rule = _read(segment)
        _write(segment, before, by, at)
        if before is None or segment.rule != before.rule:
            _note_version(segment, rule, by, at)
    _cut(rule)
    return segment


def duplicate(segment: Segment, key: str, name: str, by: "By", at: datetime) -> Segment:
    """Make another segment with the same rule or list, and the same pins. Raises what `save` raises."""
    same = {field: getattr(segment, field) for field in ("kind", "description", "folder", "tags", "rule")}
    with transaction.atomic():
        other = save(Segment(key=key, name=name, created_at=at, **same), by, at)
        listed = by_hand.listed(segment.pk).with_columns(segment_id=pl.lit(other.pk, pl.Int64))
        bulk.insert(ListMember, listed.select("segment_id", "bucket", "customer_id"))
        schema: bulk.Schema = {"customer_id": pl.Int64, "kind": pl.String, "reason": pl.String, "by": pl.String}
        pins = bulk.read(segment.pins.values_list(*schema), schema)
        times = pl.lit(at).dt.cast_time_unit("us")
        bulk.insert(SegmentPin, pins.with_columns(segment_id=pl.lit(other.pk, pl.Int64), at=times))
    return other


def restore(segment: Segment, number: int, by: "By", at: datetime, edition: int | None = None) -> Segment:
    """Give a segment the rule of an earlier version, as a new one. Raises what `save` raises, and LookupError."""
    version = segment.versions.filter(number=number).first()
    if version is None:
        raise LookupError(f"Segment '{segment.key}' has no version {number}.")
    segment.rule = version.rule
    return save(segment, by, at, edition)


def users(segment: Segment) -> list[str]:
    """Name the segments whose rules refer to this one, and whatever else the database protects it for."""
    others = Segment.objects.exclude(pk=segment.pk).order_by("name").values_list("name", "rule")
    return [f"segment {name}" for name, rule in others if segment.key in named(rule, "segment")] + _protected(segment)


def users_of_scores(target: Target) -> list[str]:
    """Name the segments whose rules ask about a target's scores."""
    asked = f"scores.{target.key}"
    return _asking(lambda field: field == asked or field.startswith(f"{asked}."))


def users_of_attribute(name: str) -> list[str]:
    """Name the segments whose rules ask an attribute."""
    return _asking(lambda field: field == f"attributes.{name}")


def _asking(is_meant: Callable[[str], bool]) -> list[str]:
    """Name the segments whose rules ask such a field."""
    rules = Segment.objects.order_by("name").values_list("name", "rule")
    return [f"segment {name}" for name, rule in rules if any(map(is_meant, named(rule, "field")))]


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


def name_of(by: "By") -> str:
    """Give how somebody is called where it is written what they did."""
    if isinstance(by, ApiKey):
        return f"key {by.name}"[:150]
    return by.get_username() if by else ""


def _read(segment: Segment) -> Rule:
    """Give the parsed rule of a segment; a list's is that it is a list."""
    if segment.kind == Segment.Kind.LIST:
        segment.rule = LISTED
    rule = parse(segment.rule, catalogue(), segment.key)
    if segment.kind != Segment.Kind.LIST and any(isinstance(node, Listed) for node in walk(rule.root)):
        raise RuleError("rule", "only a segment of kind list has a list of its own; name it as a segment")
    return rule


def _write(segment: Segment, before: Segment | None, by: "By", at: datetime) -> None:
    segment.changed_at, segment.changed_by = at, name_of(by)
    if before is None:
        segment.created_at = segment.created_at or at
        segment.created_by_id = _user(by)
        segment.rule_version = segment.edition = 1
        segment.save()
    else:
        segment.rule_version = before.rule_version + (segment.rule != before.rule)
        segment.edition = before.edition + 1
        segment.save(update_fields=CHANGEABLE)


def _note_version(segment: Segment, rule: Rule, by: "By", at: datetime) -> None:
    SegmentVersion.objects.create(
        segment=segment,
        number=segment.rule_version,
        rule=segment.rule,
        sentence=sentence(rule),
        at=at,
        by_id=_user(by),
        by_name=name_of(by),
    )


def _user(by: "By") -> int | None:
    return None if by is None or isinstance(by, ApiKey) else by.pk


def _cut(rule: Rule) -> None:
    wanted = needs(rule).cuts
    taken_at = snapshot.latest() if wanted else None
    if taken_at is not None:
        cuts.store(cuts.take([ranking.attach(snapshot.load(taken_at))], wanted), taken_at)


USERS.append(users_of_scores)
attributes.USERS.append(users_of_attribute)
