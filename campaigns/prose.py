"""The text of a block as safe HTML: paragraphs with a little Markdown, or HTML of the tags allowed; its Liquid is kept.

While text is worked on, each piece of Liquid is held as a token, which no parser of markup takes apart.
"""

import re
from collections import Counter
from collections.abc import Callable, Mapping
from html import escape, unescape
from typing import NamedTuple

import nh3
from inscriptis import get_text

from campaigns.json_fields import SAFE_URL
from campaigns.render import LIQUID, TemplateRefused

TAGS = {"p", "br", "strong", "em", "b", "i", "u", "a", "ul", "ol", "li", "h1", "h2", "h3"}
SCHEMES = {"http", "https", "mailto", "tel"}
HTML_TAG = re.compile(r"</?[a-zA-Z][a-zA-Z0-9]*(\s[^<>]*)?/?>")
TOKEN = re.compile(r"xliquid(\d{4})x")
URL = r"(?P<url>[^\s()]+)"
BUTTON = re.compile(r"\[(?P<label>[^\]\n]+)\]\(" + URL + r"\)")
CODE = re.compile(r"{{-?\s*offer\.code\s*-?}}")
LIST = re.compile(r"(?P<mark>[-*]|\d+\.) +(?P<text>.*)")
LINKED = re.compile(r'<a href="(?P<url>[^"]*)"[^>]*>(?P<label>.*?)</a>', re.DOTALL)
MOST_PIECES = 10_000


class Drawing(NamedTuple):
    """How a text is drawn: attributes by tag; and, where they are, a button and a code alone in their paragraphs."""

    attributes: Mapping[str, Mapping[str, str]]
    button: Callable[[str, str], str] | None = None
    code: str = ""


class Held:
    """Pieces of Liquid, and what else goes untouched through parsers, each with a token in its place."""

    def __init__(self) -> None:
        self._pieces: list[str] = []

    def hold(self, piece: str) -> str:
        if len(self._pieces) == MOST_PIECES:
            raise TemplateRefused(f"the text holds more than {MOST_PIECES:,} pieces of Liquid")
        self._pieces.append(piece)
        return f"xliquid{len(self._pieces) - 1:04d}x"

    def text(self, source: str) -> str:
        """Give a text with its Liquid held."""
        if TOKEN.search(source):
            raise TemplateRefused("the text may not hold words like 'xliquid0000x'")
        return LIQUID.sub(lambda found: self.hold(found[0]), source)

    def escaped(self, source: str) -> str:
        """Give a text as HTML that shows it, its Liquid held."""
        return escape(self.text(source))

    def back(self, html: str) -> str:
        """Give the Liquid back its places; pieces may hold others."""
        while TOKEN.search(html):
            html = TOKEN.sub(lambda found: self._pieces[int(found[1])], html)
        return html

    def is_liquid(self, text: str) -> bool:
        """Tell whether a text is nothing but tags of Liquid, which print nothing of their own."""
        pieces = [self._pieces[int(one)] for one in TOKEN.findall(text)]
        return bool(pieces) and not TOKEN.sub("", text).strip() and all(one.startswith("{%") for one in pieces)

    def is_code(self, text: str) -> bool:
        found = TOKEN.fullmatch(text)
        return found is not None and CODE.fullmatch(self._pieces[int(found[1])]) is not None


def html(source: str, held: Held, drawing: Drawing) -> str:
    """Give a text as HTML of the tags allowed and nothing else, its Liquid held."""
    text = held.text(source.strip())
    has_html = HTML_TAG.search(text) is not None
    paragraphs = re.split(r"\n\s*\n", text)
    drawn = "\n".join(_paragraph(one.strip(), held, drawing, has_html=has_html) for one in paragraphs)
    cleaned = nh3.clean(
        drawn,
        tags=TAGS,
        attributes={"a": {"href", "title"}},
        url_schemes=SCHEMES,
        link_rel=None,
        set_tag_attribute_values={tag: dict(values) for tag, values in drawing.attributes.items()},
    )
    if lost := Counter(LIQUID.findall(source)) - Counter(LIQUID.findall(held.back(cleaned))):
        raise TemplateRefused(f"{min(lost)} stands where markup that no mail may hold was left out")
    return cleaned


def plain(source: str, held: Held) -> str:
    """Give a text as it is read without markup, links with their addresses; its Liquid held."""
    return unmarked(html(source, held, Drawing({}, lambda label, url: f"<p>{escape(label)}: {escape(url)}</p>")))


def unmarked(markup: str) -> str:
    """Give what HTML reads like; a link is followed by its address."""
    shown = LINKED.sub(_with_address, markup)
    text = get_text(shown).strip()
    text = re.sub(r"[ \t]+(?=\n)|^[ \t]+(?=[^\s*\d])", "", text, flags=re.MULTILINE)
    return re.sub(r"\n\s*\n+", "\n\n", text)


def _with_address(link: re.Match[str]) -> str:
    url = unescape(link["url"])
    return link["label"] if link["label"] == link["url"] else f"{link['label']} ({escape(url)})"


def _paragraph(text: str, held: Held, drawing: Drawing, *, has_html: bool) -> str:
    if drawing.button and (button := BUTTON.fullmatch(text)):
        return drawing.button(button["label"], _safe(button["url"]))
    if held.is_code(text) and drawing.code:
        return drawing.code
    if held.is_liquid(text) or (has_html and text.startswith("<")):
        return text
    if has_html:
        return "<p>" + text.replace("\n", "<br>\n") + "</p>"
    return _marked(text)


def _marked(text: str) -> str:
    """Give a paragraph, or a list, of the little Markdown that we read."""
    lines = text.split("\n")
    items = [LIST.fullmatch(line.strip()) for line in lines]
    found = [one for one in items if one]
    if len(found) == len(lines):
        tag = "ul" if found[0]["mark"] in "-*" else "ol"
        return f"<{tag}>" + "".join(f"<li>{_inline(one['text'])}</li>" for one in found) + f"</{tag}>"
    return "<p>" + "<br>\n".join(_inline(line) for line in lines) + "</p>"


def _inline(line: str) -> str:
    line = escape(line, quote=False)
    line = BUTTON.sub(lambda link: f'<a href="{_safe(link["url"]).replace(chr(34), "%22")}">{link["label"]}</a>', line)
    line = re.sub(r"\*\*(?=\S)(.+?)(?<=\S)\*\*", r"<strong>\1</strong>", line)
    return re.sub(r"(?<![\w*])\*(?=\S)([^*]+?)(?<=\S)\*(?![\w*])", r"<em>\1</em>", line)


def _safe(url: str) -> str:
    if not TOKEN.match(url) and not SAFE_URL.match(url):
        raise TemplateRefused(f"the address '{url[:60]}' must begin with https://, http://, mailto: or tel:")
    return url
