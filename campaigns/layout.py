"""The page of a mail: its blocks as MJML, and that as HTML for Outlook, phones and dark screens; its Liquid is kept."""

import re
from collections.abc import Callable, Iterator
from html import escape
from itertools import groupby
from typing import Any, NamedTuple

from mjml import mjml2html

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
    Spacer,
    Text,
)
from campaigns.brand import INK, WHITE, Brand
from campaigns.prose import Held
from campaigns.render import TemplateRefused

FONTS = "-apple-system, BlinkMacSystemFont, 'Segoe UI', Roboto, Helvetica, Arial, sans-serif"
MONO = "ui-monospace, SFMono-Regular, Menlo, Consolas, monospace"
SOFT = "#5b6875"
SIZES = {1: ("30px", "1.22"), 2: ("22px", "1.3"), 3: ("17px", "1.4")}
SIDE = 36
WIDTH = 600 - 2 * SIDE
SCORES = range(1, 6)
FLUID = 'fluid-on-mobile="true" '
SIDES = re.compile(r'(direction:|text-align:|\balign="|padding-|margin-)(ltr|left|right)\b')
OTHER_SIDE = {"ltr": "rtl", "left": "right", "right": "left"}
FILLER = "&#847; &zwnj; &nbsp; &#8199; " * 30  # keeps the words below the preheader out of the list of mails
STYLE = """
  .page a {{ text-decoration: underline; }}
  .page .button a, .page a.button, .page .score a, .page a.score {{ text-decoration: none; }}
  .prose p:last-child, .prose ul:last-child, .prose ol:last-child {{ margin-bottom: 0 !important; }}
  @media only screen and (max-width: 479px) {{
    .rows > table > tbody > tr > td {{ padding-left: 22px !important; padding-right: 22px !important; }}
    .beside > table > tbody > tr > td {{ padding-left: 12px !important; padding-right: 12px !important; }}
    .h1 div, .h1 h1 {{ font-size: 26px !important; }}
    .side {{ padding-bottom: 20px; }}
    .side-last {{ padding-bottom: 0; }}
  }}
  @media (prefers-color-scheme: dark) {{
    body, .page {{ background-color: #0f161c !important; }}
    .card, .card > table, .plain, .plain > table {{
      background-color: #19232c !important; background: #19232c !important;
    }}
    .tint, .tint > table {{ background-color: #22303c !important; background: #22303c !important; }}
    .plain div, .plain p, .plain li, .plain td, .plain h1, .plain h2, .plain h3,
    .tint div, .tint p, .tint li, .tint td, .tint h1, .tint h2, .tint h3 {{ color: #e6ebf0 !important; }}
    .plain .prose a, .tint .prose a, .plain a.shop, .tint a.shop {{ color: {dark_link} !important; }}
    .plain .soft, .tint .soft {{ color: #a9b6c2 !important; }}
    .code {{ background-color: #0f161c !important; color: #ffffff !important; }}
    .code-in {{ color: #ffffff !important; }}
    .name div, .foot div, .foot p, .foot a {{ color: #a9b6c2 !important; }}
    .line p {{ border-top-color: #3a4855 !important; }}
    .shelf {{ border-bottom-color: #3a4855 !important; }}
  }}
  [data-ogsc] .plain div, [data-ogsc] .tint div {{ color: #e6ebf0 !important; }}
"""


class _Paint(NamedTuple):
    """The colours of what stands on one background."""

    name: str
    behind: str
    text: str
    title: str
    soft: str
    link: str
    button: str
    on_button: str
    line: str


def paint(brand: Brand, background: str) -> _Paint:
    """Give the colours of a background."""
    if background == "brand":
        on, colour = brand.on_colour, brand.colour
        return _Paint("brand", colour, on, on, on, on, on, colour, on)
    behind = brand.tint if background == "tint" else WHITE
    return _Paint(background, behind, "#2b3743", INK, SOFT, brand.link, brand.colour, brand.on_colour, "#dde3e8")


