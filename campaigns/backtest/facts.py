"""What was known of all customers on a day that is past: facts, scores and segments, as they could be seen then.

Facts and scores are those that the snapshot of the day recorded. Of a day without one they are computed from the lake,
by the code that takes snapshots; scores then by the version that was live, else by the one that is live now.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property

import polars as pl
from django.db.models import Q

from campaigns import dates
from campaigns.backtest.agreed import Agreed
from campaigns.models import Campaign
from campaigns.offers import of_variants
from campaigns.triggers import DateTrigger, ScoreTrigger, SegmentTrigger, Trigger, needed
from campaigns.variants import Variant
from customers import history, snapshot
from customers.history import Lake, Scope
from scoring import ranking, scores
from scoring.models import ModelVersion
from segments import cuts, past, rulebook
from segments.models import Segment
from segments.rulebook import Rulebook
from segments.rules import Rule, masks, needs
from segments.rules.meaning import in_levels

RECORDED, LIVE_THEN, TODAY, NO_SCORE = "recorded", "live_then", "today", "none"
KEYS = ("seed", "external_id", dates.ZONE)


@dataclass(frozen=True)
class Facts:
    """All customers of one day, who was in which segment, by which model versions, and where the scores come from."""

    frame: pl.DataFrame
    inside: Mapping[str, pl.Series]
    models: dict[str, int]
    source: str


class Past:
    """Reads the facts of one day after the other, as far as a campaign needs them."""

    def __init__(self, campaign: Campaign, trigger: Trigger, shared: tuple[Variant, ...]) -> None:
        self.lake: Lake = history.pin()
        self.book: Rulebook = rulebook.read()
        self.segments = {segment.key: segment for segment in Segment.objects.all()}
        self.agreed = Agreed()
        audiences = {offer.audience.key for offer in of_variants(shared).values() if offer.audience}
        audiences |= {campaign.audience.key} if campaign.audience else set()
        asked = audiences | ({trigger.segment} if isinstance(trigger, SegmentTrigger) else set())
        self.rules: dict[str, Rule] = {key: self.book.readable[key] for key in sorted(asked)}
        levels = in_levels(self.rules, self.book.readable)
        self.all_rules = [rule for level in levels for rule in level.values()]
        stored = {key: segment.rule for key, segment in self.segments.items()}
        targets = {key for one in asked for key in needed(SegmentTrigger(one, "entered"), stored)[1]}
        self.targets = sorted(targets | ({trigger.score} if isinstance(trigger, ScoreTrigger) else set()))
        columns = {name for rule in self.all_rules for name in needs(rule).columns}
        columns |= {trigger.field} if isinstance(trigger, DateTrigger) else set()
        self.columns = columns | {f"scores.{key}" for key in self.targets} | {*KEYS}

    @cached_property
    def people(self) -> snapshot.People:
        """Give all customers, read once as the lake is."""
        return snapshot.people_of(Scope())

    def at(self, as_of: datetime) -> Facts:
        """Give the facts of a time."""
        versions = self._versions(as_of)
        frame, source = self._recorded(as_of) or self._computed(as_of, versions)
        placed = ranking.place_among(frame, {f"scores.{one.target.key}": one.bands for one in versions})
        models = {one.target.key: one.pk for one in versions}
        return Facts(placed, self._inside(placed, as_of), models, source if self.targets else NO_SCORE)

    def _recorded(self, as_of: datetime) -> tuple[pl.DataFrame, str] | None:
        """Give what the snapshot of the time holds, if there is one that has all scores that are asked for."""
        if as_of not in snapshot.times(as_of - dates.HOUR, as_of):
            return None
        frame = snapshot.load(as_of, columns=self.columns)
        lacks = [key for key in self.targets if f"scores.{key}" not in frame.columns]
        return None if lacks else (frame, RECORDED)

    def _computed(self, as_of: datetime, versions: list[ModelVersion]) -> tuple[pl.DataFrame, str]:
        wanted = None if versions else self.columns
        taken = snapshot.take_with_past(Scope(), as_of, self.lake, wanted, self.people)
        frame = self.agreed.put(taken.frame, as_of)
        was_live = all(_was_live(one, as_of) for one in versions)
        if versions:
            frame = scores.replayed(frame, as_of, versions, self.lake, taken.past)
        kept = [name for name in frame.columns if name in self.columns or name in snapshot.KEYS]
        return frame.select(kept), LIVE_THEN if was_live else TODAY

    def _versions(self, as_of: datetime) -> list[ModelVersion]:
        """Give the version of each target that was live then, else the one that is live now."""
        found = []
        for key in self.targets:
            own = ModelVersion.objects.filter(target__key=key).select_related("target")
            then = own.filter(Q(retired_at__isnull=True) | Q(retired_at__gt=as_of), live_since__lte=as_of)
            now = own.filter(state=ModelVersion.State.LIVE).first()
            version = then.order_by("-live_since", "-pk").first() or now
            found += [version] if version else []
        return found

    def _inside(self, frame: pl.DataFrame, as_of: datetime) -> dict[str, pl.Series]:
        """Say who is in each segment by its rule, compared with all customers of then."""
        if not self.rules:
            return {}
        compared = {node for rule in self.all_rules for node in needs(rule).cuts}
        context = replace(self.book.context(as_of), cuts=cuts.take([frame], compared))
        answers = masks(self.rules, frame, past.known(context, self.rules.values(), Scope()))
        return {key: frame["customer_id"].filter(answers[key]) for key in self.rules}


def _was_live(version: ModelVersion, as_of: datetime) -> bool:
    return version.live_since is not None and version.live_since <= as_of
