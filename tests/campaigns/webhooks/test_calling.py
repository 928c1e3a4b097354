"""One call: whatever the other side does, it ends in time, takes little memory, and leads nowhere else."""

import gzip
import os
import resource
import socket
import ssl
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from pytest_django import Settings

from customers import calling
from customers.calling import Answer
from tests.campaigns.webhooks.receivers import dripping, flooding, hanging, receiving, saying

SHORT = 0.4  # seconds


@pytest.fixture(autouse=True)
def ours(settings: Settings) -> None:
    settings.WEBHOOK_ALLOW = ["127.0.0.0/8"]


def called(behave: Callable[[socket.socket, int], None], seconds: float = SHORT) -> Answer:
    with receiving(behave) as server:
        return calling.call(server.url, b'{"a":1}', {"Content-Type": "application/json"}, seconds=seconds)


def test_the_body_and_the_headers_arrive_as_they_were_given() -> None:
    with receiving(saying(204, body=b"")) as server:
        answer = calling.call(server.url + "?a=b", b'{"a":1}', {"webhook-id": "x"}, seconds=5)
    [(headers, body)] = server.got
    assert (answer.status, answer.is_taken, answer.error) == (204, True, "")
    assert body == '{"a":1}'
    assert headers["host"] == f"127.0.0.1:{server.server_address[1]}"
    assert headers["webhook-id"] == "x"
    assert "cookie" not in headers


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308, 300, 304])
def test_a_redirect_is_a_failure_and_leads_nowhere(status: int) -> None:
    with receiving(saying(200)) as elsewhere:
        answer = called(saying(status, headers=f"Location: {elsewhere.url}\r\nSet-Cookie: a=b\r\n"))
    assert (answer.status, answer.is_taken) == (status, False)
    assert elsewhere.got == []


def test_a_proxy_of_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    with receiving(saying(200)) as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
        monkeypatch.setenv("NO_PROXY", "")
        assert called(saying(200)).is_taken
        assert proxy.got == []


@pytest.mark.parametrize("behave", [hanging, dripping])
def test_a_receiver_that_says_nothing_or_a_byte_at_a_time_is_left_in_time(
    behave: Callable[[socket.socket, int], None],
) -> None:
    began, cpu = time.monotonic(), time.process_time()
    answer = called(behave)
    assert (answer.status, answer.error) == (None, "It did not answer in time.")
    assert answer.is_handed_over
    assert SHORT <= answer.seconds < SHORT + 1
    assert time.monotonic() - began < SHORT + 2
    assert time.process_time() - cpu < SHORT


def test_an_endless_body_of_one_that_said_200_is_taken_and_left_in_time() -> None:
    def drips(connection: socket.socket, number: int) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        dripping(connection, number)

    answer = called(drips)
    assert answer.is_taken
    assert answer.seconds < SHORT + 1


def test_of_ten_gigabytes_little_is_read() -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    answer = called(flooding, seconds=5)
    assert (answer.status, len(answer.body)) == (500, calling.ANSWER)
    assert answer.seconds < 2
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 30_000, "kilobytes, the receiver's own too"


def test_a_head_without_end_is_left() -> None:
    def endless(connection: socket.socket, number: int) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n")
        for n in range(100_000):
            connection.sendall(b"X-%d: %s\r\n" % (n, b"y" * 1_000))

    answer = called(endless, seconds=5)
    assert answer.status is None
    assert "more than 100 headers" in answer.error


def test_what_is_packed_is_not_unpacked() -> None:
    bomb = gzip.compress(b"0" * 50_000_000)
    answer = called(saying(200, headers="Content-Encoding: gzip\r\n", body=bomb), seconds=5)
    assert answer.body == bomb[: calling.ANSWER]


@pytest.mark.parametrize("said", [b"", b"\x00\xff\xfe\n\n", b"HTTP/1.1 abc\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Le"])
def test_what_is_no_answer_is_a_failure_with_a_sentence(said: bytes) -> None:
    answer = called(lambda connection, number: connection.sendall(said))
    assert not answer.is_taken or answer.status == 200
    assert answer.error or answer.status


def test_where_nobody_listens_nothing_was_handed_over() -> None:
    with receiving(saying(200)) as server:
        url = server.url
    answer = calling.call(url, b"{}", {}, seconds=1)
    assert (answer.status, answer.is_handed_over) == (None, False)
    assert "refused" in answer.error


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a certificate with its key for shop.example, signed by nobody."""
    path = tmp_path_factory.mktemp("tls") / "shop.pem"
    told = ["-subj", "/CN=shop.example", "-addext", "subjectAltName=DNS:shop.example", "-days", "2"]
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    subprocess.run(  # a fixed program, and paths of our own
        ["openssl", "req", "-x509", *key, *told, "-keyout", str(path), "-out", str(path) + ".crt"],
        check=True,
        capture_output=True,
        env={"PATH": os.environ["PATH"]},
    )
    path.write_bytes(path.read_bytes() + Path(f"{path}.crt").read_bytes())
    return path


@pytest.mark.parametrize(
    ("host", "trusts", "taken"), [("shop", True, True), ("other", True, False), ("shop", False, False)]
)
def test_only_a_certificate_that_is_trusted_and_names_the_host_is_spoken_to(
    certificate: Path, monkeypatch: pytest.MonkeyPatch, host: str, trusts: bool, taken: bool
) -> None:
    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_side.load_cert_chain(certificate)
    trust = ssl.create_default_context(cafile=certificate if trusts else None)
    monkeypatch.setattr(calling, "trust", lambda: trust)
    with receiving(saying(200)) as server:
        server.socket = server_side.wrap_socket(server.socket, server_side=True)
        server.handle_error = lambda request, client_address: None  # type: ignore[method-assign]
        url = f"https://{host}.example:{server.server_address[1]}/"
        answer = calling.call(url, b"{}", {}, seconds=5, find=lambda asked, port: ["127.0.0.1"])
    assert answer.is_taken == taken
    if not taken:
        assert "certificate" in answer.error.lower()
        assert not answer.is_handed_over
        assert server.got == []
