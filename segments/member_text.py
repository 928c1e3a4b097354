"""Members as JSON: made a column at a time, since a page has a thousand of them."""

from collections.abc import Sequence

import polars as pl

from scoring.api import scores_in_rows
from segments import members

SECOND, FRACTION = "%Y-%m-%dT%H:%M:%S", "%.6f"
SCORE = ("target", "value", "percentile", "rank", "band", "as_of")


def rows(page: pl.DataFrame, scores: Sequence[str], fields: Sequence[str]) -> str:
    """Give members (customer_id, external_id, since) with scores and other fields as a JSON list.

    Raises NoSnapshot where fields are asked for before there is one.
    """
    shown = page.select("customer_id", "external_id", "since")
    if scores:
        shown = shown.join(_scores(page["customer_id"], scores), on="customer_id", how="left", maintain_order="left")
        shown = shown.with_columns(pl.col("scores").fill_null([]))
    if fields:
        values = members.values_of(page["customer_id"], fields)
        shown = shown.hstack([values.select(_plain(values)).to_struct("values")])
    return shown.drop("customer_id").with_columns(_plain(shown.select("since"))).write_json()


def _scores(customer_ids: pl.Series, targets: Sequence[str]) -> pl.DataFrame:
    """Give each customer's scores as one list."""
    told = scores_in_rows(customer_ids, targets)
    told = told.with_columns(_plain(told.select("as_of")))
    return told.group_by("customer_id", maintain_order=True).agg(pl.struct(SCORE).alias("scores"))


def _plain(frame: pl.DataFrame) -> list[pl.Expr]:
    """Give columns as JSON has them: times and days are texts."""
    return [_text(name, dtype) for name, dtype in frame.schema.items()]


def _text(name: str, dtype: pl.DataType) -> pl.Expr:
    if isinstance(dtype, pl.Datetime):
        zone = "Z" if dtype.time_zone else ""
        text = pl.col(name).dt.strftime(f"{SECOND}{FRACTION}")
        return text.str.strip_suffix(".000000") + zone
    return pl.col(name).dt.strftime("%Y-%m-%d") if dtype == pl.Date else pl.col(name)
