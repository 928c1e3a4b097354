"""How explanations write times and distances: in UTC, so that a sentence means the same everywhere."""

from datetime import datetime


def at(moment: datetime | None) -> str:
    """Give a time."""
    return f"{moment:%Y-%m-%d %H:%M} UTC" if moment else "an unknown time"


def signed(points: float) -> str:
    """Give a distance with its sign: +0.048."""
    return f"{points:+.4g}"
