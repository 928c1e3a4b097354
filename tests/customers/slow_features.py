"""What every feature means, said once more, customer by customer in plain pandas."""

from datetime import datetime, timedelta
from typing import Any

import pandas as pd
import polars as pl

from tests.customers.histories import History

DAY = timedelta(days=1)
OURS = {"Email Sent", "Email Bounced", "Call Made", "Offer Given", "Held Out", "Control Assigned"}


def slow_features(history: History, as_of: datetime, counted: dict[str, str]) -> dict[int, dict[str, Any]]:
    """Give every feature of every customer by name; `counted` names the slugs of declared event names."""
    events, lines = _until(history.events, as_of), _until(history.lines, as_of)
    return {
        person["customer_id"]: _of_one(
            person["known_since"],
            events[events.customer_id == person["customer_id"]],
            lines[lines.customer_id == person["customer_id"]],
            as_of,
            counted,
        )
        for person in history.people.to_dicts()
    }


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
        "orders": len(orders),
        "spend": values.sum(),
        "order_value_mean": values.mean() if len(orders) else None,
        "gap_mean_days": gap,
        "gap_sd_days": gaps.std() if len(gaps) > 1 else None,
        "gap_ratio": recency / gap if gap and recency is not None else None,
        "returns": len(refunds),
        "return_share": refunds.value.fillna(0).astype(float).abs().sum() / values.sum() if values.sum() > 0 else None,
        "spend_trend_90d": _trend(orders, as_of),
        "emails_sent_90d": _count(events, as_of, 90, "Email Sent"),
        "email_clicks_90d": _count(events, as_of, 90, "Email Link Clicked"),
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
