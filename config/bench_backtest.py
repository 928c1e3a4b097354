"""A back-test of 90 days: a score that no day recorded, so every day's features and scores are computed again."""

from datetime import datetime
from typing import Any

from campaigns.backtest import asking, work
from campaigns.models import Backtest, Campaign

DAYS = 90


def measure(at: datetime) -> dict[str, Any]:
    """Act a campaign on a score out over the last days; give what came of it."""
    asking.ask(Campaign.objects.get(key="win-back"), DAYS, None, at)
    done = work.work(lambda: at)
    if done is None or done.state != Backtest.State.DONE:
        raise SystemExit(f"The back-test failed. {done.problem if done else ''}")
    told = ("considered", "sent", "recorded_days", "optimistic_days")
    return {"days": DAYS, **{name: done.result[name] for name in told}}
