"""Lists of codes: uploaded as a whole or not at all."""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

import polars as pl
from django.db import IntegrityError, transaction

from campaigns.models import Offer, OfferCode
from campaigns.offers import codes, files
from campaigns.offers.files import Fault, FileRefused
from customers import audit, bulk
from customers.audit import Actor

RUN = 3  # numbers in a row that let one guess the next
SLICE = 10_000


class Added(NamedTuple):
    """How many codes were stored, and what is to be thought of."""

    added: int
    warnings: list[str]


def add(offer: Offer, body: bytes, by: Actor, at: datetime, column: str = "") -> Added:
    """Store the codes of a file for an offer, all of them or none. Raises FileRefused, which names the lines.

    Blanks are taken out and letters made capitals, as when a code is redeemed. No code may be there twice, of whatever
    offer. Codes that are easy to guess are taken and told of.
    """
    if offer.codes_from != Offer.Codes.POOL:
        raise FileRefused(f"The codes of the offer “{offer.name}” are made here; only a list takes a file.")
    lines = files.lines(body, column)
    found = [(line.number, codes.normal(line.cells.get("code", ""))) for line in lines]
    if faults := sorted([*_bad(found), *_repeated(found), *_known(found)]):
        raise FileRefused(f"Nothing was stored: {len(faults):,} of {len(found):,} lines cannot be taken.", faults)
    rows = pl.DataFrame({"code": [code for _, code in found]}).with_columns(
        offer_id=pl.lit(offer.pk, pl.Int64), state=pl.lit(OfferCode.State.FREE.value)
    )
    try:
        with transaction.atomic():
            bulk.insert(OfferCode, rows)
            audit.note(at, by, "codes uploaded", offer.key, codes=rows.height)
    except IntegrityError as error:
        raise FileRefused("Nothing was stored: some of these codes came in at the same moment. Try again.") from error
    return Added(rows.height, easy(rows["code"]))


def easy(found: pl.Series) -> list[str]:
    """Say which codes can be guessed: those that are short, and those that are numbered one after another."""
    short = int((found.str.len_chars() < codes.SHORTEST).sum())
    warnings = [f"{short:,} codes are shorter than {codes.SHORTEST} symbols: easy to guess."] if short else []
    parts = pl.DataFrame({"code": found}).select(
        head=pl.col("code").str.replace(r"\d{1,15}$", ""),
        tail=pl.col("code").str.extract(r"(\d{1,15})$").cast(pl.Int64),
    )
    numbered = parts.drop_nulls("tail").sort("head", "tail")
    breaks = ((pl.col("tail").diff() != 1) | (pl.col("head") != pl.col("head").shift())).fill_null(True)
    runs = numbered.group_by(breaks.cum_sum().alias("run")).len().filter(pl.col("len") >= RUN)
    if runs.height:
        warnings.append(f"{runs['len'].sum():,} codes are numbered one after another: who has one can guess others.")
    return warnings


def _bad(found: list[tuple[int, str]]) -> Iterator[Fault]:
    for number, code in found:
        if not code:
            yield Fault(number, "There is no code.")
        elif len(code) > codes.MOST:
            yield Fault(number, f"The code is longer than {codes.MOST} symbols.")
        elif not (code.isascii() and code.isprintable()):
            yield Fault(number, "The code has symbols that a till cannot type.")


def _repeated(found: list[tuple[int, str]]) -> Iterator[Fault]:
    first: dict[str, int] = {}
    times = Counter(code for _, code in found)
    for number, code in found:
        if code and times[code] > 1 and first.setdefault(code, number) != number:
            yield Fault(number, f"The code {code[: codes.MOST]} is on line {first[code]} too.")


def _known(found: list[tuple[int, str]]) -> Iterator[Fault]:
    for begin in range(0, len(found), SLICE):
        some = found[begin : begin + SLICE]
        stored = OfferCode.objects.filter(code__in=[code for _, code in some])
        names = dict(stored.values_list("code", "offer__name"))
        yield from (
            Fault(number, f"The code {code} is there already, of “{names[code]}”.")
            for number, code in some
            if code in names
        )
