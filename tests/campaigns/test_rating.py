"""A customer says how she liked it; looking at the page says nothing."""

from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.test import Client

from campaigns import customer_story, links, preferences, rating
from campaigns.links import Purpose
from campaigns.models import Delivery
from campaigns.rating import Answer
from customers.models import Event, Source
from tests.campaigns.mailbox import planned_mails
from tests.campaigns.people import T0

pytestmark = [pytest.mark.door, pytest.mark.django_db]
LATER = T0 + timedelta(hours=5)


@pytest.fixture
def strict() -> Client:
    """Give a client without cookies whose POSTs need a CSRF token."""
    return Client(enforce_csrf_checks=True)


@pytest.fixture
def delivery() -> Delivery:
    """Give a mail that was sent after an order."""
    (delivery,) = planned_mails(1)
    shop = Source.objects.create(key="shop", name="Shop", kind="api")
    for number, day in enumerate((-9, -1, 1)):
        at = T0 + timedelta(days=day)
        Event.objects.create(
            customer=delivery.customer, source=shop, message_id=f"m{number}", name="Order Completed", occurred_at=at,
            known_at=at, order_id=f"order-{number}",
        )  # fmt: skip
    return delivery


def address_of(delivery: Delivery, score: object = 4) -> str:
    return f"{urlsplit(rating.link(delivery)).path}{score}/"


def rated() -> list[dict[str, Any]]:
    return list(Event.objects.filter(name="Rated").values_list("properties", flat=True))


def test_looking_shows_the_pressed_score_and_stores_nothing(strict: Client, delivery: Delivery) -> None:
    page = strict.get(address_of(delivery)).content.decode()
    assert 'value="4" required checked' in page
    assert page.count(" checked") == 1
    assert "Nothing is sent before you press Send." in page
    assert strict.head(address_of(delivery)).status_code == 200
    assert rated() == []


def test_sending_stores_the_score_with_what_was_said(strict: Client, delivery: Delivery) -> None:
    answer = strict.post(address_of(delivery), {"score": "5", "comment": " Lovely\x00, and fast. "})
    assert answer.status_code == 200
    assert b"Thank you" in answer.content
    assert b"5 of 5" in answer.content
    (told,) = rated()
    assert told == {
        "score": 5,
        "comment": "Lovely, and fast.",
        "campaign": "winback",
        "delivery": delivery.public_id,
        "order": "order-1",
    }


@pytest.mark.parametrize("score", ["0", "6", "-1", "5.0", "٥", "", "five", "1e0"])
def test_a_score_that_is_none_is_refused_at_its_place(strict: Client, delivery: Delivery, score: str) -> None:
    answer = strict.post(address_of(delivery), {"score": score, "comment": "my words <b>"})
    assert answer.status_code == 400
    assert b"Choose a number from 1 to 5." in answer.content
    assert b"my words &lt;b&gt;" in answer.content
    assert rated() == []


def test_a_score_of_a_link_that_is_none_is_left_open(strict: Client, delivery: Delivery) -> None:
    assert " checked" not in strict.get(address_of(delivery, "99")).content.decode()


def test_a_mail_is_answered_once_and_the_last_word_within_a_day_counts(delivery: Delivery) -> None:
    assert rating.rate(delivery, Answer(2, "slow"), LATER)
    assert rating.rate(delivery, Answer(5, ""), LATER + timedelta(hours=1))
    assert [one["score"] for one in rated()] == [5]
    assert not rating.rate(delivery, Answer(1, ""), LATER + timedelta(days=3))
    assert [one["score"] for one in rated()] == [5]


def test_whoever_is_too_late_is_told(strict: Client, delivery: Delivery) -> None:
    rating.rate(delivery, Answer(2, ""), T0 - timedelta(days=100))
    assert b"your first answer stands" in strict.post(address_of(delivery), {"score": "5"}).content


def test_a_long_comment_is_cut(strict: Client, delivery: Delivery) -> None:
    strict.post(address_of(delivery), {"score": "3", "comment": "x" * 5_000})
    assert len(rated()[0]["comment"]) == rating.COMMENT_LENGTH


def test_the_customers_page_tells_of_it(delivery: Delivery) -> None:
    rating.rate(delivery, Answer(2, ""), LATER)
    assert "Rated" in [one.words for one in customer_story.story(delivery.customer, "events")]


def test_the_mails_own_question_is_asked(strict: Client, delivery: Delivery) -> None:
    block = {
        "kind": "rating",
        "question": "How was the delivery?",
        "low": "bad",
        "high": "great",
        "event": "Delivery Rated",
    }
    content = {"subject": "Well?", "preheader": "One press", "blocks": [block]}
    campaign = delivery.decision.campaign
    campaign.steps = [{"action": "email", "content": content}]
    campaign.save(update_fields=["steps"])
    page = strict.get(address_of(delivery)).content.decode()
    assert "How was the delivery?" in page
    assert "5: great" in page
    strict.post(address_of(delivery), {"score": "1"})
    assert Event.objects.get(name="Delivery Rated").properties["score"] == 1


@pytest.mark.parametrize("change", ["cut", "preferences", "gone"])
def test_a_link_that_is_not_ours_is_refused_clearly(strict: Client, delivery: Delivery, change: str) -> None:
    tokens = {
        "cut": links.token(Purpose.RATING, delivery.public_id)[:-2],
        "preferences": preferences.link(delivery.customer, delivery).split("/")[-2],
        "gone": links.token(Purpose.RATING, "nobody"),
    }
    for answer in (strict.get(f"/r/{tokens[change]}/4/"), strict.post(f"/r/{tokens[change]}/4/", {"score": "4"})):
        assert answer.status_code == 404
        assert b"This link does not work" in answer.content
    assert rated() == []


def test_every_control_of_the_page_has_a_name(strict: Client, delivery: Delivery) -> None:
    page = strict.get(address_of(delivery)).content.decode()
    assert page.count("<label>") == 5
    assert '<label class="label" for="comment">' in page
    assert "<script" not in page
