"""What came of a replay, as plain values: by day, by customer, against what there is, and in words.

What customers went on to do is an association: whoever the campaign would have chosen differs from the others anyway.
"""

from dataclasses import asdict
from datetime import datetime, timedelta
from typing import NamedTuple

import polars as pl
from django.db.models import Sum

from campaigns import offers
from campaigns.backtest.facts import RECORDED, TODAY
from campaigns.backtest.replay import Replay
from campaigns.backtest.told import sentences
from campaigns.dry_run.running import reasons
from campaigns.models import Agent, Campaign, Decision, Way
from campaigns.offers import costs
from customers.history import Scope

SAMPLE = 20
Outcome = Decision.Outcome
SENT = pl.col("sent_at").is_not_null()
Told = dict[str, object]


class _Did(NamedTuple):
    """Of so many customers how many reached the goal, as a share, and what that was worth for each of them."""

    customers: int
    share: float | None
    value_each: float | None


def of(replay: Replay, asked_at: datetime) -> Told:
    """Give everything that is told of a back-test."""
    decisions = replay.memory.decisions
    sent = decisions.filter(SENT)
    counted, rest = reasons(decisions)
    each = sent.group_by("customer_id").agg(messages=pl.len()).group_by("messages").agg(customers=pl.len())
    result: Told = {
        "days": _days(replay),
        "considered": decisions.height,
        "customers": decisions["customer_id"].n_unique(),
        "sent": sent.height,
        "reached": sent["customer_id"].n_unique(),
        "outcomes": dict(decisions.group_by("outcome").len().sort("outcome").iter_rows()),
        "variants": dict(sent.group_by("variant").len().sort("variant").iter_rows()),
        "reasons": [asdict(one) for one in counted],
        "other_reasons": {"reasons": rest.reasons, "customers": rest.customers},
        "messages_each": [list(row) for row in each.sort("messages").iter_rows()],
        "caps_hit": _capped(decisions),
        "consents_later": _late(replay, asked_at),
        "calls_capacity": _capacity() if replay.channel == Way.PHONE else None,
        "is_calls": replay.channel == Way.PHONE,
        "offers": _offers(replay, sent),
        "cost": _cost(replay, sent),
        "overlaps": _overlaps(replay, sent),
        "went_on": _went_on(replay, asked_at),
        "optimistic_days": sum(day["source"] == TODAY for day in replay.memory.days),
        "recorded_days": sum(day["source"] == RECORDED for day in replay.memory.days),
        "sample": _sample(decisions),
    }
    return {**result, "words": sentences(result)}


def _days(replay: Replay) -> list[Told]:
    """Give each day: how many were considered and became what, how many messages went, and whose scores these were."""
    decisions = replay.memory.decisions
    considered = dict(decisions.group_by("as_of").len().iter_rows())
    went = dict(decisions.filter(SENT).group_by("sent_at").len().iter_rows())
    by = {(at, outcome): many for at, outcome, many in decisions.group_by("as_of", "outcome").len().iter_rows()}
    found = []
    for day in replay.memory.days:
        at = datetime.fromisoformat(str(day["at"]))
        outcomes = {one.value: by[at, one.value] for one in Outcome if (at, one.value) in by}
        found.append({**day, "considered": considered.get(at, 0), "sent": went.get(at, 0), "outcomes": outcomes})
    return found


def _capped(decisions: pl.DataFrame) -> int:
    """Count what a cap stopped or held up."""
    is_capped = pl.col("outcome") == Outcome.CAPPED
    return decisions.filter(is_capped | pl.col("reason").str.contains("; the cap is ", literal=True)).height


def _late(replay: Replay, asked_at: datetime) -> int:
    """Count who was suppressed on a day before the first word about her consent, which is given by now."""
    if not Way(replay.channel).is_contact:
        return 0
    agreed, topic = replay.past.agreed, replay.campaign.topic
    told = agreed.words.filter(pl.col("channel") == replay.channel, pl.col("topic") == topic)
    first = told.group_by("customer_id").agg(first_at=pl.col("at").min())
    stopped = replay.memory.decisions.filter(pl.col("outcome") == Outcome.SUPPRESSED)
    may = pl.col("customer_id").is_in(agreed.granted(replay.channel, topic, asked_at).implode())
    return stopped.join(first, on="customer_id").filter(may, pl.col("first_at") > pl.col("as_of")).height


def _capacity() -> int | None:
    """Give how many calls the agents make a day; None where one of them, or nobody, has a limit."""
    agents = Agent.objects.filter(user__is_active=True)
    if not agents.exists() or agents.filter(calls_a_day=None).exists():
        return None
    return int(agents.aggregate(most=Sum("calls_a_day"))["most"])


