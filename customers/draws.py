"""Random numbers that stay: the same customer and the same salt always give the same draw."""

import hashlib

import numpy as np
import polars as pl

GAMMA = np.uint64(0x9E3779B97F4A7C15)
MIX = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))
TO_UNIT = 2.0**-53  # 53 bits fill a float's mantissa


def draw(seeds: pl.Series, salt: str) -> pl.Series:
    """Give a uniform number in [0, 1) for every seed (Customer.seed); another salt gives independent numbers.

    One step of SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, OOPSLA 2014) from the
    seed XOR 64 bits of the salt's BLAKE2b; the top 53 bits become the fraction.
    """
    digest = hashlib.blake2b(salt.encode(), digest_size=8).digest()
    state = seeds.cast(pl.Int64).to_numpy().view(np.uint64) ^ np.uint64(int.from_bytes(digest, "big"))
    mixed = state + GAMMA
    mixed = (mixed ^ (mixed >> np.uint64(30))) * MIX[0]
    mixed = (mixed ^ (mixed >> np.uint64(27))) * MIX[1]
    mixed ^= mixed >> np.uint64(31)
    return pl.Series("draw", (mixed >> np.uint64(11)).astype(np.float64) * TO_UNIT)