def page(letter: Letter, brand: Brand) -> str:
    """Give the HTML of a mail as a Liquid template."""
    held = Held()
    before, sections = "", ""
    for name, rows in _bands(letter):
        sections += _Painter(held, brand, letter, paint(brand, name)).section(rows, is_first=name != before)
        before = name
    source = _FRAME.format(
        lang=escape(letter.language),
        dir=phrases.direction(letter.language),
        title=held.hold("{{ subject }}"),
        preheader=f"<mj-preview>{held.escaped(letter.preheader)} {FILLER}</mj-preview>" if letter.preheader else "",
        fonts=escape(FONTS),
        style=STYLE.format(dark_link=brand.link_in_the_dark),
        background=brand.background,
        head=_head(held, brand),
        sections=sections,
        foot=_foot(held, letter.language, brand),
    )
    try:
        html = mjml2html(source, disable_comments=False, fonts={})
    except ValueError as error:
        raise TemplateRefused(f"the page cannot be built: {error}") from error
    return held.back(_mirrored(html) if phrases.direction(letter.language) == "rtl" else html)


def _mirrored(html: str) -> str:
    """Give the page for a language that is read from the right."""
    return SIDES.sub(lambda found: found[1] + OTHER_SIDE[found[2]], html)


_FRAME = """
<mjml lang="{lang}" dir="{dir}">
  <mj-head>
    <mj-title>{title}</mj-title>{preheader}
    <mj-breakpoint width="480px" />
    <mj-attributes>
      <mj-all font-family="{fonts}" />
      <mj-text padding="0" font-size="16px" line-height="1.6" />
    </mj-attributes>
    <mj-raw><meta name="color-scheme" content="light dark" />
    <meta name="supported-color-schemes" content="light dark" />
    <meta name="format-detection" content="telephone=no, date=no, address=no, email=no" /></mj-raw>
    <mj-style>{style}</mj-style>
  </mj-head>
  <mj-body width="600px" background-color="{background}" css-class="page">
    {head}
    <mj-wrapper css-class="card" background-color="#ffffff" border-radius="14px" padding="0">{sections}</mj-wrapper>
    {foot}
  </mj-body>
</mjml>
"""


def _head(held: Held, brand: Brand) -> str:
    company = held.hold("{{ company }}")
    if brand.logo:
        inner = (
            f'<mj-image src="{brand.assets}{brand.logo}" alt="{company}" width="{brand.logo_width}px" padding="0" />'
        )
    else:
        inner = (
            f'<mj-text css-class="name" align="center" font-size="18px" font-weight="700" letter-spacing="0.2px" '
            f'color="{brand.around}">{company}</mj-text>'
        )
    return f'<mj-section padding="30px 24px 22px"><mj-column>{inner}</mj-column></mj-section>'


def _foot(held: Held, language: str, brand: Brand) -> str:
    words, colour = phrases.of(language), brand.around
    link = f'style="color:{colour}"'
    leave = f'<a href="{held.hold("{{ unsubscribe_url }}")}" {link}>{escape(words.unsubscribe)}</a>'
    choose = held.hold(
        "{% if preferences_url %} &middot; "
        f'<a href="{{{{ preferences_url }}}}" {link}>{escape(words.preferences)}</a>'
        "{% endif %}"
    )
    why, company, address = (
        held.escaped(words.why),
        held.hold("{{ company }}"),
        held.hold("{{ postal_address }}"),
    )
    return (
        '<mj-section padding="26px 24px 40px"><mj-column>'
        f'<mj-text css-class="foot" align="center" font-size="13px" line-height="1.65" color="{colour}">'
        f'<p style="margin:0 0 8px">{why}<br />{leave}{choose}</p>'
        f'<p style="margin:0">{company}, {address}</p></mj-text></mj-column></mj-section>'
    )


