"""Mails for one customer: a content in her language and our brand, its values filled in. Pure.

The page and the text part are built once for a content, a language and a brand; for each customer Liquid is rendered.
"""

import difflib
import json
import re
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

from mjml import mjml2html

from campaigns import layout, plain, prose, render
from campaigns.blocks import Content, Letter, Text
from campaigns.brand import Brand
from campaigns.render import Mail, TemplateRefused, Values

MJML_TAG = re.compile(r"<(mj-?[a-z-]*)")
MJML_PARTS = """
    accordion accordion-element accordion-text accordion-title all attributes body breakpoint button carousel
    carousel-image class column divider font group head hero image navbar navbar-link preview raw section social
    social-element spacer style table text title wrapper
"""
MJML_TAGS = frozenset({"mjml", *(f"mj-{part}" for part in MJML_PARTS.split())})


# What acts, loads or sends by itself; mail programs drop it, a preview must not meet it.
ACTIVE = re.compile(
    r"<\s*(script|iframe|object|embed|form|base|link|svg|math)\b|<[^>]*\s(on[a-z]+)\s*=|http-equiv=[\"']?(refresh)",
    re.IGNORECASE,
)


class Built(NamedTuple):
    """The two parts of a mail as Liquid templates."""

    html: str
    text: str


def mail(content: Content, values: Values, language: str, brand: Brand) -> Mail:
    """Give the mail of a content; raise TemplateRefused when a limit is passed or an address is not safe."""
    letter = content.letter(language)
    return _filled(letter.subject, built(content, letter.language, brand), values, render.html)


def mail_of_mjml(subject: str, source: str, values: Values) -> Mail:
    """Give the mail of a page that the marketer wrote in MJML herself."""
    return _filled(subject, built_of_mjml(source), values, render.html_of_others)


def of_body(subject: str, body: str) -> Content:
    """Give the content of a mail that is one text."""
    source = json.dumps([subject, body])
    return Content(source, (Letter("en", subject, "", (Text(text=body, is_whole_mail=True),)),))


def is_mjml(body: str) -> bool:
    return body.lstrip().lower().startswith("<mjml")


@lru_cache(maxsize=128)
def built(content: Content, language: str, brand: Brand) -> Built:
    letter = content.letter(language)
    return Built(layout.page(letter, brand), plain.text(letter))


@lru_cache(maxsize=64)
def built_of_mjml(source: str) -> Built:
    """Give the parts of a page in MJML; raise TemplateRefused for a tag that is not known."""
    for tag in MJML_TAG.findall(source):
        if tag not in MJML_TAGS:
            close = difflib.get_close_matches(tag, MJML_TAGS, n=1)
            raise TemplateRefused(f"MJML has no tag <{tag}>" + (f"; did you mean <{close[0]}>?" if close else ""))
    held = prose.Held()
    try:
        html = mjml2html(held.text(source), disable_comments=False, fonts={})
    except ValueError as error:
        raise TemplateRefused(f"the MJML cannot be read: {error}") from error
    if active := ACTIVE.search(html):
        raise TemplateRefused(f"a mail may not hold '{next(filter(None, active.groups()))}'")
    return Built(held.back(html), held.back(prose.unmarked(_readable(html))))


def _readable(html: str) -> str:
    """Give the part of a page that is read: without head and comments."""
    body = html[max(html.find("<body"), 0) :]
    return re.sub(r"<!--.*?-->", "", body, flags=re.DOTALL)


def _filled(subject: str, parts: Built, values: Values, html: Callable[[str, Values], str]) -> Mail:
    told = render.told(values)
    head = render.line(subject, told)
    if not head:
        raise TemplateRefused("the subject is empty")
    return Mail(head, html(parts.html, render.Told(told, subject=head)), render.text(parts.text, told))
