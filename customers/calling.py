"""One call of an address that others wrote: to the very address that was looked at, within one deadline.

No redirects, no proxies of the environment, no cookies, nothing decoded, and no more of the answer read than ANSWER.
"""

import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from http.client import HTTPException
from typing import IO, NamedTuple

import certifi
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError
from urllib3.response import BaseHTTPResponse

from customers.addresses import AddressRefused, Resolve, Target, look, resolve

SECONDS = 15.0  # for the whole exchange: Standard Webhooks advises 15 to 30
ANSWER = 64 * 1024  # bytes of an answer that are read
MOST_TRIED = 4  # addresses of one host
PART = 256 * 1024  # bytes that are read at once
MOST_TAG = 300
OK, UNCHANGED = 200, 304


class TooLarge(ValueError):
    """What an address holds is too large to take."""


class Answer(NamedTuple):
    """What came back: a status, or the sentence that says why there is none.

    `is_handed_over` is false where the request certainly never reached the other side.
    """

    status: int | None
    body: bytes = b""
    error: str = ""
    retry_after: str = ""
    seconds: float = 0.0
    is_handed_over: bool = True

    @property
    def is_taken(self) -> bool:
        """Say whether the other side took it: 2xx alone, a redirect is none."""
        return self.status is not None and 200 <= self.status < 300


class _Deadline:
    """The end of an exchange: what is open then is shut, wherever it stands, so that no slow answer holds us longer."""

    def __init__(self, seconds: float) -> None:
        self.until = time.monotonic() + seconds
        self.is_over = False
        self._open: socket.socket | None = None
        self._timer = threading.Timer(seconds, self._shut)
        self._timer.daemon = True
        self._timer.start()

    def left(self) -> float:
        """Give the seconds that are left; raise TimeoutError where there are none."""
        left = self.until - time.monotonic()
        if left <= 0 or self.is_over:
            raise TimeoutError
        return left

    def watch(self, connected: socket.socket) -> None:
        """Shut this connection at the end."""
        self._open = connected.dup()  # TLS takes the socket itself over

    def end(self) -> None:
        """Let go of the connection."""
        self._timer.cancel()
        if self._open is not None:
            self._open.close()

    def _shut(self) -> None:
        self.is_over = True
        if self._open is not None:
            try:
                self._open.shutdown(socket.SHUT_RDWR)
            except OSError:  # the other side was faster
                return


def call(
    url: str,
    body: bytes,
    headers: Mapping[str, str],
    *,
    seconds: float = SECONDS,
    find: Resolve = resolve,
) -> Answer:
    """Post a body to an address and give the answer. Whatever the other side does, this ends after `seconds`."""
    began = time.monotonic()
    try:
        target = look(url, find)
    except AddressRefused as refused:
        return Answer(None, error=str(refused), seconds=time.monotonic() - began, is_handed_over=False)
    deadline = _Deadline(max(seconds - (time.monotonic() - began), 0.001))
    try:
        answer = _exchange(target, body, headers, deadline)
    finally:
        deadline.end()
    return answer._replace(seconds=time.monotonic() - began)


def _exchange(target: Target, body: bytes, headers: Mapping[str, str], deadline: _Deadline) -> Answer:
    connection = _connection(target, deadline)
    is_handed_over = False
    try:
        connection.connect()
        is_handed_over = True
        connection.request("POST", target.path, body, headers, preload_content=False, decode_content=False)
        response = connection.getresponse()
        return Answer(
            response.status, _read(response, deadline), retry_after=response.headers.get("Retry-After", "")[:100]
        )
    except (HTTPError, HTTPException, OSError, ValueError) as error:
        told = "It did not answer in time." if deadline.is_over else _said(error)
        return Answer(None, error=told, is_handed_over=is_handed_over)
    finally:
        connection.close()


class Limits(NamedTuple):
    """How much is taken, how long it may last, and which hosts and networks of our own may be asked."""

    most_bytes: int
    seconds: float
    allow: Sequence[str]


class Fetched(NamedTuple):
    """What an address gave: a status and its two tags, or the sentence that says why there is nothing."""

    status: int | None
    etag: str = ""
    last_modified: str = ""
    error: str = ""


