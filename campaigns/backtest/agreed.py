"""What customers agreed to, and which addresses were closed, as of a time that is past."""

from collections.abc import Iterable
from datetime import datetime
from functools import cached_property

import polars as pl

from campaigns.models import Way
from customers import bulk
from customers.consent import ADDRESSES, hashes_of
from customers.models import Consent, ConsentChange, Customer, Suppression
from customers.snapshot import REACH

WORDS: bulk.Schema = {
    "customer_id": pl.Int64,
    "channel": pl.String,
    "topic": pl.String,
    "is_granted": pl.Boolean,
    "at": bulk.UTC_MICROSECONDS,
}
CLOSED: bulk.Schema = {"channel": pl.String, "address_hash": pl.String, "at": bulk.UTC_MICROSECONDS}


class Agreed:
    """The history of all consents and of the suppressions there are, read once. Addresses are those of now."""

    @cached_property
    def words(self) -> pl.DataFrame:
        """Give every grant and withdrawal, in order; the one in force is its history where that begins later."""
        changes = ConsentChange.objects.order_by("at", "pk").values_list(*WORDS)
        standing = Consent.objects.values_list(*list(WORDS)[:4], "since")
        return pl.concat([bulk.read(changes, WORDS), bulk.read(standing, WORDS)]).sort("at", maintain_order=True)

    @cached_property
    def closed(self) -> pl.DataFrame:
        """Give the closed addresses, as hashes, and since when each is."""
        return bulk.read(Suppression.objects.values_list(*CLOSED), CLOSED)

    @cached_property
    def addresses(self) -> pl.DataFrame:
        """Give everybody's addresses."""
        schema: bulk.Schema = {"customer_id": pl.Int64, "email": pl.String, "phone": pl.String}
        return bulk.read(Customer.objects.values_list("pk", "email", "phone"), schema)

    def granted(self, channel: str, topic: str, as_of: datetime) -> pl.Series:
        """Give who had agreed to a channel and topic by a time."""
        told = self.words.filter(pl.col("channel") == channel, pl.col("topic") == topic, pl.col("at") <= as_of)
        last = told.unique("customer_id", keep="last", maintain_order=True)
        return last.filter("is_granted")["customer_id"]

    def shut(self, channel: str, addresses: pl.Series, as_of: datetime) -> pl.Series:
        """Say which addresses were closed for a channel by a time."""
        hashes = self.closed.filter(pl.col("channel") == channel, pl.col("at") <= as_of)["address_hash"]
        if hashes.is_empty():
            return pl.Series([False] * len(addresses), dtype=pl.Boolean)
        return hashes_of(channel, addresses).is_in(hashes.implode()).fill_null(False)

    def allowed(self, today: pl.DataFrame, kind: tuple[str, str], as_of: datetime) -> pl.DataFrame:
        """Give what eligibility.allowed says of customers today, with the consents and suppressions of then.

        `kind` is channel and topic.
        """
        channel, topic = kind
        if not Way(channel).is_contact:
            return today
        is_consented = pl.col("customer_id").is_in(self.granted(channel, topic, as_of).implode())
        if channel not in ADDRESSES:
            return today.with_columns(is_consented=is_consented)
        own = self.addresses.select("customer_id", address=ADDRESSES[channel])
        joined = today.join(own, on="customer_id", how="left", maintain_order="left")
        closed = self.shut(channel, joined["address"], as_of)
        return joined.with_columns(is_consented=is_consented, is_suppressed=closed).drop("address")

    def put(self, frame: pl.DataFrame, as_of: datetime) -> pl.DataFrame:
        """Give a frame with the columns about consent and reach as they were then."""
        columns = [self._consent(frame, name, as_of) for name in frame.columns if name.startswith("consent.")]
        columns += [self._reach(frame, name, as_of) for name in REACH if f"reachable.{name}" in frame.columns]
        return frame.with_columns(columns)

    def _consent(self, frame: pl.DataFrame, name: str, as_of: datetime) -> pl.Series:
        _, channel, topic = name.split(".", 2)
        told = self.words.filter(pl.col("channel") == channel, pl.col("topic") == topic, pl.col("at") <= as_of)
        last = told.unique("customer_id", keep="last", maintain_order=True).select("customer_id", said="is_granted")
        return (
            frame.select("customer_id")
            .join(last, on="customer_id", how="left", maintain_order="left")["said"]
            .alias(name)
        )

    def _reach(self, frame: pl.DataFrame, address: str, as_of: datetime) -> pl.Series:
        channel = REACH[address].value
        topics = self.words.filter(pl.col("channel") == channel)["topic"].unique()
        may = _any_of(frame["customer_id"], (self.granted(channel, topic, as_of) for topic in topics))
        own = self.addresses.select("customer_id", address=address)
        told = frame.select("customer_id").join(own, on="customer_id", how="left", maintain_order="left")["address"]
        is_open = (told.fill_null("") != "") & ~self.shut(channel, told, as_of)
        return (may & is_open).alias(f"reachable.{address}")


def _any_of(ids: pl.Series, some: Iterable[pl.Series]) -> pl.Series:
    found = pl.Series([False] * len(ids), dtype=pl.Boolean)
    for one in some:
        found = found | ids.is_in(one.implode())
    return found
