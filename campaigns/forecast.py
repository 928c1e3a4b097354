"""How many customers a day a campaign is expected to reach, from what is stored."""

from datetime import datetime
from typing import NamedTuple

from campaigns.models import Campaign


class Forecast(NamedTuple):
    """So many a day, and what that rests on; no number where nothing is known."""

    a_day: float | None
    basis: str


def foresee(campaign: Campaign, at: datetime) -> Forecast:
    """Give the forecast of a campaign as of a time."""
    return Forecast(None, "Nothing is known yet.")


def daily(campaign: Campaign, at: datetime) -> float | None:
    """Give how many customers a day a campaign is expected to reach; None where nothing is known."""
    return foresee(campaign, at).a_day
