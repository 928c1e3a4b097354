"""Codes come from lists, lapse, and are redeemed by whoever tells of it, once."""

from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from campaigns import deliver, news
from campaigns.models import Delivery, DeliveryAttempt, Offer, OfferCode
from campaigns.offers import codes, files, imports, lapse, pool, stocks, told
from campaigns.offers.files import FileRefused
from customers import events
from customers.models import Alert, ApiKey, Event
from tests.campaigns.mailbox import planned_mails
from tests.campaigns.people import OFFER_STEP, T0

pytestmark = [pytest.mark.door, pytest.mark.django_db]
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
BY = ApiKey(name="tests")


def offer(**changes: Any) -> Offer:
    return Offer.objects.create(**({"key": "ten", "name": "Ten off", "value": 10.0} | changes))


def given(count: int = 1, **changes: Any) -> list[OfferCode]:
    offer(**changes)
    planned_mails(count, steps=[OFFER_STEP])
    deliver.deliver(T0)
    return list(OfferCode.objects.order_by("pk"))


def happened(name: str, code: OfferCode, at: datetime, *, customer: int = 0, value: float | None = None) -> None:
    """Let a shop tell of something that names a code."""
    row = {
        "customer_id": customer or code.customer_id,
        "message_id": f"{name}-{code.pk}-{at:%d%H%M}-{Event.objects.count()}",
        "name": name,
        "occurred_at": at,
        "value": value,
        "properties": f'{{"coupon": " {code.code.lower()} "}}',
    }
    events.record(pl.DataFrame([row], schema_overrides={"value": pl.Float64}), "shop", at)


def heard(as_of: datetime) -> dict[str, int]:
    return dict(told.redeem(news.BEGIN, news.newest(), as_of))


class TestLapse:
    def test_a_code_lapses_with_its_time_and_gives_the_stock_its_place_back(self) -> None:
        (code,) = given(stock=1)
        assert stocks(Offer.objects.all())["ten"].left == 0
        assert lapse.lapse(T0 + 14 * DAY) == (0, 0)
        assert lapse.lapse(T0 + 15 * DAY) == (1, 0)
        assert lapse.lapse(T0 + 15 * DAY) == (0, 0)
        code.refresh_from_db()
        assert code.state == "lapsed"
        assert stocks(Offer.objects.all())["ten"].left == 1

    def test_what_is_redeemed_does_not_lapse(self) -> None:
        given()
        OfferCode.objects.update(state="redeemed", redeemed_at=T0)
        assert lapse.lapse(T0 + 99 * DAY) == (0, 0)

    def test_codes_of_messages_that_never_went_are_released(self) -> None:
        made = offer(codes_from="pool")
        pool.add(made, b"one-code-1\ntwo-code-2", BY, T0)
        seen, unseen = planned_mails(2, steps=[OFFER_STEP])
        for code, delivery in zip(OfferCode.objects.all(), (seen, unseen), strict=True):
            OfferCode.objects.filter(pk=code.pk).update(
                delivery=delivery, customer_id=delivery.customer_id, state="reserved"
            )
        DeliveryAttempt.objects.create(delivery=seen, number=1, began_at=T0, result="uncertain")
        Delivery.objects.update(state="failed")
        assert lapse.lapse(T0) == (0, 2)
        assert set(OfferCode.objects.values_list("state", "customer")) == {
            ("released", seen.customer_id),
            ("free", None),
        }

    def test_a_code_in_doubt_lapses_with_its_time(self) -> None:
        given()
        OfferCode.objects.update(state="reserved")
        Delivery.objects.update(state="uncertain")
        assert lapse.lapse(T0 + 15 * DAY) == (1, 0)

    def test_the_inbox_says_when_an_offer_runs_low_or_out_until_there_are_more(self) -> None:
        given(3, stock=20)
        lapse.watch(T0 + HOUR)
        assert not Alert.objects.exists()
        Offer.objects.update(stock=5)
        lapse.watch(T0 + HOUR)
        said = "2 of 5 codes of the offer “Ten off” are left; 3 were given in a week."
        assert Alert.objects.get(state="open", kind="offer").sentence == said
        lapse.watch(T0 + 8 * DAY)
        assert not Alert.objects.filter(state="open").exists()
        Offer.objects.update(stock=3)
        lapse.watch(T0 + 8 * DAY)
        assert Alert.objects.get(state="open").sentence == "No code of the offer “Ten off” is left."


