"""Every link of a mail leads where it led, and tells that somebody followed it."""

import re
from datetime import timedelta
from html import unescape
from typing import cast
from urllib.parse import urlsplit

import pytest
from django.core import mail, signing
from django.core.mail import EmailMultiAlternatives
from django.db import DatabaseError
from django.test import Client
from pytest_django import Settings

from campaigns import deliver, links, tracking, unsubscribe
from campaigns.links import Purpose
from campaigns.models import Delivery, MailLink, Touch
from campaigns.render import Mail
from tests.campaigns.mailbox import planned_mails
from tests.campaigns.people import T0

pytestmark = [pytest.mark.door, pytest.mark.django_db]
SHOP = "https://shop.example/sale?a=1&b=2#top"
AGENT = "Mozilla/5.0 (iPhone)"


@pytest.fixture
def delivery() -> Delivery:
    return planned_mails(1)[0]


def dressed(html: str, delivery: Delivery, *private: str) -> str:
    return tracking.dress(Mail("Hello", html, "Hello"), delivery, private).html


def hrefs(html: str) -> list[str]:
    return [unescape(one) for one in re.findall(r'href="([^"]*)"', html)]


def click(delivery: Delivery, html: str = f'<a href="{SHOP}">Sale</a>', *private: str) -> str:
    """Give the path of the first link of a mail."""
    return urlsplit(hrefs(dressed(html, delivery, *private))[0]).path


def pixel(delivery: Delivery) -> str:
    found = re.search(r'<img src="([^"]*/o/[^"]*)"', dressed("<p>Hello</p>", delivery))
    assert found
    return urlsplit(found[1]).path


def test_a_link_leads_where_it_led_and_is_noted(client: Client, delivery: Delivery) -> None:
    answer = client.get(
        click(delivery, f'<a data-tag="hero" href="{SHOP.replace("&", "&amp;")}">Sale</a>'),
        REMOTE_ADDR="84.180.11.77",
        headers={"user-agent": AGENT},
    )
    assert (answer.status_code, answer["Location"], answer.cookies) == (302, SHOP, {})
    touch = Touch.objects.get()
    assert (touch.delivery, touch.kind, touch.tag, touch.method) == (delivery, "click", "hero", "GET")
    assert (touch.link and touch.link.url, touch.agent, touch.network) == (
        SHOP,
        AGENT,
        "84.180.11.0/24",
    )
    assert touch.is_machine is None


def test_an_opened_mail_is_noted(client: Client, delivery: Delivery) -> None:
    answer = client.get(pixel(delivery), REMOTE_ADDR="84.180.11.77", headers={"user-agent": AGENT})
    assert (answer.status_code, answer["Content-Type"]) == (200, "image/gif")
    assert "no-store" in answer["Cache-Control"]
    assert Touch.objects.get().kind == "open"


def test_links_in_a_sent_mail_are_signed_and_the_way_out_is_not(settings: Settings) -> None:
    settings.PUBLIC_URL = "https://cusp.example"
    body = '<p>See <a href="https://shop.example/">us</a>, <a href="mailto:a@b.example">write</a>.</p>'
    planned_mails(1, steps=[{"action": "email", "subject": "Hello", "body": body}])
    deliver.deliver(T0)
    found = hrefs(str(cast("EmailMultiAlternatives", mail.outbox[0]).alternatives[0][0]))
    assert found[0].startswith("https://cusp.example/c/")
    assert found[1] == "mailto:a@b.example"
    assert found[2].startswith("https://cusp.example/u/")


