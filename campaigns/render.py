"""Liquid over the plain values of one customer, within limits: loops, sizes and filters cannot run away.

Pure: no database, no clock. A template is parsed once, then rendered for each customer.
"""

import difflib
import functools
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import lru_cache
from html import unescape
from typing import Any, NamedTuple

from liquid import BoundTemplate, Environment, Markup, RenderContext
from liquid.ast import Node
from liquid.builtin.expressions import FilteredExpression, StringLiteral
from liquid.builtin.expressions import Path as NamePath
from liquid.builtin.output import OutputNode
from liquid.builtin.tags.assign_tag import AssignNode
from liquid.builtin.tags.echo_tag import EchoNode
from liquid.exceptions import LiquidError

LIQUID = re.compile(r"({{.*?}}|{%.*?%})", re.DOTALL)
CUSTOMER = ("email", "external_id", "first_name", "last_name", "name", "country", "city", "language")
CUSTOMER_NAMES = frozenset(f"customer.{name}" for name in CUSTOMER)
ALWAYS_THERE = frozenset({"customer.email", "customer.external_id"})
MAIL_NAMES = CUSTOMER_NAMES | {"company", "postal_address", "unsubscribe_url", "preferences_url"}
ABOUT_OFFER = frozenset({"offer.code", "offer.name", "offer.value", "offer.valid_until", "offer.terms"})
OFFER_NAMES = MAIL_NAMES | ABOUT_OFFER
CALL_NAMES = CUSTOMER_NAMES | {"customer.phone", "company", "reasons"} | ABOUT_OFFER
ATTRIBUTES = "customer.attributes."

MOST_CHARACTERS, MOST_ITEMS = 200_000, 2_000
HIGHEST = 10**15
SEVERAL, NUMBERS = (list, tuple, range, dict), (int, float)
SCHEMES = ("https:", "http:", "mailto:", "tel:")
URL = re.compile(r"""\b(?:href|src|srcset|background|action|formaction)\s*=\s*(?:"([^"]*)"|'([^']*)')""", re.IGNORECASE)
# Controls, and the marks that turn the direction of all that follows (Unicode TR 9); single marks and joiners may stay.
UNSEEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufff9-\ufffb]")

UNSEEN_BYTES = bytes(one for one in range(128) if UNSEEN.match(chr(one)))

Values = Mapping[str, object]
Filter = Callable[..., Any]


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


def _within_limits(filter_: Filter) -> Filter:
    """Give the filter, stopped before it takes in or gives out more than a mail can hold."""

    @functools.wraps(filter_)
    def bounded(left: object, *args: object, **options: Any) -> object:
        for value in (left, *args):
            _bound(value)
        # Markup that was captured must not be cut up into other markup.
        plain = str(left) if isinstance(left, Markup) and "<" in left else left
        given = filter_(plain, *args, **options)
        _bound(given)
        return given

    return bounded


def _bound(value: object) -> None:
    if isinstance(value, str):
        if len(value) > MOST_CHARACTERS:
            raise TemplateRefused(f"a text grows beyond {MOST_CHARACTERS:,} characters")
    elif isinstance(value, SEVERAL):
        if len(value) > MOST_ITEMS:
            raise TemplateRefused(f"a list grows beyond {MOST_ITEMS:,} items")
    elif isinstance(value, NUMBERS) and not -HIGHEST <= value <= HIGHEST:
        raise TemplateRefused(f"a number grows beyond {HIGHEST:,}")


def _replaced(filter_: Filter) -> Filter:
    """Give `replace`, which is told how long its result will be before it makes it."""

    def replace(left: object, old: object = "", new: object = "") -> object:
        text, found, put = (str(one if one is not None else "") for one in (left, old, new))
        if len(text) + (text.count(found) if found else len(text) + 1) * len(put) > MOST_CHARACTERS:
            raise TemplateRefused(f"a text grows beyond {MOST_CHARACTERS:,} characters")
        return filter_(left, old, new)

    return replace


def _joined(filter_: Filter) -> Filter:
    """Give `join`, likewise."""

    @functools.wraps(filter_)
    def join(left: object, separator: object = " ", **options: Any) -> object:
        if isinstance(left, list | tuple | range) and len(left) * len(str(separator)) > MOST_CHARACTERS:
            raise TemplateRefused(f"a text grows beyond {MOST_CHARACTERS:,} characters")
        return filter_(left, separator, **options)

    return join


def _environment(*, autoescape: bool, is_read: bool = False) -> Environment:
    """Give an environment; in text that is read as it is, filters that write HTML change nothing."""
    environment = _Bounded(autoescape=autoescape)
    for tag in ("include", "render"):  # there are no files to include
        environment.tags.pop(tag)
    filters = environment.filters
    filters.pop("safe")  # would let a customer's value through unescaped
    filters |= {"replace": _replaced(filters["replace"]), "join": _joined(filters["join"])}
    if is_read:
        filters |= dict.fromkeys(("escape", "escape_once", "newline_to_br"), _unchanged)
    environment.filters = {name: _within_limits(one) for name, one in filters.items()}
    return environment


def _unchanged(left: object) -> object:
    return left


HTML = _environment(autoescape=True)
PLAIN = _environment(autoescape=False)
READ = _environment(autoescape=False, is_read=True)