def _bands(letter: Letter) -> Iterator[tuple[str, list[Block]]]:
    """Give runs of blocks of one background; columns stand in a row of their own."""
    for (name, _), rows in groupby(
        letter.blocks, key=lambda one: (one.background, isinstance(one, Columns) and id(one))
    ):
        yield name, list(rows)


class _Painter(NamedTuple):
    """Draws blocks as MJML on one background."""

    held: Held
    brand: Brand
    letter: Letter
    paint: _Paint

    def section(self, rows: list[Block], *, is_first: bool) -> str:
        """Give a run of blocks as a section; the first of its background stands further below what is above it."""
        inset, name = SIDE, f"rows {self.paint.name}"
        if isinstance(columns := rows[0], Columns):
            inset, name = SIDE - 10, f"beside {self.paint.name}"
            inner = "".join(self._column(one, columns) for one in enumerate(columns.columns))
        else:
            inner = "<mj-column>" + "".join(self.block(one, WIDTH) for one in rows) + "</mj-column>"
        return (
            f'<mj-section css-class="{name}" background-color="{self.paint.behind}" '
            f'padding="{32 if is_first else 4}px {inset}px 10px">{inner}</mj-section>'
        )

    def _column(self, numbered: tuple[int, tuple[Block, ...]], columns: Columns) -> str:
        i, rows = numbered
        is_last = i == len(columns.columns) - 1
        inner = "".join(self.block(one, WIDTH // len(columns.columns)) for one in rows)
        name = "side-last" if is_last else "side"
        return f'<mj-column css-class="{name}" padding="0 10px">{inner}</mj-column>'

    def block(self, block: Block, width: int) -> str:
        """Give one block, at most so many pixels wide."""
        return DRAWN[type(block)](self, block, width)

    def heading(self, block: Heading, _: int) -> str:
        size, height = SIZES[block.level]
        style = f"margin:0;font-size:{size};line-height:{height};font-weight:700;color:{self.paint.title}"
        spacing = "-0.4px" if block.level == 1 else "0"
        tag = f"h{block.level}"
        return (
            f'<mj-text css-class="{tag}" align="{block.align}" padding="0 0 14px" letter-spacing="{spacing}" '
            f'color="{self.paint.title}" font-size="{size}" line-height="{height}">'
            f'<{tag} style="{style}">{self.held.escaped(block.text)}</{tag}></mj-text>'
        )

    def text(self, block: Text, _: int) -> str:
        colour = f"color:{self.paint.title}"
        link = {"style": f"color:{self.paint.link};font-weight:600", **self._tag(block)}
        attributes = {
            "p": {"style": "margin:0 0 16px"},
            "ul": {"style": "margin:0 0 16px;padding-left:22px"},
            "ol": {"style": "margin:0 0 16px;padding-left:22px"},
            "li": {"style": "margin:0 0 6px"},
            "h1": {"style": f"margin:0 0 14px;font-size:26px;line-height:1.25;{colour}"},
            "h2": {"style": f"margin:0 0 12px;font-size:21px;line-height:1.3;{colour}"},
            "h3": {"style": f"margin:0 0 10px;font-size:17px;line-height:1.4;{colour}"},
            "a": link,
        }
        drawing = prose.Drawing(attributes)
        if block.is_whole_mail:
            drawing = prose.Drawing(attributes, lambda *link: self.held.hold(self._inline_button(*link)), self._coded())
        inner = prose.html(block.text, self.held, drawing)
        style = f'align="{block.align}" padding="0 0 22px" color="{self.paint.text}"'
        return f'<mj-text css-class="prose" {style}>{inner}</mj-text>'

    def _inline_button(self, label: str, url: str) -> str:
        return (
            '<table role="presentation" cellpadding="0" cellspacing="0" style="margin:4px 0 22px"><tr>'
            f'<td style="background:{self.paint.button};border-radius:8px">'
            f'<a class="button" href="{self.held.hold(escape(url))}" style="display:inline-block;'
            f'padding:14px 28px;color:{self.paint.on_button};font-weight:600;text-decoration:none">{escape(label)}</a>'
            "</td></tr></table>"
        )

    def _coded(self) -> str:
        return self.held.hold(self._code_box("margin:4px 0 22px"))

    def image(self, block: Image, width: int) -> str:
        shown = min(block.width or width, width)
        href = f'href="{self._href(block.url, block)}" ' if block.url else ""
        return (
            f'<mj-image src="{self.brand.assets}{block.asset}" alt="{self.held.escaped(block.alt)}" {href}'
            f'width="{shown}px" {"" if block.width else FLUID}border-radius="10px" padding="0 0 22px" />'
        )

    def button(self, block: Button, _: int) -> str:
        paint = self.paint
        return (
            f'<mj-button css-class="button" href="{self._href(block.url, block)}" align="{block.align}" '
            f'background-color="{paint.button}" color="{paint.on_button}" border-radius="8px" font-size="16px" '
            f'font-weight="600" inner-padding="15px 30px" line-height="1.2" padding="2px 0 24px">'
            f"{self.held.escaped(block.label)}</mj-button>"
        )

    def code(self, block: Code, _: int) -> str:
        words = phrases.of(self.letter.language)
        label = self.held.escaped(block.label or words.code)
        note = self.held.escaped(block.note or "{% if offer.valid_until %}" + words.valid_until + "{% endif %}")
        small = f"margin:0;font-size:13px;line-height:1.5;color:{self.paint.soft}"
        return (
            f'<mj-text align="center" padding="0 0 24px" color="{self.paint.text}">'
            f'<p class="soft" style="{small};padding-bottom:8px">{label}</p>{self._code_box("margin:0")}'
            f'<p class="soft" style="{small};padding-top:8px">{note}</p></mj-text>'
        )

    def _code_box(self, margin: str) -> str:
        code = self.held.hold("{{ offer.code }}")
        return (
            f'<p class="code" style="{margin};padding:18px 12px;border:2px dashed {self.brand.link};border-radius:10px;'
            f"background:#ffffff;color:{INK};text-align:center;font:700 24px/1.2 {escape(MONO)};"
            f'letter-spacing:3px;word-break:break-all">{code}</p>'
        )

    def rating(self, block: Rating, _: int) -> str:
        question = self.held.escaped(block.question)
        cells = "".join(
            f'<td style="padding:0 4px"><a class="score" href="{self._href("{{ rating_url }}" + f"{score}/", block)}" '
            f'aria-label="{question} {score} / {SCORES[-1]}" style="display:block;width:46px;height:46px;'
            f"line-height:46px;border-radius:23px;background:{self.paint.button};color:{self.paint.on_button};"
            f'font-size:18px;font-weight:700;text-align:center;text-decoration:none">{score}</a></td>'
            for score in SCORES
        )
        low, high = self.held.escaped(block.low), self.held.escaped(block.high)
        small = f"font-size:13px;line-height:1.4;padding:8px 6px 0;color:{self.paint.soft}"
        ends = (
            f'<tr><td class="soft" colspan="2" align="left" style="{small}">{low}</td><td></td>'
            f'<td class="soft" colspan="2" align="right" style="{small}">{high}</td></tr>'
        )
        return (
            f'<mj-text align="center" padding="0 0 24px" color="{self.paint.text}">'
            f'<p style="margin:0 0 14px;font-size:17px;font-weight:600">{question}</p>'
            '<table role="presentation" cellpadding="0" cellspacing="0" align="center" style="margin:0 auto">'
            f"<tr>{cells}</tr>{ends if block.low or block.high else ''}</table></mj-text>"
        )

    def products(self, block: Products, _: int) -> str:
        if block.history:
            start = f"{{% for product in products_{block.history} limit: {block.most} %}}"
            rows = self.held.hold(start) + self._product(block, Shown("")) + self.held.hold("{% endfor %}")
        else:
            rows = "".join(
                self.held.hold(f'{{% assign product = products["{shown.product}"] %}}') + self._product(block, shown)
                for shown in block.products
            )
        return f'<mj-text padding="0 0 14px" color="{self.paint.text}">{rows}</mj-text>'

    def _product(self, block: Products, shown: Shown) -> str:
        held, paint = self.held, self.paint
        name = held.escaped(shown.name or product_name(shown))
        price = held.escaped(shown.price or "{{ product.price }}")
        url = shown.url or block.url
        href = self._href(url, block) if url else ""
        picture = self._picture(f"{self.brand.assets}{shown.asset}", name)
        if not shown.asset:
            told = self._picture(held.escaped("{{ product.image }}"), name)
            picture = f"{held.hold('{% if product.image %}')}{told}{held.hold('{% endif %}')}"
        title = (
            f'<a class="shop" href="{href}" style="color:{paint.title};text-decoration:none">{name}</a>'
            if url
            else name
        )
        label = held.escaped(block.label)
        more = (
            f'<td align="right" valign="middle" style="padding:0;padding-left:12px;padding-bottom:18px">'
            f'<a class="shop" href="{href}" style="color:{paint.link};font-weight:600;white-space:nowrap">'
            f"{label}</a></td>"
            if url and block.label
            else ""
        )
        return (
            '<table class="shelf" role="presentation" cellpadding="0" cellspacing="0" width="100%" '
            f'style="margin:0 0 18px;border-bottom:1px solid {paint.line}"><tr>{picture}'
            '<td valign="middle" style="padding:0 0 18px">'
            f'<p style="margin:0;font-size:16px;font-weight:600;line-height:1.4;color:{paint.title}">{title}</p>'
            f'<p class="soft" style="margin:2px 0 0;font-size:15px;color:{paint.soft}">{price}</p>'
            f"</td>{more}</tr></table>"
        )

    def _picture(self, address: str, name: str) -> str:
        """Draw a product's picture; where pictures are blocked, its name stands there in the same width."""
        return (
            '<td width="112" valign="top" style="padding:0;padding-right:16px;padding-bottom:18px">'
            f'<img src="{address}" alt="{name}" width="112" '
            f'style="display:block;width:112px;border-radius:10px;font-size:13px;color:{self.paint.soft}" /></td>'
        )

    def divider(self, _: Divider, __: int) -> str:
        line = f'border-width="1px" border-color="{self.paint.line}"'
        return f'<mj-divider css-class="line" padding="6px 0 26px" {line} />'

    def spacer(self, block: Spacer, _: int) -> str:
        return f'<mj-spacer height="{block.height}px" />'

    def _tag(self, block: Block) -> dict[str, str]:
        return {"data-tag": block.tag} if block.tag else {}

    def _href(self, url: str, block: Block) -> str:
        return self._anchor(self.held.escaped(url), block)

    def _anchor(self, url: str, block: Block) -> str:
        """Give an escaped address as the value of an attribute; its block's tag follows as an attribute of its own."""
        return self.held.hold(url + (f'" data-tag="{block.tag}' if block.tag else ""))


DRAWN: dict[type[Block], Callable[[_Painter, Any, int], str]] = {
    Heading: _Painter.heading,
    Text: _Painter.text,
    Image: _Painter.image,
    Button: _Painter.button,
    Divider: _Painter.divider,
    Spacer: _Painter.spacer,
    Products: _Painter.products,
    Code: _Painter.code,
    Rating: _Painter.rating,
}


def product_name(shown: Shown) -> str:
    """Give the Liquid that prints what a product is called."""
    return (
        f'{{{{ product.name | default: "{shown.product}" }}}}'
        if shown.product
        else "{{ product.name | default: product.id }}"
    )
