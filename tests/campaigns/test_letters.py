"""What arrives: a mail in the customer's language and our colours, which no value of a customer can take apart."""

import re
import time
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from campaigns import blocks, brand, letters, render
from campaigns.brand import Brand
from campaigns.render import Mail, TemplateRefused

BRAND = Brand("#14557b", "#f4f6f8", "https://cusp.example/a/", "logo1", 120)
EVERYTHING: dict[str, Any] = {
    "subject": "For {{ customer.first_name | default: 'you' }}",
    "preheader": "{{ customer.city | default: 'Near you' }}",
    "blocks": [
        {"kind": "heading", "id": "title", "background": "brand",
         "text": "Hi {{ customer.first_name | default: 'you' }}"},
        {"kind": "text", "text": "From **{{ customer.city | default: 'here' }}**, see [all](https://shop.example/all).",
         "tag": "text"},
        {"kind": "image", "asset": "pic1", "alt": "For {{ customer.first_name | default: 'you' }}", "tag": "picture",
         "url": "https://shop.example/?n={{ customer.first_name | url_encode }}", "width": 300},
        {"kind": "button", "label": "Go, {{ customer.first_name | default: 'you' }}", "tag": "go",
         "url": "https://shop.example/?n={{ customer.first_name | url_encode }}"},
        {"kind": "divider"},
        {"kind": "spacer", "height": 10},
        {"kind": "columns", "columns": [[{"kind": "text", "text": "Left"}], [{"kind": "text", "text": "Right"}]]},
        {"kind": "products", "products": ["p1", {"product": "p2", "price": "9 €", "asset": "pic2"}], "label": "Buy",
         "url": "https://shop.example/p/{{ product.id | url_encode }}"},
        {"kind": "products", "from": "viewed", "most": 2},
        {"kind": "code", "tag": "code"},
        {"kind": "rating", "question": "How was it?", "low": "Bad", "high": "Good"},
    ],
}  # fmt: skip
CONTENT = blocks.parse(EVERYTHING)


def values(**customer: Any) -> dict[str, Any]:
    told = [{"id": "v/1", "name": customer.get("first_name", "Mug"), "price": "9.00 EUR"}]
    return {
        "customer": {"email": "ada@example.test", "attributes": {}, **customer},
        "company": "Our shop",
        "postal_address": "1 Example Street",
        "unsubscribe_url": "https://cusp.example/u/x/",
        "preferences_url": "https://cusp.example/p/x/",
        "rating_url": "https://cusp.example/r/x/",
        "offer": {"code": "TEN-ABCDEFGH23", "valid_until": "1 May 2026"},
        "products": {"p1": {"id": "p1", "name": "Tea", "price": ""}, "p2": {"id": "p2", "name": "Cup", "price": ""}},
        "products_viewed": told * 3,
    }


def sent(language: str = "", **customer: Any) -> Mail:
    return letters.mail(CONTENT, values(**customer), language, BRAND)


def of(*rows: dict[str, Any], subject: str = "Hello", **customer: Any) -> Mail:
    return letters.mail(blocks.parse({"subject": subject, "blocks": list(rows)}), values(**customer), "", BRAND)


