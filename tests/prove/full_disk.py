"""A disk that is full in the middle of a lake write: the old generation stays, and the message says what to do."""

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tests.prove.evidence import Evidence, Table
from tests.prove.home import Home
from tests.prove.installation import Distributed, wait
from tests.prove.lake import WORK, said

LARGEST = 1024  # bytes of a file, where the limit is on files
DISK = "192k"
COMMANDS = ("sync", "rebuild")
ADVICE = ("There is no room for the lake in", "can still be read", "Free some space, then run `manage.py lake sync`.")


class Row(NamedTuple):
    """What came of one command without room."""

    without_room: str
    command: str
    exit_code: int
    old_generation: str
    files_left_behind: int
    after: str


def prove(home: Home, size: int) -> Evidence:
    """Let a sync meet a limit on the size of files; with a size of two also a rebuild, and a full disk."""
    ours = home.distributed
    ours.clear()
    ours.call(f"{WORK}:fill")
    rows = [_without_room(ours, command) for command in COMMANDS[:size]]
    if size > 1:
        with contextlib.suppress(PermissionError), _small_disk(ours):
            ours.call("manage.py", "lake", "sync")
            rows.append(_fill_the_disk(ours))
    return Evidence(
        "A full disk",
        "A write of the lake finds no room. The command ends with an error that names the folder and says what to do, "
        "takes back what it had begun to write, and the generation before is read on. With room again, the next sync "
        "completes. A disk that is really full needs the right to mount one.",
        [Table([name.replace("_", " ") for name in Row._fields], rows)],
        home.servers(),
    )


def _without_room(ours: Distributed, command: str) -> Row:
    """Run a command that may only write small files, under a reader; then run a sync without a limit."""
    before, files = ours.call(f"{WORK}:contents"), _files(ours)
    ours.call(f"{WORK}:grow")
    with ours.running(f"{WORK}:read") as reader:
        wait(lambda: said(reader, "read") > 0, "the reader")
        failed = ours.start(f"{WORK}:limited", str(LARGEST), "lake", command)
        code = failed.wait()
        _told(failed.log.read_text(), ours)
        assert ours.call(f"{WORK}:contents") == before
        left = len(_files(ours) - files)
        reads = said(reader, "read")
        wait(lambda: said(reader, "read") > reads, "the reader to go on")
        ours.call("manage.py", "lake", "sync")
        newest = f"read {ours.number('SELECT count(DISTINCT value) FROM customers_event')}"
        wait(lambda: said(reader, newest) > 0, "the reader to see the new batch")
    assert (code, left) == (1, 0)
    return Row(f"limit of {LARGEST} bytes a file", f"lake {command}", code, "unchanged, read on", left, "complete")


def _fill_the_disk(ours: Distributed) -> Row:
    """Sync batch after batch until the disk is full; then make it larger."""
    while True:
        before, files = ours.call(f"{WORK}:contents"), _files(ours)
        ours.call(f"{WORK}:grow")
        sync = ours.start("manage.py", "lake", "sync")
        if code := sync.wait():
            break
    _told(sync.log.read_text(), ours)
    assert ours.call(f"{WORK}:contents") == before
    left = len(_files(ours) - files)
    assert (code, left) == (1, 0)
    _run("mount", "-o", "remount,size=64m", ours.env["LAKE_URL"])
    ours.call("manage.py", "lake", "sync")
    assert ours.call(f"{WORK}:contents") != before
    return Row(f"disk of {DISK}", "lake sync", code, "unchanged", left, "complete")


def _told(log: str, ours: Distributed) -> None:
    missing = [words for words in (*ADVICE, ours.env["LAKE_URL"]) if words not in log]
    assert not missing, f"{missing} is not said in:\n{log}"
    assert "Traceback" not in log


def _files(ours: Distributed) -> set[Path]:
    return {path for path in Path(ours.env["LAKE_URL"]).rglob("*") if path.is_file()}


@contextlib.contextmanager
def _small_disk(ours: Distributed) -> Iterator[None]:
    """Put the lake on a small disk of its own while the block runs. Raises PermissionError where none can be."""
    folder = ours.env["LAKE_URL"]
    disk = Path(f"{folder}-disk")
    disk.mkdir()
    if _run("mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", str(disk)):
        raise PermissionError(f"no disk can be mounted at {disk}")
    ours.env["LAKE_URL"] = str(disk)
    try:
        yield
    finally:
        ours.env["LAKE_URL"] = folder
        _run("umount", str(disk))


def _run(*command: str) -> int:
    return subprocess.run(command, capture_output=True, check=False).returncode
