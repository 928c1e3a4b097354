"""A client that is generated from the OpenAPI document pulls a segment while it changes, by openapi-python-client.

The lines that it runs are those of docs/integrators.md. The generator stands in an environment of its own, without the
program: what is seen there came over REST.
"""

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any, NamedTuple

from tests.prove.evidence import ROOT, Evidence, Table
from tests.prove.home import Home
from tests.prove.installation import Installation, wait
from tests.servers import free_port, is_listening

BIN = Path(os.environ.get("CLIENT", ROOT / ".venv" / "client")) / "bin"
GUIDE = ROOT / "docs" / "integrators.md"
STORY, WORK = Path(__file__).with_name("client_story.py"), "tests.prove.client_work"
LIMIT_SECONDS = 600
SEGMENTS = 3
WARNING = re.compile(r"^WARNING parsing (.+) within .*\n\n(.+)$", re.MULTILINE)
REFUSED = [
    [404, "not_found", ""],
    [400, "bad_limit", "limit"],
    [400, "unknown_field", "fields"],
    [422, "key_reused", ""],
]
LOAD = "import importlib, sys\nfor name in sys.argv[1:]: importlib.import_module(name).sync_detailed"
COUNT = """
import httpx, os
document = httpx.get(os.environ["CUSP"] + "/api/schema/?format=json", timeout=60).json()
print(sum(len(operations) for operations in document["paths"].values()))
"""
MEMBERS = """
    SELECT customer.external_id FROM segments_membership member
    JOIN customers_customer customer ON customer.id = member.customer_id
    JOIN segments_segment segment ON segment.id = member.segment_id WHERE segment.key = 'gold'
"""


class Generated(NamedTuple):
    """The client: operations described and made, models, and what was left out with the reason."""

    described: int
    made: int
    models: int
    warnings: list[tuple[str, str]]


class Followed(NamedTuple):
    """What came of one database: members that were pulled, moves told after that, and members in the end."""

    database: str
    customers: int
    pulled: int
    moves: int
    members: int
    different: int


def prove(home: Home, size: int) -> Evidence:
    """Generate the client, and let it follow a segment of so many customers, on both databases."""
    home.distributed.clear()
    made, first = _tried(home.distributed, "PostgreSQL", size)
    with home.embedded() as alone:
        alone.clear()
        same, second = _tried(alone, "SQLite", size)
    assert made == same, f"two databases, two clients: {made}, {same}"
    return _evidence(made, [first, second], home.servers())


def _tried(ours: Installation, database: str, size: int) -> tuple[Generated, Followed]:
    """Generate a client from a web process, and run the story with it."""
    secret = ours.call(f"{WORK}:fill", str(size)).split()[-1]
    port, folder = free_port(), ours.folder / "client"
    folder.mkdir()
    env = {"PATH": f"{BIN}:/usr/bin:/bin", "CUSP": f"http://127.0.0.1:{port}", "KEY": secret, "HOME": str(folder)}
    (folder / "pulling.py").write_text(_lines("python"))
    (folder / "client.yaml").write_text(_lines("yaml"))
    (folder / "story.py").write_text(STORY.read_text())
    with ours.running("tests.prove.web:serve", str(port)):
        wait(lambda: is_listening(port), "the web process")
        made = _generated(folder, env)
        told = _told(ours, folder, env, size)
    return made, _compared(ours, database, size, told)


def _generated(folder: Path, env: dict[str, str]) -> Generated:
    """Run the command of the guide, and count what it made; every module must load."""
    said = _run(folder, env, "sh", "-c", _found(r"^(openapi-python-client generate .*)$"))
    package = folder / "cusp_client"
    calls = [path for path in package.glob("api/*/*.py") if path.name != "__init__.py"]
    names = [".".join(path.relative_to(folder).with_suffix("").parts) for path in calls]
    _run(folder, env, "python", "-c", LOAD, *names)
    described = int(_run(folder, env, "python", "-c", COUNT))
    models = len(list(package.glob("models/*.py"))) - 1
    return Generated(described, len(calls), models, WARNING.findall(said))


