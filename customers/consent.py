"""Whom we may contact: permission for a channel and topic, with its history, and addresses that are closed."""

from datetime import datetime
from hashlib import sha256

import polars as pl
from django.db import transaction

from customers import bulk, identity
from customers.ids import near
from customers.models import Channel, Consent, ConsentChange, Customer, Suppression

CHANGES: bulk.Schema = {
    "customer_id": pl.Int64,
    "channel": pl.String,
    "topic": pl.String,
    "is_granted": pl.Boolean,
    "source": pl.String,
}
STANDING: bulk.Schema = {
    "customer_id": pl.Int64,
    "channel": pl.String,
    "topic": pl.String,
    "is_granted": pl.Boolean,
    "since": bulk.UTC_MICROSECONDS,
}
KEY = ["customer_id", "channel", "topic"]
# The column of Customer that a channel needs; push goes by a token that is not kept here.
ADDRESSES = {Channel.EMAIL.value: "email", Channel.PHONE.value: "phone", Channel.SMS.value: "phone"}


def record(changes: pl.DataFrame, at: datetime) -> int:
    """Store grants and withdrawals (customer_id, channel, topic, is_granted, source); give how many said something new.

    Later rows of the frame win; a row that is older than what is stored changes nothing.
    """
    rows = changes.select(pl.col(name).cast(dtype) for name, dtype in CHANGES.items()).unique(KEY, keep="last")
    stored = standing(rows["customer_id"]).rename({"is_granted": "was_granted", "since": "was_since"})
    compared = rows.join(stored, on=KEY, how="left")
    is_new = pl.col("was_granted").is_null() | (
        (pl.col("was_granted") != pl.col("is_granted")) & (pl.col("was_since") <= at)
    )
    new = compared.filter(is_new).select(*CHANGES).with_columns(at=pl.lit(at, bulk.UTC_MICROSECONDS))
    with transaction.atomic():
        # A withdrawal waits for sends in progress, and holds new ones back until it is committed.
        identity.hold(new["customer_id"])
        bulk.insert(ConsentChange, new)
        bulk.upsert(
            Consent, new.rename({"at": "since"}), key=KEY, update=["is_granted", "source", "since"], newer="since"
        )
    return len(new)


def begin(said: pl.DataFrame, at: datetime) -> None:
    """Store what customers just created said; a later row of the frame wins."""
    rows = said.select(*CHANGES).unique(KEY, keep="last").with_columns(at=pl.lit(at, bulk.UTC_MICROSECONDS))
    rows = rows.sort(KEY)
    bulk.insert(ConsentChange, rows)
    bulk.insert(Consent, rows.rename({"at": "since"}))


def standing(customer_ids: pl.Series) -> pl.DataFrame:
    """Give the permissions in force (customer_id, channel, topic, is_granted, since) of the customers, or of more."""
    unique = customer_ids.unique()
    if unique.is_empty():
        return pl.DataFrame(schema=STANDING)
    rows = Consent.objects.filter(near("customer_id", unique))
    return bulk.read_columns(rows.values_list(*STANDING), STANDING)


def without_withdrawn(changes: pl.DataFrame, before: pl.DataFrame) -> pl.DataFrame:
    """Leave out grants to customers who have withdrawn: only they themselves may grant again, no list of ours.

    `before` is what was standing.
    """
    withdrawn = before.filter(~pl.col("is_granted"))
    refused = changes.filter(pl.col("is_granted")).join(withdrawn, on=KEY, how="semi")
    return changes.join(refused.select(KEY).unique(), on=KEY, how="anti")


def grant(customer_id: int, channel: str, topic: str, source: str, at: datetime) -> int:
    """Store that a customer allows a channel and topic; give 1 if that is new."""
    return record(_one(customer_id, channel, topic, source, is_granted=True), at)


def withdraw(customer_id: int, channel: str, topic: str, source: str, at: datetime) -> int:
    """Store that a customer no longer allows a channel and topic; give 1 if that is new."""
    return record(_one(customer_id, channel, topic, source, is_granted=False), at)


def _one(customer_id: int, channel: str, topic: str, source: str, *, is_granted: bool) -> pl.DataFrame:
    row = (customer_id, channel, topic, is_granted, source)
    return pl.DataFrame([row], schema=CHANGES, orient="row")


