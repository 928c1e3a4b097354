"""What every feature means, said once more, customer by customer in plain pandas."""

import json
from datetime import datetime, timedelta
from typing import Any

import pandas as pd
import polars as pl

from tests.customers.histories import History

DAY = timedelta(days=1)
ZONE = "Europe/Berlin"
OURS = {"Email Sent", "Email Delivered", "Email Bounced", "Call Made", "Offer Given", "Held Out", "Control Assigned"}


def slow_features(history: History, as_of: datetime, counted: dict[str, str]) -> dict[int, dict[str, Any]]:
    """Give every feature of every customer by name; `counted` names the slugs of declared event names."""
    tables = [_until(rows, as_of) for rows in (history.events, history.lines, history.properties)]
    found = {}
    for person in history.people.to_dicts():
        customer = person["customer_id"]
        events, lines, told = (rows[rows.customer_id == customer] for rows in tables)
        of_calls = told[told.name == "Call Made"].properties.map(json.loads)
        found[customer] = {
            **_of_one(person["known_since"], events, lines, as_of, counted),
            **_habits(events[events.name == "Order Completed"]),
            **_online(events[events.name == "Page Viewed"], as_of),
            **_engagement(events, as_of),
            "calls_reached": sum(properties.get("outcome") == "reached" for properties in of_calls),
        }
    return found


def _until(rows: pl.DataFrame, as_of: datetime) -> pd.DataFrame:
    frame = pd.DataFrame(rows.to_dicts(), columns=rows.columns)
    frame["occurred_at"] = pd.to_datetime(frame["occurred_at"], utc=True)
    frame["known_at"] = pd.to_datetime(frame["known_at"], utc=True)
    return frame[(frame.occurred_at <= as_of) & (frame.known_at <= as_of)]


def _of_one(
    known_since: datetime, events: pd.DataFrame, lines: pd.DataFrame, as_of: datetime, counted: dict[str, str]
) -> dict[str, Any]:
    orders = events[events.name == "Order Completed"].sort_values("occurred_at")
    values = orders.value.fillna(0).astype(float)
    refunds = events[events.name == "Order Refunded"]
    recency = (as_of - orders.occurred_at.max()) / DAY if len(orders) else None
    gaps = orders.occurred_at.diff().dropna().dt.total_seconds() / 86_400
    gap = gaps.mean() if len(gaps) else None
    starts = [known_since, *events.occurred_at]
    result = {
        "tenure_days": (as_of - min(starts)) / DAY,
        "recency_days": recency,
        "first_order_days": (as_of - orders.occurred_at.min()) / DAY if len(orders) else None,
        "order_days": orders.occurred_at.dt.tz_convert(ZONE).dt.date.nunique() if len(orders) else 0,
        "orders": len(orders),
        "spend": values.sum(),
        "order_value_mean": values.mean() if len(orders) else None,
        "gap_mean_days": gap,
        "gap_sd_days": gaps.std() if len(gaps) > 1 else None,
        "gap_ratio": recency / gap if gap and recency is not None else None,
        "returns": len(refunds),
        "return_share": refunds.value.fillna(0).astype(float).abs().sum() / values.sum() if values.sum() > 0 else None,
        "spend_trend_90d": _trend(orders, as_of),
        "gap_median_days": gaps.median() if len(gaps) else None,
        "events_30d": len(_last(events[~events.name.isin(OURS)], as_of, 30)),
        **_of_lines(lines),
    }
    for days in (7, 30, 90, 365):
        result[f"orders_{days}d"] = len(_last(orders, as_of, days))
        result[f"spend_{days}d"] = _last(orders, as_of, days).value.fillna(0).astype(float).sum()
        for slug, name in counted.items():
            result[f"{slug}_{days}d"] = _count(events, as_of, days, name)
    for days in (30, 90):
        result[f"page_views_{days}d"] = _count(events, as_of, days, "Page Viewed")
        result[f"product_views_{days}d"] = _count(events, as_of, days, "Product Viewed")
    return result


def _last(rows: pd.DataFrame, as_of: datetime, days: int) -> pd.DataFrame:
    return rows[rows.occurred_at > as_of - days * DAY]


def _count(events: pd.DataFrame, as_of: datetime, days: int, name: str) -> int:
    return len(_last(events[events.name == name], as_of, days))


def _trend(orders: pd.DataFrame, as_of: datetime) -> float | None:
    now = _last(orders, as_of, 90).value.fillna(0).astype(float).sum()
    before = _last(orders, as_of - 90 * DAY, 90)
    total = before[before.occurred_at <= as_of - 90 * DAY].value.fillna(0).astype(float).sum()
    return float(now / total) if total > 0 else None


def _of_lines(lines: pd.DataFrame) -> dict[str, Any]:
    bought = lines[(lines.name == "Order Completed") & (lines.quantity > 0)]
    priced = bought[bought.price.notna()]
    discount = priced.discount.fillna(0).astype(float).sum()
    whole = (priced.quantity * priced.price.astype(float)).sum() + discount
    return {"discount_share": discount / whole if whole > 0 else None, "products": bought.product_id.nunique()}


def _habits(orders: pd.DataFrame) -> dict[str, Any]:
    if orders.empty:
        return dict.fromkeys(("order_hour", "order_weekday", "weekend_share", "evening_share"))
    local = orders.occurred_at.dt.tz_convert(ZONE)
    day = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
    return {
        "order_hour": local.dt.hour.mode().min(),
        "order_weekday": day[local.dt.day_of_week.mode().min()],
        "weekend_share": local.dt.day_of_week.isin([5, 6]).mean(),
        "evening_share": (local.dt.hour >= 18).mean(),
    }


def _online(pages: pd.DataFrame, as_of: datetime) -> dict[str, Any]:
    visits: list[list[pd.Timestamp]] = []
    for at in _last(pages, as_of, 90).occurred_at.sort_values():
        if visits and at - visits[-1][-1] < timedelta(minutes=30):
            visits[-1].append(at)
        else:
            visits.append([at])
    lengths = [(visit[-1] - visit[0]).total_seconds() / 60 for visit in visits]
    return {
        "visits_30d": sum(visit[-1] > as_of - 30 * DAY for visit in visits),
        "visits_90d": len(visits),
        "pages_per_visit_90d": sum(map(len, visits)) / len(visits) if visits else None,
        "minutes_per_visit_90d": sum(lengths) / len(visits) if visits else None,
        "visit_recency_days": (as_of - pages.occurred_at.max()) / DAY if len(pages) else None,
    }


def _engagement(events: pd.DataFrame, as_of: datetime) -> dict[str, Any]:
    names = {
        "emails_sent": "Email Sent",
        "email_opens": "Email Opened",
        "email_clicks": "Email Link Clicked",
        "calls_made": "Call Made",
        "offers_given": "Offer Given",
    }
    result: dict[str, Any] = {
        f"{slug}_{days}d": _count(events, as_of, days, name) for slug, name in names.items() for days in (30, 90)
    }
    sent, clicks = result["emails_sent_90d"], result["email_clicks_90d"]
    messages = events[events.name.isin(["Email Sent", "Call Made"])]
    return result | {
        "email_click_rate_90d": clicks / sent if sent else None,
        "message_recency_days": (as_of - messages.occurred_at.max()) / DAY if len(messages) else None,
        "left_alone_90d": sum(_count(events, as_of, 90, name) for name in ("Held Out", "Control Assigned")),
        "unsubscribes": int((events.name == "Unsubscribed").sum()),
    }