class TestPool:
    def test_codes_are_stored_as_a_till_reads_them(self) -> None:
        added = pool.add(offer(codes_from="pool"), b"\xef\xbb\xbfCoupon\r\n  ab 12-x9 \r\n\r\nzz99yy\r\n", BY, T0)
        assert added == (2, [])
        assert set(OfferCode.objects.values_list("code", "state")) == {("AB12-X9", "free"), ("ZZ99YY", "free")}

    def test_the_column_of_a_table_is_the_one_called_code_or_the_one_named(self) -> None:
        made = offer(codes_from="pool")
        pool.add(made, b"name;code\nA;aaaaaa\nB;bbbbbb", BY, T0)
        pool.add(made, b"name,secret\nA,cccccc\nB,dddddd", BY, T0, "secret")
        assert set(OfferCode.objects.values_list("code", flat=True)) == {"AAAAAA", "BBBBBB", "CCCCCC", "DDDDDD"}
        with pytest.raises(FileRefused, match="There are 2 columns; call the one with the codes “code”"):
            pool.add(made, b"name,secret\nA,cccccc", BY, T0)
        with pytest.raises(FileRefused, match="no column “codex”; there are name, secret"):
            pool.add(made, b"name,secret\nA,cccccc", BY, T0, "codex")

    def test_a_file_with_one_bad_line_is_not_stored_and_each_is_told(self) -> None:
        made = offer(codes_from="pool")
        pool.add(made, b"first1", BY, T0)
        body = "second\nSecond\nfirst1\n" + "x" * 41 + "\nsch\u00f6n9\nfine99"
        with pytest.raises(FileRefused, match="4 of 6 lines cannot be taken") as refused:
            pool.add(made, body.encode(), BY, T0)
        assert refused.value.faults == [
            (2, "The code SECOND is on line 1 too."),
            (3, "The code FIRST1 is there already, of “Ten off”."),
            (4, "The code is longer than 40 symbols."),
            (5, "The code has symbols that a till cannot type."),
        ]
        assert OfferCode.objects.count() == 1

    @pytest.mark.parametrize(
        ("body", "said"),
        [
            (b" \n", "The file is empty."),
            (b"code\n", "holds a header and no codes"),
            (b"a\x00b", "no text file"),
            ("caf\u00e9".encode("latin-1"), "not in UTF-8"),
            (b"x\n" * (files.MOST + 1), "The file has 100,001 lines"),
        ],
    )
    def test_what_is_no_list_is_refused(self, body: bytes, said: str) -> None:
        with pytest.raises(FileRefused, match=said):
            pool.add(offer(codes_from="pool"), body, BY, T0)

    def test_only_an_offer_with_a_list_takes_one(self) -> None:
        with pytest.raises(FileRefused, match="are made here"):
            pool.add(offer(), b"abcdef", BY, T0)

    def test_codes_that_can_be_guessed_are_told_of(self) -> None:
        numbered = pl.Series([f"SALE{n}" for n in range(1000, 1010)] + ["AB1", "QX7713", "QX9922"])
        assert pool.easy(numbered) == [
            "1 codes are shorter than 6 symbols: easy to guess.",
            "10 codes are numbered one after another: who has one can guess others.",
        ]
        assert pool.easy(codes.made("fine", 1000)) == []


