"""Who is due because something occurred: an event, or the hour of a date. Each occurrence makes her due once.

What occurred before the campaign came to life (launched, resumed, or given another trigger) is passed over in silence.
"""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import polars as pl
from django.conf import settings

from campaigns import dates, news
from campaigns.causes import DATA, IMPORT, MERGE, START, TIME
from campaigns.looks import (
    ALIVE,
    Edges,
    Versions,
    View,
    baselines,
    due,
    is_caused,
    late,
    may_enter,
    states,
    with_states,
)
from campaigns.models import Campaign, TriggerBaseline
from campaigns.triggers import Dated, DateTrigger, EventTrigger
from customers import bulk
from segments.rules import Context
from segments.rules.event_meaning import asks_lines
from segments.rules.meaning import events_meant
from segments.rules.nodes import EventCondition, Happening
from segments.rules.windows import Ever

KEYS = ("customer_id", "bucket", "seed", "cause")
NO_NUMBER = pl.lit(None, pl.Float64)
SILENT = (MERGE, START)


def find(seen: View, campaign: Campaign, trigger: Dated) -> Edges:
    """Give who is due by what occurred since the last look, and remember it of all of whom it did."""
    people = (
        _happened(seen, campaign, trigger) if isinstance(trigger, EventTrigger) else _dated(seen, campaign, trigger)
    )
    looked = seen.buckets() if seen.is_whole else []
    versions = Versions(campaign.trigger_version, {}, {})
    fires = (is_caused(campaign) | pl.col("is_start")) & may_enter(campaign, seen.as_of)
    people = people.with_columns(
        cause=pl.when("is_start").then(pl.lit(START)).otherwise("cause"),
        is_inside=True,
        is_late=late(campaign, seen.as_of),
    ).with_columns(fires=fires)
    return Edges(states(people, campaign, seen.as_of), due(people), baselines(campaign, looked, seen.as_of, versions))


def begin(campaign: Campaign, at: datetime) -> None:
    """Let a campaign come to life: what occurred before makes nobody due."""
    TriggerBaseline.objects.update_or_create(
        campaign=campaign, bucket=ALIVE, defaults={"campaign_version": campaign.trigger_version, "as_of": at}
    )


def events_waited_for() -> set[str]:
    """Give the names of the events that make somebody due for a live campaign."""
    live = Campaign.objects.filter(state=Campaign.State.LIVE, trigger__kind="event")
    return set(live.values_list("trigger__event", flat=True))


def _happened(seen: View, campaign: Campaign, trigger: EventTrigger) -> pl.DataFrame:
    """Give who did what the trigger waits for and was not looked at since; of several times, the last one."""
    known_at = pl.max_horizontal("occurred_at", "known_at")
    rows = seen.happened.filter(pl.col("name") == trigger.of.event, known_at <= seen.as_of)
    rows = rows.with_columns(learned_at=pl.coalesce("imported_at", known_at))
    back = seen.as_of - timedelta(hours=campaign.lateness_hours)
    rows = rows.filter(pl.col("learned_at") > (back if seen.begins else seen.alive_since(campaign)))
    people = seen.frame.filter(pl.col("customer_id").is_in(rows["customer_id"].implode()))
    zones = [dates.ZONE] if dates.ZONE in people.columns else []
    people = people.select(*KEYS, *zones)
    people = with_states(campaign, people, seen.as_of, seen.states(campaign, people))
    rows = _unseen(rows.join(people.select("customer_id", "written"), on="customer_id"), seen)
    rows = rows.filter(pl.col("event_id").is_in(_meant(trigger.of, rows, people, seen).implode()))
    last = rows.sort("occurred_at", "event_id").group_by("customer_id", maintain_order=True)
    told = last.agg(
        pl.col("value").last(),
        happened_at=pl.col("occurred_at").last(),
        is_imported=pl.col("imported_at").is_not_null().all(),
    )
    cause = pl.when("is_imported").then(pl.lit(IMPORT)).otherwise(pl.lit(DATA))
    cause = pl.when(pl.col("cause").is_in(SILENT)).then("cause").otherwise(cause)
    found = people.join(told, on="customer_id", maintain_order="left")
    return found.with_columns(cause=cause, score=NO_NUMBER, is_start=pl.lit(False))


def _unseen(rows: pl.DataFrame, seen: View) -> pl.DataFrame:
    """Give the events that were stored after what the cycle had read that last looked at their customer for this."""
    rows = rows.join(seen.read_as_of(rows["written"]), left_on="written", right_on="as_of", how="left")
    xact, read_xact = pl.col("stored_xact"), pl.col("read_xact")
    is_after = (xact > read_xact) | ((xact == read_xact) & (pl.col("event_id") > pl.col("read_id")))
    is_later = pl.col("learned_at") > pl.col("written")  # where the cycle is forgotten
    return rows.filter(pl.col("written").is_null() | is_after.fill_null(is_later))


def _meant(of: Happening, rows: pl.DataFrame, people: pl.DataFrame, seen: View) -> pl.Series:
    """Give the ids of the events that meet the trigger's conditions."""
    if rows.is_empty() or not (of.where or of.lines.compare):
        return rows["event_id"]
    sold = rows if asks_lines(EventCondition(of, "count", Ever())) else rows.clear()
    context = Context(
        seen.as_of,
        events=rows.lazy(),
        properties=rows.filter(pl.col("properties") != "{}").lazy(),
        lines=news.lines(sold["event_id"]).lazy(),
        zone=ZoneInfo(settings.TIME_ZONE),
    )
    return events_meant(of, people, context)


def _dated(seen: View, campaign: Campaign, trigger: DateTrigger) -> pl.DataFrame:
    """Give whose hour came within the time that the campaign looks back, and was not seen before.

    That it came is time. An hour that had come by the last look is news because of what we learned since then.
    """
    back = seen.as_of - timedelta(hours=campaign.lateness_hours)
    at = dates.moments(seen.frame, trigger, back, seen.as_of, ZoneInfo(settings.TIME_ZONE))
    people = seen.frame.select(*KEYS).with_columns(happened_at=at).filter(pl.col("happened_at").is_not_null())
    people = with_states(campaign, people, seen.as_of, seen.states(campaign, people))
    people = people.filter(~pl.col("stored") | (pl.col("since") != pl.col("happened_at")))
    alive = seen.as_of if seen.begins else seen.alive_since(campaign)
    looks = _looked(seen, campaign)
    before = looks.select(pl.col("looked").min()).item() or alive
    people = people.join(looks, on="bucket", how="left", maintain_order="left")
    is_news = pl.col("happened_at") > pl.col("looked").fill_null(alive)
    is_told = pl.col("customer_id").is_in(
        seen.brought(people, trigger.field.removeprefix("attributes."), before).implode()
    )
    cause = pl.when(is_news & ~is_told).then(pl.lit(TIME)).otherwise("cause")
    is_before = pl.col("happened_at") <= alive
    cause = pl.when(pl.col("cause").is_in(SILENT)).then("cause").when(is_before).then(pl.lit(START)).otherwise(cause)
    is_start = is_before & pl.lit(campaign.fires_on_start or seen.begins)
    return people.with_columns(cause=cause, is_start=is_start, value=NO_NUMBER, score=NO_NUMBER)


def _looked(seen: View, campaign: Campaign) -> pl.DataFrame:
    """Give when each bucket was looked at whole for the last time."""
    rows = [(one.bucket, one.as_of) for one in seen.noted(campaign)]
    return pl.DataFrame(rows, schema={"bucket": pl.Int64, "looked": bulk.UTC_MICROSECONDS}, orient="row")