def check(source: str, names: Collection[str], attributes: Collection[str] | None = None) -> frozenset[str]:
    """Give the names that a template uses; raise TemplateRefused for one that is not in `names`, or a syntax error.

    With `attributes`, an attribute must be one of them.
    """
    template = _parsed(PLAIN, source)
    for name in template.analyze(include_partials=False).filters:
        if name not in PLAIN.filters:
            raise TemplateRefused(f"the template uses an unknown filter '{name}'{_suggestion(name, PLAIN.filters)}")
    for node in _nodes(template):
        for expression in node.expressions():
            if any("<" in one for one in _literals(expression)):
                raise TemplateRefused("a text in quotes within Liquid may not hold '<'")
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
    printed: set[str] = set()
    tested: set[str] = set()
    for node in _nodes(template):
        for expression in node.expressions():
            if isinstance(node, OutputNode | AssignNode | EchoNode):
                printed |= set(_bare(expression))
            else:
                tested |= {str(one) for one in _paths(expression)}
    optional = {name for name in printed - tested if name in CUSTOMER_NAMES or name.startswith(ATTRIBUTES)}
    return sorted(optional - ALWAYS_THERE)


def lacking(source: str, values: Values) -> list[str]:
    """Give the names that are printed without `default` and that have no value among these."""
    return [name for name in unguarded(source) if _value(name, values) in (None, "", [], {})]


def html(source: str, values: Values) -> str:
    """Give HTML that we drew, values escaped; raise TemplateRefused for a link to no page, no mail and no call."""
    page = _seen(_rendered(HTML, source, values))
    for name in (' href="', ' src="'):  # as we write them; a value cannot write its own, for its quotes are escaped
        for rest in page.split(name)[1:]:
            _check_url(rest[: rest.index('"')])
    return page


def html_of_others(source: str, values: Values) -> str:
    """Give HTML that a marketer wrote, likewise; addresses are looked for wherever HTML may hold one."""
    page = _seen(_rendered(HTML, source, values))
    for found in URL.finditer(page):
        _check_url(found[1] or found[2] or "")
    return page


def _seen(given: str) -> str:
    """Give a text without UNSEEN."""
    if given.isascii():
        return given.encode().translate(None, UNSEEN_BYTES).decode()
    return UNSEEN.sub("", given)


def _check_url(url: str) -> None:
    if not url.startswith(SCHEMES) and not _is_safe(url):
        raise TemplateRefused(f"an address is '{unescape(url)[:60]}', which leads neither to a page nor a mail")


def text(source: str, values: Values) -> str:
    """Give text that is read as it is: no markup is written, and empty lines do not pile up."""
    lines = re.sub(r"[ \t]+\n", "\n", _seen(_rendered(READ, source, values)))
    return re.sub(r"\n{3,}", "\n\n", lines).strip()


def line(source: str, values: Values) -> str:
    """Give a text on one line: breaks within a customer's values become spaces, so that no header can be added."""
    given = prose(source, values)
    shown = given if given.isprintable() else "".join(char if char.isprintable() else " " for char in given)
    return " ".join(shown.split())


def prose(source: str, values: Values) -> str:
    """Give a plain text."""
    return _rendered(PLAIN, source, values)


@lru_cache(maxsize=256)
def _parsed(environment: Environment, source: str) -> BoundTemplate:
    try:
        return environment.from_string(source)
    except (LiquidError, RecursionError) as error:
        raise TemplateRefused(f"the template cannot be read: {_sentence(error)}") from error


def _rendered(environment: Environment, source: str, values: Values) -> str:
    try:
        return str(_parsed(environment, source).render(**told(values)))
    except TemplateRefused as refused:
        raise TemplateRefused(f"the template was stopped: {refused}") from refused
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


def _bare(expression: object) -> Iterator[str]:
    """Give the names that an expression prints as they are, and those that it falls back to."""
    if not isinstance(expression, FilteredExpression):
        yield from (str(one) for one in _paths(expression))
        return
    defaults = [one for one in expression.filters or () if one.name == "default"]
    for one in defaults[-1:]:
        yield from (str(path) for arg in one.children() for path in _paths(arg))
    if not defaults:
        yield from (str(one) for one in _paths(expression))


class Told(dict[str, object]):
    """Values in which no text at all is no value, so that `if` tells them apart as `default` does."""


def told(values: Values) -> Told:
    """Give such values; of a mail's parts all take the same."""
    return values if isinstance(values, Told) else Told((name, _told(value)) for name, value in values.items())


def _told(value: object) -> object:
    if isinstance(value, dict):
        return {name: _told(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_told(one) for one in value]
    return None if value == "" else value


def _value(name: str, values: Values) -> object:
    found: object = values
    for part in name.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found


def _is_safe(url: str) -> bool:
    """Tell what browsers would make of an address: entities are read, and blanks and controls left out."""
    plain = re.sub(r"[\x00-\x20\x7f-\xa0]", "", unescape(url)).lower()
    return plain.startswith(SCHEMES)


def _paths(expression: object) -> Iterator[NamePath]:
    if isinstance(expression, NamePath):
        yield expression
    for child in getattr(expression, "children", list)():
        yield from _paths(child)


def _literals(expression: object) -> Iterator[str]:
    if isinstance(expression, StringLiteral):
        yield str(expression.value)
    for child in getattr(expression, "children", list)():
        yield from _literals(child)


def _suggestion(name: str, known: Collection[str]) -> str:
    close = difflib.get_close_matches(name, sorted(known), n=1)
    return f"; did you mean {close[0]}?" if close else ""
