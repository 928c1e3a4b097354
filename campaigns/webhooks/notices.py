"""What other programs may hear of: who entered and left, crossed a line, what was decided, called, redeemed, launched.

A notice is written in the transaction that writes its fact, for each live webhook that wants it: a worker that is
killed loses none and tells none twice. It names customers by their external ids and tells nothing else of them. What
touches many customers goes out in chunks.
"""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime

import polars as pl
from django.db.models import TextChoices

from campaigns.models import Campaign, Decision
from campaigns.webhooks import forgetting, outbox
from campaigns.webhooks.outbox import Wish
from customers import bulk, erasure
from customers.ids import among
from customers.models import Customer
from scoring import ranking
from scoring.models import Target
from segments import membership
from segments.models import MembershipChange, Segment

ROOM = 16_000  # bytes of customers in a chunk: with one more of them, and what stands around them, below the most
NAMES: bulk.Schema = {"customer_id": pl.Int64, "id": pl.String}
DECIDED: bulk.Schema = {
    "id": pl.String,
    "decision": pl.String,
    "outcome": pl.String,
    "arm": pl.String,
    "variant": pl.String,
    "round": pl.Int64,
    "campaign": pl.String,
}


class Type(TextChoices):
    """The kinds of notices."""

    SEGMENT_ENTERED = "segment.entered", "Customers entered a segment"
    SEGMENT_LEFT = "segment.left", "Customers left a segment"
    SCORE_CROSSED = "score.crossed", "Customers moved to another band of a score"
    DECISION_MADE = "decision.made", "A campaign decided about customers"
    CALL_TASK_MADE = "call_task.made", "A call task was made"
    CALL_TASK_OUTCOME = "call_task.outcome", "A call has an outcome"
    OFFER_REDEEMED = "offer.redeemed", "A code was redeemed"
    CAMPAIGN_STATE = "campaign.state", "A campaign was launched, paused, resumed or stopped"
    WEBHOOK_TEST = "webhook.test", "A test, by hand"


MOVES = {
    MembershipChange.Kind.ENTERED.value: Type.SEGMENT_ENTERED.value,
    MembershipChange.Kind.LEFT.value: Type.SEGMENT_LEFT.value,
}


def tell(type: str, data: Mapping[str, object], at: datetime) -> None:
    """Write one message for each live webhook that wants this kind, in the caller's transaction. Raises TooLarge.

    `data` names customers by their external ids, and says nothing else of them.
    """
    wishing = outbox.wishes(type)
    if wishing:
        body = outbox.body(type, data, at)
        rows = [(wish.webhook_id, type, body) for wish in wishing]
        outbox.put(pl.DataFrame(rows, schema=outbox.BODIES, orient="row"), at)


def memberships(changes: pl.DataFrame, as_of: datetime) -> None:
    """Tell who entered and who left which segment; `changes` as membership.refresh gives them."""
    wishing = [] if changes.is_empty() else outbox.wishes(*MOVES.values())
    if not wishing:
        return
    asked = Segment.objects.filter(pk__in=changes["segment_id"].unique().to_list())
    keys = pl.DataFrame(
        list(asked.values_list("pk", "key")), schema={"segment_id": pl.Int64, "segment": pl.String}, orient="row"
    )
    wanted = {type for wish in wishing for type in wish.types}
    rows = changes.join(keys, on="segment_id", maintain_order="left").with_columns(
        type=pl.col("kind").replace_strict(MOVES, return_dtype=pl.String)
    )
    rows = rows.filter(pl.col("type").is_in(wanted), _of_segments(wishing))
    people = _named(rows)
    _tell(people.with_columns(about=_about("segment", as_of), one=_json("id")), wishing, as_of)


def bands(moved: pl.DataFrame, as_of: datetime) -> None:
    """Tell who moved to another band; `moved` has target_id, customer_id, band_before and band."""
    wishing = [] if moved.is_empty() else outbox.wishes(Type.SCORE_CROSSED)
    if not wishing:
        return
    asked = Target.objects.filter(pk__in=moved["target_id"].unique().to_list())
    keys = pl.DataFrame(
        list(asked.values_list("pk", "key")), schema={"target_id": pl.Int64, "score": pl.String}, orient="row"
    )
    people = _named(moved.join(keys, on="target_id", maintain_order="left"))
    people = people.with_columns(
        type=pl.lit(Type.SCORE_CROSSED.value),
        about=_about("score", as_of),
        one=_json("id", "band_before", "band"),
        segment=pl.lit(""),
    )
    _tell(people, wishing, as_of)


