"""What a campaign would do if it acted now: the code of a live pass, and nothing is written."""

from campaigns.dry_run.running import run
from campaigns.dry_run.shapes import (
    MESSAGES,
    MOST_REASONS,
    Cost,
    Counted,
    DryRun,
    Message,
    Overlap,
    Overlaps,
    Reasoned,
    Rest,
    Warned,
)

__all__ = [
    "MESSAGES",
    "MOST_REASONS",
    "Cost",
    "Counted",
    "DryRun",
    "Message",
    "Overlap",
    "Overlaps",
    "Reasoned",
    "Rest",
    "Warned",
    "run",
]