@pytest.mark.parametrize(
    "kept",
    [
        '<a href="mailto:hello@shop.example">x</a>',
        '<a href="tel:+49301">x</a>',
        '<a href="#top">x</a>',
        "<a name='top'>x</a>",
        '<a href="javascript:alert(1)">x</a>',
        '<a href="https://[broken">x</a>',
        f'<a href="https://shop.example/{"x" * 3000}">x</a>',
        '<a href="http://127.0.0.1:8000/p/token/">x</a>',
        '<a href="http://127.0.0.1:8000/r/token/5">x</a>',
        '<link href="https://shop.example/style.css">',
        '<!-- a href="https://shop.example/" -->',
    ],
)
def test_what_is_no_link_to_elsewhere_stays_as_it_is(delivery: Delivery, kept: str) -> None:
    assert dressed(kept, delivery).startswith(kept)
    assert not MailLink.objects.exists()


@pytest.mark.parametrize(
    "anchor",
    [
        "<a href='https://shop.example/'>x</a>",
        "<A HREF=https://shop.example/ >x</a>",
        '<a\n class="a > b"\n href = " https://shop.example/ "\n>x</a>',
        '<area shape="rect" href="https://shop.example/">',
        '<a title="see href=https://other.example" href="https://shop.example/">x</a>',
    ],
)
def test_links_are_found_however_they_are_written(client: Client, delivery: Delivery, anchor: str) -> None:
    found = re.search(r"/c/[^\"]+", dressed(anchor, delivery))
    assert found
    assert client.get(found[0])["Location"] == "https://shop.example/"


def test_quotes_that_nobody_closed_cost_no_time(delivery: Delivery) -> None:
    html = '<a href="' * 20_000
    assert dressed(html, delivery).startswith(html)


def test_a_content_tag_is_not_sent(delivery: Delivery) -> None:
    assert "data-tag" not in dressed('<a data-tag="hero" href="mailto:a@b.example">x</a>', delivery)


def test_an_address_is_stored_once(delivery: Delivery) -> None:
    html = f'<a href="{SHOP}">a</a><a href="{SHOP}">b</a>'
    assert len(set(hrefs(dressed(html, delivery)))) == 1
    tracking.id_of.cache_clear()
    dressed(html, delivery)
    assert MailLink.objects.count() == 1


@pytest.mark.parametrize("written", ["c0@example.test", "c0%40example.test", "C0%40Example.test"])
def test_what_names_the_customer_is_carried_by_the_link_and_never_stored(
    client: Client, delivery: Delivery, written: str
) -> None:
    url = f"https://shop.example/me?mail={written}&x=1"
    path = click(delivery, f'<a href="{url}">x</a>', "c0@example.test", "shop")
    assert MailLink.objects.get().url == "https://shop.example/me?mail="
    assert client.get(path)["Location"] == url


@pytest.mark.parametrize("change", ["cut", "longer", "another letter", "nonsense", "another address"])
def test_a_link_that_is_not_ours_leads_nowhere(client: Client, delivery: Delivery, change: str) -> None:
    path = click(delivery)
    paths = {
        "cut": path[:-3],
        "longer": path + "A",
        "another letter": path[:5] + ("A" if path[5] != "A" else "B") + path[6:],
        "nonsense": "/c/nonsense",
        "another address": f"/c/{path.rpartition('.')[0][3:]}.?url=https://evil.example",
    }
    answer = client.get(paths[change])
    assert answer.status_code == 404
    assert b"This link does not work" in answer.content
    assert "Location" not in answer
    assert client.get(f"/o/{pixel(delivery)[3:-4][:-2]}.gif").status_code == 404
    assert not Touch.objects.exists()


def test_parameters_never_choose_the_address(client: Client, delivery: Delivery) -> None:
    answer = client.get(click(delivery), {"url": "https://evil.example", "next": "//evil.example"})
    assert answer["Location"] == SHOP


