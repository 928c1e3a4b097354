"""Calls made from the OpenAPI document, right ones and wrong ones, are answered as the document says, by schemathesis.

It stands in an environment of its own, beside the program's: its plugin would be loaded by every run of the tests.
"""

import json
import os
import re
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

from tests.prove import schema_rules
from tests.prove.evidence import ROOT, Evidence, Table
from tests.prove.home import Home
from tests.prove.installation import Embedded, wait
from tests.servers import free_port, is_listening

PROGRAM = ROOT / ".venv" / "schema" / "bin" / "schemathesis"
HERE = Path(__file__).parent
FLAGS = ("--checks", "all", "--mode", "all", "--phases", "examples,coverage,fuzzing,stateful", "--seed", "1")
SHOWN = ("--generation-deterministic", "--continue-on-failure", "--no-color")
OPERATIONS, CASES = re.compile(r"Tested: (\d+)"), re.compile(r"(\d+) generated")
MOST_TOLD = 20
Row = dict[str, Any]


def prove(home: Home, size: int) -> Evidence:
    """Call every operation with `size` examples, and see each answer agree with the document."""
    with home.embedded() as ours:
        said, found = _called(ours, size)
    told = [json.loads(line) for line in found.read_text().splitlines()] if found.exists() else []
    return _evidence(said, size, told)


def _called(ours: Embedded, size: int) -> tuple[str, Path]:
    """Fill an installation, and let schemathesis call it. Give what it said, and where each failure is written."""
    ours.clear()
    world = json.loads(ours.call("tests.prove.schema_work:fill").splitlines()[-1])
    document, found, port = ours.folder / "openapi.json", ours.folder / "found.jsonl", free_port()
    ours.call("manage.py", "spectacular", "--format", "openapi-json", "--file", str(document))
    env = {**os.environ, "PYTHONPATH": str(ROOT), "SCHEMATHESIS_HOOKS": "tests.prove.schema_hooks"}
    env |= {"FOUND": str(found), "ROWS": json.dumps(world["rows"])}
    command = [os.environ.get("SCHEMATHESIS", str(PROGRAM)), "--config-file", str(HERE / "schema.toml"), "run"]
    target = [
        str(document),
        "--url",
        f"http://127.0.0.1:{port}",
        "--header",
        f"Authorization: Bearer {world['secret']}",
    ]
    with ours.running("tests.prove.web:serve", str(port)):
        wait(lambda: is_listening(port), "the web process")
        done = subprocess.run(
            [*command, *target, *FLAGS, *SHOWN, "--max-examples", str(size)],
            cwd=ours.folder,
            env=env,
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode not in (0, 1) or not CASES.search(done.stdout):
        raise RuntimeError(f"schemathesis ended with {done.returncode}:\n{done.stdout[-4000:]}{done.stderr[-2000:]}")
    kept = ours.folder.parent / f"{ours.folder.name}.jsonl"
    return done.stdout, found.rename(kept) if found.exists() else kept


def _evidence(said: str, size: int, told: list[Row]) -> Evidence:
    faults = [one for one in told if one["reason"] is None]
    excepted = Counter(
        (one["reason"], one["operation"], one["code"] or str(one["status"])) for one in told if one["reason"]
    )
    operations, cases = int(OPERATIONS.findall(said)[-1]), int(CASES.findall(said)[-1])
    rows = sorted((operation, code, count) for (_, operation, code), count in excepted.items())
    reasons = [(", ".join(one.codes), ", ".join(one.operations) or "all", one.reason) for one in schema_rules.RULES]
    batches = ("refused items", ", ".join(schema_rules.BATCHES), schema_rules.ONE_BY_ONE)
    figures = [(operations, size, cases, len({(one["operation"], one["failure"], one["code"]) for one in faults}))]
    return Evidence(
        "The schema",
        "schemathesis calls every operation of the OpenAPI document with a key that may do everything, against a shop "
        "with a row in every table: with examples, at the edges of every field, at random, and along the links between "
        "operations, as the document allows and as it does not. All of its checks are on: no answer of 5xx; status, "
        "content type, headers and body as described; what the document allows is accepted, what it does not allow is "
        "refused; no call without a key; nothing is there after it was deleted. "
        f"Run as `schemathesis run {' '.join((*FLAGS, SHOWN[0]))}` with the settings in tests/prove/schema.toml. "
        "Idempotency keys are made different for every call, as one names one call. What no schema can say is excepted "
        "by the code of the refusal and by operation, below; every other failure counts.",
        [
            Table(("operations", "examples an operation", "cases", "failures"), figures),
            Table(("code", "operations", "why no schema says it"), [*reasons, batches]),
            Table(("operation", "code of the excepted refusal", "times"), rows),
        ],
        f"waitress; {_version()}",
        [f"{one['operation']}: {one['said']}\n{one['asked']}\n{one['answer']}" for one in faults[:MOST_TOLD]],
    )


def _version() -> str:
    program = os.environ.get("SCHEMATHESIS", str(PROGRAM))
    return subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout.strip()
