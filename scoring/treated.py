"""What the live models do about each field: how it is read, or why it is left out, as their training said."""

from collections import defaultdict
from collections.abc import Mapping
from typing import NamedTuple

from scoring.models import ModelVersion, Target
from scoring.report import Report


class Treated(NamedTuple):
    """What a live model does about a field: of so many rows, how many had no value, were pulled in, or had a rare one.

    `is_read` is false where it is left out; `done` says how it is read, or why it is not.
    """

    target: Target
    is_read: bool
    done: str
    rows: int = 0
    missing: int = 0
    outliers: int = 0
    rare: int = 0


def by_field() -> Mapping[str, list[Treated]]:
    """Give what the live models do, by field."""
    found: dict[str, list[Treated]] = defaultdict(list)
    live = ModelVersion.objects.filter(state=ModelVersion.State.LIVE, target__is_active=True)
    for version in live.select_related("target").order_by("target__label"):
        report: Report = version.report
        told = report.get("preparation")
        if told is None:
            continue
        for one in told["fields"]:
            counts = (told["rows"], one["missing"], one["outliers"], one["rare"])
            found[one["field"]].append(Treated(version.target, True, one["done"], *counts))
        guard = report.get("guard")
        blocked = {one["field"]: one["why"] for one in guard["blocked"]} if guard else {}
        for name, why in (told["left_out"] | blocked).items():
            found[name].append(Treated(version.target, False, f"Left out: {why.rstrip('.')}."))
    return found