def move(kept: Customer, gone: Customer) -> None:
    """Let the most recent word of either hold for one of them, a withdrawal before a grant of the same time."""
    schema: bulk.Schema = {**STANDING, "source": pl.String}
    rows = bulk.read(Consent.objects.filter(customer__in=(kept, gone)).values_list(*schema), schema)
    words = rows.sort("since", pl.col("is_granted").not_()).unique(
        ["channel", "topic"], keep="last", maintain_order=True
    )
    Consent.objects.filter(customer=gone).delete()
    own = words.with_columns(customer_id=pl.lit(kept.pk, pl.Int64))
    bulk.upsert(Consent, own, key=KEY, update=["is_granted", "source", "since"])


def suppress(channel: str, address: str, reason: str, at: datetime) -> None:
    """Close an address for a channel; the first reason is kept."""
    hint = f"{address[:1]}…{address[address.find('@') :] if '@' in address else address[-2:]}"
    Suppression.objects.get_or_create(
        channel=channel,
        address_hash=hash_of(channel, address),
        defaults={"hint": hint[:80], "reason": reason, "at": at},
    )


def reopen(channel: str, address: str, reason: str) -> bool:
    """Open an address that was closed for this reason, and for no other. Only its owner may ask for it."""
    closed = Suppression.objects.filter(channel=channel, address_hash=hash_of(channel, address), reason=reason)
    return closed.delete()[0] == 1


def close_erased(customer: Customer, at: datetime) -> None:
    """Close the addresses of a customer who is erased, for every channel: only the hashes stay."""
    for channel, column in ADDRESSES.items():
        if address := getattr(customer, column):
            Suppression.objects.update_or_create(
                channel=channel,
                address_hash=hash_of(channel, address),
                defaults={"hint": "", "reason": Suppression.Reason.ERASED, "at": at},
            )


def hash_of(channel: str, address: str) -> str:
    """Give the hash an address is suppressed by: SHA-256, letter case and blanks aside."""
    kind = ADDRESSES.get(channel, channel)
    return sha256(f"{kind}:{address.strip().lower()}".encode()).hexdigest()


def hashes_of(channel: str, addresses: pl.Series) -> pl.Series:
    """Give hash_of for every address; no address stays no value."""
    hashes = [None if address is None else hash_of(channel, address) for address in addresses]
    return pl.Series(addresses.name, hashes, dtype=pl.String)


def is_suppressed(channel: str, address: str) -> bool:
    """Say whether an address is closed for a channel."""
    return Suppression.objects.filter(channel=channel, address_hash=hash_of(channel, address)).exists()


def is_allowed(customer_id: int, channel: str, topic: str) -> bool:
    """Say whether a customer granted the channel and topic and has an address that is not closed."""
    if not Consent.objects.filter(customer_id=customer_id, channel=channel, topic=topic, is_granted=True).exists():
        return False
    column = ADDRESSES.get(Channel(channel).value)
    if column is None:
        return True
    address = Customer.objects.values_list(column, flat=True).get(pk=customer_id)
    return bool(address) and not is_suppressed(channel, str(address))


def reachable(channel: str, customer_ids: pl.Series) -> pl.Series:
    """Give those of the customers, and maybe others, who have a permission in any topic and an address that is open."""
    column = f"customer__{ADDRESSES[channel]}"
    granted = Consent.objects.filter(near("customer_id", customer_ids), channel=channel, is_granted=True)
    granted = granted.filter(**{f"{column}__gt": ""}).order_by()
    closed = Suppression.objects.filter(channel=channel).values_list("address_hash")
    hashes = bulk.read(closed, {"address_hash": pl.String})
    if hashes.is_empty():  # most of the time goes into reading texts
        return bulk.read_columns(granted.values_list("customer_id"), {"customer_id": pl.Int64})["customer_id"].unique()
    people = bulk.read(granted.values_list("customer_id", column), {"customer_id": pl.Int64, "address": pl.String})
    people = people.unique("customer_id")
    people = people.with_columns(address_hash=hashes_of(channel, people["address"]))
    return people.join(hashes, on="address_hash", how="anti")["customer_id"]
