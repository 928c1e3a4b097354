"""Webhooks and their messages, for the tests."""

import json
import socket
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Any

from campaigns.models import Webhook, WebhookMessage

T0 = datetime(2026, 3, 1, 12, tzinfo=UTC)
SECRET = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="


def webhook(key: str = "crm", *types: str, **changes: Any) -> Webhook:
    """Make a live webhook that wants these kinds of notices."""
    values = {"name": key.upper(), "url": f"https://{key}.example/hook", "secret": SECRET, "created_at": T0}
    return Webhook.objects.create(key=key, types=list(types), **(values | changes))


def bodies(of: Webhook | None = None) -> list[dict[str, Any]]:
    """Give what webhooks are told, in the order in which it was planned."""
    messages = WebhookMessage.objects.filter(**({"webhook": of} if of else {})).order_by("pk")
    return [json.loads(body) for body in messages.values_list("body", flat=True)]


def moves(of: Webhook | None = None) -> list[tuple[str, str, str]]:
    """Give the segment, the customer and the kind of each move that webhooks are told of, sorted."""
    return sorted(
        (body["data"]["segment"], one["id"], body["type"].removeprefix("segment."))
        for body in bodies(of)
        if body["type"].startswith("segment.")
        for one in body["data"]["customers"]
    )


class Receiver(socketserver.ThreadingTCPServer):
    """A server on 127.0.0.1 that notes every request and answers as its `behave` says, by the number of the request."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, behave: Callable[[socket.socket, int], None]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.behave = behave
        self.got: list[tuple[dict[str, str], str]] = []
        self.is_open = True
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/hook"


class _Handler(socketserver.StreamRequestHandler):
    server: Receiver

    def handle(self) -> None:
        self.rfile.readline()
        headers: dict[str, str] = {}
        while line := self.rfile.readline().decode().strip():
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        body = self.rfile.read(int(headers.get("content-length", 0))).decode()
        with self.server.lock:
            self.server.got.append((headers, body))
            number = len(self.server.got)
        try:
            self.server.behave(self.connection, number)
        except OSError:  # the sender hung up
            return


@contextmanager
def receiving(behave: Callable[[socket.socket, int], None]) -> Iterator[Receiver]:
    """Run a receiver while the block runs."""
    with Receiver(behave) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        yield server
        server.is_open = False
        server.shutdown()
        thread.join()


def saying(*statuses: int, headers: str = "", body: bytes = b"ok") -> Callable[[socket.socket, int], None]:
    """Answer the requests with these statuses, the last one again and again."""

    def behave(connection: socket.socket, number: int) -> None:
        status = statuses[min(number, len(statuses)) - 1]
        head = f"HTTP/1.1 {status} Said\r\n{headers}Content-Length: {len(body)}\r\n\r\n"
        connection.sendall(head.encode() + body)

    return behave


def hanging(connection: socket.socket, number: int) -> None:
    """Answer nothing, for as long as the sender waits."""
    connection.recv(1)


def dripping(connection: socket.socket, number: int) -> None:
    """Answer byte by byte, the head too, so that there is always something to read."""
    for letter in b"HTTP/1.1 200 OK\r\nX-Slow: " + b"a" * 10_000:
        connection.sendall(bytes([letter]))
        connection.settimeout(0.05)
        with suppress(TimeoutError):
            if not connection.recv(1):
                return


def flooding(connection: socket.socket, number: int) -> None:
    """Answer with 10 GB, as fast as the sender takes it."""
    connection.sendall(b"HTTP/1.1 500 Oh\r\nContent-Length: 10000000000\r\n\r\n")
    block = b"x" * 1_000_000
    for _ in range(10_000):
        connection.sendall(block)
