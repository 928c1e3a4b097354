"""Hooks of schemathesis, loaded by it in an environment of its own: what a call needs besides, and what may be refused.

Every failure that is excepted, and every other, is written as a line of JSON to the file named by FOUND.
"""

import itertools
import json
import os
from typing import Any

import schemathesis
from schemathesis.core.parameters import ParameterLocation

from tests.prove import schema_rows, schema_rules

NUMBERS = itertools.count()
ROWS: schema_rows.Rows = json.loads(os.environ["ROWS"])


def before_call(_context: Any, case: Any, _kwargs: Any) -> None:
    """Give each call an Idempotency-Key that no other had, and let most speak of rows that are there."""
    told = (case.headers or {}).get("Idempotency-Key")
    if told and case.meta and case.meta.generation.mode.is_positive:
        case.headers["Idempotency-Key"] = f"{next(NUMBERS):08d}{told}"[:255]
    if case.meta and case.meta.phase.name.name != "STATEFUL":
        _speak_of_rows(case)


def _speak_of_rows(case: Any) -> None:
    """Put real rows in place of what was made up; what is wrong on purpose stays."""
    number, operation = schema_rows.number_of(case), case.operation.definition.raw.get("operationId", "")
    if number % 4 == 0:
        return
    is_wrong = case.meta.is_negative_at
    if case.path_parameters and not is_wrong(ParameterLocation.PATH):
        row = schema_rows.path(operation, case.operation.path, ROWS, number)
        case.path_parameters.update({name: row[name] for name in case.path_parameters if name in row})
    if case.query and not is_wrong(ParameterLocation.QUERY):
        case.query.update({name: told for name, told in schema_rows.QUERY.items() if name in case.query})
    if isinstance(case.body, dict) and not is_wrong(ParameterLocation.BODY):
        case.body = schema_rows.body(operation, case.body, number)
    if case.headers and not is_wrong(ParameterLocation.HEADER):
        case.headers.pop("If-Match", None)


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
