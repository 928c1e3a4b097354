"""What events tell of products: names, categories, brands, prices and pictures (Segment's e-commerce events, v2).

A product stands in an event's own properties (Product Viewed) or in the list `products` of an order, a cart or a
checkout. A picture is an https address of a plain host name; anything else is no picture.
"""

import polars as pl

FIRST_WORDS = ("Product", "Order", "Cart", "Checkout")
SPEAKING = rf"^({'|'.join(FIRST_WORDS)})\b"
NAMED = '"product_id"'
TEXTS = ("name", "category", "brand", "currency", "image_url")
NAMES = ("product_id", *TEXTS, "price")
ONE = pl.Struct(dict.fromkeys(NAMES, pl.String))
WHOLE = pl.Struct({**dict.fromkeys(NAMES, pl.String), "products": pl.List(ONE)})
FEW = 50  # events that are looked at one by one, where one of them has another shape
MOST_IN_ONE = 20  # products of one event that are looked at one by one, where a list holds other things too
LONGEST = 500
PICTURE = r"^https://[A-Za-z0-9.-]+\.[A-Za-z]{2,}(:[0-9]{1,5})?(/[^\s\"'<>\\{}|^`]*)?$"
CURRENCY = r"^[A-Za-z]{3}$"
MOST_MONEY = 1e9
SCHEMA = {"external_id": pl.String, **dict.fromkeys(TEXTS, pl.String), "price": pl.Float64}


def told(events: pl.DataFrame) -> pl.DataFrame:
    """Give what events (name, occurred_at, properties as JSON) tell of products, the latest last: SCHEMA."""
    speaking = events.filter(
        pl.col("name").str.contains(SPEAKING), pl.col("properties").str.contains(NAMED, literal=True)
    ).sort("occurred_at", maintain_order=True)
    if speaking.is_empty():
        return pl.DataFrame(schema=SCHEMA)
    own = _decoded(speaking["properties"])
    listed = own.select("currency", "products").explode("products").filter(pl.col("products").is_not_null())
    of_all = listed.rename({"currency": "outer"}).unnest("products")
    of_all = of_all.with_columns(currency=pl.coalesce("currency", "outer")).select(NAMES)
    return _clean(pl.concat([own.select(NAMES), of_all]))


def _decoded(properties: pl.Series) -> pl.DataFrame:
    """Give the properties as columns; those near one of another shape are looked at one by one."""
    try:
        return properties.str.json_decode(WHOLE).struct.unnest()
    except pl.exceptions.ComputeError:
        if len(properties) > FEW:
            middle = len(properties) // 2
            return pl.concat([_decoded(properties[:middle]), _decoded(properties[middle:])])
        rows = properties.to_frame("properties")
        path = pl.col("properties").str.json_path_match
        lists = [pl.struct(path(f"$.products[{at}].{name}").alias(name) for name in NAMES) for at in range(MOST_IN_ONE)]
        return rows.select(*(path(f"$.{name}").alias(name) for name in NAMES), products=pl.concat_list(lists))


def _clean(rows: pl.DataFrame) -> pl.DataFrame:
    """Keep what a product may have; the rest is no value."""
    price = pl.col("price").cast(pl.Float64, strict=False)
    texts = {name: pl.col(name).str.strip_chars() for name in (*TEXTS, "product_id")}
    fits = {
        "image_url": texts["image_url"].str.contains(PICTURE) & (texts["image_url"].str.len_chars() <= LONGEST),
        "currency": texts["currency"].str.contains(CURRENCY),
    }
    kept = {name: pl.when(fits.get(name, one != "")).then(one) for name, one in texts.items()}
    return rows.select(
        kept["product_id"].str.slice(0, 100).alias("external_id"),
        *(kept[name].alias(name) for name in TEXTS),
        price=pl.when(price.is_between(0, MOST_MONEY, closed="none")).then(price),
    ).filter(pl.col("external_id").is_not_null())
