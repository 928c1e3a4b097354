"""A campaign's plan as plain values: stored with each version, compared, and told apart by a digest."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from django.db.models import Count, Max

from campaigns.models import Campaign, Offer
from segments.models import Segment
from segments.rules.needs import named

FIELDS = (
    "name",
    "trigger",
    "steps",
    "variants",
    "split",
    "winner",
    "winner_metric",
    "chosen_variant",
    "audience",
    "topic",
    "control_share",
    "pilot_share",
    "entry",
    "cooldown_days",
    "lateness_hours",
    "when_limited",
    "delay_hours",
    "priority",
    "budget",
    "message_cost",
    "most_a_day",
    "value",
    "margin",
    "fires_on_import",
    "goal_event",
    "goal_days",
    "planned_customers",
)
# These ask for no other approval: any of its variants was approved, whichever wins, and reports send nothing.
FREE = ("name", "chosen_variant", "winner", "winner_metric", "margin", "planned_customers")
GOES_OUT = {"steps", "variants", "topic", "audience"}  # what a message says, and who may get it
Plan = dict[str, Any]


class PlanError(ValueError):
    """A stored plan that can be used no more; the message begins with the place."""


def of(campaign: Campaign) -> Plan:
    """Give the whole plan; of a segment its key."""
    told = {name: getattr(campaign, name) for name in FIELDS if name != "audience"}
    return {**told, "audience": campaign.audience.key if campaign.audience else None}


def put(stored: Mapping[str, Any]) -> Plan:
    """Give the values of the fields of a campaign that a stored plan says. Raises PlanError where a segment is gone."""
    values = {name: stored[name] for name in FIELDS if name in stored}
    key = values.pop("audience", None)
    segment = Segment.objects.filter(key=key).first() if key else None
    if key and segment is None:
        raise PlanError(f'audience: there is no segment "{key}" any more')
    return {**values, "audience": segment}


def differing(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Give the fields that two plans say differently, in their order."""
    return [name for name in FIELDS if before.get(name) != after.get(name)]


def digest(campaign: Campaign) -> str:
    """Give what changes with the plan, and with the offers and segments that it names; FREE fields change nothing.

    SHA-256 of JSON with sorted keys.
    """
    told = {name: value for name, value in of(campaign).items() if name not in FREE}
    whole = {"plan": told, "offers": _offers(campaign), "segments": _segments(told)}
    return hashlib.sha256(json.dumps(whole, sort_keys=True, default=str).encode("utf-8", "surrogatepass")).hexdigest()


def _offers(campaign: Campaign) -> list[dict[str, Any]]:
    steps = [*campaign.steps, *(one.get("step", {}) for one in campaign.variants)]
    keys = {str(one["offer"]) for one in steps if isinstance(one, dict) and one.get("offer")}
    return [dict(row) for row in Offer.objects.filter(key__in=keys).order_by("key").values()] if keys else []


def _segments(told: Plan) -> list[dict[str, Any]]:
    """Give the rules of all segments that a plan goes by, and how often they were changed by hand."""
    trigger = told["trigger"] if isinstance(told["trigger"], dict) else {}
    wanted = {str(key) for key in (told["audience"], trigger.get("segment")) if key}
    found: list[dict[str, Any]] = []
    while wanted:
        rows = list(
            Segment.objects.filter(key__in=wanted)
            .annotate(
                by_hand=Count("list_changes", distinct=True),
                pinned=Max("pins__pk"),
                pins_held=Count("pins", distinct=True),
            )
            .order_by("key")
            .values("key", "kind", "rule", "by_hand", "pinned", "pins_held")
        )
        found += map(dict, rows)
        known = {row["key"] for row in found}
        wanted = {
            key for row in rows if row["kind"] != Segment.Kind.LIST for key in named(row["rule"], "segment")
        } - known
    return sorted(found, key=lambda row: str(row["key"]))
