"""The offer's page says what came of it, its files bring codes, and the till redeems them."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from campaigns import deliver
from campaigns.models import Campaign, Decision, Offer, OfferCode
from campaigns.offers.report import report
from customers.models import AuditEntry, Customer, Event, Source
from tests.campaigns.mailbox import planned_mails
from tests.campaigns.people import OFFER_STEP, T0, customers

pytestmark = [pytest.mark.door, pytest.mark.django_db]
DAY = timedelta(days=1)


def logged_in(*permissions: str) -> Client:
    user = User.objects.create_user("kim", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client = Client()
    client.force_login(user)
    return client


def given(count: int = 1, **changes: Any) -> list[OfferCode]:
    """Give codes of the offer ten, as of a day ago."""
    Offer.objects.create(**({"key": "ten", "name": "Ten off", "value": 10.0} | changes))
    planned_mails(count, steps=[OFFER_STEP])
    deliver.deliver(timezone.now() - DAY)
    return list(OfferCode.objects.order_by("pk"))


class TestTill:
    url = "/admin/campaigns/offercode/till/"

    def test_a_code_is_looked_at_then_redeemed_once(self) -> None:
        client = logged_in("redeem_offercode")
        (code,) = given()
        seen = client.post(self.url, {"what": "look", "code": code.code.lower()}).content.decode()
        assert "Ten off: 10" in seen
        assert "First0" in seen
        code.refresh_from_db()
        assert code.state == "given"
        done = client.post(self.url, {"what": "redeem", "code": code.code, "order_value": "49.5"}).content.decode()
        assert f"{code.code} is redeemed" in done
        again = client.post(self.url, {"what": "redeem", "code": code.code}).content.decode()
        assert "was redeemed before" in again
        code.refresh_from_db()
        assert (code.state, code.order_value) == ("redeemed", 49.5)
        assert AuditEntry.objects.filter(what="code redeemed", by__username="kim").count() == 1

    def test_what_cannot_be_redeemed_says_why_and_has_no_button(self) -> None:
        client = logged_in("redeem_offercode")
        (code,) = given()
        OfferCode.objects.update(valid_until=timezone.now() - DAY / 2)
        over = client.post(self.url, {"what": "look", "code": code.code}).content.decode()
        assert "expired on" in over
        assert 'value="redeem"' not in over
        assert "is unknown" in client.post(self.url, {"what": "look", "code": "<script>"}).content.decode()
        wrong = client.post(self.url, {"what": "redeem", "code": code.code, "order_value": "much"}).content.decode()
        assert "Write the value of the order as a number" in wrong

    def test_it_is_for_those_who_may_redeem(self) -> None:
        assert logged_in("view_offercode", "change_offer").get(self.url).status_code == 403


class TestFiles:
    def post(self, client: Client, offer: Offer, what: str, body: str) -> Any:
        file = SimpleUploadedFile("list.csv", body.encode())
        return client.post(reverse("admin:campaigns_offer_files", args=[offer.pk]), {"what": what, "file": file})

    def test_codes_are_stored_and_those_that_can_be_guessed_told(self) -> None:
        client = logged_in("change_offer", "view_offer")
        offer = Offer.objects.create(key="ten", name="Ten off", value=10.0, codes_from="pool")
        bad = self.post(client, offer, "codes", "abcdef\nabcdef\n").content.decode()
        assert "The code ABCDEF is on line 1 too." in bad
        assert not OfferCode.objects.exists()
        assert self.post(client, offer, "codes", "sale01\nsale02\nsale03\n").status_code == 302
        page = client.get(reverse("admin:campaigns_offer_change", args=[offer.pk])).content.decode()
        assert "3 codes were stored." in page
        assert "3 codes are numbered one after another" in page

    def test_redemptions_are_taken_from_those_who_may_redeem(self) -> None:
        (code,) = given()
        body = f"code,redeemed_at\n{code.code},{timezone.now().isoformat()}\nNOSUCH,2026-01-01\n"
        client = logged_in("change_offer", "view_offer")
        assert self.post(client, code.offer, "redemptions", body).status_code == 403
        User.objects.get().user_permissions.add(Permission.objects.get(codename="redeem_offercode"))
        told = self.post(client, code.offer, "redemptions", body).content.decode()
        assert "1 of 2 codes were redeemed" in told
        assert "The code &#x27;NOSUCH&#x27; is unknown." in told


class TestForm:
    def test_what_cannot_be_is_told_at_its_field_and_a_new_end_ends_the_codes(self) -> None:
        client = logged_in("change_offer", "view_offer")
        (code,) = given()
        url = reverse("admin:campaigns_offer_change", args=[code.offer_id])
        end = timezone.localtime(timezone.now() + DAY).replace(microsecond=0)
        values = {"name": "Ten off", "value": "10", "margin": "1", "valid_days": "14", "codes_from": "generated"}
        ends = {"ends_at_0": f"{end:%Y-%m-%d}", "ends_at_1": f"{end:%H:%M:%S}"}
        assert client.post(url, {**values, **ends}).status_code == 302
        code.refresh_from_db()
        assert code.valid_until == end
        wrong = client.post(url, {**values, "value": "120", "is_percent": "on"}).content.decode()
        assert "More than 100 % cannot be taken off." in wrong


def arms(campaign: Campaign, treated: int, control: int, share: float) -> list[Customer]:
    """Decide about customers as of T0, drawn into both arms; give those of both in this order."""
    people = customers(treated + control, first=1000)
    Decision.objects.bulk_create(
        Decision(
            campaign=campaign,
            customer=one,
            round=1,
            bucket=one.bucket,
            outcome="control" if number >= treated else "deliver",
            reason="Due.",
            cause="data",
            as_of=T0,
            due_at=T0,
            campaign_version=1,
            arm="control" if number >= treated else "treated",
            draw=0.5,
            probability=share if number >= treated else 1 - share,
        )
        for number, one in enumerate(people)
    )
    return people


def bought(people: list[Customer]) -> None:
    source = Source.objects.create(key="shop", name="Shop", kind=Source.Kind.IMPORT)
    Event.objects.bulk_create(
        Event(
            customer=one,
            source=source,
            message_id=f"o{one.pk}",
            name="Order Completed",
            occurred_at=T0 + DAY,
            known_at=T0 + DAY,
            properties={},
        )
        for one in people
    )


class TestReport:
    def test_what_would_have_been_bought_anyway_is_told_from_the_control_group(self) -> None:
        """Of 400 with the offer 100 buy, of 400 without it 40: two in five would have."""
        (code,) = given(cost=3.0)
        campaign = Campaign.objects.get()
        Decision.objects.update(as_of=T0 - 400 * DAY, arm="outside")
        Campaign.objects.update(control_share=0.5)
        people = arms(campaign, 400, 400, 0.5)
        bought([*people[:100], *people[400:440]])
        OfferCode.objects.update(state="redeemed", redeemed_at=timezone.now(), order_value=60.0)
        told = report(code.offer, T0 + 30 * DAY)
        assert (told.given, told.redeemed, told.cost, told.revenue) == (1, 1, 3.0, 60.0)
        assert told.anyway.share is not None
        assert told.anyway.share.value == pytest.approx(0.4)
        # exp(ln 0.4 +- 1.96 sqrt(1/40 - 1/400 + 1/100 - 1/400))
        assert told.anyway.share.low == pytest.approx(0.4 * 0.7121, abs=0.002)
        assert told.anyway.share.high == pytest.approx(0.4 / 0.7121, abs=0.002)
        assert told.anyway.words == (
            "About 40 % (28 % to 56 %) of the redemptions were by customers who would have bought anyway: "
            "1 of the cost (1 to 2)."
        )

    def test_without_a_control_group_nothing_is_said_of_it(self) -> None:
        (code,) = given()
        assert report(code.offer, timezone.now()).anyway.words == "Nothing was redeemed yet."
        OfferCode.objects.update(state="redeemed", redeemed_at=timezone.now())
        words = report(code.offer, timezone.now()).anyway.words
        assert words == "How many would have bought anyway cannot be told yet. “Winback” has no control group."

    def test_a_percentage_costs_that_part_of_the_orders(self) -> None:
        (code,) = given(value=20.0, is_percent=True)
        OfferCode.objects.update(state="redeemed", redeemed_at=timezone.now(), order_value=80.0)
        assert report(code.offer, timezone.now()).cost == pytest.approx(16.0)

    def test_the_page_shows_it(self) -> None:
        (code,) = given()
        page = logged_in("view_offer", "view_offercode").get(
            reverse("admin:campaigns_offer_change", args=[code.offer_id])
        )
        assert "What came of it" in page.content.decode()
        assert code.code in page.content.decode()