def _told(ours: Installation, folder: Path, env: dict[str, str], size: int) -> dict[str, Any]:
    """Run the story, change the world once it has pulled its segment, and give what it says."""
    command, ended = [str(BIN / "python"), "story.py", "ended"], folder / "ended"
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=folder, env=env, text=True, stdout=pipe, stderr=pipe) as story:
        assert story.stdout is not None
        if story.stdout.readline() == "pulled\n":
            ours.call(f"{WORK}:change", str(size))
        ended.touch()
        said, errors = story.communicate(timeout=LIMIT_SECONDS)
    assert not story.returncode, errors[-4000:]
    told: dict[str, Any] = json.loads(said)
    return told


def _compared(ours: Installation, database: str, size: int, told: dict[str, Any]) -> Followed:
    """Hold what the client saw against what was done, and what it knows against the database."""
    assert told["segments"] == SEGMENTS
    assert told["pinned"] == [[2, 2, True], [1, 1, True]], told["pinned"]
    assert told["unpinned"] == 1
    assert list(told["hands"].values()) == [True, False, False], told["hands"]
    assert told["refused"] == REFUSED, told["refused"]
    assert told["moves"] > size // 10, told["moves"]
    assert told["known"] == told["again"], "the changes give another list than the pages"
    known, members = set(told["known"]), {name for (name,) in ours.ask(MEMBERS)}
    customers = ours.number("SELECT count(*) FROM customers_customer")
    return Followed(database, customers, told["pulled"], told["moves"], len(members), len(known ^ members))


def _evidence(made: Generated, rows: list[Followed], servers: str) -> Evidence:
    version = _run(ROOT, {"PATH": str(BIN)}, "openapi-python-client", "--version").split()[-1]
    left = made.described - made.made
    different = sum(row.different for row in rows)
    return Evidence(
        "A generated client",
        f"openapi-python-client {version} makes a client from the schema that a web process serves, by the command in "
        "docs/integrators.md, and every module of it loads. A script that uses only this client, with the lines of "
        "the same chapter, lists the segments, pulls one in pages by their cursors, and follows its changes while two "
        "customers are pinned in, one out and one pin is taken away, each pin sent twice with its Idempotency-Key, "
        "customers change and others come, and a cycle runs. What the changes gave is then compared with the members "
        "in the database, and with the pages read again. Refused calls gave the typed problem: "
        f"{', '.join(f'{status} {code}' for status, code, _ in REFUSED)}.",
        [
            Table(("operations", "generated", "models", "warnings"), [(*made[:3], len(made.warnings))]),
            Table(Followed._fields, rows),
            Table(
                ("operation", "what the generator left out"),
                made.warnings,
                "The generator takes no text as a body. These operations take the same lines as a file, "
                "application/octet-stream, which is generated; a list of a segment takes JSON too.",
            ),
        ],
        servers,
        [f"{left} operations were not generated"] * bool(left) + [f"{different} members differ"] * bool(different),
    )


def _lines(language: str) -> str:
    """Give the lines in a language that the guide tells integrators to write."""
    return _found(rf"```{language}\n(.*?)```")


def _found(pattern: str) -> str:
    chapter = GUIDE.read_text().split("\n## Generating a client\n")[1].split("\n## ")[0]
    found = re.search(pattern, chapter, re.DOTALL if "`" in pattern else re.MULTILINE)
    assert found, f"{GUIDE} tells nothing like {pattern}"
    return found[1]


def _run(folder: Path, env: dict[str, str], *command: str) -> str:
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        said = f"{done.stdout[-4000:]}{done.stderr[-4000:]}"
        raise RuntimeError(f"{' '.join(command)[:200]} ended with {done.returncode}:\n{said}")
    return done.stdout + done.stderr