def fetch(url: str, headers: Mapping[str, str], out: IO[bytes], limits: Limits, find: Resolve = resolve) -> Fetched:
    """Write what an address holds to `out`, whole or not at all: of what is too large nothing is of use.

    Whatever the other side does, this ends in time; a redirect is not followed.
    """
    began = time.monotonic()
    try:
        target = look(url, find, limits.allow)
    except AddressRefused as refused:
        return Fetched(None, error=str(refused))
    deadline = _Deadline(max(limits.seconds - (time.monotonic() - began), 0.001))
    connection = _connection(target, deadline)
    try:
        connection.request("GET", target.path, headers=headers, preload_content=False, decode_content=False)
        response = connection.getresponse()
        if response.status == OK:
            _copy(response, out, limits.most_bytes, deadline)
        tags = [response.headers.get(name, "") for name in ("ETag", "Last-Modified")]
        return Fetched(response.status, *(one if len(one) <= MOST_TAG and one.isprintable() else "" for one in tags))
    except (HTTPError, HTTPException, OSError, ValueError) as error:
        return Fetched(None, error="It did not answer in time." if deadline.is_over else _said(error))
    finally:
        connection.close()
        deadline.end()


def _copy(response: BaseHTTPResponse, out: IO[bytes], most: int, deadline: _Deadline) -> None:
    """Write a whole body. Raises TooLarge, and TimeoutError where the end came first."""
    size = 0
    while part := response.read1(PART, decode_content=False):
        size += len(part)
        if size > most:
            raise TooLarge(f"It is larger than {most // 1_000_000:,} MB.")
        out.write(part)
    deadline.left()  # what was shut at the end looks whole where no length was told


def _read(response: BaseHTTPResponse, deadline: _Deadline) -> bytes:
    """Give the first bytes of an answer, as many as there are before the end; its status stands already."""
    parts: list[bytes] = []
    size = 0
    try:
        while size < ANSWER and not deadline.is_over:
            part = response.read1(ANSWER - size, decode_content=False)
            if not part:
                break
            parts.append(part)
            size += len(part)
    except (HTTPError, HTTPException, OSError):
        pass  # the rest of the answer is lost, and only its first bytes were of use
    return b"".join(parts)


def _said(error: Exception) -> str:
    if isinstance(error, TooLarge):
        return str(error)
    if isinstance(error, TimeoutError) or "timed out" in str(error):
        return "It did not answer in time."
    cause = error.__cause__ or error
    return f"{type(cause).__name__}: {cause}"[:400]


def _connection(target: Target, deadline: _Deadline) -> HTTPConnection:
    """Give a connection that names the host and goes to the addresses that were looked at."""
    if target.scheme == "http":
        plain = _Plain(target.host, target.port)
        plain.target, plain.deadline = target, deadline
        return plain
    secure = _Secure(target.host, target.port, ssl_context=trust())
    secure.target, secure.deadline = target, deadline
    return secure


@cache
def trust() -> ssl.SSLContext:
    """Give what trusts the system's authorities, or those that certifi brings."""
    context = ssl.create_default_context()
    if not context.get_ca_certs():
        context.load_verify_locations(certifi.where())
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _reach(target: Target, deadline: _Deadline) -> socket.socket:
    """Connect to one of the target's addresses; raise OSError where none can be reached."""
    for number, address in enumerate(target.addresses[:MOST_TRIED], start=1):
        is_last = number == min(len(target.addresses), MOST_TRIED)
        try:
            share = 1 if is_last else 2
            connected = socket.create_connection((address, target.port), timeout=deadline.left() / share)
        except OSError:
            if is_last:
                raise
            continue
        connected.settimeout(deadline.left())
        deadline.watch(connected)
        return connected
    raise OSError("it has no address")


class _Plain(HTTPConnection):
    target: Target
    deadline: _Deadline

    def _new_conn(self) -> socket.socket:
        return _reach(self.target, self.deadline)


class _Secure(HTTPSConnection):
    target: Target
    deadline: _Deadline

    def _new_conn(self) -> socket.socket:
        return _reach(self.target, self.deadline)


Caller = Callable[[str, bytes, Mapping[str, str]], Answer]