def _offers(replay: Replay, sent: pl.DataFrame) -> list[Told]:
    """Give how many codes of each offer would have been needed, and how many there are."""
    found: list[Told] = []
    for offer in {one.key: one for one in replay.given.values()}.values():
        variants = [variant for variant, other in replay.given.items() if other.pk == offer.pk]
        needed = sent.filter(pl.col("variant").is_in(variants)).height
        stock = offers.stock_of(offer)
        found.append({"offer": offer.key, "name": offer.name, "needed": needed, "stock": stock.total})
    return found


def _cost(replay: Replay, sent: pl.DataFrame) -> Told:
    """Give what messages and codes would have cost, were all codes redeemed; of unknown codes the messages alone."""
    messages = sent.height * replay.campaign.message_cost
    codes = 0.0
    for variant, offer in replay.given.items():
        each = costs.of_one(offer) or 0.0
        codes += each * sent.filter(pl.col("variant") == variant).height
    return {"messages": round(messages, 2), "codes": round(codes, 2), "total": round(messages + codes, 2)}


def _overlaps(replay: Replay, sent: pl.DataFrame) -> list[Told]:
    """Give whom other campaigns had really written to in the days before, as long as the programme's cap counts."""
    days = replay.others.rules.cap_days
    both = sent.select("customer_id", "sent_at").join(replay.others.rows, on="customer_id")
    near = both.filter(
        pl.col("began_at") <= pl.col("sent_at"), pl.col("began_at") > pl.col("sent_at") - timedelta(days=days)
    )
    each = near.group_by("key").agg(customers=pl.col("customer_id").n_unique())
    names = dict(Campaign.objects.filter(key__in=each["key"].to_list()).values_list("key", "name"))
    rows = each.sort("customers", "key", descending=[True, False]).iter_rows()
    return [{"campaign": key, "name": names.get(key, key), "customers": many, "days": days} for key, many in rows]


def _went_on(replay: Replay, asked_at: datetime) -> Told:
    """Give what those who became due did within the goal's days, beside those who never did in these days.

    The others are counted from the same days, each day weighing as many as became due on it.
    """
    campaign, window = replay.campaign, timedelta(days=replay.campaign.goal_days)
    lake = replay.past.lake.events(Scope())
    known = (pl.col("known_at") <= asked_at) & (pl.col("occurred_at") > replay.period.since)
    asked = lake.filter(pl.col("name") == campaign.goal_event, known)
    goals = asked.select("customer_id", "occurred_at", value=pl.col("value").fill_null(0.0)).collect()
    first = replay.memory.decisions.group_by("customer_id").agg(at=pl.col("as_of").min())
    ripe = first.filter(pl.col("at") <= asked_at - window)
    both = ripe.join(goals, on="customer_id")
    both = both.filter(pl.col("occurred_at") > pl.col("at"), pl.col("occurred_at") <= pl.col("at") + window)
    entered = _did(both, ripe.height)
    others = _others(replay, goals.join(first, on="customer_id", how="anti"), ripe)
    told = {"goal": campaign.goal_event, "days": campaign.goal_days, "label": "association, not effect"}
    return {**told, "entered": entered._asdict(), "others": others._asdict()}


def _others(replay: Replay, goals: pl.DataFrame, ripe: pl.DataFrame) -> _Did:
    weights = dict(ripe.group_by("at").len().iter_rows())
    window, total = timedelta(days=replay.campaign.goal_days), ripe.height
    entered = replay.memory.decisions["customer_id"].n_unique()
    share = value = 0.0
    most = 0
    for day in replay.memory.days:
        at = datetime.fromisoformat(str(day["at"]))
        many = int(str(day["customers"])) - entered
        if at not in weights or many <= 0:
            continue
        did = _did(goals.filter(pl.col("occurred_at") > at, pl.col("occurred_at") <= at + window), many)
        part, most = weights[at] / total, max(most, many)
        share, value = share + part * (did.share or 0.0), value + part * (did.value_each or 0.0)
    return _Did(most, share, value) if most else _Did(0, None, None)


def _did(rows: pl.DataFrame, many: int) -> _Did:
    if not many:
        return _Did(0, None, None)
    return _Did(many, rows["customer_id"].n_unique() / many, float(rows["value"].sum()) / many)


def _sample(decisions: pl.DataFrame) -> list[Told]:
    """Give some decisions, spread over all days; customers by their ids: who is erased is not named any more."""
    ordered = decisions.sort("as_of", "customer_id")
    some = ordered.gather_every(max(1, -(-ordered.height // SAMPLE)))
    rows = some.select("customer_id", "as_of", "outcome", "reason").iter_rows()
    return [{"customer": pk, "at": at.isoformat(), "outcome": what, "reason": why} for pk, at, what, why in rows]
