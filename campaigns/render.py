"""Words for one customer: Liquid over plain values, within limits, into a mail of HTML and text.

Pure: no database, no clock. Markup is compiled once for each text (MJML first, Liquid after), so that a mail costs one
rendering of a parsed template.
"""

import difflib
import re
from collections.abc import Collection, Iterator, Mapping
from functools import lru_cache
from html import escape
from pathlib import Path
from typing import NamedTuple

from inscriptis import get_text
from inscriptis.model.config import ParserConfig
from liquid import BoundTemplate, Environment, RenderContext
from liquid.ast import Node
from liquid.builtin.expressions import FilteredExpression
from liquid.builtin.expressions import Path as NamePath
from liquid.builtin.output import OutputNode
from liquid.exceptions import LiquidError
from mjml import mjml2html

BASE = (Path(__file__).resolve().parent.parent / "templates" / "mail" / "base.mjml").read_text(encoding="utf-8")
BODY = "[[body]]"
LIQUID = re.compile(r"({{.*?}}|{%.*?%})", re.DOTALL)
HTML_TAG = re.compile(r"</?[a-zA-Z][a-zA-Z0-9]*(\s[^<>]*)?/?>")
MJML_TAG = re.compile(r"<(mj-?[a-z-]*)")
BUTTON = re.compile(r"\[(?P<label>[^\]\n]+)\]\((?P<url>[^\s()]*(?:{{[^{}]*}}[^\s()]*)*)\)")
CODE = re.compile(r"{{-?\s*offer\.code\s*-?}}")
MJML_PARTS = """
    accordion accordion-element accordion-text accordion-title all attributes body breakpoint button carousel
    carousel-image class column divider font group head hero image navbar navbar-link preview raw section social
    social-element spacer style table text title wrapper
"""
MJML_TAGS = frozenset({"mjml", *(f"mj-{part}" for part in MJML_PARTS.split())})
BUTTON_HTML = (
    '<table role="presentation" cellpadding="0" cellspacing="0" style="margin:4px 0 22px"><tr>'
    '<td style="background:#14557b;border-radius:6px"><a class="button" href="{url}" style="display:inline-block;'
    'padding:13px 26px;color:#ffffff;font-weight:600;text-decoration:none">{label}</a></td></tr></table>'
)
CODE_HTML = (
    '<p class="code" style="margin:4px 0 22px;padding:16px;border:2px dashed #14557b;border-radius:6px;'
    "text-align:center;font:700 22px ui-monospace,Menlo,Consolas,monospace;letter-spacing:2px;"
    'background:#f2f7fa">{{ offer.code }}</p>'
)

CUSTOMER = ("email", "external_id", "first_name", "last_name", "name", "country", "city", "language")
CUSTOMER_NAMES = frozenset(f"customer.{name}" for name in CUSTOMER)
ALWAYS_THERE = frozenset({"customer.email", "customer.external_id"})
MAIL_NAMES = CUSTOMER_NAMES | {"company", "postal_address", "unsubscribe_url"}
OFFER_NAMES = MAIL_NAMES | {"offer.code", "offer.name", "offer.value", "offer.valid_until", "offer.terms"}
CALL_NAMES = CUSTOMER_NAMES | {"customer.phone", "company", "reasons"}
ATTRIBUTES = "customer.attributes."

Values = Mapping[str, object]


class TemplateRefused(ValueError):
    """A text that cannot be used, with the reason as a sentence."""


class Mail(NamedTuple):
    subject: str
    html: str
    text: str


class _Bounded(Environment):
    loop_iteration_limit = 2_000
    output_stream_limit = 200_000
    local_namespace_limit = 10_000
    context_depth_limit = 20
    block_nesting_limit = 20


def _environment(*, autoescape: bool) -> Environment:
    environment = _Bounded(autoescape=autoescape)
    for tag in ("include", "render"):  # there are no files to include
        environment.tags.pop(tag)
    environment.filters.pop("safe")  # would let a customer's value through unescaped
    return environment


HTML = _environment(autoescape=True)
PLAIN = _environment(autoescape=False)


def check(source: str, names: Collection[str], attributes: Collection[str] | None = None) -> frozenset[str]:
    """Give the names that a template uses; raise TemplateRefused for one that is not in `names`, or a syntax error.

    With `attributes`, an attribute must be one of them.
    """
    template = _parsed(PLAIN, source)
    for name in template.analyze(include_partials=False).filters:
        if name not in PLAIN.filters:
            raise TemplateRefused(f"the template uses an unknown filter '{name}'{_suggestion(name, PLAIN.filters)}")
    used = frozenset(_used(template))
    known = {*names, *(ATTRIBUTES + name for name in attributes or ())}
    for name in sorted(used):
        is_attribute = name.startswith(ATTRIBUTES) and attributes is None
        if not is_attribute and not any(name == one or name.startswith(f"{one}.") for one in known):
            raise TemplateRefused(f"the template uses an unknown name '{name}'{_suggestion(name, known)}")
    return used


