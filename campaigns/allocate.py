"""Budgets, daily limits and stocks: campaigns that have one choose among all who may get their message.

Deciding holds their candidates: deferred, without a delivery. Here the best are chosen by score, then by the draw, over
all buckets; what cannot be paid is over the budget, and so is whom no code of the offer is left for.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

import polars as pl
from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from campaigns import limits, offers, planning, policy, variants
from campaigns.caps import MOMENT
from campaigns.deferral import GIVEN_UP, WAITS
from campaigns.eligibility import COUNTED, WAITING
from campaigns.limits import Limits
from campaigns.models import Campaign, Decision, Delivery
from campaigns.offers import Stock
from campaigns.policy import HELD, REASON_LENGTH, Patience
from campaigns.variants import Variant
from campaigns.webhooks import notices
from customers import bulk

HELD_ROWS: bulk.Schema = {
    "id": pl.Int64,
    "customer_id": pl.Int64,
    "bucket": pl.Int64,
    "variant": pl.String,
    "reason": pl.String,
    "score": pl.Float64,
    "draw": pl.Float64,
    "expires_at": bulk.UTC_MICROSECONDS,
}
SPENT = (*WAITING, *COUNTED)
ROUNDING = 1e-9
RETRY = timedelta(hours=1)  # until who waits for a code is looked at again
CHANGES = ("id", "outcome", "reason", "due_at")
Outcome = Decision.Outcome


@dataclass(frozen=True)
class Purse:
    """What a campaign has spent, and had begin or planned today, beside its limits; None where it has none."""

    budget: float | None
    cost: float
    spent: float
    most_a_day: int | None
    today: int
    tomorrow: datetime

    @property
    def affordable(self) -> int | None:
        """Give how many messages more the budget pays."""
        if self.budget is None or self.cost == 0.0:
            return None
        return max(0, int((self.budget - self.spent) / self.cost + ROUNDING))

    @property
    def room_today(self) -> int | None:
        """Give how many messages more the day has room for."""
        return None if self.most_a_day is None else max(0, self.most_a_day - self.today)


class Means(NamedTuple):
    """What a campaign chooses by: what limits its messages, the stocks by the keys of offers, and its purse."""

    limits: Limits
    stocks: Mapping[str, Stock]
    purse: Purse


class Settled(NamedTuple):
    """What became of a campaign's candidates (CHANGES), whose message goes, and the planned ones that give way."""

    changes: pl.DataFrame
    going: pl.DataFrame
    gives_way: pl.Series


def share_out(candidates: pl.DataFrame, purse: Purse, *, may_wait: bool, is_lowest_first: bool = False) -> pl.DataFrame:
    """Add `outcome`, `reason` and `due_at` to candidates (`score`, `draw`, `why`, `expires_at`, `due_at`).

    The best by score go, among equals the lowest draw, as many as the budget pays and the day has room for. Whom only
    the day has no room for may wait for tomorrow, where the campaign waits and she may.
    """
    ranked, place = _ranked(candidates, is_lowest_first=is_lowest_first)
    no_money = _beyond(purse.affordable)
    no_room = _beyond(purse.room_today)
    tomorrow = pl.lit(purse.tomorrow, bulk.UTC_MICROSECONDS)
    waits = no_room & pl.lit(may_wait) & (tomorrow < pl.col("expires_at")).fill_null(False)
    money = (
        f"The budget of {purse.budget or 0:,.2f} has room for {purse.affordable or 0:,} more: "
        f"{purse.spent:,.2f} is spent, a message costs {purse.cost:,.2f}."
    )
    room = f"{purse.most_a_day or 0:,} messages a day are the most, and {purse.today:,} of this day's were taken."
    late = pl.lit(f"{WAITS}{purse.tomorrow:{MOMENT}}: {room}")
    over, deferred, deliver = (pl.lit(one.value) for one in (Outcome.OVER_BUDGET, Outcome.DEFERRED, Outcome.DELIVER))
    return ranked.with_columns(
        outcome=pl.when(no_money).then(over).when(waits).then(deferred).when(no_room).then(over).otherwise(deliver),
        reason=pl.when(no_money)
        .then(pl.concat_str(place, pl.lit(money)))
        .when(waits)
        .then(pl.concat_str("why", late))
        .when(no_room)
        .then(pl.concat_str(place, pl.lit(room)))
        .otherwise(pl.concat_str("why", pl.lit(" "), place.str.strip_chars_end())),
        due_at=pl.when(~no_money & waits).then(tomorrow).otherwise("due_at"),
    ).drop("rank")


