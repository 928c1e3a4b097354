"""An answer means stored: web processes and the database are killed under load, and senders send again."""

import itertools
import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from threading import Event
from urllib import error, request

import pytest

from tests.prove.home import Home
from tests.prove.installation import Distributed, wait
from tests.prove.starter import Started
from tests.servers import free_port, is_listening

pytestmark = [pytest.mark.services, pytest.mark.long]
SENDERS, SIZE = 6, 20
UNTIL = 12  # batches that are answered between one fault and the next


@pytest.fixture
def ours(home: Home) -> Distributed:
    """Give the installation on servers, empty."""
    home.distributed.clear()
    return home.distributed


@contextmanager
def web(ours: Distributed, port: int) -> Iterator[Started]:
    with ours.running("tests.prove.web:serve", str(port)) as process:
        wait(lambda: is_listening(port), "the web process to listen")
        yield process


class Senders:
    """Six programs that send batches, each again until it is answered, to two web processes by turns."""

    def __init__(self, token: str, ports: list[int]) -> None:
        self.answered: list[str] = []
        self.sent_again = 0
        self._token, self._ports, self._over = token, ports, Event()

    def run(self, sender: int) -> None:
        for number in itertools.count():
            if self._over.is_set():
                return
            ids = [f"s{sender}-{number}-{n}" for n in range(SIZE)]
            events = [{"customer": f"c{n % 7}", "message_id": one, "name": "Seen"} for n, one in enumerate(ids)]
            body = json.dumps({"events": events}).encode()
            while not self._is_answered(body, number):
                self.sent_again += 1
                time.sleep(0.1)  # as a sender does between tries
            self.answered += ids

    def _is_answered(self, body: bytes, number: int) -> bool:
        port = self._ports[(number + self.sent_again) % len(self._ports)]
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
        asked = request.Request(f"http://127.0.0.1:{port}/api/v1/events/", body, headers)
        try:
            with request.urlopen(asked, timeout=60) as answer:
                told = json.load(answer)
        except (error.URLError, OSError, ValueError):
            return False
        assert told["stored"] + told["repeated"] == SIZE
        return True

    def more(self) -> None:
        """Wait until some more batches are answered."""
        before = len(self.answered)
        wait(lambda: len(self.answered) >= before + UNTIL * SIZE, "answers")

    def stop(self) -> None:
        self._over.set()


def test_no_answered_event_is_lost_or_doubled_when_web_and_database_are_killed(ours: Distributed) -> None:
    token = ours.call("tests.prove.web:make_key").strip().splitlines()[-1]
    ports = [free_port(), free_port()]
    senders = Senders(token, ports)
    with ExitStack() as stack, ThreadPoolExecutor(SENDERS) as pool:
        first = stack.enter_context(web(ours, ports[0]))
        stack.enter_context(web(ours, ports[1]))
        running = [pool.submit(senders.run, n) for n in range(SENDERS)]
        try:
            senders.more()
            first.kill()
            senders.more()
            stack.enter_context(web(ours, ports[0]))
            senders.more()
            ours.postgres.crash()
            ours.postgres.restart()
            ours.close()  # our own connection is gone, too
            senders.more()
        finally:
            senders.stop()
        for one in running:
            one.result()
    stored = [row[0] for row in ours.ask("SELECT message_id FROM customers_event")]
    assert len(stored) == len(set(stored))
    assert set(stored) == set(senders.answered)
    assert senders.sent_again > 0
