"""Events in over REST: batches of a hundred from sixteen senders at once, to two web processes, by HTTP."""

import http.client
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import waitress
from django.db import connection

from config.wsgi import application
from customers import keys
from customers.models import ApiKey, Customer, Event

SENDERS, BATCH, BATCHES, WARM = 16, 100, 1_200, 32
WEB, THREADS = 2, 8
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
    left, waits = iter(batches), list[float]()
    lock = threading.Lock()

    def work(port: int) -> None:
        client = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        while True:
            with lock:
                body = next(left, None)
            if body is None:
                return
            began = time.perf_counter()
            client.request("POST", "/api/v1/events/", body, headers)
            answer = client.getresponse()
            told = json.load(answer)
            if answer.status != http.HTTPStatus.OK or told["stored"] != BATCH:
                raise SystemExit(f"A batch was not stored: {answer.status} {told}")
            waits.append(time.perf_counter() - began)

    threads = [threading.Thread(target=work, args=(ports[n % len(ports)],)) for n in range(SENDERS)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    return sorted(waits)


@contextmanager
def web(ports: list[int]) -> Iterator[None]:
    """Run web processes, and wait until they listen."""
    command = [sys.executable, "manage.py", "bench", "--serve"]
    servers = [subprocess.Popen([*command, str(port)], env=os.environ) for port in ports]
    try:
        for port in ports:
            _await(port)
        yield
    finally:
        for one in servers:
            one.terminate()
            one.wait()


def measure(at: datetime, ports: list[int]) -> dict[str, Any]:
    """Give how many events a second were stored, and how long an answer took."""
    key, token = keys.create("bench", ["events:write"], at)
    ApiKey.objects.filter(pk=key.pk).update(per_minute=100_000)
    first, rest = bodies(WARM, 0), bodies(BATCHES, WARM)
    connection.close()
    with web(ports):
        send(ports, token, first)
        began = time.perf_counter()
        waits = send(ports, token, rest)
        seconds = time.perf_counter() - began
    stored = Event.objects.filter(source__key="bench-web").count()
    if stored != (WARM + BATCHES) * BATCH:
        raise SystemExit(f"{stored:,} events were stored.")
    return {
        "seconds": seconds,
        "a_second": round(BATCHES * BATCH / seconds),
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