def short(
    candidates: pl.DataFrame, stocks: Mapping[str, Stock], wait: Patience, *, is_lowest_first: bool = False
) -> pl.DataFrame:
    """Give those of the candidates for whom no code is left, with `outcome`, `reason` and `due_at`.

    `stocks` are by variant; variants of one offer share its stock. The best are chosen as by `share_out`; who waits is
    looked at again after an hour, when codes may have lapsed or come.
    """
    named = {variant: stock.name for variant, stock in stocks.items() if stock.left is not None}
    asked = candidates if named else candidates.clear()  # to rank a million for nothing takes a second
    ranked, place = _ranked(asked, is_lowest_first=is_lowest_first)
    ranked = ranked.with_columns(offer=pl.col("variant").replace_strict(named, default=None, return_dtype=pl.String))
    left = {stock.name: stock.left for stock in stocks.values()}
    says = {stock.name: stock.sentence for stock in stocks.values()}
    number = pl.int_range(1, pl.len() + 1).over("offer")
    gone = ranked.filter(
        pl.col("offer").is_not_null(),
        number > pl.col("offer").replace_strict(left, default=None, return_dtype=pl.Int64),
    )
    again = pl.lit(wait.as_of + RETRY, bulk.UTC_MICROSECONDS)
    waits = pl.lit(wait.may_wait) & (again < pl.col("expires_at")).fill_null(False)
    said = pl.col("offer").replace_strict(says, default=None, return_dtype=pl.String)
    late = pl.concat_str("why", pl.lit(f"{WAITS}{wait.as_of + RETRY:{MOMENT}}: "), said)
    return gone.with_columns(
        outcome=pl.when(waits).then(pl.lit(Outcome.DEFERRED.value)).otherwise(pl.lit(Outcome.OVER_BUDGET.value)),
        reason=pl.when(waits).then(late).otherwise(pl.concat_str(place, said)),
        due_at=pl.when(waits).then(again).otherwise("due_at"),
    ).drop("rank", "offer")


def is_budgeted(campaign: Campaign) -> bool:
    """Say whether a campaign chooses among its candidates."""
    return campaign.budget is not None or campaign.most_a_day is not None or offers.chooses(campaign)


def patience(campaign: Campaign, as_of: datetime) -> Patience:
    """Give how long a campaign waits where something limits it."""
    return Patience(as_of, campaign.when_limited == Campaign.Limited.DELAY, campaign.delay_hours)


def allocate(as_of: datetime) -> Counter[str]:
    """Let every campaign with candidates that are due choose among them; give how many got which outcome.

    Any number of workers may do this at once: a campaign's row is locked while it chooses.
    """
    counts: Counter[str] = Counter()
    for campaign_id in _held(as_of).order_by().values_list("campaign_id", flat=True).distinct():
        with transaction.atomic():
            campaign = Campaign.objects.select_for_update(no_key=True).get(pk=campaign_id)
            counts.update(_settle(campaign, as_of))
    return counts


def _held(as_of: datetime) -> "QuerySet[Decision]":
    """Give the decisions that wait to be chosen, and are due."""
    planned = Delivery.objects.filter(decision=OuterRef("pk"))
    of_any = Campaign.objects.values("pk")  # the index of outcomes begins with the campaign
    return Decision.objects.filter(~Exists(planned), campaign__in=of_any, outcome=Outcome.DEFERRED, due_at__lte=as_of)


def _settle(campaign: Campaign, as_of: datetime) -> Counter[str]:
    """Choose for one campaign, whose row is locked, and write what was chosen."""
    rows = _held(as_of).filter(campaign=campaign).values_list(*HELD_ROWS)
    held = bulk.read(rows, HELD_ROWS).with_columns(why=head(pl.col("reason")))
    over = given_up(held, campaign, as_of)
    rest = held.join(over, on="id", how="anti")
    if rest.is_empty() or campaign.state != Campaign.State.LIVE:
        return _write(over, as_of)
    shared = variants.parse(campaign)
    given = offers.of_variants(shared)
    stocks = offers.stocks({offer.pk: offer for offer in given.values()}.values())
    ours = limits.read(rest.select("customer_id", "bucket").unique(), as_of)
    settled = settle(rest, campaign, shared, stocks, ours)
    planning.plan(settled.going.rename({"id": "decision_id"}), campaign, shared, as_of)
    planning.give_way(settled.gives_way, campaign, as_of)
    return _write(pl.concat([over.select(CHANGES), settled.changes]), as_of)


def settle(
    held: pl.DataFrame,
    campaign: Campaign,
    shared: tuple[Variant, ...],
    stocks: Mapping[str, Stock],
    ours: Limits,
) -> Settled:
    """Choose among a campaign's candidates (HELD_ROWS, with `why`). Nothing is written, and nothing is locked.

    `stocks` are by the keys of offers.
    """
    return choose(held, campaign, shared, Means(ours, stocks, purse(campaign, ours.as_of)))


