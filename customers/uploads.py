"""Files that people upload: kept below settings.UPLOADS by the hash of what they hold, and never for long."""

import os
import secrets
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.db import transaction

from customers import reading
from customers.models import Import
from customers.reading import Table, Unreadable

KEPT = timedelta(days=1)
MOST_UNPACKED = 10  # times the largest upload
MOST_COLUMNS = 300
TOO_LARGE = "The file is larger than {} MB. Split it, or import it by the command."
OPEN = (Import.State.WAITING, Import.State.RUNNING)


def most_bytes() -> int:
    """Give how large an upload may be."""
    return int(settings.UPLOAD_MOST_MB) * 1_000_000


def keep(file: "UploadedFile[bytes]") -> str:
    """Store a file under its hash, and give that. Raises Unreadable where it is too large."""
    if file.size is None or file.size > most_bytes():
        raise Unreadable(TOO_LARGE.format(settings.UPLOAD_MOST_MB))
    return keep_parts(file.chunks())


def keep_parts(parts: Iterable[bytes]) -> str:
    """Store a file that comes in parts under its hash, and give that. Raises Unreadable where it is too large."""
    folder = Path(settings.UPLOADS)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    part, digest, size = folder / f"{secrets.token_hex(16)}.part", sha256(), 0
    try:
        with part.open("xb") as out:
            for one in parts:
                size += len(one)
                if size > most_bytes():
                    raise Unreadable(TOO_LARGE.format(settings.UPLOAD_MOST_MB))
                digest.update(one)
                out.write(one)
        os.replace(part, path_of(digest.hexdigest()))
    finally:
        part.unlink(missing_ok=True)
    return digest.hexdigest()


def path_of(digest: str) -> Path:
    """Give where the file of a hash lies."""
    return Path(settings.UPLOADS) / digest


def table(digest: str, called: str) -> Table:
    """Read an uploaded file. Raises Unreadable, which names it as its owner does."""
    if not path_of(digest).is_file():
        raise Unreadable(f"{called} is not kept any more: upload it again.")
    found = reading.read(path_of(digest), called, most_bytes() * MOST_UNPACKED)
    if len(found.columns) > MOST_COLUMNS:
        many = f"{called} has {len(found.columns):,} columns"
        raise Unreadable(f"{many}; this page takes {MOST_COLUMNS} at most, the import commands take more.")
    return found


def remove(digest: str) -> None:
    """Delete a file that no open import needs."""
    with transaction.atomic():
        if not Import.objects.filter(sha256=digest, state__in=(*OPEN, Import.State.UPLOADED)).exists():
            path_of(digest).unlink(missing_ok=True)


def tidy(now: datetime) -> None:
    """Forget uploads of more than a day ago that nobody stored, and delete every file that is as old and not needed."""
    Import.objects.filter(state=Import.State.UPLOADED, started_at__lt=now - KEPT).delete()
    folder = Path(settings.UPLOADS)
    needed = set(Import.objects.filter(state__in=(*OPEN, Import.State.UPLOADED)).values_list("sha256", flat=True))
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.name not in needed and datetime.fromtimestamp(path.stat().st_mtime, UTC) < now - KEPT:
            path.unlink(missing_ok=True)
