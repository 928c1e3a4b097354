"""The content of a mail is parsed, or refused with the place and the reason."""

from typing import Any

import pytest

from campaigns import blocks, render
from campaigns.blocks import Button, Columns, Content, Heading, Image, Products, Shown, Terms, Text
from campaigns.json_fields import ContentError

HELLO = {"kind": "heading", "id": "hello", "text": "Hello {{ customer.first_name | default: 'there' }}"}
GO = {"kind": "button", "id": "go", "label": "Shop", "url": "https://shop.example/", "tag": "shop"}


def content(*rows: object, **more: Any) -> dict[str, Any]:
    return {"subject": "Hello", "preheader": "News", "blocks": list(rows) or [HELLO, GO], **more}


def refused(data: object, terms: Terms | None = None) -> str:
    with pytest.raises(ContentError) as error:
        blocks.parse(data, terms)
    return str(error.value)


def test_a_mail_is_read_block_by_block() -> None:
    side = {"kind": "text", "text": "Dear you", "align": "center"}
    picture = {"kind": "image", "asset": "abc", "alt": "A boat", "width": 200}
    shelf = {"kind": "products", "products": ["a", {"product": "b", "price": "9 €"}]}
    read = blocks.parse(content(HELLO, GO, {"kind": "columns", "columns": [[side], [picture]]}, shelf))
    assert read.subject == "Hello"
    assert read.preheader == "News"
    assert read.blocks == (
        Heading(id="hello", text=HELLO["text"]),
        Button(id="go", label="Shop", url="https://shop.example/", tag="shop"),
        Columns(columns=((Text(text="Dear you", align="center"),), (Image(asset="abc", alt="A boat", width=200),))),
        Products(products=(Shown("a"), Shown("b", price="9 €"))),
    )
    assert sum(1 for _ in blocks.walk(read.blocks)) == 6


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([], "content: expects an object, got list"),
        ({"subject": "x"}, "content.blocks: takes 1 to 100, got 0"),
        (content(subject=""), "content.subject: is missing"),
        (content(subject="a\r\nBcc: b@example.test"), "content.subject: must be one line"),
        (content(subject="x" * 201), "content.subject: is longer than 200 characters"),
        (content(preheadr="x"), "content.preheadr: is not known here; did you mean preheader?"),
        (
            content(language="German"),
            "content.language: expects a language in lower case, as de or de-at, got 'German'",
        ),
        (content("x"), "content.blocks[0].kind: expects one of heading, text"),
        (content(HELLO, {"kind": "html"}), "content.blocks[1].kind: expects one of heading, text"),
        (content({"kind": "heading", "txt": "x"}), "content.blocks[0].txt: is not known here; did you mean text?"),
        (content({**HELLO, "level": 7}), "content.blocks[0].level: expects a whole number from 1 to 3"),
        (content({**HELLO, "align": "middle"}), "content.blocks[0].align: expects one of left, center, got 'middle'"),
        (content({**HELLO, "tag": "a b"}), "content.blocks[0].tag: takes letters, digits, - and _, 60 at most"),
        (content(HELLO, HELLO), "content.blocks[1].id: 'hello' is the id of another block too"),
        (content({**GO, "url": "javascript:alert(1)"}), "content.blocks[0].url: must begin with https://"),
        (content({**GO, "url": " JavaScript:alert(1)"}), "content.blocks[0].url: must begin with https://"),
        (content({**GO, "url": "//evil.example"}), "content.blocks[0].url: must begin with https://"),
        (content({**GO, "url": ""}), "content.blocks[0].url: is missing"),
        (content({"kind": "image", "asset": "a"}), "content.blocks[0].alt: is missing"),
        (content({"kind": "image", "alt": "a"}), "content.blocks[0].asset: is missing: choose a picture"),
        (content({"kind": "products", "products": []}), "content.blocks[0].products: takes 1 to 12, got 0"),
        (content({"kind": "products", "from": "seen"}), "content.blocks[0].from: expects one of viewed, bought"),
        (
            content({"kind": "columns", "columns": [[{"kind": "columns"}]]}),
            "content.blocks[0].columns[0][0].kind: columns",
        ),
        (content({"kind": "columns", "columns": [HELLO]}), "content.blocks[0].columns[0]: expects a list, got dict"),
        (
            content({**HELLO, "text": "{{ customer.naem }}"}),
            "content.blocks[0].text: the template uses an unknown name",
        ),
        (content({**HELLO, "text": "{% if company %}"}), "content.blocks[0].text: the template cannot be read"),
        (content(languages={"de": {"blocks": {"gone": {}}}}), "content.languages.de.blocks.gone: there is no block of"),
        (
            content(languages={"de": {"blocks": {"go": {"url": "data:x"}}}}),
            "content.languages.de.blocks.go.url: must begin with https://",
        ),
        (content(languages={"en": {}}), "content.languages.en: is the language of the mail itself"),
        (content(subject=float("nan")), "content: is not JSON"),
    ],
)
def test_a_wrong_content_is_refused_with_its_place(data: Any, message: str) -> None:
    assert refused(data).startswith(message)


