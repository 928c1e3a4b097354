"""What a protected address asks for: a password or a token, sealed with the host that it is for, the only one told."""

import base64
import json
import re
from typing import NamedTuple
from urllib.parse import urlsplit

from customers import sealed
from customers.addresses import DEFAULT_PORTS
from customers.models import Feed
from customers.sealed import NotOpened

PURPOSE = "login of a feed"
LONGEST = 1000
HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
PLAIN = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?")
# What says how a call is made, and no password: RFC 9110, 7.6.1, and what is sent with each look.
OURS = re.compile(
    "(?i)accept-encoding|connection|content-.*|expect|host|if-.*|keep-alive|proxy-.*|range|te|trailer"
    "|transfer-encoding|upgrade|user-agent"
)
Kind = Feed.Login


class LoginRefused(ValueError):
    """A login that cannot be: `path` names the field, the message says why."""

    def __init__(self, path: str, message: str) -> None:
        super().__init__(message)
        self.path = path


class Held(NamedTuple):
    """A secret, and the scheme, host and port that it was given for."""

    origin: str
    secret: str


def put(feed: Feed, secret: str) -> bool:
    """Seal a secret for the address of a feed; none: keep the one it has, unless the address leads elsewhere.

    Give whether a secret was dropped. Raises LoginRefused.
    """
    if not (feed.login and feed.url):
        if secret or ((feed.login or feed.login_name) and not feed.sealed):
            where = "Say how it lets us in." if feed.url else "Only an address can ask for a login, no folder."
            raise LoginRefused("login", where)
        return _drop(feed)
    if not secret and not feed.sealed:
        raise LoginRefused("secret", "Give the password or the token.")
    if not secret and _held(feed).origin != origin(feed.url):
        return _drop(feed)
    if feed.login == Kind.BEARER:
        feed.login_name = ""
    _check(feed, secret or _held(feed).secret)
    if secret:
        feed.sealed = sealed.seal(json.dumps(Held(origin(feed.url), secret)), PURPOSE)
    return False


def headers(feed: Feed) -> dict[str, str]:
    """Give the header that lets us in; none where no login is kept. Raises LoginRefused."""
    if not feed.login:
        return {}
    held = _held(feed)
    if held.origin != origin(feed.url):
        raise LoginRefused("secret", "The password was given for another host, and is not sent to this one.")
    if feed.login == Kind.BASIC:
        both = base64.b64encode(f"{feed.login_name}:{held.secret}".encode()).decode()
        return {"Authorization": f"Basic {both}"}
    if feed.login == Kind.BEARER:
        return {"Authorization": f"Bearer {held.secret}"}
    return {feed.login_name: held.secret}


def hidden(feed: Feed, text: str) -> str:
    """Give a text without what lets us in, should the other side have said it back."""
    if not feed.login:
        return text
    values = [value.rpartition(" ")[2] for value in headers(feed).values()]
    for one in sorted((_held(feed).secret, *values), key=len, reverse=True):
        text = text.replace(one, "…")
    return text


def origin(url: str) -> str:
    """Give scheme, host and port of an address, the same however they are written."""
    parts = urlsplit(url)
    host = (parts.hostname or "").removesuffix(".").lower()
    return f"{parts.scheme}://{host}:{parts.port or DEFAULT_PORTS.get(parts.scheme, '')}"


def _drop(feed: Feed) -> bool:
    was_held = bool(feed.sealed)
    feed.login = feed.login_name = feed.sealed = ""
    return was_held


def _held(feed: Feed) -> Held:
    try:
        return Held(*json.loads(sealed.opened(feed.sealed, PURPOSE)))
    except NotOpened:
        raise LoginRefused("secret", "The password was kept under another SECRET_KEY: give it anew.") from None


def _check(feed: Feed, secret: str) -> None:
    name = feed.login_name
    if feed.login == Kind.HEADER and (not HEADER.fullmatch(name) or OURS.fullmatch(name)):
        raise LoginRefused("login_name", "Give the name of a header, such as X-Api-Key.")
    if feed.login == Kind.BASIC and (not name or ":" in name or not name.isprintable()):
        raise LoginRefused("login_name", "Give the user's name; it holds no colon.")
    if feed.login == Kind.BASIC and not secret.isprintable():
        raise LoginRefused("secret", "It holds what cannot be printed.")
    if feed.login != Kind.BASIC and not PLAIN.fullmatch(secret):
        raise LoginRefused("secret", "It holds letters of ASCII only, and no space at its ends.")
