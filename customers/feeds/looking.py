"""Looking for files: a feed that is due is claimed by one worker, and each new file is put where uploads wait.

A file is taken when nobody writes to it any more: it was the same at the look before, or is older than a minute.
"""

import tempfile
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from secrets import token_hex
from typing import IO, Any, NamedTuple
from urllib.parse import unquote, urlsplit

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now

from customers import audit, calling, uploads
from customers.calling import Fetched, Limits
from customers.feeds import folders, keeping, logins, rhythm
from customers.feeds.folders import FolderRefused, Listed
from customers.feeds.logins import LoginRefused
from customers.models import Feed, FeedFile, Import
from customers.reading import Unreadable

LEASE = timedelta(minutes=10)  # longer than a look may last
SECONDS = 120.0  # for all that an address gives
STILL = timedelta(minutes=1)
PART = 1 << 20
AT_ONCE = 100
SAYS = {
    401: "It answered 401: it wants a login, or does not take the one it was given",
    403: "It answered 403: whoever logs in so may not have this",
}
ONLY = "; only 200 and 304 are taken, and no redirect is followed."
Fetch = Callable[[str, Mapping[str, str], IO[bytes], Limits], Fetched]


class FeedLost(Exception):
    """A feed that somebody else holds, or that is gone."""


class Looked(NamedTuple):
    """What a look changes of its feed, and why files stay out."""

    changes: dict[str, Any]
    error: str = ""


def look_due(clock: Callable[[], datetime], fetch: Fetch = calling.fetch, seconds: float = SECONDS) -> int:
    """Look at every feed that is due, and tell what became of files that were taken. Give how many were looked at."""
    _hear(clock())
    looked = 0
    while (feed := _claim(clock())) is not None:
        try:
            found = _look(feed, clock(), fetch, seconds)
            _note(feed, found, clock())
        except FeedLost:
            continue
        looked += 1
    return looked


def _claim(now: datetime) -> Feed | None:
    with transaction.atomic():
        free = Q(lease_until=None) | Q(lease_until__lte=Now())
        due = Feed.objects.filter(free, is_paused=False, next_at__lte=now).order_by("next_at", "pk")
        feed = due.select_for_update(skip_locked=True).first()
        if feed is None:
            return None
        Feed.objects.filter(pk=feed.pk).update(token=token_hex(16), lease_until=Now() + LEASE)
    feed.refresh_from_db()
    return feed


def _look(feed: Feed, at: datetime, fetch: Fetch, seconds: float) -> Looked:
    try:
        return _folder(feed, at) if feed.folder else _address(feed, at, fetch, seconds)
    except (FolderRefused, LoginRefused, Unreadable) as refused:
        return Looked({}, str(refused))
    except OSError as error:
        return Looked({}, f"It cannot be read: {error.strerror or error}.")


def _note(feed: Feed, found: Looked, at: datetime) -> None:
    """Let go of a feed with what was found."""
    zone = settings.TIME_ZONE
    next_at = rhythm.following(feed.every_minutes, feed.daily_at, feed.next_at, at, zone)
    free = {"token": "", "lease_until": None, "last_at": at, "look_error": found.error[:400]}
    with transaction.atomic():
        mine = Feed.objects.select_for_update().filter(pk=feed.pk, token=feed.token)
        if (now := mine.first()) is None:
            raise FeedLost
        is_asked = now.next_at != feed.next_at  # by a change or a button since: it is looked at once more
        values = free if is_asked else {**free, **found.changes, "next_at": next_at}
        Feed.objects.filter(pk=feed.pk).update(**values)
        now.look_error = found.error[:400]
        keeping.tell(now, at)


def _folder(feed: Feed, at: datetime) -> Looked:
    seen: dict[str, list[int]] = {}
    with folders.opened(feed.folder) as folder:
        found = folders.matching(folder, feed.folder, feed.pattern)
        errors = list(found.refused)
        for one in found.files:
            before = feed.seen.get(one.name, [])
            is_same, is_done = before[:2] == one.state, before[2:] == [1]
            if not (is_same and is_done):
                try:
                    is_done = (is_same or _is_old(one, at)) and _copied(feed, folder, one, at)
                except (Unreadable, OSError) as error:
                    errors.append(f"{one.name}: {error}")
                    is_done = False
            seen[one.name] = [*one.state, int(is_done)]
    return Looked({"seen": seen}, next(iter(errors), ""))