class Skeleton(HTMLParser):
    """The tags of a page with the names of their attributes: what no value may change."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, tuple[str, ...]]] = []
        self.links: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, tuple(name for name, _ in attrs)))
        self.links += [value or "" for name, value in attrs if name in ("href", "src")]

    def handle_endtag(self, tag: str) -> None:
        self.tags.append((f"/{tag}", ()))


PLAIN = Skeleton(sent(first_name="Ada", city="Rome").html)
HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "{{ 7 | times: 7 }}{% for i in (1..9) %}x{% endfor %}",
    "{{ customer.email }}",
    "${7*7} #{7*7} <%= 7*7 %> {{7*7}} {{config}} {{''.__class__.__mro__}} *{7*7} @(7*7) [[${7*7}]]",
    "Ada\r\nBcc: all@example.test\r\n\r\n<h1>hi</h1>",
    "javascript:alert(1)",
    "\u202eevil\u2066\u2069\u200f",
    "👩‍👩‍👧‍👦 Ã©\u0301\ufeff",
    "--> <!--[if mso]><![endif]--> ]]> <![CDATA[ </style></title>",
    "\x00\x01\x1b[31m",
    "xliquid0000x [x](https://evil.example) **b**",
    "a" * 5_000,
]


@pytest.mark.parametrize("value", HOSTILE)
def test_no_value_changes_what_a_mail_is_made_of(value: str) -> None:
    holds(value)


@given(st.text(alphabet="<>\"'&{}%-/=![]()*:;#a\r\n\t \u202e\u2028👩é", max_size=60))
@settings(max_examples=20, deadline=None)
def test_no_value_at_all_changes_what_a_mail_is_made_of(value: str) -> None:
    holds(value)


def holds(value: str) -> None:
    mail = sent(first_name=value, city=value, last_name=value)
    page = Skeleton(mail.html)
    assert page.tags == PLAIN.tags
    assert all(link.startswith(("https://shop.example/", "https://cusp.example/")) for link in page.links)
    assert mail.subject.isprintable()
    assert "49" not in set(re.findall(r"\d+", mail.text)) or "49" in value
    assert mail.text.count("https://cusp.example/u/x/") == 1
    for mark in "\u202e\u2066\x00\x1b":
        assert mark not in mail.html + mail.text


def test_a_mail_says_in_which_language_it_is_and_what_its_parts_are() -> None:
    page = sent(first_name="Ada").html
    assert '<html lang="en" dir="ltr"' in page
    assert 'name="color-scheme" content="light dark"' in page
    assert '<img alt="For Ada"' in page
    assert "https://cusp.example/a/pic1" in page
    assert "https://cusp.example/a/logo1" in page
    assert "display:none" in page.split("Near you")[0][-200:]  # the preheader is told, not shown
    assert page.count("<table") == len(re.findall(r'<table[^>]*role="presentation"', page))
    assert [int(score) for score in re.findall(r"https://cusp.example/r/x/(\d)/", page)] == [1, 2, 3, 4, 5]


def test_a_language_that_is_read_from_the_right_is_laid_out_from_the_right() -> None:
    page = letters.mail(blocks.parse({**EVERYTHING, "language": "ar"}), values(first_name="Ada"), "", BRAND).html
    assert '<html lang="ar" dir="rtl"' in page
    assert "direction:ltr" not in page
    assert re.search(r"text-align:right[^>]*>\s*<h1", page)


def test_the_tag_of_a_block_stands_at_its_links() -> None:
    page = sent(first_name="Ada").html
    tags = re.findall(r'<a [^>]*href="([^"]*)"[^>]*?data-tag="([a-z]*)"|<a [^>]*data-tag="([a-z]*)"[^>]*href="', page)
    assert {first or second for _, first, second in tags} == {"text", "picture", "go"}


def test_the_text_part_reads_well() -> None:
    assert (
        sent(first_name="Ada", city="Rome").text
        == """\
Hi Ada

