"""Mail servers that hang, drip, talk nonsense, refuse or hang up: each mail says what became of it, and soon."""

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from campaigns import answers, deliver
from campaigns.models import CallTask, Delivery, DeliveryAttempt, Outage
from customers.models import Alert
from tests.campaigns import people
from tests.campaigns.mailbox import planned_mails, states, use_smtp
from tests.campaigns.people import T0
from tests.servers import free_port

pytestmark = [pytest.mark.door, pytest.mark.django_db, pytest.mark.long]
PATIENCE = 0.3  # seconds that a server has for all its answers to one mail
ENOUGH = 3.0  # seconds, for a run that meets one hanging server, on a busy machine
HANG, DROP = "hang", "drop"
END = b"\r\n.\r\n"


class Server:
    """A mail server that answers as its script says, on each connection anew.

    The script names a moment ("connect", "mail", "rcpt", "data", "end") and what it answers then: a line, HANG (nothing
    until the client goes), or DROP (it hangs up). Elsewhere it answers as it should. `drips` seconds lie between bytes.
    """

    def __init__(self, script: dict[str, str], drips: float = 0.0, greets: str = "250 here") -> None:
        self.script, self.drips, self.greets = script, drips, greets
        self.connections = self.contents = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def close(self) -> None:
        self._is_over.set()
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", self.port), 1).close()  # wakes it up
        self._thread.join(10)
        self._listener.close()
        assert not self._thread.is_alive()

    def _serve(self) -> None:
        while True:
            client, _ = self._listener.accept()
            with client, contextlib.suppress(OSError):
                if self._is_over.is_set():
                    return
                self.connections += 1
                self._talk(client)

    def _talk(self, client: socket.socket) -> None:
        if not self._say(client, "connect", "220 here"):
            return
        while line := self._read(client, b"\r\n"):
            word = line[:4].decode().strip().lower()
            good = {"ehlo": self.greets, "data": "354 go on", "quit": "221 bye"}.get(word, "250 ok")
            if not self._say(client, word, good):
                return
            if word == "data" and self.script.get("data", "354").startswith("354"):
                content = self._read(client, END, b"\r\n")  # that of "data"
                self.contents += content != END
                if not self._say(client, "end", "250 taken"):
                    return

    def _say(self, client: socket.socket, moment: str, good: str) -> bool:
        """Answer; False: the connection is over."""
        answer = self.script.get(moment, good)
        if answer == HANG:
            self._read(client, b"there is no such end")
            return False
        if answer == DROP:
            return False
        for byte in f"{answer}\r\n".encode() if self.drips else ():
            if self._is_over.wait(self.drips):
                return False
            client.sendall(bytes([byte]))
        if not self.drips:
            client.sendall(f"{answer}\r\n".encode())
        return True

    def _read(self, client: socket.socket, end: bytes, found: bytes = b"") -> bytes:
        while not found.endswith(end):
            if not (more := client.recv(1)):
                return b""
            found += more
        return found


Start = Callable[..., Server]


@pytest.fixture(params=["250 here", "250-here\r\n250 PIPELINING"], ids=["one by one", "in groups"])
def server(request: pytest.FixtureRequest, settings: Any) -> Iterator[Start]:
    """Give what starts a bad server that the settings point at, with and without groups of commands."""
    with contextlib.ExitStack() as stack:

        def start(drips: float = 0.0, **script: str) -> Server:
            running = Server(script, drips, request.param)
            stack.callback(running.close)
            use_smtp(settings, running.port)
            settings.EMAIL_TIMEOUT = PATIENCE
            return running

        yield start


def send(hours: float = 0) -> dict[str, int]:
    """Deliver what is due so many hours after T0, and hold that it does not take long."""
    before = time.monotonic()
    done = dict(deliver.deliver(T0 + timedelta(hours=hours)))
    assert time.monotonic() - before < ENOUGH
    return done


def with_a_call(count: int) -> None:
    """Make planned mails, and a planned call of another campaign."""
    mails = planned_mails(count)
    people.planned(mails[0].customer, people.campaign("calls", steps=[people.CALL_STEP]), "call")


def attempts() -> list[str]:
    """Give the results of the attempts to mail."""
    return list(DeliveryAttempt.objects.filter(delivery__channel="email").values_list("result", flat=True))


@pytest.mark.parametrize(("script", "drips"), [({"connect": HANG}, 0.0), ({}, 1.0)])
def test_a_server_that_does_not_even_greet_costs_no_attempt(
    server: Start, script: dict[str, str], drips: float
) -> None:
    bad = server(drips, **script)
    with_a_call(3)
    assert send() == {"sent": 1, "planned": 3}
    assert (CallTask.objects.count(), attempts(), bad.connections) == (1, [], 1)
    assert set(Delivery.objects.filter(channel="email").values_list("attempts", "began_at", "reason")) == {
        (0, None, f"The mail server 127.0.0.1:{bad.port} cannot be used: Connection unexpectedly closed: timed out.")
    }
    assert Outage.objects.get().channel == "email"


