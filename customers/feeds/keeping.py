"""Feeds: added, changed, looked at at once and deleted, each with an audit entry."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import F, Q
from django.urls import reverse

from customers import addresses, alerts, audit
from customers.addresses import AddressRefused, Resolve
from customers.alerts import Cause
from customers.audit import Actor
from customers.customer_mapping import CustomerColumns
from customers.event_mapping import EventColumns
from customers.feeds import folders, logins
from customers.feeds.folders import FolderRefused
from customers.feeds.logins import LoginRefused
from customers.models import Alert, Feed, Import
from customers.models.feeds import LONGEST_MINUTES

PLACE = ("folder", "pattern", "url")
LOGIN = ("login", "login_name", "sealed")
CHANGED = ("name", "source", "kind", "mapping", *PLACE, *LOGIN, "every_minutes", "daily_at", "is_paused")
ANEW: dict[str, Any] = {"etag": "", "last_modified": "", "seen": {}}  # what makes the next look read everything
ANEW_FOR = (*PLACE, *LOGIN, "mapping")
NOTHING_STORED = Q(state=Import.State.FAILED) | Q(state=Import.State.DONE, read__gt=0, quarantined=F("read"))


class FeedError(ValueError):
    """A feed that cannot be so: `path` names the field, `message` says why; `is_taken` where its name is another's."""

    def __init__(self, path: str, message: str, *, is_taken: bool = False) -> None:
        super().__init__(message)
        self.path = path
        self.message = message
        self.is_taken = is_taken


def is_model(one: Import) -> bool:
    """Say whether files may be imported as this one was: it went well, and its columns were chosen on the page."""
    columns = EventColumns if one.kind == Import.Kind.EVENTS else CustomerColumns
    is_good = one.state == Import.State.DONE and one.stored + one.repeated > 0
    return is_good and set(one.mapping) == {field.name for field in fields(columns)}


def like(feed: Feed, one: Import) -> None:
    """Let a feed read its files as an import was read. Raises FeedError."""
    if not is_model(one):
        raise FeedError("like", f"{one.file_name} was not imported by the page, or nothing of it was stored.")
    feed.source, feed.kind, feed.mapping = one.source, one.kind, one.mapping


def login(feed: Feed, secret: str) -> bool:
    """Seal the secret of an address, or keep the one it has for its host; give whether one was dropped.

    Raises FeedError.
    """
    try:
        return logins.put(feed, secret)
    except LoginRefused as refused:
        raise FeedError(refused.path, str(refused)) from refused


def check(feed: Feed, find: Resolve = addresses.resolve) -> None:
    """Raise FeedError for what cannot be: two places, a folder or an address that is closed, no time to look."""
    if bool(feed.folder) == bool(feed.url):
        raise FeedError("folder", "Give either a folder or an address.")
    if feed.folder and not feed.pattern:
        raise FeedError("pattern", "Say which files of the folder, such as *.csv.")
    if feed.pattern and (feed.url or "/" in feed.pattern):
        raise FeedError("pattern", "It says how files of a folder are called, such as orders-*.csv.")
    if (feed.every_minutes is None) == (feed.daily_at is None):
        raise FeedError("every_minutes", "Give either the minutes between two looks or a time of the day.")
    if feed.every_minutes is not None and not 1 <= feed.every_minutes <= LONGEST_MINUTES:
        raise FeedError("every_minutes", f"It is a number from 1 to {LONGEST_MINUTES:,}.")
    _check_name(feed)
    try:
        if feed.url:
            addresses.look(feed.url, find, settings.IMPORT_HOSTS)
        else:
            with folders.opened(feed.folder):
                pass
    except AddressRefused as refused:
        raise FeedError("url", str(refused)) from refused
    except FolderRefused as refused:
        raise FeedError("folder", str(refused)) from refused


def _check_name(feed: Feed) -> None:
    if Feed.objects.filter(name=feed.name).exclude(pk=feed.pk).exists():
        raise FeedError("name", f"There is a scheduled import called {feed.name} already.", is_taken=True)


@contextmanager
def _naming(feed: Feed) -> Iterator[None]:
    """Store as one commit. Raises FeedError where another was given this name since it was checked."""
    try:
        with transaction.atomic():
            yield
    except IntegrityError:
        _check_name(feed)
        raise


def add(feed: Feed, by: Actor, at: datetime) -> None:
    """Store a new feed that was checked; it is looked at at once. Raises FeedError where its name was taken since."""
    feed.created_at = feed.next_at = at
    with _naming(feed):
        feed.save(force_insert=True)
        audit.note(at, by, "scheduled import added", feed.name, **_told(feed))


def store(feed: Feed, by: Actor, at: datetime) -> None:
    """Store what was changed of a feed and checked; it is looked at at once, and where it looks elsewhere, anew.

    Raises FeedError where its name was taken since.
    """
    with _naming(feed):
        before = Feed.objects.select_for_update().get(pk=feed.pk)
        anew = ANEW if any(getattr(before, one) != getattr(feed, one) for one in ANEW_FOR) else {}
        for name, value in {**anew, "next_at": at}.items():
            setattr(feed, name, value)
        feed.save(update_fields=[*CHANGED, *anew, "next_at"])
        is_new = bool(feed.sealed) and before.sealed != feed.sealed
        audit.note(at, by, "scheduled import changed", feed.name, **_told(feed), has_new_secret=is_new)


def run(feed: Feed, by: Actor, at: datetime) -> None:
    """Look at a feed at once; files of which nothing was stored are taken again. Raises FeedError if it is paused."""
    with transaction.atomic():
        if not Feed.objects.filter(pk=feed.pk, is_paused=False).update(next_at=at, **ANEW):
            raise FeedError("is_paused", f"{feed.name} is paused: let it go on first.")
        feed.files.filter(of_import__in=Import.objects.filter(NOTHING_STORED)).delete()
        audit.note(at, by, "scheduled import run", feed.name)


def remove(feed: Feed, by: Actor, at: datetime) -> None:
    """Delete a feed; what it imported stays."""
    with transaction.atomic():
        alerts.settle(_key(feed), at)
        audit.note(at, by, "scheduled import deleted", feed.name)
        feed.delete()


def tell(feed: Feed, at: datetime) -> None:
    """Let the inbox say what keeps files of a feed out; nothing does: close what it says."""
    why = feed.look_error or feed.import_error
    if not why:
        alerts.settle(_key(feed), at)
        return
    link = reverse("admin:customers_feed_change", args=[feed.pk])
    alerts.raise_(Cause(_key(feed), Alert.Kind.FEED, f"The scheduled import “{feed}” brings nothing. {why}", link), at)


def _key(feed: Feed) -> str:
    return f"feed {feed.public_id}"


def _told(feed: Feed) -> dict[str, Any]:
    """Give what the audit keeps; what stands behind the ? of an address may be a secret."""
    place = feed.folder or urlsplit(feed.url)._replace(query="").geturl()
    rhythm = feed.every_minutes or f"{feed.daily_at:%H:%M}"
    return {
        "place": place,
        "rhythm": rhythm,
        "source": feed.source.key,
        "login": feed.login,
        "is_paused": feed.is_paused,
    }