def test_tokens_of_one_purpose_are_worth_nothing_for_another(client: Client, delivery: Delivery) -> None:
    customer, mail_id = delivery.customer.public_id, delivery.public_id
    parts = {  # what each page wants to be told, signed for each purpose in turn
        "/c/{}": (mail_id, str(tracking.id_of(SHOP)), "", ""),
        "/o/{}.gif": (mail_id,),
        "/p/{}/": (customer, mail_id),
        "/r/{}/5/": (mail_id,),
        "/u/{}/": (customer, "newsletter", mail_id),
    }
    meant = {"/c/{}": "click", "/o/{}.gif": "open", "/p/{}/": "preferences", "/r/{}/5/": "rating", "/u/{}/": "none"}
    for page, told in parts.items():
        for purpose in Purpose:
            is_meant = purpose == f"campaigns.{meant[page]}"
            answer = client.get(page.format(links.token(purpose, *told)))
            assert (answer.status_code == 404) is not is_meant, (page, purpose)
        leave = signing.Signer(salt=unsubscribe.PURPOSE, sep=".").sign_object(list(told))
        assert (client.get(page.format(leave)).status_code == 404) is (page != "/u/{}/"), page
    everything = unsubscribe.link(delivery.customer, "newsletter", delivery).split("/u/")[1].rstrip("/")
    assert all(client.get(page.format(everything)).status_code == 404 for page in parts if page != "/u/{}/")


def test_whoever_follows_a_link_gets_there_also_when_nothing_can_be_written(
    client: Client, delivery: Delivery, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    path, picture = click(delivery), pixel(delivery)

    def broken(touch: Touch, public_id: str) -> bool:
        raise DatabaseError("the disk is full")

    monkeypatch.setattr(tracking, "note", broken)
    assert client.get(path)["Location"] == SHOP
    assert client.get(picture).status_code == 200
    assert "was not stored" in caplog.text


def test_the_link_of_a_customer_who_is_gone_still_leads_on(client: Client, delivery: Delivery) -> None:
    path, picture = click(delivery), pixel(delivery)
    client.get(path)
    delivery.customer.delete()
    assert not Touch.objects.exists()
    assert client.get(path)["Location"] == SHOP
    assert client.get(picture).status_code == 200
    assert not Touch.objects.exists()


def test_only_looking_is_allowed(client: Client, delivery: Delivery) -> None:
    assert client.post(click(delivery)).status_code == 405
    assert client.head(click(delivery)).status_code == 302
    assert Touch.objects.get().method == "HEAD"


@pytest.mark.parametrize(
    ("told", "network"),
    [
        ("84.180.11.77", "84.180.11.0/24"),
        ("::ffff:84.180.11.77", "84.180.11.0/24"),
        ("2a00:1450:4001:82b::200e", "2a00:1450:4001::/48"),
        ("10.1.2.3", ""),
        ("127.0.0.1", ""),
        ("not an address", ""),
        ("", ""),
    ],
)
def test_only_the_network_of_an_address_is_kept(told: str, network: str) -> None:
    assert tracking.network_of(told) == network


@pytest.mark.parametrize(("proxies", "network"), [(0, ""), (1, "84.180.11.0/24"), (2, "9.9.9.0/24"), (3, "")])
def test_who_calls_is_told_by_our_own_proxies_alone(
    client: Client, delivery: Delivery, settings: Settings, proxies: int, network: str
) -> None:
    settings.PROXIES = proxies
    client.get(click(delivery), REMOTE_ADDR="127.0.0.1", HTTP_X_FORWARDED_FOR="9.9.9.9, 84.180.11.77")
    assert Touch.objects.get().network == network


def test_an_old_link_still_works(client: Client, delivery: Delivery) -> None:
    path = click(delivery)
    Delivery.objects.update(due_at=T0 - timedelta(days=2000))
    tracking.url_of.cache_clear()
    assert client.get(path)["Location"] == SHOP


def test_a_touch_clears_a_delivery_in_doubt(client: Client, delivery: Delivery) -> None:
    path = click(delivery)
    Delivery.objects.update(state="uncertain", began_at=T0)
    client.get(path)
    assert Delivery.objects.get().state == "sent"


def test_one_mail_cannot_fill_the_disk(client: Client, delivery: Delivery, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracking, "MOST_TOUCHES", 3)
    assert [client.get(click(delivery)).status_code for _ in range(5)] == [302] * 5
    assert Touch.objects.count() == 3