def decisions(ids: Collection[int] | pl.Series, as_of: datetime) -> None:
    """Tell what was decided, as the decisions with these ids say now."""
    wishing = outbox.wishes(Type.DECISION_MADE) if len(ids) else []
    if not wishing:
        return
    made = Decision.objects.filter(among("pk", ids)).order_by("pk")
    rows = made.values_list("customer__external_id", "public_id", "outcome", "arm", "variant", "round", "campaign__key")
    people = bulk.read(rows, DECIDED).with_columns(
        type=pl.lit(Type.DECISION_MADE.value),
        about=_about("campaign", as_of),
        one=_json("id", "decision", "outcome", "arm", "variant", "round"),
        segment=pl.lit(""),
    )
    _tell(people, wishing, as_of)


def state_of(campaign: Campaign, at: datetime) -> None:
    """Tell how a campaign stands now: live, paused or stopped."""
    told = {"campaign": campaign.key, "state": str(campaign.state), "version": campaign.version}
    tell(Type.CAMPAIGN_STATE, told, at)


def chunks(people: pl.DataFrame, as_of: datetime) -> pl.DataFrame:
    """Give the bodies of rows of customers (`type`, `about`, `segment`, `one`): those of a kind together, in chunks."""
    group = ["type", "about", "segment"]
    size = pl.col("one").str.len_bytes().cast(pl.Int64) + 1
    numbered = people.with_columns(chunk=((size.cum_sum() - 1) // ROOM).over(group))
    joined = numbered.group_by(*group, "chunk", maintain_order=True).agg(pl.col("one").str.join(","))
    return joined.select(
        "type",
        "segment",
        body=pl.concat_str(
            pl.lit('{"type":"'),
            "type",
            pl.lit(f'","timestamp":"{outbox.told(as_of)}","data":{{'),
            "about",
            pl.lit(',"customers":['),
            "one",
            pl.lit("]}}"),
        ),
    )


def _tell(people: pl.DataFrame, wishing: Iterable[Wish], as_of: datetime) -> None:
    bodies = chunks(people, as_of)
    parts = [
        bodies.filter(pl.col("type").is_in(list(wish.types)), _of_segments([wish])).with_columns(
            webhook_id=pl.lit(wish.webhook_id, pl.Int64)
        )
        for wish in wishing
    ]
    outbox.put(pl.concat(parts).select(*outbox.BODIES), as_of)


def _of_segments(wishing: Iterable[Wish]) -> pl.Expr:
    """Say whether a row's segment is one that somebody wants to hear of; a row of none is for all."""
    asked = [set(wish.segments) for wish in wishing]
    if not all(asked):
        return pl.lit(True)
    return pl.col("segment").is_in(["", *set().union(*asked)])


def _named(rows: pl.DataFrame) -> pl.DataFrame:
    """Give the rows with the external id of each customer; until the commit none of them is erased."""
    people = Customer.objects.filter(among("pk", rows["customer_id"].unique()))
    membership.lock(list(people.order_by("bucket").values_list("bucket", flat=True).distinct()))
    names = bulk.read(people.values_list("pk", "external_id"), NAMES)
    return rows.join(names, on="customer_id", maintain_order="left")


def _about(name: str, as_of: datetime) -> pl.Expr:
    """Give the JSON of what a chunk is about: a key of ours, which needs no escapes, and the time."""
    return pl.format('"' + name + '":"{}","as_of":"' + outbox.told(as_of) + '"', name)


def _json(*names: str) -> pl.Expr:
    """Give the JSON of each customer, as RFC 8259 writes it."""
    return pl.struct(*names).struct.json_encode()


membership.FOLLOWERS.append(memberships)
ranking.FOLLOWERS.append(bands)
erasure.FORGETTERS.append(forgetting.forget)
