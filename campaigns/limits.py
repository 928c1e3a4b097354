"""What limits the messages of one pass: all caps, quiet hours, and what some customers got and are to get."""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

import polars as pl

from campaigns import caps, dates, eligibility, offers, programme, quiet
from campaigns.caps import Cap
from campaigns.models import Campaign, Delivery, Programme, Way
from customers.bulk import UTC_MICROSECONDS
from customers.consent import ADDRESSES

NOTHING_GIVES_WAY = pl.DataFrame(schema={"customer_id": pl.Int64, "delivery_id": pl.Int64})


class Limited(NamedTuple):
    """Customers with `cap` and `allowed_at`, and the planned messages of others that would give way to theirs."""

    people: pl.DataFrame
    gives_way: pl.DataFrame


@dataclass
class Limits:
    """What the campaigns of one pass decide by; `messages` change as they do, so that later ones see earlier ones."""

    as_of: datetime
    rules: Programme
    caps: tuple[Cap, ...]
    contacts: pl.DataFrame
    messages: pl.DataFrame
    codes: offers.Promised = field(default_factory=offers.Promised)

    def allowed(self, people: pl.DataFrame, channel: str, topic: str) -> pl.DataFrame:
        """Say of customers whether they agreed, have an address, and are suppressed, as eligibility.allowed."""
        return eligibility.allowed(people, channel, topic, self.contacts)

    def look(self, people: pl.DataFrame, campaign: Campaign, channel: str) -> Limited:
        """Add to customers what a full cap says (`cap`), and from when on they may be written to (`allowed_at`).

        No `allowed_at`: there is no hour that is not quiet wherever the customer may be.
        """
        if not Way(channel).is_contact:
            now, no_cap = pl.lit(self.as_of, UTC_MICROSECONDS), pl.lit(None, pl.String)
            return Limited(people.with_columns(cap=no_cap, allowed_at=now), NOTHING_GIVES_WAY)
        covering = [cap for cap in self.caps if cap.covers(channel, campaign.topic)]
        room = caps.room(self.messages, covering, self.as_of, campaign.priority)
        full = room.full.rename({"reason": "cap"})
        asked = people.join(full, on="customer_id", how="left", maintain_order="left")
        now = pl.lit(self.as_of, UTC_MICROSECONDS)
        moments = asked.select(pl.col("free_at").fill_null(now)).to_series()
        if quiet.hours_of(self.rules) is not None:
            places = asked.select("customer_id").join(
                self.contacts, on="customer_id", how="left", maintain_order="left"
            )
            moments = quiet.next_allowed(places, moments, self.rules)
        return Limited(asked.drop("free_at").with_columns(moments.alias("allowed_at")), room.gives_way)

    def plan(self, going: pl.DataFrame, limited: Limited, campaign: Campaign, channel: str) -> pl.DataFrame:
        """Note that a campaign's messages to customers are to go; give the planned ones that give way to them."""
        gives_way = limited.gives_way.join(going, on="customer_id", how="semi")
        if not Way(channel).is_contact:
            return gives_way
        new = going.select(
            "customer_id",
            delivery_id=pl.lit(None, pl.Int64),
            channel=pl.lit(channel),
            topic=pl.lit(campaign.topic),
            priority=pl.lit(campaign.priority, pl.Int64),
            state=pl.lit(Delivery.State.PLANNED.value),
            at=pl.lit(self.as_of, UTC_MICROSECONDS),
        )
        kept = self.messages.join(gives_way, on="delivery_id", how="anti")
        self.messages = pl.concat([kept, new])
        return gives_way


def read(people: pl.DataFrame, as_of: datetime, channels: Collection[str] = ()) -> Limits:
    """Give the limits of a pass over some customers (`customer_id`, `bucket`), with their addresses for `channels`."""
    rules = programme.current()
    every = caps.current(rules)
    places = (dates.ZONE, "country") if quiet.hours_of(rules) is not None else ()
    wanted = {*places, *(ADDRESSES[one] for one in channels if one in ADDRESSES)}
    return Limits(as_of, rules, every, eligibility.contacts(people, wanted), caps.messages(people, as_of, every))
