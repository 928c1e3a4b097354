"""Designs that marketers keep: a mail of theirs to start from again."""

from datetime import datetime
from typing import Any

from django.utils.text import slugify

from campaigns import blocks, composer, findings
from campaigns.composer import Asked, ComposerError
from campaigns.json_fields import ContentError
from campaigns.models import MailDesign


def keep(name: str, content: dict[str, Any], at: datetime) -> MailDesign:
    """Keep a mail as a design. Raises ComposerError for one that has faults, or no name."""
    name = " ".join(name.split())[:120]
    if not name:
        raise ComposerError("Give it a name.")
    try:
        blocks.parse(content, composer.terms(has_offer=True))
    except ContentError as error:
        problem = findings.fault(content, error)
        raise ComposerError(f"Mend this first. {problem.where}: {problem.text}") from error
    return MailDesign.objects.create(
        key=_free(slugify(name) or "design"), name=name, content=content, created_at=at, changed_at=at
    )


def _free(key: str) -> str:
    taken = set(MailDesign.objects.filter(key__startswith=key[:50]).values_list("key", flat=True))
    names = (f"{key[:50]}{f'-{n}' if n else ''}" for n in range(len(taken) + 2))
    return next(name for name in names if name not in taken)


def drawn(content: dict[str, Any]) -> str:
    """Give a design as a page, as Ada would see it."""
    return composer.show({"action": "offer"}, Asked(content, "", None)).html


def needs_offer(content: dict[str, Any]) -> bool:
    """Say whether a design shows a code, or names an offer."""
    try:
        blocks.parse(content, composer.terms(has_offer=False))
    except ContentError:
        return True
    return False