def _is_old(one: Listed, at: datetime) -> bool:
    return one.changed_ns / 1e9 < (at - STILL).timestamp()


def _copied(feed: Feed, folder: int, one: Listed, at: datetime) -> bool:
    """Take a file, unless somebody writes to it after all."""
    with folders.file(folder, one) as body:
        if not folders.is_still(body, one):
            return False
        digest = uploads.keep_parts(_parts(body))
        if not folders.is_still(body, one):
            uploads.remove(digest)
            return False
    _take(feed, digest, one.name, at)
    return True


def _address(feed: Feed, at: datetime, fetch: Fetch, seconds: float) -> Looked:
    tags = {"If-None-Match": feed.etag, "If-Modified-Since": feed.last_modified}
    told_again = {name: told for name, told in tags.items() if told}
    headers = {"User-Agent": "Cusp imports", **told_again, **logins.headers(feed)}
    with tempfile.TemporaryFile() as out:
        got = fetch(feed.url, headers, out, Limits(uploads.most_bytes(), seconds, settings.IMPORT_HOSTS))
        if got.status == calling.UNCHANGED and (feed.etag or feed.last_modified):
            return Looked({})
        if got.status != calling.OK:
            told = got.error or SAYS.get(got.status or 0, f"It answered {got.status}") + ONLY
            return Looked({}, logins.hidden(feed, f"{urlsplit(feed.url).hostname}: {told}"))
        out.seek(0)
        digest = uploads.keep_parts(_parts(out))
    name = unquote(urlsplit(feed.url).path.rpartition("/")[2])
    _take(feed, digest, "".join(filter(str.isprintable, name))[:255] or "file", at)
    return Looked({"etag": got.etag, "last_modified": got.last_modified})


def _parts(body: IO[bytes]) -> Any:
    return iter(lambda: body.read(PART), b"")


def _take(feed: Feed, digest: str, name: str, at: datetime) -> None:
    """Let a file that is kept be imported, unless its bytes were taken before. Raises FeedLost."""
    with transaction.atomic():
        if not Feed.objects.select_for_update().filter(pk=feed.pk, token=feed.token).exists():
            raise FeedLost
        told = {"name": name, "taken_at": at}
        taken, is_new = FeedFile.objects.get_or_create(feed=feed, sha256=digest, defaults=told)
        if is_new:
            taken.of_import = Import.objects.create(
                kind=feed.kind,
                state=Import.State.WAITING,
                stage="Waits for a worker",
                file_name=name,
                sha256=digest,
                mapping=feed.mapping,
                source=feed.source,
                started_at=at,
            )
            taken.save(update_fields=["of_import"])
            audit.note(at, None, "import begun", name, kind=feed.kind, sha256=digest, feed=feed.name)
    if not is_new:
        uploads.remove(digest)


def _hear(at: datetime) -> None:
    """Look what became of files that were taken, and tell it."""
    ended = FeedFile.objects.filter(is_open=True).exclude(of_import__state__in=uploads.OPEN).order_by("pk")
    for one in ended.select_related("of_import")[:AT_ONCE]:
        with transaction.atomic():
            feed = Feed.objects.select_for_update().filter(pk=one.feed_id).first()
            if feed is None or not FeedFile.objects.filter(pk=one.pk, is_open=True).update(is_open=False):
                continue
            feed.import_error = _why(one)[:400]
            feed.save(update_fields=["import_error"])
            keeping.tell(feed, at)


def _why(one: FeedFile) -> str:
    """Say why nothing of a file was stored; nothing where something was."""
    ended = one.of_import
    if ended is None or not Import.objects.filter(keeping.NOTHING_STORED, pk=ended.pk).exists():
        return ""
    return f"{one.name}: {ended.error or 'Every line was refused.'} Mend it, then press “Run now”."