def test_a_mail_has_a_hundred_blocks_at_most_those_in_columns_counted() -> None:
    rows = [{"kind": "columns", "columns": [[{"kind": "divider"}] * 25] * 3}]
    assert blocks.parse(content(*rows))
    assert refused(content(*rows, *[{"kind": "divider"}] * 25)) == (
        "content.blocks: holds more than 100 blocks, those in columns counted"
    )


def test_pictures_products_and_attributes_must_exist_where_they_are_known() -> None:
    terms = Terms(attributes=frozenset({"plan"}), assets=frozenset({"abc"}), products=frozenset({"p1"}))
    picture = {"kind": "image", "asset": "abd", "alt": "A boat"}
    assert refused(content(picture), terms) == "content.blocks[0].asset: there is no picture 'abd'"
    shelf = {"kind": "products", "products": ["p1", "p2"]}
    assert refused(content(shelf), terms) == "content.blocks[0].products[1]: there is no product 'p2'"
    assert "did you mean customer.attributes.plan?" in refused(content(subject="{{ customer.attributes.pln }}"), terms)


def test_a_code_needs_an_offer() -> None:
    names = Terms(names=render.MAIL_NAMES)
    assert refused(content({"kind": "code"}), names).startswith("content.blocks[0].kind: a code needs an offer")
    assert blocks.parse(content({"kind": "code"}))


def german() -> Content:
    variant = {"subject": "Hallo", "blocks": {"hello": {"text": "Guten Tag"}}}
    return blocks.parse(content(languages={"de": variant, "fr-ca": {"subject": "Allô"}}))


@pytest.mark.parametrize(
    ("language", "subject"),
    [
        ("de", "Hallo"),
        ("de-AT", "Hallo"),
        ("DE_ch", "Hallo"),
        ("fr-CA", "Allô"),
        ("fr", "Hello"),
        ("", "Hello"),
        ("xx", "Hello"),
    ],
)
def test_the_customers_language_chooses_the_variant(language: str, subject: str) -> None:
    assert german().letter(language).subject == subject


def test_a_variant_inherits_what_it_lacks() -> None:
    letter = german().letter("de")
    assert letter.preheader == "News"
    assert letter.blocks == (Heading(id="hello", text="Guten Tag"), german().blocks[1])


def test_a_variant_that_lacks_texts_is_told() -> None:
    assert blocks.lint(german()) == [
        "content.languages.de.preheader: is missing",
        "content.languages.de.blocks.go.label: is missing",
        "content.languages.fr-ca.preheader: is missing",
        "content.languages.fr-ca.blocks.hello.text: is missing",
        "content.languages.fr-ca.blocks.go.label: is missing",
    ]
