"""Codes redeemed: one, or many at once, each once, however often and from wherever they are told."""

import json
from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

import polars as pl
from django.db import transaction
from django.db.models import Exists, OuterRef
from django.db.models.functions import Coalesce

from campaigns.models import Offer, OfferCode
from campaigns.offers import codes
from campaigns.offers.terms import DAY
from campaigns.webhooks import outbox
from campaigns.webhooks.notices import Type
from customers import bulk, events
from customers.bulk import UTC_MICROSECONDS
from customers.models import Customer

SOURCE = "campaigns"
State = OfferCode.State
# Where only the day is known, `since` is its begin and `at` its end. `customer_id` and `offer_id`, where they are told,
# are those whose code it must be.
ASKED: bulk.Schema = {
    "code": pl.String,
    "since": UTC_MICROSECONDS,
    "at": UTC_MICROSECONDS,
    "order_value": pl.Float64,
    "customer_id": pl.Int64,
    "offer_id": pl.Int64,
}
STORED: bulk.Schema = {
    "code": pl.String,
    "id": pl.Int64,
    "state": pl.String,
    "owner_id": pl.Int64,
    "of_offer_id": pl.Int64,
    "offer": pl.String,
    "offer_key": pl.String,
    "delivery": pl.String,
    "campaign": pl.String,
    "given_at": UTC_MICROSECONDS,
    "valid_until": UTC_MICROSECONDS,
    "redeemed_at": UTC_MICROSECONDS,
    "has_another": pl.Boolean,
}
REASONS = ("unknown", "not_given", "not_yours", "redeemed", "lapsed")
BEFORE = pl.format("The code {} was redeemed before.", pl.col("code"))


