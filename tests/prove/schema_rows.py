"""What calls made from the OpenAPI document speak of: rows that are there, and bodies that name them.

Three calls of four go to rows of the world; whether and where follows from what the call said, so it can be repeated.
"""

import json
import zlib
from typing import Any

EMAIL = {"action": "email", "subject": "Hello", "body": "<p>We miss you.</p>"}
RULE = {"version": 1, "rule": {"field": "country", "op": "is", "value": "DE"}}
# A right body of an operation; each call that takes it tells one thing of its own.
BODIES: dict[str, dict[str, Any]] = {
    "call_tasks_claim": {"agent": "agent"},
    "call_tasks_release": {"agent": "agent"},
    "call_tasks_outcome": {"agent": "agent", "number": 1, "outcome": "reached"},
    "campaigns_approval_ask": {"changes": {"audience": "regulars"}},
    "campaigns_create": {
        "key": "plan",
        "name": "Plan",
        "trigger": {"kind": "segment", "segment": "regulars", "edge": "entered"},
        "steps": [EMAIL],
        "audience": "regulars",
    },
    "campaigns_update": {"audience": "regulars"},
    "customers_create": {"customers": [{"id": "c-0000", "attributes": {"plan": "gold"}}]},
    "events_create": {
        "events": [{"id": "m-1", "customer": "c-0000", "name": "Order Completed", "at": "2026-05-01T10:00:00Z"}]
    },
    "offers_create": {"key": "new", "name": "New", "value": 5.0, "audience": "regulars"},
    "offers_redeem": {"code": "FREE-1"},
    "segments_create": {"key": "new", "name": "New", "rule": RULE},
    "segments_update": {"rule": RULE},
    "segments_list_change": {"ids": ["c-0000", "c-0001"]},
    "segments_overlap": {"segments": ["regulars", "changed"]},
    "segments_pins_delete": {"customers": ["c-0000"]},
    "segments_pins_create": {"customers": ["c-0000"], "kind": "include"},
    "segments_preview": {"rule": RULE},
    "targets_create": {"kind": "no_event", "event": "Order Completed", "horizon_days": 90, "label": "No order"},
    "targets_count": {"kind": "no_event", "event": "Order Completed", "horizon_days": 90, "label": "No order"},
    "webhooks_create": {"key": "new", "name": "New", "url": "https://192.88.99.1/", "segments": ["regulars"]},
}
QUERY = {"campaign": "win-back", "customer": "c-0000", "target": "lapse", "audience": "regulars", "segment": "regulars"}
Rows = dict[str, list[dict[str, Any]]]


def number_of(case: Any) -> int:
    """Give a number that follows from what a call says."""
    said = json.dumps([case.path_parameters, case.query, case.body], sort_keys=True, default=repr)
    return zlib.crc32(said.encode())


def path(operation: str, address: str, rows: Rows, number: int) -> dict[str, Any]:
    """Give the path parameters of a row that an operation may use; none where there is no such row."""
    found = rows.get(operation) or rows.get(address.strip("/").split("/")[2], [])
    return found[number // 4 % len(found)] if found else {}


def body(operation: str, told: dict[str, Any], number: int) -> dict[str, Any]:
    """Give the right body of an operation with one thing of what was told; what was told, where none is known."""
    right = BODIES.get(operation)
    if right is None:
        return told
    names = sorted(told)
    name = names[number // 4 % len(names)] if names else ""
    if name in {"changes", "kind", "question", "answers", "score", "rule"}:
        return right
    own = {"key": f"key-{number:08x}"} if "key" in right else {}
    return right | own | ({name: told[name]} if name else {})
