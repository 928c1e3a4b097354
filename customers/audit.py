"""The record of who did what that matters."""

from datetime import datetime
from typing import Any

from django.contrib.auth.models import AbstractBaseUser

from customers.models import ApiKey, AuditEntry

User = AbstractBaseUser | None
Actor = AbstractBaseUser | ApiKey | None


def note(at: datetime, by: Actor, what: str, about: str, **detail: Any) -> AuditEntry:
    """Store who did what to what; `by` is nobody where the program did it, and a key is named in the detail."""
    if isinstance(by, ApiKey):
        detail, by = {**detail, "key": by.name}, None
    return AuditEntry.objects.create(at=at, by_id=by.pk if by else None, what=what, about=about[:200], detail=detail)
