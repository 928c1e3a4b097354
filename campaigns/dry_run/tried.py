"""What a campaign that is tried decided, as its costs, warnings and messages are worked out from it."""

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

import polars as pl

from campaigns import steps
from campaigns.models import Campaign, Decision, Way
from campaigns.variants import Variant

Outcome = Decision.Outcome


@dataclass(frozen=True)
class Tried:
    """A campaign, its variants, and the decisions it would make as of a time."""

    campaign: Campaign
    shared: tuple[Variant, ...]
    decisions: pl.DataFrame
    as_of: datetime

    @cached_property
    def going(self) -> pl.DataFrame:
        """Give those whose message goes at once."""
        return self.decisions.filter(pl.col("outcome") == Outcome.DELIVER)

    @cached_property
    def waiting(self) -> pl.DataFrame:
        """Give those whose message goes later."""
        return self.decisions.filter(pl.col("outcome") == Outcome.DEFERRED)

    @property
    def way(self) -> Way:
        """Give the channel, which is one for all variants."""
        return self.shared[0].step.channel

    def codes(self) -> dict[str, int]:
        """Give how many codes of each offer go at once, by its key."""
        given: dict[str, int] = {}
        for one in self.shared:
            if key := steps.offer_of(one.step):
                many = self.going.filter(pl.col("variant") == one.key).height
                given[key] = given.get(key, 0) + many
        return given
