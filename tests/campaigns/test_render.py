"""Words for one customer: safe, bounded, and readable as HTML and as text."""

import base64
import re
from typing import Any
from urllib.parse import quote

import pytest

from campaigns import letters, render
from campaigns.brand import Brand
from campaigns.render import Mail, TemplateRefused
from campaigns.steps import EmailStep

EVIL = "<script>alert(1)</script>"
MJML = "<mjml><mj-body><mj-section><mj-column>{}</mj-column></mj-section></mj-body></mjml>"


def values(**customer: Any) -> dict[str, object]:
    return {
        "customer": {"first_name": "Ada", "attributes": {}, **customer},
        "offer": {"code": "TEN-ABCDEFGH23"},
        "company": "Our shop",
        "postal_address": "1 Example Street",
        "unsubscribe_url": "https://cusp.example/u/x/",
    }


def mail(subject: str, body: str, facts: dict[str, object]) -> Mail:
    return EmailStep(subject, body).mail(facts, "", Brand())


def unstyled(page: str) -> str:
    return re.sub(r' style="[^"]*"', "", page)


def html(body: str, **customer: Any) -> str:
    return mail("Hello", body, values(**customer)).html


def test_plain_paragraphs_become_html_and_text() -> None:
    sent = mail("Hi {{ customer.first_name }}", "Dear {{ customer.first_name }},\nhow are you?\n\nBye & <3", values())
    assert sent.subject == "Hi Ada"
    assert "<p>Dear Ada,<br />\nhow are you?</p>" in unstyled(sent.html)
    assert "<p>Bye &amp; &lt;3</p>" in unstyled(sent.html)
    assert "Dear Ada,\nhow are you?\n\nBye & <3" in sent.text


def test_html_paragraphs_are_kept() -> None:
    assert "<h1>Hi Ada</h1>" in unstyled(html("<h1>Hi {{ customer.first_name }}</h1>\n\nMore."))


def test_every_mail_says_who_sends_it_and_how_to_leave() -> None:
    sent = mail("Hello", "Short.", values())
    for part in (sent.html, sent.text):
        assert "1 Example Street" in part
        assert "https://cusp.example/u/x/" in part


def test_no_mail_loads_anything_from_elsewhere() -> None:
    page = html("Short.")
    assert "googleapis" not in page
    assert "<img" not in page


def test_a_link_on_its_own_becomes_a_button() -> None:
    page = html("[Shop now](https://shop.example/?c={{ offer.code }})")
    assert 'href="https://shop.example/?c=TEN-ABCDEFGH23"' in page
    assert ">Shop now</a>" in page


def test_a_whole_mail_in_mjml_is_taken_as_it_is() -> None:
    page = html(MJML.format("<mj-text>Hi {{ customer.first_name }}</mj-text>"))
    assert "Hi Ada" in page
    assert "You get this mail because" not in page


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (MJML.format("<mj-txet>Hi</mj-txet>"), "MJML has no tag <mj-txet>; did you mean <mj-text>?"),
        ("<mjml><mj-body>", "the MJML cannot be read"),
        (MJML.format('<mj-include path="/etc/passwd" />'), "MJML has no tag <mj-include>"),
        (MJML.format("<mj-raw><script>alert(1)</script></mj-raw>"), "a mail may not hold 'script'"),
        (MJML.format('<mj-text><img src="x" onerror="alert(1)" /></mj-text>'), "a mail may not hold 'onerror'"),
        (MJML.format('<mj-raw><form action="https://x.example"></form></mj-raw>'), "a mail may not hold 'form'"),
    ],
)
def test_wrong_mjml_is_refused(body: str, reason: str) -> None:
    with pytest.raises(TemplateRefused, match=reason.replace("?", r"\?")):
        letters.built_of_mjml(body)


def test_markup_in_a_name_is_escaped() -> None:
    page = html("Dear {{ customer.first_name }}", first_name=EVIL)
    assert EVIL not in page
    assert "&lt;script&gt;" in page


@pytest.mark.parametrize("name", sorted(render.HTML.filters))
@pytest.mark.parametrize("value", [EVIL, quote(EVIL), base64.b64encode(EVIL.encode()).decode(), "&lt;script&gt;"])
def test_no_filter_lets_markup_through(name: str, value: str) -> None:
    for call in (name, f"{name}: ''", f"{name}: 0, 200", f"{name}: 'a', 'b'"):
        try:
            page = html(f"{{{{ customer.first_name | {call} }}}}", first_name=value)
        except TemplateRefused:
            continue
        assert "<script>alert" not in page, call
        assert page.count("<script") == 0, call


