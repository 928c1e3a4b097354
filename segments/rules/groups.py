"""How nodes are joined: one row a group, with its meaning over masks and its words over sentences."""

from collections.abc import Callable
from typing import NamedTuple

import polars as pl


class Row(NamedTuple):
    """`meaning(masks, number)` and `words(sentences, number)`; only at_least looks at the number."""

    meaning: Callable[[list[pl.Expr], int], pl.Expr]
    words: Callable[[list[str], int], str]


GROUPS: dict[str, Row] = {
    "all": Row(lambda masks, n: pl.all_horizontal(masks), lambda parts, n: ", and ".join(parts)),
    "any": Row(lambda masks, n: pl.any_horizontal(masks), lambda parts, n: ", or ".join(parts)),
    "none": Row(lambda masks, n: ~pl.any_horizontal(masks), lambda parts, n: f"none of ({'; '.join(parts)})"),
    "not": Row(lambda masks, n: ~masks[0], lambda parts, n: f"not ({parts[0]})"),
    "at_least": Row(
        lambda masks, n: pl.sum_horizontal(mask.cast(pl.UInt32) for mask in masks) >= n,
        lambda parts, n: f"at least {n} of ({'; '.join(parts)})",
    ),
}
