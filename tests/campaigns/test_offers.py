"""A code is the customer's own, and good once."""

from datetime import timedelta

import pytest

from campaigns import deliver, offers
from campaigns.models import OfferCode
from campaigns.offers import OfferRefused, codes
from customers.models import Event
from tests.campaigns import people
from tests.campaigns.mailbox import planned_mails
from tests.campaigns.people import T0

pytestmark = [pytest.mark.door, pytest.mark.django_db]
DAY = timedelta(days=1)


def given(count: int = 1) -> list[OfferCode]:
    people.offer("ten")
    planned_mails(count, steps=[people.OFFER_STEP])
    deliver.deliver(T0)
    return list(OfferCode.objects.order_by("pk"))


def test_every_code_is_its_own_and_hard_to_guess() -> None:
    every = [one.code for one in given(30)]
    assert len(set(every)) == 30
    for code in every:
        prefix, _, secret = code.partition("-")
        assert prefix == "TEN"
        assert len(secret) == codes.LENGTH
        assert not set(secret) & set("0O1ILU")


def test_the_symbols_of_codes_are_all_as_likely() -> None:
    drawn = "".join(codes.made("x", 30_000).str.slice(2).to_list())
    counts = [drawn.count(symbol) for symbol in codes.ALPHABET]
    assert sum(counts) == 300_000
    assert all(abs(count - 10_000) < 6 * 100 for count in counts)  # six standard deviations


def test_a_code_is_redeemed_once_however_it_is_typed() -> None:
    (code,) = given()
    redeemed = offers.redeem(f" {code.code.lower()[:5]} {code.code.lower()[5:]} ", T0 + DAY, order_value=80.0)
    assert (redeemed.state, redeemed.redeemed_at, redeemed.order_value) == ("redeemed", T0 + DAY, 80.0)
    event = Event.objects.get(name="Offer Redeemed")
    assert event.properties == {"campaign": "winback", "offer": "ten", "code": code.code}
    assert event.occurred_at == T0 + DAY
    with pytest.raises(OfferRefused, match="was redeemed before"):
        offers.redeem(code.code, T0 + timedelta(days=2))
    assert Event.objects.filter(name="Offer Redeemed").count() == 1


def test_an_unknown_code_is_refused() -> None:
    with pytest.raises(OfferRefused, match="The code 'TEN-NOSUCHCODE' is unknown"):
        offers.redeem("ten-nosuchcode", T0)


def test_a_code_of_another_customer_or_another_offer_is_refused() -> None:
    first, second = given(2)
    other = people.offer("five")
    with pytest.raises(OfferRefused, match="another customer's"):
        offers.redeem(first.code, T0 + DAY, customer=second.customer)
    with pytest.raises(OfferRefused, match="of another offer, “Ten off”"):
        offers.redeem(first.code, T0 + DAY, offer=other)
    assert offers.redeem(first.code, T0 + DAY, customer=first.customer, offer=first.offer).state == "redeemed"


def test_an_expired_code_is_refused() -> None:
    (code,) = given()
    assert code.valid_until is not None
    assert offers.redeem(code.code, code.valid_until).state == "redeemed"
    OfferCode.objects.update(state="given")
    with pytest.raises(OfferRefused, match="expired on 15 March 2026"):
        offers.redeem(code.code, code.valid_until + timedelta(seconds=1))


def test_a_code_is_refused_before_it_was_given() -> None:
    (code,) = given()
    with pytest.raises(OfferRefused, match="was given only on 01 March 2026, 12:00"):
        offers.redeem(code.code, T0 - timedelta(minutes=1))
    OfferCode.objects.update(state="released")
    with pytest.raises(OfferRefused, match="was never given"):
        offers.redeem(code.code, T0)
