"""The text part of a mail, for who reads no HTML: the same blocks, links with their addresses; its Liquid is kept."""

from collections.abc import Callable, Iterator
from typing import Any

from campaigns import phrases, prose
from campaigns.blocks import (
    Block,
    Button,
    Code,
    Columns,
    Divider,
    Heading,
    Image,
    Letter,
    Products,
    Rating,
    Shown,
    Text,
)
from campaigns.layout import SCORES, product_name
from campaigns.prose import Held

RULE = "-" * 40


def text(letter: Letter) -> str:
    """Give the text part of a mail as a Liquid template."""
    parts = [part for block in letter.blocks for part in _block(block, letter.language)]
    return "\n\n".join([*parts, _foot(letter.language)])


def _block(block: Block, language: str) -> Iterator[str]:
    if isinstance(block, Columns):
        for column in block.columns:
            for one in column:
                yield from _block(one, language)
    elif type(block) in TOLD:
        yield TOLD[type(block)](block, language)


def _text(block: Text, _: str) -> str:
    held = Held()
    return held.back(prose.plain(block.text, held))


def _image(block: Image, _: str) -> str:
    return f"[{block.alt}]" + (f"\n{block.url}" if block.url else "")


def _code(block: Code, language: str) -> str:
    words = phrases.of(language)
    note = block.note or "{% if offer.valid_until %}" + words.valid_until + "{% endif %}"
    return f"{block.label or words.code}: {{{{ offer.code }}}}\n{note}"


def _rating(block: Rating, _: str) -> str:
    return "\n".join([_question(block), *(f"{score}: {{{{ rating_url }}}}{score}/" for score in SCORES)])


def _question(block: Rating) -> str:
    ends = " – ".join(f"{score} {words}" for score, words in ((1, block.low), (5, block.high)) if words)
    return f"{block.question} ({ends})" if ends else block.question


def _products(block: Products, _: str) -> str:
    if block.history:
        start = f"{{% for product in products_{block.history} limit: {block.most} %}}"
        return f"{start}{_product(block, Shown(''))}\n{{% endfor %}}"
    return "\n".join(
        f'{{% assign product = products["{shown.product}"] %}}{_product(block, shown)}' for shown in block.products
    )


def _product(block: Products, shown: Shown) -> str:
    name, url = shown.name or product_name(shown), shown.url or block.url
    price = f", {shown.price}" if shown.price else "{% if product.price %}, {{ product.price }}{% endif %}"
    return f"* {name}{price}" + (f"\n  {url}" if url else "")


def _foot(language: str) -> str:
    words = phrases.of(language)
    choose = "{% if preferences_url %}\n" + words.preferences + ": {{ preferences_url }}{% endif %}"
    return (
        f"{RULE}\n{words.why}\n{words.unsubscribe}: {{{{ unsubscribe_url }}}}{choose}\n\n"
        "{{ company }}, {{ postal_address }}"
    )


TOLD: dict[type[Block], Callable[[Any, str], str]] = {
    Heading: lambda block, _: str(block.text),
    Text: _text,
    Image: _image,
    Button: lambda block, _: f"{block.label}:\n{block.url}",
    Divider: lambda *_: RULE,
    Products: _products,
    Code: _code,
    Rating: _rating,
}
