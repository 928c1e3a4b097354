"""The products that a mail shows: those it names, and those that the customer viewed or bought last."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from campaigns.blocks import MOST_PRODUCTS, Content, Products, walk
from customers.models import Event, OrderLine, Product

VIEWED = "Product Viewed"
LATELY = timedelta(days=180)
MOST_EVENTS = 100  # that are looked through for different products

Told = dict[str, str]


def of(content: Content, customer_id: int, until: datetime) -> dict[str, object]:
    """Give the values of a mail's products, as far as its blocks show any; what is shown is plain text.

    No link is ever taken from events, which anybody who holds a write key can make up; a picture's address is, where it
    is https (customers.catalogue).
    """
    blocks = [one for letter in content.letters for one in walk(letter.blocks) if isinstance(one, Products)]
    named = {shown.product for block in blocks for shown in block.products}
    histories = {block.history for block in blocks}
    values: dict[str, object] = {}
    if named:
        values["products"] = _named(dict.fromkeys(named, ""))
    if "viewed" in histories:
        values["products_viewed"] = list(_named(_viewed(customer_id, until)).values())
    if "bought" in histories:
        values["products_bought"] = list(_named(_bought(customer_id, until)).values())
    return values


def existing(plan: object) -> frozenset[str]:
    """Give those of the products that the JSON of a plan names which there are."""
    keys = Product.objects.filter(external_id__in=set(_keys(plan))).values_list("external_id", flat=True)
    return frozenset(keys)


def _keys(data: object) -> Iterator[str]:
    rows = data.get("products") if isinstance(data, dict) else None
    for row in rows if isinstance(rows, list) else ():
        key = row.get("product") if isinstance(row, dict) else row
        if isinstance(key, str):
            yield key
    within = data.values() if isinstance(data, dict) else data if isinstance(data, list) else ()
    for one in within:
        yield from _keys(one)


def _named(prices: dict[str, str]) -> dict[str, Told]:
    """Give the products of these ids, in this order, with what they are called, what they cost and their pictures."""
    stored = {one.external_id: one for one in Product.objects.filter(external_id__in=prices)}
    return {key: _told(stored.get(key) or Product(external_id=key), price) for key, price in prices.items()}


def _told(product: Product, price: str = "") -> Told:
    key = product.external_id
    costs = price or _money(product.price, product.currency)
    return {"id": key, "name": product.name or key, "price": costs, "image": product.image_url}


def examples(most: int) -> list[Told]:
    """Give some products, for a mail that is written."""
    return [_told(one) for one in Product.objects.order_by("pk")[:most]]


def _viewed(customer_id: int, until: datetime) -> dict[str, str]:
    seen = Event.objects.filter(
        customer_id=customer_id, name=VIEWED, occurred_at__gt=until - LATELY, occurred_at__lte=until
    )
    found: dict[str, str] = {}
    for properties, currency in seen.order_by("-occurred_at").values_list("properties", "currency")[:MOST_EVENTS]:
        key, price = properties.get("product_id"), properties.get("price")
        if isinstance(key, str) and key and len(found) < MOST_PRODUCTS:
            found.setdefault(key, _money(price, currency or properties.get("currency")))
    return found


def _bought(customer_id: int, until: datetime) -> dict[str, str]:
    lines = OrderLine.objects.filter(event__customer_id=customer_id, event__occurred_at__lte=until, quantity__gt=0)
    rows = lines.order_by("-event__occurred_at", "pk").values_list("product__external_id", "price", "event__currency")
    found: dict[str, str] = {}
    for key, price, currency in rows[:MOST_EVENTS]:
        if len(found) < MOST_PRODUCTS:
            found.setdefault(key, _money(price, currency))
    return found


def _money(price: object, currency: object) -> str:
    if isinstance(price, bool) or not isinstance(price, int | float) or not 0 < price < 1e9:
        return ""
    return f"{price:,.2f} {currency if isinstance(currency, str) else ''}".strip()
