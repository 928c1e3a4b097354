"""Mails to start from: those that come with Cusp, and copies that marketers make their own."""

import json
from datetime import datetime
from pathlib import Path

from django.db import transaction

from campaigns import blocks
from campaigns.models import MailDesign

READY = Path(__file__).resolve().parent.parent / "templates" / "mail" / "designs"
KEY_LENGTH, NAME_LENGTH = 60, 120


def ensure(at: datetime) -> int:
    """Store the ready-made designs, or what is new about them; give how many were written. Others are left alone."""
    written = 0
    known = {one.key: one for one in MailDesign.objects.all()}
    for path in sorted(READY.glob("*.json")):
        ready = json.loads(path.read_text(encoding="utf-8"))
        row = known.get(ready["key"]) or MailDesign(key=ready["key"], is_ready_made=True, created_at=at)
        told = {name: ready[name] for name in ("name", "description", "content")}
        if not row.is_ready_made or all(getattr(row, name) == value for name, value in told.items()):
            continue
        for name, value in told.items():
            setattr(row, name, value)
        row.changed_at = at
        row.save()
        written += 1
    return written


def duplicate(design: MailDesign, at: datetime) -> MailDesign:
    """Give a copy of a design, with a key and a name of its own, which may be changed freely."""
    with transaction.atomic():
        taken = set(
            MailDesign.objects.filter(key__startswith=design.key[: KEY_LENGTH - 8]).values_list("key", flat=True)
        )
        number = next(n for n in range(1, len(taken) + 2) if _key(design, n) not in taken)
        name = f"Copy of {design.name}" if number == 1 else f"Copy {number} of {design.name}"
        return MailDesign.objects.create(
            key=_key(design, number),
            name=name[:NAME_LENGTH],
            description=design.description,
            content=design.content,
            created_at=at,
            changed_at=at,
        )


def content(design: MailDesign) -> blocks.Content:
    """Give the content of a design; raise ContentError for one that cannot be used."""
    return blocks.parse(design.content)


def _key(design: MailDesign, number: int) -> str:
    return f"{design.key[: KEY_LENGTH - 8]}-copy{number if number > 1 else ''}"