class TestEvents:
    def test_an_order_that_names_a_code_redeems_it_however_often_it_is_told(self) -> None:
        (code,) = given()
        for _ in range(2):
            happened("Order Completed", code, T0 + HOUR, value=50.0)
        assert heard(T0 + DAY) == {"redeemed": 1, "not_redeemed": 1}
        happened("Order Completed", code, T0 + 2 * HOUR, value=70.0)
        assert heard(T0 + DAY) == {"redeemed": 0, "not_redeemed": 3}
        code.refresh_from_db()
        assert (code.state, code.redeemed_at, code.order_value) == ("redeemed", T0 + HOUR, 50.0)
        assert Event.objects.filter(name="Offer Redeemed").count() == 1

    def test_the_order_says_what_a_code_in_the_cart_was_worth(self) -> None:
        (code,) = given()
        happened("Coupon Applied", code, T0 + HOUR)
        heard(T0 + HOUR)
        happened("Order Completed", code, T0 + 2 * HOUR, value=80.0)
        heard(T0 + DAY)
        code.refresh_from_db()
        assert (code.redeemed_at, code.order_value) == (T0 + HOUR, 80.0)

    def test_an_order_of_another_customer_or_before_its_mail_redeems_nothing(self) -> None:
        first, second = given(2)
        happened("Order Completed", first, T0 + HOUR, customer=second.customer_id or 0)
        happened("Order Completed", second, T0 - HOUR)
        happened("Product Viewed", second, T0 + HOUR)
        assert heard(T0 + DAY) == {"redeemed": 0, "not_redeemed": 2}
        assert set(OfferCode.objects.values_list("state", flat=True)) == {"given"}

    def test_where_no_code_is_out_nothing_is_read(self, django_assert_num_queries: Any) -> None:
        with django_assert_num_queries(1):
            assert told.redeem(news.BEGIN, {"events": [9, 9], "attributes": [0, 0]}, T0) == {}


class TestImport:
    def test_good_lines_are_redeemed_and_the_others_told(self) -> None:
        first, second = given(2)
        body = (
            "Code,Redeemed_at,Order_value\n"
            f"{first.code.lower()},2026-03-02T10:00:00Z,99.5\n"
            "NOSUCH99,2026-03-02,\n"
            f"{second.code},yesterday,\n"
            f"{second.code},2026-03-20,5\n"
            f"{first.code},2026-03-03,\n"
            f"{second.code},2026-03-02,much\n"
        )
        read = imports.redeem(Offer.objects.get(), body.encode(), BY, T0 + 30 * DAY)
        assert (read.read, read.redeemed) == (6, 1)
        assert read.refused == [
            (3, "The code 'NOSUCH99' is unknown."),
            (4, "“yesterday” is no time: write 2026-03-01 or 2026-03-01T12:00:00Z."),
            (5, f"The code {second.code} expired on 15 March 2026."),
            (6, f"The code {first.code} was redeemed before."),
            (7, "“much” is no value of an order: write 1234.50."),
        ]
        first.refresh_from_db()
        assert (first.redeemed_at, first.order_value) == (datetime(2026, 3, 2, 10, tzinfo=UTC), 99.5)

    def test_a_day_is_enough_also_the_day_it_was_given_and_the_last_one(self, settings: Any) -> None:
        settings.TIME_ZONE = "UTC"
        first, second = given(2)
        body = f"code;date\n{first.code};2026-03-01\n{second.code};2026-03-15\n"
        read = imports.redeem(Offer.objects.get(), body.encode(), BY, T0 + 30 * DAY)
        assert (read.redeemed, read.refused) == (2, [])
        second.refresh_from_db()
        assert second.redeemed_at == second.valid_until

    def test_a_code_that_has_lapsed_since_was_good_when_the_order_was_made(self) -> None:
        (code,) = given()
        lapse.lapse(T0 + 20 * DAY)
        body = f"code,redeemed_at\n{code.code},2026-03-10T08:00:00Z\n"
        assert imports.redeem(Offer.objects.get(), body.encode(), BY, T0 + 30 * DAY).redeemed == 1

    def test_a_file_without_times_is_refused(self) -> None:
        with pytest.raises(FileRefused, match="no column “redeemed_at”"):
            imports.redeem(offer(), b"code\nABCDEF", BY, T0)
