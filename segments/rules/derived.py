"""Fields that are made when a rule asks for them: what a campaign did with a customer, how a score moved in a week.

A field is made of what the past tells; where the frame has a column of its name already, that is the field.
"""

from collections.abc import Iterable
from datetime import datetime

import polars as pl

from segments.rules.nodes import Field

CAMPAIGN, STATE, VARIANT, LAST_SENT = "campaigns.", ".state", ".variant", ".last_sent"
SCORE, CHANGE = "scores.", ".change_7d"
# What a campaign's events make of a customer; of those at one time the later in this order counts.
STATES = {
    "Held Out": "held out",
    "Control Assigned": "control",
    "Email Sent": "sent",
    "SMS Sent": "sent",
    "Push Sent": "sent",
    "Call Made": "called",
    "Email Delivered": "delivered",
    "Email Bounced": "bounced",
    "Email Opened": "opened",
    "Email Link Clicked": "clicked",
    "Email Marked as Spam": "complained",
    "Offer Redeemed": "redeemed",
}
SENT = ("Email Sent", "SMS Sent", "Push Sent", "Call Made")
DECIMALS = 6


def campaign_of(name: str) -> str:
    """Give the key of the campaign that a field is about; blank where it is about none."""
    if not name.startswith(CAMPAIGN) or not name.endswith((STATE, VARIANT, LAST_SENT)):
        return ""
    return name.removeprefix(CAMPAIGN).rpartition(".")[0]


def score_of(name: str) -> str:
    """Give the field of the score whose change a field is; blank where it is none."""
    return name.removesuffix(CHANGE) if name.startswith(SCORE) and name.endswith(CHANGE) else ""


def made(
    frame: pl.DataFrame, fields: Iterable[Field], properties: pl.LazyFrame, earlier: pl.LazyFrame, as_of: datetime
) -> pl.DataFrame:
    """Give the frame with these of the fields that can be made and that it lacks.

    `properties` are those of events, as JSON text; `earlier` has customer_id and the scores of a week before.
    """
    names = dict.fromkeys(field.name for field in fields if field.name not in frame.columns)
    for key in dict.fromkeys(key for name in names if (key := campaign_of(name))):
        own = [name for name in names if campaign_of(name) == key]
        told = _campaign(_of_campaign(properties, key, as_of), key).select("customer_id", *own)
        frame = frame.join(told, on="customer_id", how="left", maintain_order="left")
    changes = {name: score for name in names if (score := score_of(name)) and score in frame.columns}
    return _changed(frame, changes, earlier) if changes else frame


def _of_campaign(properties: pl.LazyFrame, key: str, as_of: datetime) -> pl.DataFrame:
    """Give customer_id, name, occurred_at and variant of a campaign's events by now, in their order."""
    is_known = (pl.col("occurred_at") <= as_of) & (pl.col("known_at") <= as_of)
    rows = properties.filter(pl.col("name").is_in([*STATES]) & is_known)
    rows = rows.filter(pl.col("properties").str.contains(f'"{key}"', literal=True))
    rows = rows.filter(pl.col("properties").str.json_path_match("$.campaign") == key)
    variant = pl.col("properties").str.json_path_match("$.variant").alias("variant")
    found = rows.select("customer_id", pl.col("name").cast(pl.Enum([*STATES])), "occurred_at", variant).collect()
    return found.sort("customer_id", "occurred_at", "name")


def _campaign(events: pl.DataFrame, key: str) -> pl.DataFrame:
    sent = pl.col("occurred_at").filter(pl.col("name").cast(pl.String).is_in(SENT)).max()
    state = pl.col("name").last().cast(pl.String).replace_strict(STATES, return_dtype=pl.String)
    return events.group_by("customer_id").agg(
        state.alias(f"{CAMPAIGN}{key}{STATE}"),
        pl.col("variant").drop_nulls().last().alias(f"{CAMPAIGN}{key}{VARIANT}"),
        sent.alias(f"{CAMPAIGN}{key}{LAST_SENT}"),
    )


def _changed(frame: pl.DataFrame, changes: dict[str, str], earlier: pl.LazyFrame) -> pl.DataFrame:
    there = earlier.collect_schema().names()
    known = {name: score for name, score in changes.items() if score in there}
    before = earlier.select("customer_id", *dict.fromkeys(known.values())).collect()
    both = frame.select("customer_id", *dict.fromkeys(known.values()))
    both = both.join(before, on="customer_id", how="left", maintain_order="left", suffix=":before")
    return frame.with_columns(
        (both[score] - both[f"{score}:before"]).round(DECIMALS).alias(name) for name, score in known.items()
    )
