"""A code is the customer's own, and good once."""

from datetime import timedelta

import pytest

from campaigns import deliver, offers
from campaigns.models import Offer, OfferCode
from campaigns.offers import OfferRefused
from customers.models import Event
from tests.campaigns import people
from tests.campaigns.mailbox import planned_mails
from tests.campaigns.people import T0

pytestmark = [pytest.mark.door, pytest.mark.django_db]


def given(count: int = 1) -> list[OfferCode]:
    people.offer("ten")
    planned_mails(count, steps=[people.OFFER_STEP])
    deliver.deliver(T0)
    return list(OfferCode.objects.order_by("pk"))


def test_every_code_is_its_own_and_hard_to_guess() -> None:
    codes = [one.code for one in given(30)]
    assert len(set(codes)) == 30
    for code in codes:
        prefix, _, secret = code.partition("-")
        assert prefix == "TEN"
        assert len(secret) == offers.LENGTH
        assert not set(secret) & set("0O1ILU")


def test_reserving_again_keeps_the_code_and_moves_its_end() -> None:
    people.offer("ten")
    (delivery,) = planned_mails(1, steps=[people.OFFER_STEP])
    offer = Offer.objects.get()
    first = offers.reserve([OfferCode(delivery=delivery, offer=offer, customer=delivery.customer)], T0)[delivery.pk]
    again = offers.reserve(
        [OfferCode(delivery=delivery, offer=offer, customer=delivery.customer)], T0 + timedelta(days=1)
    )[delivery.pk]
    assert (again.code, again.valid_until) == (first.code, T0 + timedelta(days=15))


def test_a_code_is_redeemed_once_however_it_is_typed() -> None:
    (code,) = given()
    redeemed = offers.redeem(f" {code.code.lower()} ", T0 + timedelta(days=1))
    assert (redeemed.state, redeemed.redeemed_at) == ("redeemed", T0 + timedelta(days=1))
    event = Event.objects.get(name="Offer Redeemed")
    assert event.properties == {"campaign": "winback", "offer": "ten", "code": code.code}
    assert event.occurred_at == T0 + timedelta(days=1)
    with pytest.raises(OfferRefused, match="was redeemed before"):
        offers.redeem(code.code, T0 + timedelta(days=2))
    assert Event.objects.filter(name="Offer Redeemed").count() == 1


def test_an_unknown_code_is_refused() -> None:
    with pytest.raises(OfferRefused, match="The code 'TEN-NOSUCHCODE' is unknown"):
        offers.redeem("ten-nosuchcode", T0)


def test_an_expired_code_is_refused() -> None:
    (code,) = given()
    assert offers.redeem(code.code, code.valid_until).state == "redeemed"
    OfferCode.objects.update(state="given")
    with pytest.raises(OfferRefused, match="expired on 15 March 2026"):
        offers.redeem(code.code, code.valid_until + timedelta(seconds=1))


def test_a_released_code_is_refused() -> None:
    (code,) = given()
    OfferCode.objects.update(state="released")
    with pytest.raises(OfferRefused, match="was never given"):
        offers.redeem(code.code, T0)
