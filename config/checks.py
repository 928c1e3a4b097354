"""Settings that cannot work, each said in a sentence that names the setting and the reason."""

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import available_timezones

from django.apps import AppConfig
from django.conf import settings
from django.core import mail
from django.core.checks import CheckMessage, Error
from django.core.exceptions import ImproperlyConfigured

from customers.addresses import allowed

MOST_BUCKETS = 1024
LEAST_PASSWORD = 16


def check_settings(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Give one error for every setting that cannot work."""
    found = [
        _buckets(),
        _time_zone(),
        _cycle_every(),
        _public_url(),
        _redis_url(),
        _lake(),
        *_feedback(),
        _proxies(),
        _provider(),
        _webhook_allow(),
        _import_hosts(),
        _import_folders(),
    ]
    return [Error(sentence, id=f"cusp.{number}") for number, sentence in enumerate(found, start=1) if sentence]


def _buckets() -> str:
    if 1 <= settings.BUCKETS <= MOST_BUCKETS:
        return ""
    return f"BUCKETS is {settings.BUCKETS}, but customers are spread over 1 to {MOST_BUCKETS} buckets."


def _time_zone() -> str:
    if settings.TIME_ZONE in available_timezones():
        return ""
    return f'TIME_ZONE is "{settings.TIME_ZONE}", which is no time zone; one is "Europe/Berlin".'


def _cycle_every() -> str:
    if settings.CYCLE_EVERY.total_seconds() >= 1:
        return ""
    return "CYCLE_EVERY is 0, but a cycle takes time; one hour is 1h."


def _public_url() -> str:
    parts = urlsplit(settings.PUBLIC_URL)
    if parts.scheme in ("http", "https") and parts.hostname and not parts.query and not parts.fragment:
        return ""
    return f'PUBLIC_URL is "{settings.PUBLIC_URL}", which is no address that links in mails can begin with.'


def _redis_url() -> str:
    if not settings.REDIS_URL or urlsplit(settings.REDIS_URL).scheme in ("redis", "rediss", "unix"):
        return ""
    return "REDIS_URL does not begin with redis://, rediss:// or unix://, so no worker can be reached."


def _feedback() -> tuple[str, str]:
    """Say what cannot prove a report: a password that is none, and a key that cannot sign."""
    secret, key = settings.ANYMAIL["WEBHOOK_SECRET"], settings.ANYMAIL["MAILGUN_WEBHOOK_SIGNING_KEY"]
    name, _, password = secret.partition(":")
    is_good = bool(name) and len(password) >= LEAST_PASSWORD and secret.isascii() and secret.isprintable()
    return (
        ""
        if not secret or is_good
        else f"WEBHOOK_SECRET must be a name, a colon and a password of {LEAST_PASSWORD} letters or more: it alone "
        "proves that a report comes from your mail provider.",
        "" if key.isascii() and key.strip() == key else "MAILGUN_WEBHOOK_SIGNING_KEY is not a key of Mailgun's.",
    )


def _provider() -> str:
    """Say what a mail provider's backend lacks: a name that is known, its keys."""
    if not settings.EMAIL_BACKEND.startswith("anymail."):
        return ""
    try:
        mail.get_connection(settings.EMAIL_BACKEND)
    except (ImproperlyConfigured, ImportError, AttributeError) as error:
        said = " ".join(str(error).split())
        return f"EMAIL_BACKEND is {settings.EMAIL_BACKEND}, which cannot be used: {said}"
    return ""


def _webhook_allow() -> str:
    try:
        allowed(settings.WEBHOOK_ALLOW)
    except ValueError as error:
        return f"WEBHOOK_ALLOW cannot be used: {error}."
    return ""


def _import_hosts() -> str:
    try:
        allowed(settings.IMPORT_HOSTS)
    except ValueError as error:
        return f"IMPORT_HOSTS cannot be used: {error}."
    return ""


def _import_folders() -> str:
    wrong = [one for one in settings.IMPORT_FOLDERS if not Path(one).is_absolute() or ".." in Path(one).parts]
    return f"IMPORT_FOLDERS names {wrong[0]!r}, which is no whole way to a folder." if wrong else ""


def _proxies() -> str:
    return "" if settings.PROXIES >= 0 else "PROXIES is less than 0, but it counts the proxies before Cusp."


def _lake() -> str:
    folder = Path(settings.LAKE_URL)
    if "://" in settings.LAKE_URL:
        return f"LAKE_URL is {settings.LAKE_URL}, but the lake must be a folder."
    existing = next(path for path in [folder, *folder.absolute().parents] if path.exists())
    if not existing.is_dir():
        return f"LAKE_URL is {folder}, but {existing} is not a folder."
    try:
        with tempfile.TemporaryFile(dir=existing):
            return _lake_buckets(folder)
    except OSError:
        return f"LAKE_URL is {folder}, but {existing} cannot be written to."


def _lake_buckets(folder: Path) -> str:
    """Say that the lake was made with another number of buckets; what else may be wrong with it, it says when read."""
    try:
        stored = json.loads((folder / "manifest.json").read_text())["buckets"]
    except (OSError, ValueError, KeyError, TypeError):
        return ""
    if stored == settings.BUCKETS:
        return ""
    return (
        f"BUCKETS is {settings.BUCKETS}, but the lake in {folder} was made with {stored}: "
        "the number cannot change once customers are stored."
    )