@pytest.mark.parametrize("moment", ["ehlo", "mail", "rcpt", "data"])
def test_a_server_that_hangs_before_the_content_has_taken_nothing(server: Start, moment: str) -> None:
    bad = server(**{moment: HANG})
    with_a_call(12)
    assert send() == {"sent": 1, "planned": 12}
    assert (attempts(), bad.contents, bad.connections) == ([], 0, 1)
    assert "does not answer within 0.3 seconds" in Alert.objects.get().sentence
    assert all(Delivery.objects.filter(channel="email").values_list("reason", flat=True)), "each says why it waits"


def test_one_server_that_hangs_after_the_content_holds_one_mail_in_doubt(server: Start) -> None:
    bad = server(end=HANG)
    with_a_call(12)
    assert send() == {"sent": 1, "uncertain": 1, "planned": 11}
    assert (attempts(), bad.contents, bad.connections) == (["uncertain"], 1, 1)
    doubted = Delivery.objects.get(state=Delivery.State.UNCERTAIN)
    assert doubted.reason.startswith("The connection was lost after the mail was handed over")
    assert send(0.01) == {}, "nobody asks it again before its minute is over"
    assert send(0.1) == {"uncertain": 1, "planned": 10}
    assert bad.connections == 2


def test_a_server_that_drips_its_answer_has_no_more_time_than_others(server: Start) -> None:
    bad = server(end="250 " + "taken " * 100)
    planned_mails(2)
    real = bad._say

    def drip(client: socket.socket, moment: str, good: str) -> bool:
        bad.drips = 1.0 if moment == "end" else 0.0
        return real(client, moment, good)

    bad._say = drip  # type: ignore[method-assign]
    assert send() == {"uncertain": 1, "planned": 1}
    assert bad.connections == 1


@pytest.mark.parametrize("moment", ["mail", "rcpt", "data"])
def test_nonsense_before_the_content_is_tried_again(server: Start, moment: str) -> None:
    bad = server(**{moment: "HTTP/1.1 400 Bad Request"})
    with_a_call(1)
    assert send() == {"sent": 1, "planned": 1}
    assert (attempts(), bad.contents) == (["later"], 0)
    mail = Delivery.objects.get(channel="email")
    assert mail.due_at == T0 + answers.BACKOFF[0]
    assert "makes no sense" in mail.reason


def test_nonsense_instead_of_a_greeting_costs_no_attempt(server: Start) -> None:
    server(connect="SSH-2.0-OpenSSH_9.6")
    with_a_call(2)
    assert send() == {"sent": 1, "planned": 2}
    assert (attempts(), Outage.objects.count()) == ([], 1)


def test_nonsense_after_the_content_leaves_a_doubt(server: Start) -> None:
    server(end="perhaps")
    planned_mails(1)
    assert send() == {"uncertain": 1}
    assert "makes no sense" in Delivery.objects.get().reason


@pytest.mark.parametrize("moment", ["mail", "rcpt", "data", "end"])
@pytest.mark.parametrize(
    ("answer", "state", "result"), [("451 later", "planned", "later"), ("554 no", "failed", "refused")]
)
def test_an_answer_holds_wherever_it_is_given(server: Start, moment: str, answer: str, state: str, result: str) -> None:
    server(**{moment: answer})
    with_a_call(2)
    assert send() == {"sent": 1, state: 2}
    assert attempts() == [result, result]
    assert not Outage.objects.exists()


def test_a_server_that_closes_by_421_is_left_alone(server: Start) -> None:
    bad = server(mail="421 closing")
    with_a_call(3)
    assert send() == {"sent": 1, "planned": 3}
    assert (attempts(), bad.connections, Outage.objects.count()) == (["later"], 1, 1)


def test_a_server_that_hangs_up_after_the_content_is_given_up_after_three(server: Start) -> None:
    bad = server(end=DROP)
    with_a_call(5)
    assert send() == {"sent": 1, "uncertain": 3, "planned": 2}
    assert (attempts(), bad.contents) == (["uncertain"] * 3, 3)
    assert send(24 * 30) == {"uncertain": 2}
    assert states().count("uncertain") == 5


def test_a_server_that_hangs_up_before_the_content_has_taken_nothing(server: Start) -> None:
    bad = server(data=DROP)
    with_a_call(4)
    assert send() == {"sent": 1, "planned": 4}
    assert bad.contents == 0
    assert set(attempts()) <= {"later"}


def test_a_port_where_nobody_listens_costs_no_attempt(settings: Any) -> None:
    use_smtp(settings, free_port())
    with_a_call(3)
    assert send() == {"sent": 1, "planned": 3}
    assert (attempts(), Outage.objects.get().tries) == ([], 1)


def test_a_server_that_came_to_its_senses_takes_all_that_waited(server: Start) -> None:
    bad = server(connect=HANG)
    planned_mails(3)
    assert send() == {"planned": 3}
    bad.script = {}
    assert send(1) == {"sent": 3}
    assert (bad.contents, Outage.objects.count()) == (3, 0)
