"""Offers over REST: made, filled with codes, and redeemed by those who may."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from campaigns import deliver
from campaigns.models import Offer, OfferCode
from customers import keys
from tests.campaigns.mailbox import planned_mails
from tests.campaigns.people import OFFER_STEP, T0

pytestmark = [pytest.mark.door, pytest.mark.django_db]
ALL = ("offers:read", "offers:write", "offers:redeem")
TEN: dict[str, Any] = {"key": "ten", "name": "Ten off", "value": 10.0, "valid_days": 7}


class Shop:
    """A program with a key."""

    def __init__(self, *scopes: str) -> None:
        self.client = Client()
        self.headers = {"Authorization": f"Bearer {keys.create('shop', scopes or ALL, T0)[1]}"}

    def ask(self, method: str, path: str, body: Any = None, kind: str = "application/json", **headers: str) -> Any:
        send = getattr(self.client, method)
        told = {} if method == "get" else {"data": body, "content_type": kind}
        return send(f"/api/v1/offers/{path}", headers={**self.headers, **headers}, **told)


def given(count: int = 1) -> list[OfferCode]:
    """Give codes of the offer ten, as of a day ago."""
    planned_mails(count, steps=[OFFER_STEP])
    deliver.deliver(timezone.now() - timedelta(days=1))
    return list(OfferCode.objects.order_by("pk"))


def test_an_offer_is_made_read_and_changed_by_those_who_read_it_as_it_is() -> None:
    shop = Shop()
    made = shop.ask("post", "", TEN)
    assert (made.status_code, made.json()["codes_from"], made.json()["stock"]) == (201, "generated", None)
    changed = shop.ask("patch", "ten/", {"stock": 5}, **{"If-Match": made["ETag"]})
    assert (changed.status_code, changed.json()["stock"]) == (200, 5)
    assert shop.ask("patch", "ten/", {"stock": 9}, **{"If-Match": made["ETag"]}).status_code == 412
    assert [one["key"] for one in shop.ask("get", "").json()["results"]] == ["ten"]
    assert shop.ask("get", "ten/")["ETag"] == changed["ETag"]
    assert shop.ask("post", "", TEN).status_code == 409
    assert shop.ask("get", "eleven/").status_code == 404


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"value": 120.0, "is_percent": True}, "value"),
        ({"starts_at": "2026-05-02T00:00:00Z", "ends_at": "2026-05-01T00:00:00Z"}, "ends_at"),
        ({"audience": "nosuch"}, "audience"),
        ({"colour": "red"}, "colour"),
        ({"stock": -1}, "stock"),
    ],
)
def test_what_cannot_be_is_refused_at_its_place(changes: dict[str, Any], path: str) -> None:
    refused = Shop().ask("post", "", {**TEN, **changes})
    assert (refused.status_code, [one["path"] for one in refused.json()["errors"]]) == (400, [path])
    assert not Offer.objects.exists()


def test_a_list_is_uploaded_whole_and_listed_by_state() -> None:
    shop = Shop()
    shop.ask("post", "", {**TEN, "codes_from": "pool"})
    stored = shop.ask("post", "ten/codes/", b"abcdef-1\nghijkl-7", "text/csv")
    assert (stored.status_code, stored.json()) == (200, {"added": 2, "warnings": []})
    refused = shop.ask("post", "ten/codes/", b"mnopqr-3\nABCDEF-1", "text/plain").json()
    assert refused["errors"] == [
        {"path": "line 2", "code": "bad_line", "message": "The code ABCDEF-1 is there already, of “Ten off”."}
    ]
    page = shop.ask("get", "ten/codes/?state=free&limit=1").json()
    assert [(one["code"], one["customer"]) for one in page["results"]] == [("ABCDEF-1", None)]
    assert page["next"]
    assert shop.ask("get", "ten/codes/?state=gone").status_code == 400
    changed = shop.ask("patch", "ten/", {"codes_from": "generated"})
    assert changed.json()["errors"][0]["path"] == "codes_from"


def test_a_code_is_redeemed_once_by_its_customer() -> None:
    shop = Shop()
    shop.ask("post", "", TEN)
    (code,) = given()
    body = {"code": code.code.lower(), "order_value": 80.0, "customer": "c0"}
    done = shop.ask("post", "ten/redeem/", body)
    assert (done.status_code, done.json()["state"], done.json()["order_value"]) == (200, "redeemed", 80.0)
    again = shop.ask("post", "ten/redeem/", body)
    assert (again.status_code, again.json()["code"]) == (409, "redeemed")
    report = shop.ask("get", "ten/report/").json()
    assert (report["given"], report["redeemed"], report["cost"], report["revenue"]) == (1, 1, 10.0, 80.0)
    assert report["anyway"]["share"] is None
    assert "has no control group" in report["anyway"]["words"]


def test_whoever_guesses_learns_nothing_of_the_codes_of_others() -> None:
    shop = Shop()
    shop.ask("post", "", TEN)
    shop.ask("post", "", {**TEN, "key": "five"})
    first, second = given(2)
    OfferCode.objects.filter(pk=second.pk).update(state="released")
    tries = [
        shop.ask("post", "ten/redeem/", {"code": "TEN-NOSUCHCODE"}),
        shop.ask("post", "ten/redeem/", {"code": first.code, "customer": "c1"}),
        shop.ask("post", "five/redeem/", {"code": first.code}),
        shop.ask("post", "ten/redeem/", {"code": second.code}),
        shop.ask("post", "ten/redeem/", {"code": first.code, "redeemed_at": "2020-01-01T00:00:00Z"}),
    ]
    assert {one.status_code for one in tries} == {404}
    assert len({one.json()["detail"] for one in tries}) == 1
    first.refresh_from_db()
    assert first.state == "given"


def test_a_code_that_is_over_says_when_and_none_is_redeemed_ahead() -> None:
    shop = Shop()
    shop.ask("post", "", TEN)
    (code,) = given()
    ahead = shop.ask("post", "ten/redeem/", {"code": code.code, "redeemed_at": "2126-01-01T00:00:00Z"})
    assert (ahead.status_code, ahead.json()["errors"][0]["path"]) == (400, "redeemed_at")
    ended = timezone.now() - timedelta(hours=1)
    shop.ask("patch", "ten/", {"ends_at": ended.isoformat()})
    over = shop.ask("post", "ten/redeem/", {"code": code.code})
    assert (over.status_code, over.json()["code"]) == (409, "lapsed")
    assert over.json()["detail"] == f"The code {code.code} expired on {ended:%d %B %Y}."


def test_a_file_of_redemptions_tells_the_lines_it_refused() -> None:
    shop = Shop()
    shop.ask("post", "", TEN)
    (code,) = given()
    table = f"code,redeemed_at\n{code.code},{timezone.now().isoformat()}\nNOSUCH1,2026-01-01\n"
    told = shop.ask("post", "ten/redemptions/", table.encode(), "text/csv").json()
    assert told == {
        "read": 2,
        "redeemed": 1,
        "refused": [{"line": 3, "message": "The code 'NOSUCH1' is unknown."}],
    }


@pytest.mark.parametrize(
    ("scope", "method", "path"),
    [
        ("offers:read", "post", ""),
        ("offers:read", "post", "ten/redeem/"),
        ("offers:write", "post", "ten/redeem/"),
        ("offers:redeem", "get", "ten/codes/"),
        ("offers:redeem", "post", "ten/codes/"),
        ("offers:redeem", "get", "ten/report/"),
    ],
)
def test_each_scope_opens_its_own_doors(scope: str, method: str, path: str) -> None:
    Offer.objects.create(key="ten", name="Ten off", value=10.0)
    assert Shop(scope).ask(method, path, {}).status_code == 403


def test_offers_sorted_by_their_value_go_on_behind_a_page() -> None:
    shop = Shop()
    for key, value in (("half", 0.5), ("ten", 10.0), ("two", 2.0)):
        shop.ask("post", "", TEN | {"key": key, "value": value})
    first = shop.ask("get", "?sort=value&limit=2").json()
    rest = shop.ask("get", f"?{first['next'].partition('?')[2]}").json()
    assert [one["key"] for one in first["results"] + rest["results"]] == ["half", "two", "ten"]
    assert rest["next"] is None
