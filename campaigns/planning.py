"""Decisions and planned deliveries, written: those of one pass over many customers at once."""

import json
import os
from datetime import datetime, timedelta

import polars as pl
from django.db import IntegrityError, transaction
from django.db.models import DateTimeField, ExpressionWrapper, F, Value
from django.db.models.functions import Concat, Left

from campaigns import offers
from campaigns.caps import MOMENT
from campaigns.deferral import REASON_LENGTH, WAITS
from campaigns.models import Campaign, Decision, Delivery
from campaigns.variants import Variant
from campaigns.webhooks import notices
from customers import bulk, events
from customers.ids import among
from customers.models import PUBLIC_ID_BYTES

SOURCE = "campaigns"
EVENTS = {Decision.Outcome.HELD_OUT: "Held Out", Decision.Outcome.CONTROL: "Control Assigned"}
Outcome = Decision.Outcome


def public_ids(count: int) -> pl.Series:
    """Give that many new public ids, made at once: 128 random bits each, as new_public_id makes them.

    They are in order, so that the database finds their places in its index one beside the other.
    """
    random, size = os.urandom(count * PUBLIC_ID_BYTES), PUBLIC_ID_BYTES
    parts = pl.Series([random[at : at + size] for at in range(0, len(random), size)], dtype=pl.Binary)
    texts = (
        parts.bin.encode("base64")
        .str.strip_chars_end("=")
        .str.replace_all("+", "-", literal=True)
        .str.replace_all("/", "_", literal=True)
    )
    return texts.sort()


def store(decisions: pl.DataFrame, campaign: Campaign, as_of: datetime) -> pl.DataFrame:
    """Store the decisions of one campaign; give those that are new, with `decision_id`.

    A decision that another pass made first stays, and ours is left out.
    """
    ids = bulk.new_ids(Decision, decisions.height).alias("id")
    rows = decisions.with_columns(ids, public_id=public_ids(decisions.height))
    made = rows.rename({"id": "decision_id"})
    try:
        with transaction.atomic():
            bulk.insert(Decision, rows)
    except IntegrityError:  # another pass made some of them first
        bulk.insert(Decision, rows, ignore=["campaign_id", "customer_id", "round"])
        stored = Decision.objects.filter(among("pk", rows["id"])).values_list("id")
        made = made.join(bulk.read(stored, {"decision_id": pl.Int64}), on="decision_id", how="semi")
    _tell(made, campaign.key, as_of)
    notices.decisions(made["decision_id"], as_of)
    return made


def plan(going: pl.DataFrame, campaign: Campaign, variants: tuple[Variant, ...], as_of: datetime) -> None:
    """Plan a delivery for each decision (`decision_id`, `customer_id`, `variant`, `due_at`), its code reserved."""
    actions = {one.key: one.step.action.value for one in variants}
    rows = going.select(
        "decision_id",
        "customer_id",
        "due_at",
        action=pl.col("variant").replace_strict(actions, return_dtype=pl.String),
        public_id=public_ids(going.height),
        step=pl.lit(0, pl.Int64),
        channel=pl.lit(variants[0].step.channel.value),
        priority=pl.lit(campaign.priority, pl.Int64),
        state=pl.lit(Delivery.State.PLANNED.value),
        token=pl.lit(""),
        attempts=pl.lit(0, pl.Int64),
        reason=pl.lit(""),
        resolution=pl.lit(""),
        is_told=pl.lit(False),
    )
    bulk.insert(Delivery, rows)
    offers.for_deliveries(going, offers.of_variants(variants), as_of)


def give_way(deliveries: pl.Series, to: Campaign, as_of: datetime) -> None:
    """Let planned messages of other campaigns make room for those of one that goes before them.

    A message whose campaign waits is deferred, and judged again when it is due; the others are cancelled. What somebody
    has begun meanwhile stays: then the gate finds the cap full for one of both.
    """
    if deliveries.is_empty():
        return
    planned = Delivery.objects.filter(among("pk", deliveries), state=Delivery.State.PLANNED).order_by("pk")
    locked = planned.select_for_update(of=("self",)).values_list("pk", "decision_id", "decision__campaign_id")
    rows = pl.DataFrame(list(locked), schema={"id": pl.Int64, "decision": pl.Int64, "campaign": pl.Int64}, orient="row")
    why = f'Gave way to the campaign "{to.name}" of priority {to.priority}, which takes the last room below a cap.'
    for (campaign_id,), own in rows.group_by("campaign"):
        campaign = Campaign.objects.get(pk=campaign_id)
        decisions = Decision.objects.filter(among("pk", own["decision"]))
        if campaign.when_limited == Campaign.Limited.DELAY:
            tail = Concat("reason", Value(f"{WAITS}{as_of:{MOMENT}}: {why}"))
            end = ExpressionWrapper(F("as_of") + timedelta(hours=campaign.delay_hours), output_field=DateTimeField())
            decisions.update(outcome=Outcome.DEFERRED, reason=Left(tail, REASON_LENGTH), expires_at=end)
        else:
            decisions.update(outcome=Outcome.CAPPED, reason=why[:REASON_LENGTH])
            gone = Delivery.objects.filter(among("pk", own["id"]))
            gone.update(state=Delivery.State.CANCELLED, reason=why[:REASON_LENGTH], ended_at=as_of)
            offers.release(gone)


def _tell(made: pl.DataFrame, key: str, as_of: datetime) -> None:
    """Tell the lower apps whom a campaign left alone, so that scoring can learn from it."""
    names = {outcome.value: name for outcome, name in EVENTS.items()}
    alone = made.filter(pl.col("outcome").is_in(list(names)))
    if alone.is_empty():
        return
    rows = alone.select(
        "customer_id",
        message_id="public_id",
        name=pl.col("outcome").replace_strict(names, return_dtype=pl.String),
        occurred_at="as_of",
        properties=pl.lit(json.dumps({"campaign": key})),
    )
    events.record_new(rows, SOURCE, as_of)
