"""What a stranger does with the generated client; it runs in an environment that has not the program.

`pulling` are the lines of docs/integrators.md, `cusp_client` is what was generated.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

from cusp_client.api.segments import (  # type: ignore[import-not-found]
    segments_list,
    segments_members,
    segments_pins_create,
    segments_pins_delete,
)
from cusp_client.models import PinInRequest, PinKindEnum, UnpinInRequest  # type: ignore[import-not-found]
from pulling import Refused, answered, client, follow, pages, pin, whole  # type: ignore[import-not-found]


def main(ended: Path) -> dict[str, Any]:
    """Pull a segment, follow it until its world has changed and told so, and give what was seen."""
    ids = {one.key: one.id for one in pages(segments_list, limit=1)}
    gold = ids["gold"]
    since, known = whole(gold)
    pulled, (_, others) = len(known), whole(ids["silver"])
    kept_out, (kept_in, let_go) = max(known), sorted(others)[-2:]
    pinned = [
        _twice(gold, PinInRequest([kept_in, let_go], PinKindEnum.INCLUDE, reason="A guest.")),
        _twice(gold, PinInRequest([kept_out], PinKindEnum.EXCLUDE)),
    ]
    body = UnpinInRequest([let_go])
    unpinned = answered(segments_pins_delete.sync(gold, client=client, body=body)).customers
    sys.stdout.write("pulled\n")
    sys.stdout.flush()
    moves, is_over, before = 0, False, ""
    while not is_over or since != before:
        is_over, before = ended.exists(), since
        held = set(known)
        since, known = follow(gold, since, known)
        moves += len(held ^ known)
    return {
        "segments": len(ids),
        "pulled": pulled,
        "moves": moves,
        "known": sorted(known),
        "again": sorted(whole(gold)[1]),
        "pinned": pinned,
        "unpinned": unpinned,
        "hands": {kept_in: kept_in in known, kept_out: kept_out in known, let_go: let_go in known},
        "refused": _refused(gold, kept_in),
    }


def _twice(segment: str, body: Any) -> list[Any]:
    """Pin with the same key twice; give both answers, and whether the second was a repetition."""
    key = str(uuid4())
    first, second = (
        segments_pins_create.sync_detailed(segment, client=client, body=body, idempotency_key=key) for _ in "12"
    )
    return [
        answered(first.parsed).customers,
        answered(second.parsed).customers,
        second.headers.get("Idempotent-Replayed") == "true",
    ]


def _refused(segment: str, customer: str) -> list[list[Any]]:
    """Give status, code and place of calls that are refused."""
    key = str(uuid4())
    pin(segment, [customer], key)
    calls: tuple[Callable[[], Any], ...] = (
        lambda: answered(segments_members.sync("nowhere", client=client)),
        lambda: answered(segments_members.sync(segment, client=client, limit=1_001)),
        lambda: answered(segments_members.sync(segment, client=client, fields="shoe_size")),
        lambda: pin(segment, [customer, "nobody"], key),
    )
    told = []
    for call in calls:
        try:
            call()
        except Refused as refused:
            problem = refused.problem
            told.append([problem.status, problem.code, problem.errors[0].path if problem.errors else ""])
    return told


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(Path(sys.argv[1]))) + "\n")