class OfferRefused(ValueError):
    """A code that cannot be redeemed: `code` is one of REASONS, the message a sentence."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def redeem(
    code: str,
    at: datetime,
    *,
    order_value: float | None = None,
    customer: Customer | None = None,
    offer: Offer | None = None,
) -> OfferCode:
    """Redeem a code, once. Raises OfferRefused: unknown, of another offer or customer, not given, lapsed or used."""
    wanted = codes.normal(code)
    row = (wanted, at, at, order_value, customer.pk if customer else None, offer.pk if offer else None)
    done = settle(pl.DataFrame([row], schema=ASKED, orient="row"), at)
    if (refused := done["refused"].item()) is not None:
        raise OfferRefused(done["why"].item(), refused)
    return OfferCode.objects.select_related("offer", "customer").get(code=wanted)


class Seen(NamedTuple):
    """A code that was looked up, none where there is none such, and why it could not be redeemed now, if so."""

    code: OfferCode | None
    refused: str


def look(code: str, at: datetime) -> Seen:
    """Say what a code is and whether it could be redeemed at a time; nothing changes."""
    wanted = codes.normal(code)
    asked = pl.DataFrame([(wanted, at, at, None, None, None)], schema=ASKED, orient="row")
    with transaction.atomic():
        refused = _judged(asked.join(_stored(asked["code"]), on="code", how="left"))["refused"].item()
    found = OfferCode.objects.select_related("offer", "customer").filter(code=wanted).first()
    return Seen(found, refused or "")


def settle(asked: pl.DataFrame, known_at: datetime) -> pl.DataFrame:
    """Redeem what may be of the codes asked for (columns as ASKED, in normal form), in one commit.

    Give the rows with `why` (one of REASONS) and `refused` (a sentence) for those that may not. Of a code that is asked
    for twice the earlier one counts. A code that has lapsed since is taken if the order was made while it was good.
    """
    with transaction.atomic():
        told = asked.join(_stored(asked["code"]), on="code", how="left", maintain_order="left").with_row_index("row")
        told = _once(_judged(told))
        good = told.filter(pl.col("refused").is_null())
        good = good.with_columns(at=pl.min_horizontal("at", "valid_until"))
        changes = good.select("id", "order_value", redeemed_at="at", state=pl.lit(State.REDEEMED.value))
        bulk.update(OfferCode, changes, key=["id"])
        if good.height:
            events.record(_redemptions(good), SOURCE, known_at)
            _tell(good, known_at)
    return told.drop("row")


def _stored(asked: Iterable[str]) -> pl.DataFrame:
    """Give the codes there are, locked, with what is known of each."""
    redeemed = OfferCode.objects.filter(offer=OuterRef("offer"), customer=OuterRef("customer"), state=State.REDEEMED)
    rows = OfferCode.objects.filter(code__in=set(asked)).order_by("pk").select_for_update(of=("self",), no_key=True)
    columns = rows.values_list(
        "code",
        "pk",
        "state",
        "customer_id",
        "offer_id",
        "offer__name",
        "offer__key",
        "delivery__public_id",
        "delivery__decision__campaign__key",
        # A reserved code is good too: its mail may have arrived although nobody told us so.
        Coalesce("given_at", "delivery__began_at"),
        "valid_until",
        "redeemed_at",
        Exists(redeemed.exclude(pk=OuterRef("pk"))),
    )
    return pl.DataFrame(list(columns), schema=STORED, orient="row")


def _judged(told: pl.DataFrame) -> pl.DataFrame:
    """Add `why` and `refused`; the first check that fails decides."""
    code, state = pl.col("code"), pl.col("state")
    another = (pl.col("offer_id") != pl.col("of_offer_id")).fill_null(False)
    foreign = (pl.col("customer_id") != pl.col("owner_id")).fill_null(False)
    never = state.is_in([State.FREE, State.RELEASED]) | pl.col("given_at").is_null() | pl.col("valid_until").is_null()
    early = pl.col("at") < pl.col("given_at")
    checks = [
        (state.is_null(), "unknown", pl.format("The code '{}' is unknown.", code)),
        (another, "not_yours", pl.format("The code {} is of another offer, “{}”.", code, "offer")),
        (foreign, "not_yours", pl.format("The code {} is another customer's.", code)),
        (state == State.REDEEMED, "redeemed", BEFORE),
        (never, "not_given", pl.format("The code {} was never given to anybody.", code)),
        (early, "not_given", pl.format("The code {} was given only on {}.", code, _moment("given_at"))),
        (
            pl.col("valid_until") < pl.col("since"),
            "lapsed",
            pl.format("The code {} expired on {}.", code, pl.col("valid_until").dt.strftime("%d %B %Y")),
        ),
        (
            pl.col("has_another"),
            "redeemed",
            pl.format("The customer of the code {} has redeemed another one of the offer “{}”.", code, "offer"),
        ),
    ]
    why, said = pl.lit(None, pl.String), pl.lit(None, pl.String)
    for fails, name, sentence in reversed(checks):
        why = pl.when(fails).then(pl.lit(name)).otherwise(why)
        said = pl.when(fails).then(sentence).otherwise(said)
    return told.with_columns(why=why, refused=said)


def _once(told: pl.DataFrame) -> pl.DataFrame:
    """Refuse all but the earliest of those that are good and name the same code."""
    is_good = pl.col("refused").is_null()
    first = told.filter(is_good).sort("at", "row").unique("code", keep="first", maintain_order=True)["row"]
    again = is_good & ~pl.col("row").is_in(first.implode())
    return told.with_columns(
        why=pl.when(again).then(pl.lit("redeemed")).otherwise("why"),
        refused=pl.when(again).then(BEFORE).otherwise("refused"),
    )


def _moment(name: str) -> pl.Expr:
    return pl.col(name).dt.strftime(DAY)


def _tell(good: pl.DataFrame, at: datetime) -> None:
    """Tell the webhooks that want to know, in the same transaction."""
    wishing = outbox.wishes(Type.OFFER_REDEEMED)
    if not wishing:
        return
    names = dict(Customer.objects.filter(pk__in=good["owner_id"].to_list()).values_list("pk", "external_id"))
    bodies = [
        outbox.body(
            Type.OFFER_REDEEMED,
            {
                "offer": row["offer_key"],
                "code": row["code"],
                "campaign": row["campaign"],
                "customer": names[row["owner_id"]],
                "redeemed_at": outbox.told(row["at"]),
                "order_value": row["order_value"],
            },
            at,
        )
        for row in good.iter_rows(named=True)
    ]
    rows = [(wish.webhook_id, Type.OFFER_REDEEMED.value, body) for wish in wishing for body in bodies]
    outbox.put(pl.DataFrame(rows, schema=outbox.BODIES, orient="row"), at)


def _redemptions(good: pl.DataFrame) -> pl.DataFrame:
    told = [
        json.dumps({"campaign": row["campaign"], "offer": row["offer_key"], "code": row["code"]})
        for row in good.select("campaign", "offer_key", "code").iter_rows(named=True)
    ]
    return good.select(
        customer_id="owner_id",
        message_id=pl.concat_str(pl.lit("redeemed-"), pl.coalesce("delivery", "code")),
        name=pl.lit("Offer Redeemed"),
        occurred_at="at",
        properties=pl.Series(told, dtype=pl.String),
    )
