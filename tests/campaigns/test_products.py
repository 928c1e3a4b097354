"""A mail shows the products it names, and those that the customer viewed or bought, in her language."""

import re
from datetime import timedelta

import pytest
from django.core import mail

from campaigns import deliver, products, programme, steps
from campaigns.models import Delivery
from customers.models import Customer, Event, OrderLine, Product, Source
from tests.campaigns import people
from tests.campaigns.people import T0

pytestmark = [pytest.mark.door, pytest.mark.django_db]
CONTENT = {
    "subject": "Yours",
    "blocks": [
        {"kind": "heading", "id": "title", "text": "Seen"},
        {"kind": "products", "from": "viewed", "url": "https://shop.example/p/{{ product.id | url_encode }}"},
        {"kind": "products", "from": "bought"},
        {"kind": "products", "products": ["mug"]},
    ],
    "languages": {"de": {"subject": "Für Sie", "blocks": {"title": {"text": "Gesehen"}}}},
}


def happened(customer: Customer, name: str, hours: int, **properties: object) -> Event:
    source, _ = Source.objects.get_or_create(key="shop", defaults={"name": "Shop", "kind": "api"})
    at = T0 - timedelta(hours=hours)
    return Event.objects.create(
        customer=customer,
        source=source,
        message_id=f"{name}-{hours}",
        name=name,
        occurred_at=at,
        known_at=at,
        properties=properties,
    )


def planned() -> Delivery:
    campaign = people.campaign(steps=[{"action": "email", "content": CONTENT}])
    return people.planned(people.customers(1)[0], campaign)


def test_what_was_viewed_and_bought_last_is_shown_once_each_newest_first() -> None:
    customer = planned().customer
    mug = Product.objects.create(external_id="mug", name="Mug")
    Product.objects.create(external_id="b/1", name="Blanket <new>")
    happened(customer, "Product Viewed", 3, product_id="mug", price=9, currency="EUR")
    happened(customer, "Product Viewed", 2, product_id="b/1", price="1e9", url="https://evil.example/")
    happened(customer, "Product Viewed", 1, product_id="mug", price=8.5, currency="EUR")
    happened(customer, "Product Viewed", -1, product_id="later")
    order = happened(customer, "Order Completed", 4)
    OrderLine.objects.create(event=order, product=mug, quantity=1, price=7)
    deliver.deliver(T0)
    text = str(mail.outbox[0].body)
    assert text.startswith(
        "Seen\n\n* Mug, 8.50 EUR\n  https://shop.example/p/mug\n* Blanket <new>\n  https://shop.example/p/b%2F1\n\n"
        "* Mug, 7.00\n\n* Mug\n\n"
    )
    page = str(mail.outbox[0].alternatives[0][0])  # type: ignore[union-attr]
    assert "Blanket &lt;new&gt;" in page
    assert "evil.example" not in page
    assert "later" not in page


def test_a_customer_is_written_to_in_her_language_and_answers_where_we_want_them() -> None:
    customer = planned().customer
    Customer.objects.filter(pk=customer.pk).update(language="de-AT")
    house = programme.current()
    house.reply_to = "answers@example.test"
    house.save()
    deliver.deliver(T0)
    assert mail.outbox[0].subject == "Für Sie"
    assert str(mail.outbox[0].body).startswith("Gesehen")
    assert mail.outbox[0].reply_to == ["answers@example.test"]


def test_a_product_that_there_is_not_is_told_with_its_place() -> None:
    Product.objects.create(external_id="tea", name="Tea")
    step = {"action": "email", "content": CONTENT}
    there = products.existing([[step]])
    assert there == frozenset()
    with pytest.raises(
        steps.StepError, match=r"steps\[0\]\.content\.blocks\[3\]\.products\[0\]: there is no product 'mug'"
    ):
        steps.parse([step], steps.Known(frozenset(), frozenset(), frozenset(), there))
    Product.objects.create(external_id="mug", name="Mug")
    assert steps.parse([step], steps.Known(frozenset(), frozenset(), frozenset(), products.existing([[step]])))


def test_a_product_is_shown_with_its_picture_and_price_and_its_name_where_pictures_are_blocked() -> None:
    customer = planned().customer
    picture = "https://cdn.shop.example/mug.png?w=200&h=200"
    mug = Product.objects.create(external_id="mug", name="Mug <1>", price=9.5, currency="EUR", image_url=picture)
    Product.objects.create(external_id="b/1", name="Blanket")
    happened(customer, "Product Viewed", 3, product_id="b/1")
    happened(customer, "Product Viewed", 2, product_id="mug", image_url="https://evil.example/x.png")
    order = happened(customer, "Order Completed", 4)
    OrderLine.objects.create(event=order, product=mug, quantity=1, price=7)
    deliver.deliver(T0)
    page = str(mail.outbox[0].alternatives[0][0])  # type: ignore[union-attr]
    pictures = re.findall(r'<img src="([^"]*)" alt="([^"]*)" width="112"', page)
    assert pictures == [(picture.replace("&", "&amp;"), "Mug &lt;1&gt;")] * 3, (
        "viewed, bought and named; none has the blanket"
    )
    assert "evil.example" not in page
    assert page.count("9.50 EUR") == 2
    assert "7.00" in page
    text = str(mail.outbox[0].body)
    assert "* Mug <1>, 9.50 EUR" in text
    assert "cdn.shop.example" not in text
