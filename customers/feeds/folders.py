"""Folders that may be looked into: those below settings.IMPORT_FOLDERS, opened part by part and through no link.

What is opened stays what was looked at: every part is opened from the one before it, and a link is never followed
(CWE-22, CWE-59, CWE-367).
"""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path
from typing import IO, NamedTuple

from django.conf import settings

MOST_FILES = 2_000  # that match in one folder
LINK = (errno.ELOOP, errno.ENOTDIR)
FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class FolderRefused(ValueError):
    """A folder or a file that is not read; the sentence says why."""


class Listed(NamedTuple):
    """A file of a folder: what tells whether it is still being written."""

    name: str
    size: int
    changed_ns: int

    @property
    def state(self) -> list[int]:
        """Give what stays the same while nobody writes the file."""
        return [self.size, self.changed_ns]


class Contents(NamedTuple):
    """The files of a folder that match, oldest first, and why others that match are not read."""

    files: list[Listed]
    refused: list[str]


@contextmanager
def opened(folder: str) -> Iterator[int]:
    """Open a folder below one of those that are allowed. Raises FolderRefused."""
    root, parts = _root(folder)
    try:
        at = os.open(root, FLAGS & ~os.O_NOFOLLOW | os.O_DIRECTORY)
    except OSError as error:
        raise FolderRefused(f"{root} cannot be read: {error.strerror}.") from error
    try:
        for part in parts:
            inner = _inner(folder, part, at)
            os.close(at)
            at = inner
        yield at
    finally:
        os.close(at)


def matching(at: int, folder: str, pattern: str) -> Contents:
    """Give what matches in an open folder. Raises FolderRefused where that is too much."""
    found = Contents([], [])
    with os.scandir(at) as entries:
        for one in entries:
            if one.name.startswith(".") or not fnmatchcase(one.name, pattern):
                continue
            told = one.stat(follow_symlinks=False)
            if not one.name.isprintable():
                found.refused.append(f"The name {one.name!r} in {folder} cannot be written: give the file another one.")
            elif stat.S_ISLNK(told.st_mode):
                found.refused.append(f"{one.name} in {folder} is a link: put the file itself there.")
            elif stat.S_ISREG(told.st_mode):
                found.files.append(Listed(one.name, told.st_size, told.st_mtime_ns))
            if len(found.files) > MOST_FILES:
                raise FolderRefused(
                    f"{folder} holds more than {MOST_FILES:,} files like {pattern}: move old ones away."
                )
    found.files.sort(key=lambda one: (one.changed_ns, one.name))
    return found


@contextmanager
def file(at: int, listed: Listed) -> Iterator[IO[bytes]]:
    """Open a file of an open folder. Raises OSError, also where it is a link by now."""
    with os.fdopen(os.open(listed.name, FLAGS, dir_fd=at), "rb") as body:
        yield body


def is_still(body: IO[bytes], listed: Listed) -> bool:
    """Say whether an open file is the one that was listed, and nobody wrote to it since."""
    told = os.fstat(body.fileno())
    return stat.S_ISREG(told.st_mode) and listed.state == [told.st_size, told.st_mtime_ns]


def _root(folder: str) -> tuple[Path, tuple[str, ...]]:
    """Give the allowed folder that this one lies in, and the way from there. Raises FolderRefused."""
    if not settings.IMPORT_FOLDERS:
        raise FolderRefused("No folder may be looked into: the operator names those that may in IMPORT_FOLDERS.")
    path = Path(folder)
    if not path.is_absolute() or ".." in path.parts or "\x00" in folder:
        raise FolderRefused(f"{folder} is no whole way to a folder: it begins with / and holds no “..”.")
    for root in map(Path, settings.IMPORT_FOLDERS):
        if path.is_relative_to(root):
            return root, path.relative_to(root).parts
    raise FolderRefused(f"{folder} lies below none of {', '.join(settings.IMPORT_FOLDERS)} (IMPORT_FOLDERS).")


def _inner(folder: str, part: str, at: int) -> int:
    try:
        return os.open(part, FLAGS | os.O_DIRECTORY, dir_fd=at)
    except OSError as error:
        why = f"{part} is a link or no folder" if error.errno in LINK else str(error.strerror)
        raise FolderRefused(f"{folder} cannot be read: {why}.") from error
