"""A POST with an Idempotency-Key has one effect, also where the web process is killed between doing and answering."""

import json
from urllib import error, request

import pytest

from tests.prove.home import Home
from tests.prove.installation import Distributed, wait
from tests.servers import free_port, is_listening

pytestmark = [pytest.mark.services, pytest.mark.long]
RULE = {"version": 1, "rule": {"field": "country", "op": "is", "value": "DE"}}


@pytest.fixture
def ours(home: Home) -> Distributed:
    """Give the installation on servers, empty."""
    home.distributed.clear()
    return home.distributed


def post(port: int, token: str, key: str) -> tuple[int, str | None]:
    """Ask for a segment to be made, once; give the status, and whether it was answered before."""
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json", "Idempotency-Key": f"make {key}"}
    body = json.dumps({"key": key, "name": key, "rule": RULE}).encode()
    asked = request.Request(f"http://127.0.0.1:{port}/api/v1/segments/", body, headers)
    with request.urlopen(asked, timeout=60) as answer:
        return answer.status, answer.headers["Idempotent-Replayed"]


@pytest.mark.parametrize(("moment", "is_done"), [("stored", False), ("committed", True)])
def test_what_was_asked_once_is_done_once_though_the_process_died(
    ours: Distributed, moment: str, is_done: bool
) -> None:
    token = ours.call("tests.prove.web:make_key", "segments:write").strip().splitlines()[-1]
    made = f"SELECT count(*) FROM segments_segment WHERE key = '{moment}'"
    port = free_port()
    with ours.running("tests.prove.web:serve_until", str(port), moment) as dying:
        wait(lambda: is_listening(port), "the web process to listen")
        with pytest.raises((error.URLError, OSError)):
            post(port, token, moment)
        wait(lambda: dying.code() is not None, "the web process to die")
    assert ours.number(made) == is_done
    port = free_port()
    with ours.running("tests.prove.web:serve", str(port)):
        wait(lambda: is_listening(port), "the web process to listen")
        assert post(port, token, moment) == (201, "true" if is_done else None)
        assert post(port, token, moment) == (201, "true")
    assert ours.number(made) == 1
