"""Events in over REST: batches of a hundred from sixteen senders at once, to two web processes, by HTTP.

The senders work on the same cores: they send what was made before, and read no more of an answer than they must.
"""

import http.client
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any, NamedTuple

import waitress
from django.db import connection

from config import bench_cpu
from config.wsgi import application
from customers import keys
from customers.models import ApiKey, Customer, Event

SENDERS, BATCH, BATCHES, WARM = 16, 100, 1_200, 32
WEB, THREADS = 2, 8
STORED = f'"stored":{BATCH},'.encode()
PATIENCE = 180.0  # seconds until a web process listens


def serve(port: int) -> None:
    """Be a web process on a port of 127.0.0.1."""
    waitress.serve(application, host="127.0.0.1", port=port, threads=THREADS, _quiet=True)


def bodies(count: int, first: int) -> list[bytes]:
    """Give so many batches about the shop's customers, each with message ids of its own."""
    ids = list(Customer.objects.order_by("pk").values_list("external_id", flat=True)[: BATCH * 50])
    made = []
    for batch in range(first, first + count):
        events = [
            {
                "customer": ids[(batch * BATCH + n) % len(ids)],
                "message_id": f"bench-{batch}-{n}",
                "name": "Page Viewed",
                "properties": {"path": f"/p/{n}"},
            }
            for n in range(BATCH)
        ]
        made.append(json.dumps({"source": "bench-web", "events": events}).encode())
    return made


def send(ports: list[int], token: str, batches: list[bytes]) -> list[float]:
    """Send batches by as many senders at once, each over a connection it keeps; give the seconds of each answer."""
    left, waits = iter([_request(token, body) for body in batches]), list[float]()
    faults = list[bytes]()

    def work(port: int) -> None:
        with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as line:
            for asked in left:
                began = time.perf_counter()
                line.sendall(asked)
                answer = _answer(line)
                waits.append(time.perf_counter() - began)
                if not (answer.startswith(b"HTTP/1.1 200 ") and STORED in answer):
                    faults.append(answer)
                    return

    threads = [threading.Thread(target=work, args=(ports[n % len(ports)],)) for n in range(SENDERS)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    if faults or len(waits) != len(batches):
        raise SystemExit(f"A batch was not stored: {faults[:1]}")
    return sorted(waits)


def _request(token: str, body: bytes) -> bytes:
    head = (
        "POST /api/v1/events/ HTTP/1.1",
        "Host: 127.0.0.1",
        f"Authorization: Bearer {token}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
    )
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


def _answer(line: socket.socket) -> bytes:
    """Give an answer, head and body."""
    found = b""
    while b"\r\n\r\n" not in found:
        found += _more(line)
    head = found.partition(b"\r\n\r\n")[0]
    length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
    while len(found) < len(head) + 4 + length:
        found += _more(line)
    return found


def _more(line: socket.socket) -> bytes:
    found = line.recv(65_536)
    if not found:
        raise SystemExit("A connection was ended.")
    return found


@contextmanager
def web(ports: list[int]) -> Iterator[list[int]]:
    """Run web processes, and give their numbers once they listen."""
    command = [sys.executable, "manage.py", "bench", "--serve"]
    servers = [subprocess.Popen([*command, str(port)], env=os.environ) for port in ports]
    try:
        for port in ports:
            _await(port)
        yield [one.pid for one in servers]
    finally:
        for one in servers:
            one.terminate()
            one.wait()


class Cpu(NamedTuple):
    """CPU seconds that everybody has used who takes part."""

    web: float
    postgres: float
    senders: float

    @classmethod
    def now(cls, servers: list[int]) -> "Cpu":
        """Give what was used up to now."""
        return cls(sum(map(bench_cpu.of_process, servers)), bench_cpu.of_postgres(), time.process_time())


def measure(at: datetime, ports: list[int]) -> dict[str, Any]:
    """Give how many events a second were stored, how long an answer took, and what an event cost whom."""
    key, token = keys.create("bench", ["events:write"], at)
    ApiKey.objects.filter(pk=key.pk).update(per_minute=100_000)
    first, rest = bodies(WARM, 0), bodies(BATCHES, WARM)
    connection.close()
    with web(ports) as servers:
        send(ports, token, first)
        used, began = Cpu.now(servers), time.perf_counter()
        waits = send(ports, token, rest)
        seconds = time.perf_counter() - began
        spent = [after - before for before, after in zip(used, Cpu.now(servers), strict=True)]
    stored = Event.objects.filter(source__key="bench-web").count()
    if stored != (WARM + BATCHES) * BATCH:
        raise SystemExit(f"{stored:,} events were stored.")
    events = BATCHES * BATCH
    each = {f"{name}_us": round(1e6 * cpu / events, 1) for name, cpu in zip(Cpu._fields, spent, strict=True)}
    return {
        "seconds": seconds,
        "cpu": sum(spent),
        "a_second": round(events / seconds),
        "a_second_of_cpu": round(events / sum(spent)),
        **each,
        "p50": round(waits[len(waits) // 2], 3),
        "p99": round(waits[int(len(waits) * 0.99)], 3),
    }


def _await(port: int) -> None:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        client = http.client.HTTPConnection("127.0.0.1", port, timeout=1)
        try:
            client.request("GET", "/healthz")
            client.getresponse().read()
        except OSError:
            time.sleep(0.1)
        else:
            return
        finally:
            client.close()
    raise SystemExit(f"Nothing listens on {port}.")