def choose(held: pl.DataFrame, campaign: Campaign, shared: tuple[Variant, ...], by: Means) -> Settled:
    """Choose among a campaign's candidates, as `settle`, by what is known."""
    ours, as_of = by.limits, by.limits.as_of
    wait, channel, given = patience(campaign, as_of), shared[0].step.channel, offers.of_variants(shared)
    barred, rest = _barred(ours.codes.barred(held, given, as_of), as_of)
    limited = ours.look(rest, campaign, channel)
    judged = policy.limit(limited.people, wait, is_budgeted=False)
    is_free = pl.col("outcome") == Outcome.DELIVER
    is_lowest_first = campaign.trigger.get("direction") == "below"
    free = judged.filter(is_free)
    lefts = {variant: by.stocks[offer.key] for variant, offer in given.items()}
    none_left = short(free, lefts, wait, is_lowest_first=is_lowest_first)
    free = free.join(none_left, on="id", how="anti")
    chosen = share_out(free, by.purse, may_wait=wait.may_wait, is_lowest_first=is_lowest_first)
    going = chosen.filter(is_free)
    gives_way = ours.plan(going.select("customer_id"), limited, campaign, channel)
    parts = (barred, judged.filter(~is_free), none_left, chosen)
    return Settled(pl.concat([part.select(CHANGES) for part in parts]), going, gives_way["delivery_id"])


def _barred(asked: pl.DataFrame, as_of: datetime) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Part those who may not have the offer any more (`barred` says why) from the others."""
    lost = asked.filter(pl.col("barred").is_not_null())
    reason = pl.concat_str("why", pl.lit(GIVEN_UP), "barred")
    now = pl.lit(as_of, bulk.UTC_MICROSECONDS)
    lost = lost.with_columns(outcome=pl.lit(Outcome.INELIGIBLE.value), reason=reason, due_at=now)
    return lost, asked.filter(pl.col("barred").is_null()).drop("barred")


def day_of(as_of: datetime) -> tuple[datetime, datetime]:
    """Give when the day of a time begins and when it ends, by the clock of TIME_ZONE."""
    zone = ZoneInfo(settings.TIME_ZONE)
    today = as_of.astimezone(zone).date()
    begin, end = (datetime.combine(today + timedelta(days=n), time(), zone).astimezone(UTC) for n in (0, 1))
    return begin, end


def purse(campaign: Campaign, as_of: datetime) -> Purse:
    """Give what a campaign has spent: a message that failed or was cancelled costs nothing; days are of TIME_ZONE."""
    paid = Delivery.objects.filter(decision__campaign=campaign.pk, state__in=SPENT)
    begin, end = day_of(as_of)
    is_todays = Q(began_at__gte=begin, began_at__lt=end) | Q(state__in=WAITING, due_at__lt=end)
    taken = paid.filter(is_todays).count() if campaign.most_a_day is not None else 0
    spent = paid.count() * campaign.message_cost if campaign.budget is not None else 0.0
    return Purse(campaign.budget, campaign.message_cost, spent, campaign.most_a_day, taken, end)


def head(reason: pl.Expr) -> pl.Expr:
    """Give why a customer was due, of the reason of a decision that waits."""
    return reason.str.split(WAITS).list.first().str.strip_suffix(HELD)


def _ranked(candidates: pl.DataFrame, *, is_lowest_first: bool) -> tuple[pl.DataFrame, pl.Expr]:
    """Give candidates with the best by score first, numbered by `rank`, and the sentence that says which each is."""
    best = candidates.sort(
        "score", "draw", "customer_id", descending=[not is_lowest_first, False, False], nulls_last=True
    )
    by = " by score" if best["score"].null_count() < best.height else ""
    return best.with_row_index("rank", 1), pl.format(f"Number {{}} of {best.height:,}{by}. ", "rank")


def given_up(held: pl.DataFrame, campaign: Campaign, as_of: datetime) -> pl.DataFrame:
    """Give those that wait no longer: all of a campaign that has ended, else those whose time is over."""
    is_ended = campaign.state not in (Campaign.State.LIVE, Campaign.State.PAUSED)
    gone = held if is_ended else held.filter(pl.col("expires_at") <= as_of)
    until = pl.col("expires_at").dt.strftime(MOMENT)
    waited = pl.concat_str(pl.lit("It waited until "), until, pl.lit(" and was not chosen."))
    why = pl.lit(f"The campaign is {campaign.get_state_display().lower()}.") if is_ended else waited
    outcome = Outcome.OVER_BUDGET if campaign.state == Campaign.State.LIVE else Outcome.INELIGIBLE
    return gone.with_columns(
        outcome=pl.lit(outcome.value),
        reason=pl.concat_str("why", pl.lit(GIVEN_UP), why),
        due_at=pl.lit(as_of, bulk.UTC_MICROSECONDS),
    )


def _beyond(room: int | None) -> pl.Expr:
    return pl.lit(False) if room is None else pl.col("rank") > room


def _write(changes: pl.DataFrame, as_of: datetime) -> Counter[str]:
    rows = changes.select("id", "outcome", pl.col("reason").str.slice(0, REASON_LENGTH), "due_at")
    bulk.update(Decision, rows, key=["id"])
    notices.decisions(rows.filter(pl.col("outcome") != Outcome.DEFERRED)["id"], as_of)
    return Counter(rows["outcome"].to_list())