def test_a_name_cannot_break_out_of_a_link() -> None:
    page = html('<a href="https://x.example/?n={{ customer.first_name }}">x</a>', first_name='" onmouseover="x')
    assert '" onmouseover' not in page


@pytest.mark.parametrize("name", ["A\r\nBcc: all@example.test", "A\nB", "A\u2028B", "A\x00B"])
def test_a_name_cannot_add_a_header(name: str) -> None:
    subject = mail("Hi {{ customer.first_name }}", "x", values(first_name=name)).subject
    assert subject.isprintable()
    assert subject.startswith("Hi A ")


@pytest.mark.parametrize(
    "bomb",
    [
        "{% for i in (1..100000000) %}x{% endfor %}",
        "{% for i in (1..1000) %}{% for j in (1..1000) %}x{% endfor %}{% endfor %}",
        "{% assign s = 'aaaaaaaaaa' %}{% for i in (1..60) %}{% assign s = s | append: s %}{% endfor %}{{ s }}",
        "{% capture s %}{% for i in (1..1999) %}aaaaaaaaaaaaaaaa{% endfor %}{% endcapture %}{{ s }}",
        "{% for i in (1..1999) %}" + "x" * 1000 + "{% endfor %}",
        "{% tablerow i in (1..100000000) cols:1 %}x{% endtablerow %}",
        "{% if true %}" * 60 + "{% endif %}" * 60,
        "{{ 'x' | ljust: 2000000000 }}",
        "{% include 'x' %}",
        "{% render 'x' %}",
    ],
)
def test_bombs_are_stopped(bomb: str) -> None:
    with pytest.raises(TemplateRefused):
        html(bomb)


def test_nothing_but_plain_values_can_be_reached() -> None:
    for path in ("customer.__class__", "customer.first_name.__class__.__mro__", "customer.items", "company.format"):
        assert "class" not in render.prose(f"[{{{{ {path} }}}}]", values())
        assert "method" not in render.prose(f"[{{{{ {path} }}}}]", values())


def test_an_unknown_name_is_refused_with_the_nearest_one() -> None:
    with pytest.raises(TemplateRefused) as refused:
        render.check("Hi {{ customer.naem }}", render.MAIL_NAMES)
    assert str(refused.value) == "the template uses an unknown name 'customer.naem'; did you mean customer.name?"


@pytest.mark.parametrize(
    "source", ["{{ customer }}", "{{ customer.attributes }}", "{{ customer[company] }}", "{{ x }}", "{{ offer.code }}"]
)
def test_names_outside_the_list_are_refused(source: str) -> None:
    with pytest.raises(TemplateRefused, match="name"):
        render.check(source, render.MAIL_NAMES)


def test_names_of_the_templates_own_are_known() -> None:
    used = render.check(
        "{% assign n = customer.city %}{{ n }}{% for x in customer.attributes.tags %}{{ x }}{% endfor %}",
        render.MAIL_NAMES,
    )
    assert used == {"customer.city", "customer.attributes.tags"}


def test_an_attribute_that_does_not_exist_is_refused_where_they_are_known() -> None:
    assert render.check("{{ customer.attributes.plan }}", render.MAIL_NAMES) == {"customer.attributes.plan"}
    with pytest.raises(TemplateRefused, match=r"did you mean customer\.attributes\.plan\?"):
        render.check("{{ customer.attributes.plam }}", render.MAIL_NAMES, ["plan"])


def test_values_that_may_be_missing_are_named() -> None:
    body = (
        "{{ customer.first_name }} {{ customer.last_name | default: 'you' }} {{ customer.email }}"
        "{% if customer.city %}in {{ customer.city }}{% endif %} {{ customer.attributes.plan }}"
    )
    assert render.unguarded(body) == ["customer.attributes.plan", "customer.first_name"]


def test_no_value_prints_nothing_and_takes_its_default() -> None:
    page = html("Hi {{ customer.first_name | default: 'there' }}{{ customer.city }}!", first_name="")
    assert "Hi there!" in page