From Rome, see all (https://shop.example/all).

[For Ada]
https://shop.example/?n=Ada

Go, Ada:
https://shop.example/?n=Ada

----------------------------------------

Left

Right

* Tea
  https://shop.example/p/p1
* Cup, 9 €
  https://shop.example/p/p2

* Ada, 9.00 EUR
* Ada, 9.00 EUR

Your code: TEN-ABCDEFGH23
Valid until 1 May 2026

How was it? (1 Bad – 5 Good)
1: https://cusp.example/r/x/1/
2: https://cusp.example/r/x/2/
3: https://cusp.example/r/x/3/
4: https://cusp.example/r/x/4/
5: https://cusp.example/r/x/5/

----------------------------------------
You get this mail because you agreed to hear from Our shop.
Unsubscribe: https://cusp.example/u/x/
Choose what you get: https://cusp.example/p/x/

Our shop, 1 Example Street"""
    )


def test_a_variant_speaks_its_language_to_the_last_line() -> None:
    german = {"subject": "Für Sie", "blocks": {"title": {"text": "Guten Tag"}}}
    content = blocks.parse({**EVERYTHING, "languages": {"de": german}})
    mail = letters.mail(content, values(first_name="Ada"), "de-AT", BRAND)
    assert mail.subject == "Für Sie"
    assert '<html lang="de"' in mail.html
    assert ">Guten Tag</h1>" in mail.html
    assert "Abmelden: https://cusp.example/u/x/" in mail.text


@pytest.mark.parametrize(
    "value", ["javascript:alert(1)", "JaVa\tScript:alert(1)", "data:text/html,x", "//evil.example", ""]
)
def test_an_address_from_a_value_leads_to_a_page_or_the_mail_is_not_written(value: str) -> None:
    row = {"kind": "button", "label": "Go", "url": "{{ customer.attributes.site }}"}
    with pytest.raises(TemplateRefused, match="an address is '"):
        of(row, attributes={"site": value})
    assert 'href="https://ok.example/"' in of(row, attributes={"site": "https://ok.example/"}).html


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("<script>alert(1)</script>Hi", "Hi"),
        ('<p onclick="x" style="color:red">Hi</p>', ">Hi</p>"),
        ('<a href="javascript:alert(1)">Hi</a>', ">Hi</a>"),
        ("<iframe src='https://x.example'></iframe>Hi", "Hi"),
    ],
)
def test_markup_that_no_mail_may_hold_is_left_out(text: str, shown: str) -> None:
    page = of({"kind": "text", "text": text}).html
    assert shown in page
    assert not re.search(r"<script|onclick|javascript:|<iframe|color:red", page)


@pytest.mark.parametrize(
    "text",
    [
        "{{ '<script>alert(1)</script>' }}",
        "{% assign x = '<b>' %}{{ x }}",
        "<p style='{{ company }}'>x</p>",
        "[x](javascript:alert)",
    ],
)
def test_markup_is_not_smuggled_in_through_liquid(text: str) -> None:
    with pytest.raises(ValueError, match=r"content\.blocks\[0\]\.text"):
        of({"kind": "text", "text": text})


def test_markup_that_was_captured_is_not_cut_up() -> None:
    text = "{% capture x %}<p>a</p>{% endcapture %}{{ x | replace: 'p', 'script' }}{{ x | slice: 1, 2 }}"
    assert "<script" not in of({"kind": "text", "text": text}).html


@pytest.mark.parametrize(
    "bomb",
    [
        "{{ (1..300000000) | join }}",
        "{{ (1..300000000) | reverse | size }}",
        "{{ (1..300000000) | size }}",
        "{{ 'aaaaaaaaaa' | replace: 'a', '" + "a" * 900 + "' | replace: 'a', '" + "a" * 900 + "' }}",
        "{% assign n = 9 %}{% for i in (1..400) %}{% assign n = n | times: n %}{% endfor %}{{ n }}",
        "{{ 'a,a,a,a' | split: ',' | join: '" + "a" * 18_000 + "' | split: 'a' | join: 'aaaaaaaaaa' }}",
        "{% for i in (1..50) %}{% for j in (1..50) %}x{% endfor %}{% endfor %}",
    ],
)
def test_what_would_never_end_is_stopped_in_time(bomb: str) -> None:
    began = time.process_time()
    with pytest.raises(TemplateRefused, match="stopped"):
        render.text(bomb, values())
    assert time.process_time() - began < 1.0


def test_what_a_customer_lacks_is_named_in_a_preview() -> None:
    text = "{{ customer.city }} {{ customer.first_name }} {{ customer.attributes.plan | default: 'none' }}"
    assert render.lacking(text, values(first_name="Ada")) == ["customer.city"]
    assert render.unguarded("{{ customer.city | default: customer.country }}") == ["customer.country"]
    assert render.unguarded("{% assign n = customer.city %}{{ n }}{% echo customer.name %}") == [
        "customer.city",
        "customer.name",
    ]


@pytest.mark.parametrize(
    "colour", ["#14557b", "#ffc107", "#ffffff", "#000000", "#808080", "#ff0000", "#7f7f00", "#00ff00"]
)
def test_words_can_be_read_on_every_colour(colour: str) -> None:
    ours = Brand(colour, colour)
    assert brand.contrast(ours.on_colour, colour) >= 4.5
    assert brand.contrast(ours.link, "#ffffff") >= 4.5
    assert brand.contrast(ours.link, ours.tint) >= 4.5
    assert brand.contrast(ours.link_in_the_dark, "#19232c") >= 4.5
    assert brand.contrast(ours.around, colour) >= 4.5


def test_contrast_is_that_of_wcag() -> None:
    assert brand.contrast("#ffffff", "#000000") == pytest.approx(21.0)
    assert brand.contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


def test_a_value_that_is_empty_is_none_for_if_as_it_is_for_default() -> None:
    name = "{% if customer.first_name %}, {{ customer.first_name }}{% endif %}"
    text = "Hi" + name + "{% if customer.attributes.x %}x{% endif %}!"
    assert render.text(text, values(first_name="", attributes={"x": ""})) == "Hi!"
    assert render.text(text, values(first_name="Ada")) == "Hi, Ada!"
