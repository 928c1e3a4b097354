"""Hooks of schemathesis, loaded by it in an environment of its own: what a call needs besides, and what may be refused.

Every failure that is excepted, and every other, is written as a line of JSON to the file named by FOUND.
"""

import itertools
import json
import os
from typing import Any

import schemathesis

from tests.prove import schema_rules

NUMBERS = itertools.count()


def before_call(_context: Any, case: Any, _kwargs: Any) -> None:
    """Give each call an Idempotency-Key that no other had: what one names is asked for once."""
    told = (case.headers or {}).get("Idempotency-Key")
    if told and case.meta and case.meta.generation.mode.is_positive:
        case.headers["Idempotency-Key"] = f"{next(NUMBERS):08d}{told}"[:255]


def filter_failure(_context: Any, failure: Any, case: Any, response: Any) -> bool:
    """Say whether a failure counts; one that is excepted does not."""
    operation = case.operation.definition.raw.get("operationId", "")
    try:
        answer = json.loads(response.content)
    except ValueError:
        answer = {}
    reason = _excepted(type(failure).__name__, operation, case, answer)
    told = {
        "operation": operation,
        "failure": type(failure).__name__,
        "reason": reason,
        "status": response.status_code,
        "code": answer.get("code", "") if isinstance(answer, dict) else "",
        "said": failure.message,
        "asked": f"{case.method} {case.formatted_path} {case.query} {case.headers} {case.body}"[:2_000],
        "answer": response.content.decode("utf-8", "replace")[:2_000],
    }
    with open(os.environ["FOUND"], "a") as file:
        file.write(f"{json.dumps(told)}\n")
    return reason is None


def _excepted(failure: str, operation: str, case: Any, answer: Any) -> str | None:
    if not isinstance(answer, dict):
        return None
    if failure == "RejectedPositiveData":
        return schema_rules.rejected(operation, answer)
    if failure == "AcceptedNegativeData" and isinstance(case.body, dict):
        return schema_rules.accepted(operation, case.body, answer)
    return None


schemathesis.hook(before_call)
schemathesis.hook(filter_failure)
