"""What codes look like: made of random symbols that nobody mistakes, and read however they were typed. Pure."""

import os
import re

import numpy as np
import polars as pl

ALPHABET = "23456789ABCDEFGHJKMNPQRSTVWXYZ"  # nothing that looks like something else
LENGTH = 10  # 30 ** 10 codes: 49 bits
SPACE = len(ALPHABET) ** LENGTH
PREFIX_LENGTH = 24
MOST = 40  # symbols of a code
SHORTEST = 6  # symbols of a code that is not too easy
BLANKS = re.compile(r"\s+")


def made(key: str, count: int) -> pl.Series:
    """Give that many new codes of an offer, each of 49 random bits behind the offer's key."""
    numbers = pl.DataFrame({"n": _below(SPACE, count)})
    symbols = pl.Series(list(ALPHABET))
    places = [(pl.col("n") // len(ALPHABET) ** i) % len(ALPHABET) for i in range(LENGTH)]
    digits = numbers.select(place.alias(str(i)) for i, place in enumerate(places))
    secret = pl.DataFrame([symbols.gather(one).alias(one.name) for one in digits.iter_columns()])
    prefix = key.upper()[:PREFIX_LENGTH]
    return secret.select(pl.concat_str(pl.lit(f"{prefix}-"), pl.concat_str(pl.all())).alias("code"))["code"]


def normal(code: str) -> str:
    """Give a code as it is stored: without blanks, in capitals."""
    return BLANKS.sub("", code).upper()


def _below(end: int, count: int) -> "np.ndarray[tuple[int], np.dtype[np.uint64]]":
    """Give random numbers below `end`, all as likely: those that would make some likelier are drawn again."""
    limit = (2**64 // end) * end
    found = np.empty(0, dtype=np.uint64)
    while len(found) < count:
        drawn = np.frombuffer(os.urandom(8 * (count - len(found))), dtype=np.uint64)
        found = np.concatenate([found, drawn[drawn < limit] % np.uint64(end)])
    return found
