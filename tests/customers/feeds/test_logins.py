"""Addresses that ask for a password or a token: it is kept sealed, shown to nobody, and sent to its host alone."""

import base64
import json
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from customers import sealed
from customers.feeds import logins
from customers.models import Alert, AuditEntry, Feed, FeedFile
from tests.customers.feeds.feeding import MINUTE, PEOPLE, feed, imported, look
from tests.customers.test_api import is_problem

pytestmark = [pytest.mark.door, pytest.mark.django_db]
SECRET = "s3cret Öl"
TOKEN = "tok-en_8843"
BASIC = "Basic " + base64.b64encode(f"ann:{SECRET}".encode()).decode()
ADD = "/admin/customers/feed/add/"


class Guarded(ThreadingHTTPServer):
    """A server that gives a file to whom sends one header, and notes what it was sent."""

    def __init__(self, name: str, value: str, elsewhere: str = "") -> None:
        super().__init__(("127.0.0.1", 0), _Guard)
        self.name, self.value, self.elsewhere = name, value, elsewhere
        self.heard: list[dict[str, str]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/people.csv"


class _Guard(BaseHTTPRequestHandler):
    server: Guarded

    def do_GET(self) -> None:
        self.server.heard.append(dict(self.headers.items()))
        if self.server.elsewhere:
            self.send_response(302)
            self.send_header("Location", self.server.elsewhere)
        elif self.headers.get(self.server.name) == self.server.value:
            self.send_response(200)
        else:
            self.send_response(401)
            self.send_header("WWW-Authenticate", "Basic")
        body = PEOPLE.encode()
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@contextmanager
def guarding(name: str = "Authorization", value: str = BASIC, elsewhere: str = "") -> Iterator[Guarded]:
    with Guarded(name, value, elsewhere) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(autouse=True)
def _ours(settings: Settings, tmp_path: Path) -> None:
    settings.UPLOADS, settings.IMPORT_FOLDERS = str(tmp_path / "uploads"), [str(tmp_path)]
    settings.IMPORT_HOSTS = ["127.0.0.0/8"]


def send(client: Client, method: str, rest: str, body: Any, headers: dict[str, str]) -> Any:
    return client.generic(method, f"/api/v1/feeds/{rest}", json.dumps(body), "application/json", headers=headers)


def told(url: str, **changes: Any) -> dict[str, Any]:
    login = {"login": "basic", "login_name": "ann", "secret": SECRET}
    return {"name": "nightly", "url": url, "every_minutes": 10, "like": imported().public_id, **login, **changes}


def guarded(url: str, login: str = "basic", name: str = "ann", secret: str = SECRET) -> Feed:
    one = Feed(url=url, login=login, login_name=name)
    logins.put(one, secret)
    return feed(url=url, login=one.login, login_name=one.login_name, sealed=one.sealed)


def taken() -> list[str]:
    return list(FeedFile.objects.order_by("pk").values_list("name", flat=True))


@pytest.mark.parametrize(
    ("login", "name", "secret", "header"),
    [
        ("basic", "ann", SECRET, ("Authorization", BASIC)),
        ("bearer", "", TOKEN, ("Authorization", f"Bearer {TOKEN}")),
        ("header", "X-Api-Key", TOKEN, ("X-Api-Key", TOKEN)),
    ],
)
def test_a_protected_address_is_read_with_what_it_asks_for(
    client: Client, headers: dict[str, str], login: str, name: str, secret: str, header: tuple[str, str]
) -> None:
    with guarding(*header) as server:
        body = told(server.url, login=login, login_name=name, secret=secret)
        made = send(client, "POST", "", body, headers)
        assert made.status_code == 201, made.json()
        look(timezone.now() + MINUTE)
    assert taken() == ["people.csv"]
    assert len(server.heard) == 1
    assert not Alert.objects.exists()


def test_without_the_right_password_an_alert_says_so(client: Client, headers: dict[str, str]) -> None:
    with guarding() as server:
        send(client, "POST", "", told(server.url, secret="wr0ng-one"), headers)
        look(timezone.now() + MINUTE)
    [alert] = Alert.objects.all()
    assert "401" in alert.sentence
    assert "does not take" in alert.sentence
    assert "wr0ng-one" not in alert.sentence
    assert taken() == []


def test_it_is_never_shown_or_written_in_plain(
    client: Client, staff: Client, headers: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with guarding(value="other") as server:
        made = send(client, "POST", "", told(server.url), {**headers, "Idempotency-Key": "one"})
        one = Feed.objects.get()
        shown = [made, *(send(client, "GET", rest, None, headers) for rest in ("", f"{one.public_id}/"))]
        shown.append(send(client, "PATCH", f"{one.public_id}/", {"secret": SECRET + "2"}, headers))
        shown.append(send(client, "PATCH", f"{one.public_id}/", {"secret": SECRET, "login": "bearer"}, headers))
        look(timezone.now() + MINUTE)
    shown += [staff.get(f"/admin/customers/feed/{one.pk}/{rest}") for rest in ("change/", "history/", "delete/")]
    shown.append(staff.get("/admin/customers/feed/"))
    wrong = {**told(server.url, name=""), "like": ""}
    shown.append(staff.post(ADD, wrong))
    texts = [answer.content.decode() for answer in shown]
    texts += [str(row) for row in AuditEntry.objects.values_list("what", "about", "detail")]
    texts += [str(row) for row in Alert.objects.values()] + [str(Feed.objects.values().get()), caplog.text]
    with connection.cursor() as cursor:
        cursor.execute("SELECT headers, body FROM customers_storedanswer")
        texts += map(str, cursor.fetchall())
    for text in texts:
        for part in (SECRET, "s3cret", BASIC.removeprefix("Basic ")):
            assert part not in text
    assert made.json()["login"] == "basic"
    assert len(texts) > 10


def test_what_the_other_side_says_back_is_blotted_out() -> None:
    one = guarded("http://127.0.0.1:9/a")
    said = logins.hidden(one, f"BadStatusLine: {BASIC} and {SECRET}")
    assert said == "BadStatusLine: Basic … and …"


def test_it_does_not_follow_to_where_the_address_redirects() -> None:
    with guarding() as other, guarding(elsewhere=other.url) as server:
        guarded(server.url)
        look()
    assert len(server.heard) == 1
    assert other.heard == []
    assert "302" in Alert.objects.get().sentence


def test_another_host_drops_it_unless_it_is_given_anew(client: Client, headers: dict[str, str]) -> None:
    with guarding() as server, guarding() as other:
        send(client, "POST", "", told(server.url), headers)
        one = Feed.objects.get()
        at = f"{one.public_id}/"
        same = send(client, "PATCH", at, {"url": server.url + "?day=1"}, headers)
        assert (same.json()["login"], same.json()["login_name"]) == ("basic", "ann")
        moved = send(client, "PATCH", at, {"url": other.url}, headers)
        assert (moved.status_code, moved.json()["login"], moved.json()["login_name"]) == (200, "", "")
        assert Feed.objects.get().sealed == ""
        look(timezone.now() + MINUTE)
        assert [one.get("Authorization") for one in other.heard] == [None]
        anew = {"url": server.url, "login": "basic", "login_name": "ann", "secret": SECRET}
        assert send(client, "PATCH", at, anew, headers).json()["login"] == "basic"
        kept = send(client, "PATCH", at, {"is_paused": False, "every_minutes": 20}, headers)
        assert kept.json()["login"] == "basic"
        look(timezone.now() + MINUTE)
    assert taken() == ["people.csv"]


def test_what_is_sealed_for_one_host_is_not_sent_to_another_whatever_a_row_says() -> None:
    with guarding() as server, guarding() as other:
        guarded(server.url)
        Feed.objects.update(url=other.url)
        look()
    assert other.heard == []
    assert "another host" in Alert.objects.get().sentence


def test_plain_http_is_refused_where_the_operator_does_not_allow_it(
    client: Client, headers: dict[str, str], settings: Settings
) -> None:
    settings.IMPORT_HOSTS = []
    refused = is_problem(send(client, "POST", "", told("http://93.184.216.34/a.csv"), headers), 400)
    assert refused["errors"][0]["path"] == "url"
    assert "https" in refused["message"]


def test_under_another_secret_key_it_must_be_given_anew(settings: Settings) -> None:
    with guarding() as server:
        guarded(server.url)
        settings.SECRET_KEY = "another one that is long enough for everything here"
        look()
    assert server.heard == []
    assert "give it anew" in Alert.objects.get().sentence


def test_what_is_sealed_for_one_purpose_opens_for_no_other() -> None:
    closed = sealed.seal("x", "one")
    assert sealed.opened(closed, "one") == "x"
    with pytest.raises(sealed.NotOpened):
        sealed.opened(closed, "two")


@pytest.mark.parametrize(
    ("path", "changes"),
    [
        ("secret", {"secret": None}),
        ("secret", {"login": "bearer", "secret": "a\r\nX-Other: b"}),
        ("secret", {"login": "bearer", "secret": "Öl"}),
        ("secret", {"secret": "a\nb"}),
        ("login_name", {"login": "header", "login_name": "Host"}),
        ("login_name", {"login": "header", "login_name": "X Key"}),
        ("login_name", {"login_name": "an:n"}),
        ("login_name", {"login_name": ""}),
        ("login", {"login": ""}),
        ("login", {"login": "magic"}),
    ],
)
def test_a_login_that_cannot_be_is_refused_at_its_field(
    client: Client, headers: dict[str, str], path: str, changes: dict[str, Any]
) -> None:
    body = {name: value for name, value in told("http://127.0.0.1:9/a.csv", **changes).items() if value is not None}
    refused = is_problem(send(client, "POST", "", body, headers), 400)
    assert refused["errors"][0]["path"] == path, refused
    assert not Feed.objects.exists()


def test_a_folder_has_no_login(client: Client, headers: dict[str, str], tmp_path: Path) -> None:
    body = told("", folder=str(tmp_path), pattern="*.csv")
    for some in (body, {name: value for name, value in body.items() if name != "secret"}):
        assert is_problem(send(client, "POST", "", some, headers), 400)["errors"][0]["path"] == "login"
    with pytest.raises(IntegrityError), transaction.atomic():
        feed(folder=str(tmp_path), pattern="*", login="basic", login_name="ann", sealed="x")


def test_on_the_page_it_is_given_kept_and_forgotten_with_its_host(staff: Client) -> None:
    with guarding() as server, guarding() as other:
        like = imported().pk
        asked = {"name": "nightly", "like": like, "url": server.url, "every_minutes": 10, "login": "basic"}
        wrong = staff.post(ADD, {**asked, "login_name": "ann"})
        assert list(wrong.context["adminform"].form.errors) == ["secret"]
        form = staff.get(ADD).content.decode()
        assert 'type="password"' in form
        assert staff.post(ADD, {**asked, "login_name": "ann", "secret": SECRET}).status_code == 302
        one = Feed.objects.get()
        page = f"/admin/customers/feed/{one.pk}/change/"
        assert "One is kept" in staff.get(page).content.decode()
        kept = {**asked, "like": "", "login_name": "ann", "secret": ""}
        assert staff.post(page, {**kept, "every_minutes": 20}).status_code == 302
        look(timezone.now() + MINUTE)
        assert taken() == ["people.csv"]
        said = staff.post(page, {**kept, "url": other.url}, follow=True).content.decode()
        assert "The password was forgotten" in said
        assert (Feed.objects.get().login, Feed.objects.get().sealed) == ("", "")


def test_who_may_only_look_sees_no_field_for_it(client: Client) -> None:
    user = User.objects.create_user("looker", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_feed"))
    client.force_login(user)
    one = guarded("http://127.0.0.1:9/a")
    shown = client.get(f"/admin/customers/feed/{one.pk}/change/")
    assert shown.status_code == 200
    assert one.sealed not in shown.content.decode()
    for unwanted in ("Password or token", "Secret", "Like</label>"):
        assert unwanted not in shown.content.decode()


def test_whoever_logs_in_otherwise_is_given_everything_anew(client: Client, headers: dict[str, str]) -> None:
    one = guarded("http://127.0.0.1:9/a.csv")
    Feed.objects.update(etag='"1"', last_modified="yesterday")
    send(client, "PATCH", f"{one.public_id}/", {"is_paused": True}, headers)
    assert Feed.objects.get().etag == '"1"'
    send(client, "PATCH", f"{one.public_id}/", {"secret": SECRET + "2"}, headers)
    assert (Feed.objects.get().etag, Feed.objects.get().last_modified) == ("", "")
