"""What events tell of products is kept: names, prices and pictures; what is no picture is not."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from customers import catalogue, ingest
from customers.ingest import Records
from customers.models import Product, Source

T = datetime(2026, 3, 1, 12, tzinfo=UTC)
SHOP = "https://cdn.shop.example"
MUG = {"product_id": "mug", "name": "Mug", "category": "Kitchen", "price": 9.5, "image_url": f"{SHOP}/mug.png"}


def events(*told: tuple[str, dict[str, Any]]) -> pl.DataFrame:
    rows = [(name, T + timedelta(hours=n), json.dumps(properties)) for n, (name, properties) in enumerate(told)]
    return pl.DataFrame(rows, schema=["name", "occurred_at", "properties"], orient="row")


def read(*told: tuple[str, dict[str, Any]]) -> list[dict[str, Any]]:
    return catalogue.told(events(*told)).to_dicts()


def test_a_product_stands_in_its_own_event_or_in_a_list() -> None:
    viewed, ordered = read(
        ("Product Viewed", {**MUG, "currency": "EUR"}), ("Order Completed", {"products": [MUG], "currency": "USD"})
    )
    assert viewed == {
        "external_id": "mug",
        "name": "Mug",
        "category": "Kitchen",
        "brand": None,
        "currency": "EUR",
        "image_url": f"{SHOP}/mug.png",
        "price": 9.5,
    }
    assert ordered == {**viewed, "currency": "USD"}


@pytest.mark.parametrize(
    "address",
    [
        "http://cdn.shop.example/mug.png",
        "javascript:alert(1)",
        "data:image/png;base64,AAAA",
        "//cdn.shop.example/mug.png",
        "https://shop.example@evil.example/mug.png",
        "https://127.0.0.1/mug.png",
        "https://localhost/mug.png",
        "https://[::1]/mug.png",
        'https://cdn.shop.example/"onerror="x',
        "https://cdn.shop.example/<b>",
        "https://cdn.shop.example/{{ customer.email }}",
        "https://cdn.shop.example/a b",
        "https://cdn.shop.example/" + "x" * 500,
        7,
        "",
    ],
)
def test_what_is_no_plain_https_address_is_no_picture(address: object) -> None:
    (told,) = read(("Product Viewed", {**MUG, "image_url": address}))
    assert told["image_url"] is None
    assert told["name"] == "Mug"


@pytest.mark.parametrize("price", [0, -1, "much", 1e12, True])
def test_what_is_no_price_is_no_price(price: object) -> None:
    (told,) = read(("Product Viewed", {**MUG, "price": price}))
    assert told["price"] is None or price is True


@pytest.mark.parametrize(
    "other", [{"products": "none"}, {"products": [1, 2]}, {"products": {"a": 1}}, {"brand": {"a": [1]}}]
)
def test_things_of_another_shape_hide_nothing_of_the_rest(other: dict[str, Any]) -> None:
    cups = {"products": [{"product_id": "cup", "price": "3"}, {"product_id": "jug", "price": 4}]}
    found = read(("Order Completed", cups), ("Product Viewed", {**MUG, **other}))
    assert {one["external_id"]: one["price"] for one in found} == {"cup": 3.0, "jug": 4.0, "mug": 9.5}


def test_events_that_are_not_about_products_are_left_alone() -> None:
    assert read(("Page Viewed", MUG), ("Product Viewed", {"name": "nameless"}), ("Order Completed", {})) == []


@pytest.mark.door
@pytest.mark.django_db
def test_the_last_word_on_a_product_is_kept_and_nothing_is_forgotten() -> None:
    source = Source.objects.create(key="shop", name="Shop", kind="api")
    told = events(
        ("Product Viewed", {**MUG, "currency": "EUR"}),
        ("Product Viewed", {"product_id": "mug", "price": 8}),
        ("Product Viewed", {"product_id": "mug", "image_url": "http://no.example/x.png"}),
    )
    rows = told.with_columns(
        external_id=pl.lit("c1"),
        message_id=pl.col("occurred_at").cast(pl.String),
        line=pl.int_range(pl.len(), dtype=pl.Int64),
    )
    for _ in range(2):
        ingest.put(Records(read=3, events=rows), source, T + timedelta(days=1))
    mug = Product.objects.get()
    assert (mug.external_id, mug.name, mug.category) == ("mug", "Mug", "Kitchen")
    assert (mug.price, mug.currency, mug.image_url) == (8.0, "EUR", f"{SHOP}/mug.png")