def unguarded(source: str) -> list[str]:
    """Give the names that are printed although a customer may have no value: without `default`, and never tested."""
    template = _parsed(PLAIN, source)
    printed, tested = set(), set()
    for node in _nodes(template):
        for expression in node.expressions():
            if isinstance(node, OutputNode) and isinstance(expression, FilteredExpression):
                if isinstance(expression.left, NamePath) and not _has_default(expression):
                    printed.add(str(expression.left))
            else:
                tested |= {str(one) for one in _paths(expression)}
    optional = {name for name in printed - tested if name in CUSTOMER_NAMES or name.startswith(ATTRIBUTES)}
    return sorted(optional - ALWAYS_THERE)


def mail(subject: str, body: str, values: Values) -> Mail:
    """Give the subject, HTML and text of one mail; raise TemplateRefused when a limit is passed."""
    head = line(subject, values)
    html = _rendered(HTML, markup(body), {**values, "subject": head})
    text = get_text(_readable(html), ParserConfig(display_links=True)).strip()
    return Mail(head, html, re.sub(r"\n\s*\n+", "\n\n", re.sub(r"[ \t]+(?=\n)|^[ \t]+", "", text, flags=re.MULTILINE)))


def line(source: str, values: Values) -> str:
    """Give a text on one line: breaks within a customer's values become spaces, so that no header can be added."""
    return " ".join("".join(char if char.isprintable() else " " for char in prose(source, values)).split())


def prose(source: str, values: Values) -> str:
    """Give a plain text."""
    return _rendered(PLAIN, source, values)


def is_mjml(body: str) -> bool:
    return body.lstrip().lower().startswith("<mjml")


@lru_cache(maxsize=64)
def markup(body: str) -> str:
    """Give the HTML of a body, its Liquid still in it: MJML as it is, anything else inside our own frame."""
    if not is_mjml(body):
        return _compiled(BASE).replace(BODY, _paragraphs(body))
    for tag in MJML_TAG.findall(body):
        if tag not in MJML_TAGS:
            close = difflib.get_close_matches(tag, MJML_TAGS, n=1)
            raise TemplateRefused(f"MJML has no tag <{tag}>" + (f"; did you mean <{close[0]}>?" if close else ""))
    return _compiled(body)


def _compiled(source: str) -> str:
    try:
        return mjml2html(source, disable_comments=False, fonts={})
    except ValueError as error:
        raise TemplateRefused(f"the MJML cannot be read: {error}") from error


def _paragraphs(body: str) -> str:
    """Give plain paragraphs as HTML; a body that holds HTML tags keeps them."""
    has_html = HTML_TAG.search(LIQUID.sub("", body)) is not None
    blocks = re.split(r"\n\s*\n", body.strip().replace("\r\n", "\n"))
    return "\n".join(_block(block.strip(), has_html=has_html) for block in blocks)


def _block(block: str, *, has_html: bool) -> str:
    if button := BUTTON.fullmatch(block):
        return BUTTON_HTML.format(url=_escaped(button["url"]), label=_escaped(button["label"]))
    if CODE.fullmatch(block):
        return CODE_HTML
    is_only_tags = block.startswith("{%") and not LIQUID.sub("", block).strip() and "{{" not in block
    if is_only_tags or (has_html and block.startswith("<")):
        return block
    text = block if has_html else _escaped(block)
    return "<p>" + text.replace("\n", "<br>\n") + "</p>"


def _escaped(text: str) -> str:
    """Escape all but the Liquid within."""
    return "".join(part if LIQUID.fullmatch(part) else escape(part) for part in LIQUID.split(text))


def _readable(html: str) -> str:
    """Give the part of a page that is read: without head and comments."""
    body = html[max(html.find("<body"), 0) :]
    return re.sub(r"<!--.*?-->", "", body, flags=re.DOTALL)


@lru_cache(maxsize=256)
def _parsed(environment: Environment, source: str) -> BoundTemplate:
    try:
        return environment.from_string(source)
    except LiquidError as error:
        raise TemplateRefused(f"the template cannot be read: {_sentence(error)}") from error


def _rendered(environment: Environment, source: str, values: Values) -> str:
    try:
        return str(_parsed(environment, source).render(**values))
    except (LiquidError, ArithmeticError, RecursionError, TypeError, ValueError) as error:
        # Filters let some of their own errors through.
        raise TemplateRefused(f"the template was stopped: {_sentence(error)}") from error


def _sentence(error: Exception) -> str:
    return (str(error) or type(error).__name__).split("\n", 1)[0].strip()


def _used(template: BoundTemplate) -> Iterator[str]:
    for variables in template.analyze(include_partials=False).globals.values():
        for variable in variables:
            if not all(isinstance(one, str | int) for one in variable.segments):
                raise TemplateRefused(f"the template looks up a name by a value: '{variable}'; write the name out")
            yield ".".join(str(one) for one in variable.segments)


def _nodes(template: BoundTemplate) -> Iterator[Node]:
    context = RenderContext(template)
    waiting = list(template.nodes)
    while waiting:
        node = waiting.pop()
        yield node
        waiting += node.children(context, include_partials=False)


def _has_default(expression: FilteredExpression) -> bool:
    return any(one.name == "default" for one in expression.filters or ())


def _paths(expression: object) -> Iterator[NamePath]:
    if isinstance(expression, NamePath):
        yield expression
    for child in getattr(expression, "children", list)():
        yield from _paths(child)


def _suggestion(name: str, known: Collection[str]) -> str:
    close = difflib.get_close_matches(name, sorted(known), n=1)
    return f"; did you mean {close[0]}?" if close else ""
