"""Do-not-call lists: numbers that must not be called, made plain, kept as hashes, and when the last list came."""

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

import polars as pl
from django.db import transaction

from customers import audit, cleaning
from customers.audit import Actor
from customers.consent import hashes_of
from customers.models import AuditEntry, Channel, Customer, Suppression

UPLOADED = "do-not-call list uploaded"
MOST = 1_000_000  # numbers in one upload
SHOWN = 20
PORTION = 2_000


class ListRefused(ValueError):
    """A list that cannot be read; the message says why."""


class Refused(NamedTuple):
    """A line that is no number, and which."""

    line: int
    text: str


class Taken(NamedTuple):
    """What came of a list: how many numbers, how many were new, and the lines that are no numbers."""

    numbers: int
    new: int
    refused: list[Refused]


def read(text: str, country: str) -> tuple[pl.Series, list[Refused]]:
    """Give the numbers of a list, one a line or the first cell of one, and what is no number. Pure.

    `country` is the two letters for numbers that are written without their country.
    """
    lines = [line.strip().lstrip("\ufeff") for line in text.splitlines()]
    told = [(number, line.split(",")[0].split(";")[0].strip().strip('"')) for number, line in enumerate(lines, 1)]
    told = [(number, said) for number, said in told if said]
    if len(told) > MOST:
        raise ListRefused(f"There are {len(told):,} lines; at most {MOST:,} are taken at once.")
    said = pl.Series("phone", [one for _, one in told], dtype=pl.String)
    plain = cleaning.phones(said, pl.Series("country", [country or None] * len(told), dtype=pl.String))
    refused = [Refused(number, one) for (number, one), tidy in zip(told, plain, strict=True) if tidy is None]
    return plain.drop_nulls().unique(maintain_order=True), refused


def take(text: str, country: str, by: Actor, at: datetime) -> Taken:
    """Close every number of a list for calls; raise ListRefused for one without any number.

    Calls that are being made at this moment end; none begins afterwards.
    """
    numbers, refused = read(text, country)
    if numbers.is_empty():
        raise ListRefused("There is no phone number in it: one a line, with its country code or with the country.")
    with transaction.atomic():
        new = sum(_close(numbers.slice(start, PORTION), at) for start in range(0, len(numbers), PORTION))
        about = f"{len(numbers):,} numbers"
        audit.note(at, by, UPLOADED, about, numbers=len(numbers), new=new, refused=len(refused), country=country)
    return Taken(len(numbers), new, refused)


def last() -> AuditEntry | None:
    """Give the note of the last upload; None where there never was one."""
    return AuditEntry.objects.filter(what=UPLOADED).order_by("-at", "-pk").first()


def _close(numbers: pl.Series, at: datetime) -> int:
    rows = Customer.objects.select_for_update(no_key=True).filter(phone__in=numbers.to_list()).order_by("pk")
    list(rows.values_list("pk"))
    hashes = hashes_of(Channel.PHONE, numbers)
    known = Suppression.objects.filter(channel=Channel.PHONE, address_hash__in=hashes.to_list())
    before = set(known.values_list("address_hash", flat=True))
    fresh = [(number, hashed) for number, hashed in zip(numbers, hashes, strict=True) if hashed not in before]
    Suppression.objects.bulk_create(
        (
            Suppression(
                channel=Channel.PHONE,
                address_hash=hashed,
                hint=f"{number[:1]}…{number[-2:]}",
                reason=Suppression.Reason.DO_NOT_CALL,
                at=at,
            )
            for number, hashed in fresh
        ),
        ignore_conflicts=True,
    )
    return len(fresh)


def words(refused: Iterable[Refused]) -> list[str]:
    """Name the lines that are no numbers, the first of them."""
    found = list(refused)
    said = [f"Line {one.line} is no phone number: “{one.text[:40]}”." for one in found[:SHOWN]]
    return [*said, f"And {len(found) - SHOWN:,} lines more."] if len(found) > SHOWN else said
