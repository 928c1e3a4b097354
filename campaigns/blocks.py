"""What a mail is made of, parsed: subject, preheader, blocks and language variants. Pure.

content = {"subject": ..., "preheader": ..., "language": "en", "blocks": [...], "languages": {"de": {...}}}

Every block has "kind", and may have "id" (by which variants name it), "tag" (the content tag of its links) and
"background": plain, tint or brand. By kind:
  heading   text, level 1 to 3, align             divider
  text      text (paragraphs, or safe HTML), align  spacer    height
  image     asset, alt, url, width                columns   columns: [[block, ...], [block, ...]]
  button    label, url, align                     code      label, note: shows the offer's code
  rating    question, low, high, event            products  products: [key or {product, name, price, asset, url}], or
                                                            from: viewed or bought, most, url; label
A variant may replace subject and preheader, and texts of blocks: {"blocks": {"<id>": {"text": ...}}}; what it lacks
is taken from the mail itself.
"""

import json
import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, ClassVar, NamedTuple

from campaigns import prose, render
from campaigns.json_fields import ContentError, Fields

MOST_BLOCKS = 100
MOST_COLUMNS = 4
MOST_PRODUCTS = 12
LONG = 20_000
SUBJECT = 200
LANGUAGE = re.compile(r"[a-z]{2,3}(-[a-z0-9]{2,8})*")
ALIGNS = ("left", "center")
BACKGROUNDS = ("plain", "tint", "brand")
HISTORIES = ("viewed", "bought")
PRODUCT = frozenset({"product.id"})  # what the address of a product may name
SHARED = ("kind", "id", "tag", "background")


@dataclass(frozen=True)
class Terms:
    """What texts may name, and what exists; None: anything does."""

    names: frozenset[str] = render.OFFER_NAMES
    attributes: frozenset[str] | None = None
    assets: frozenset[str] | None = None
    products: frozenset[str] | None = None


@dataclass(frozen=True, kw_only=True)
class _Block:
    id: str = ""
    tag: str = ""
    background: str = "plain"


@dataclass(frozen=True, kw_only=True)
class Heading(_Block):
    text: str
    level: int = 1
    align: str = "left"


@dataclass(frozen=True, kw_only=True)
class Text(_Block):
    """Paragraphs. Where they are the whole mail, a link alone in one is drawn as a button."""

    text: str
    align: str = "left"
    is_whole_mail: bool = False


@dataclass(frozen=True, kw_only=True)
class Image(_Block):
    asset: str
    alt: str
    url: str = ""
    width: int | None = None


@dataclass(frozen=True, kw_only=True)
class Button(_Block):
    label: str
    url: str
    align: str = "left"


@dataclass(frozen=True, kw_only=True)
class Divider(_Block):
    pass


@dataclass(frozen=True, kw_only=True)
class Spacer(_Block):
    height: int = 24


@dataclass(frozen=True, kw_only=True)
class Columns(_Block):
    columns: tuple[tuple["Block", ...], ...]


class Shown(NamedTuple):
    """One product of a fixed list, with what the marketer says about it."""

    product: str
    name: str = ""
    price: str = ""
    asset: str = ""
    url: str = ""


@dataclass(frozen=True, kw_only=True)
class Products(_Block):
    products: tuple[Shown, ...] = ()
    history: str = ""
    most: int = 3
    url: str = ""
    label: str = ""


@dataclass(frozen=True, kw_only=True)
class Code(_Block):
    label: str = ""
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Rating(_Block):
    question: str
    low: str = ""
    high: str = ""
    event: str = "Rated"


Block = Heading | Text | Image | Button | Divider | Spacer | Columns | Products | Code | Rating
TRANSLATED: dict[type[Block], tuple[str, ...]] = {
    Heading: ("text",),
    Text: ("text",),
    Image: ("alt", "url", "asset"),
    Button: ("label", "url"),
    Products: ("label", "url"),
    Code: ("label", "note"),
    Rating: ("question", "low", "high"),
}


@dataclass(frozen=True)
class Letter:
    """The mail in one language."""

    language: str
    subject: str
    preheader: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, eq=False)
class Content:
    """A whole mail: in its own language, and its variants by language. Two of one source are the same."""

    source: str
    letters: tuple[Letter, ...]

    def __hash__(self) -> int:
        return hash(self.source)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Content) and other.source == self.source

    @property
    def subject(self) -> str:
        return self.letters[0].subject

    @property
    def preheader(self) -> str:
        return self.letters[0].preheader

    @property
    def blocks(self) -> tuple[Block, ...]:
        return self.letters[0].blocks

    @property
    def languages(self) -> dict[str, Letter]:
        return {one.language: one for one in self.letters[1:]}

    def letter(self, language: str) -> Letter:
        """Give the mail for who speaks a language: exactly that, else its root (de for de-AT), else its own."""
        wanted = language.strip().lower().replace("_", "-")
        known = {one.language: one for one in reversed(self.letters)}
        while wanted:
            if wanted in known:
                return known[wanted]
            wanted = wanted.rpartition("-")[0]
        return self.letters[0]


def parse(content: object, terms: Terms | None = None) -> Content:
    """Give the content of a mail; raise ContentError that says where and why. With `terms`, names must exist too."""
    try:
        source = json.dumps(content, sort_keys=True, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise ContentError("content", f"is not JSON: {error}") from error
    return _parsed(source, terms or Terms())


@lru_cache(maxsize=128)
def _parsed(source: str, terms: Terms) -> Content:
    return _Parser(terms).content(source)


def walk(blocks: Collection[Block]) -> Iterator[Block]:
    """Give all blocks, those in columns too."""
    for block in blocks:
        yield block
        if isinstance(block, Columns):
            for column in block.columns:
                yield from walk(column)


def texts(content: Content) -> Iterator[tuple[str, str]]:
    """Give every text that Liquid is rendered in, with its place."""
    for letter in content.letters:
        place = "content" if letter is content.letters[0] else f"content.languages.{letter.language}"
        yield f"{place}.subject", letter.subject
        yield f"{place}.preheader", letter.preheader
        yield from _texts_of(letter.blocks, place if letter is content.letters[0] else f"{place}.")


def _texts_of(blocks: tuple[Block, ...], place: str) -> Iterator[tuple[str, str]]:
    for i, block in enumerate(blocks):
        here = f"{place}blocks.{block.id}" if place.endswith(".") and block.id else f"{place.rstrip('.')}.blocks[{i}]"
        if isinstance(block, Columns):
            for j, column in enumerate(block.columns):
                yield from _texts_of(column, f"{here}.columns[{j}]")
        for name in TRANSLATED.get(type(block), ()):
            if name != "asset":
                yield f"{here}.{name}", getattr(block, name)
        if isinstance(block, Products):
            for j, shown in enumerate(block.products):
                yield from ((f"{here}.products[{j}].{name}", getattr(shown, name)) for name in ("name", "price", "url"))


@lru_cache(maxsize=128)
def shows_code(content: Content) -> bool:
    """Tell whether the mail shows the code of an offer, in every language."""
    return all(any(_shows_code(block) for block in walk(letter.blocks)) for letter in content.letters)


def _shows_code(block: Block) -> bool:
    if isinstance(block, Text | Heading):
        return "offer.code" in render.check(block.text, render.OFFER_NAMES)
    return isinstance(block, Code)


def lint(content: Content) -> list[str]:
    """Give what a marketer should look at before launching, each beginning with its place."""
    raw = json.loads(content.source)
    found = [] if content.preheader else ["content.preheader: is empty; mail programs show the first words instead"]
    for letter in content.letters[1:]:
        given = raw["languages"][letter.language]
        place = f"content.languages.{letter.language}"
        found += [
            f"{place}.{name}: is missing" for name in ("subject", "preheader") if raw.get(name) and not given.get(name)
        ]
        for block in walk(content.blocks):
            names = [
                one for one in TRANSLATED.get(type(block), ()) if one not in ("url", "asset") and getattr(block, one)
            ]
            if names and not block.id:
                found.append(f"{place}: a {_kind(block)} has no id, so that it cannot be translated")
            else:
                of_block = given.get("blocks", {}).get(block.id, {})
                found += [f"{place}.blocks.{block.id}.{one}: is missing" for one in names if not of_block.get(one)]
    return found


def _kind(block: Block) -> str:
    return type(block).__name__.lower()


class _Parser:
    """Reads one content by its terms."""

    def __init__(self, terms: Terms) -> None:
        self.terms = terms
        self.count = 0
        self.ids: set[str] = set()

    def content(self, source: str) -> Content:
        names = ("subject", "preheader", "language", "blocks", "languages")
        fields = Fields("content", json.loads(source), names)
        language = self._language("content.language", fields.line("language") or "en")
        blocks = tuple(self._blocks("content.blocks", fields.rows("blocks", MOST_BLOCKS, least=1)))
        own = Letter(language, self._head(fields, "subject", is_needed=True), self._head(fields, "preheader"), blocks)
        variants = fields.data.get("languages", {})
        if not isinstance(variants, dict):
            raise ContentError("content.languages", f"expects an object, got {type(variants).__name__}")
        letters = [own, *(self._variant(own, key, data) for key, data in variants.items())]
        return Content(source, tuple(letters))

    def _head(self, fields: Fields, name: str, *, is_needed: bool = False) -> str:
        return self._use(f"{fields.path}.{name}", fields.line(name, SUBJECT, is_needed=is_needed))

    def _language(self, path: str, value: str) -> str:
        if not LANGUAGE.fullmatch(value):
            raise ContentError(path, f"expects a language in lower case, as de or de-at, got '{value}'")
        return value

    def _blocks(self, path: str, rows: list[object], *, is_inner: bool = False) -> Iterator[Block]:
        for i, data in enumerate(rows):
            yield self._block(f"{path}[{i}]", data, is_inner=is_inner)

    def _block(self, path: str, data: object, *, is_inner: bool) -> Block:
        self.count += 1
        if self.count > MOST_BLOCKS:
            raise ContentError("content.blocks", f"holds more than {MOST_BLOCKS} blocks, those in columns counted")
        kind = data.get("kind") if isinstance(data, dict) else None
        read = self.KINDS.get(kind) if isinstance(kind, str) else None
        if read is None:
            raise ContentError(f"{path}.kind", f"expects one of {', '.join(self.KINDS)}, got {kind!r}")
        if kind == "columns" and is_inner:
            raise ContentError(f"{path}.kind", "columns cannot stand in columns")
        fields = Fields(path, data, (*SHARED, *self.NAMES[str(kind)]))
        block = read(self, fields)
        shared: dict[str, Any] = {
            "id": fields.name("id"),
            "tag": fields.name("tag"),
            "background": fields.choice("background", BACKGROUNDS),
        }
        if shared["id"] in self.ids:
            raise ContentError(f"{path}.id", f"'{shared['id']}' is the id of another block too")
        self.ids |= {shared["id"]} - {""}
        if is_inner and shared["background"] != "plain":
            raise ContentError(f"{path}.background", "is that of the columns it stands in")
        return replace(block, **shared)

    def _heading(self, fields: Fields) -> Block:
        text = self._text(fields, "text", is_needed=True)
        return Heading(text=text, level=fields.number("level", 1, 3, 1), align=fields.choice("align", ALIGNS))

    def _prose(self, fields: Fields) -> Block:
        return Text(text=self._long(fields, is_needed=True), align=fields.choice("align", ALIGNS))

    def _image(self, fields: Fields) -> Block:
        width = fields.number("width", 16, 600, 600) if fields.data.get("width") is not None else None
        return Image(
            asset=self._asset(fields, is_needed=True),
            alt=self._text(fields, "alt", is_needed=True),
            url=self._url(fields),
            width=width,
        )

    def _button(self, fields: Fields) -> Block:
        label, url = self._text(fields, "label", is_needed=True), self._url(fields, is_needed=True)
        return Button(label=label, url=url, align=fields.choice("align", ALIGNS))

    def _divider(self, _: Fields) -> Block:
        return Divider()

    def _spacer(self, fields: Fields) -> Block:
        return Spacer(height=fields.number("height", 4, 120, 24))

    def _columns(self, fields: Fields) -> Block:
        columns = []
        for i, rows in enumerate(fields.rows("columns", MOST_COLUMNS, least=1)):
            path = f"{fields.path}.columns[{i}]"
            if not isinstance(rows, list):
                raise ContentError(path, f"expects a list, got {type(rows).__name__}")
            columns.append(tuple(self._blocks(path, rows, is_inner=True)))
        return Columns(columns=tuple(columns))

    def _products(self, fields: Fields) -> Block:
        label = self._text(fields, "label")
        if "from" not in fields.data:
            rows = fields.rows("products", MOST_PRODUCTS, least=1)
            shown = tuple(self._shown(f"{fields.path}.products[{i}]", row) for i, row in enumerate(rows))
            return Products(products=shown, url=self._url(fields, more=PRODUCT), label=label)
        if "products" in fields.data:
            raise ContentError(f"{fields.path}.products", "is either a list, or taken from what was viewed or bought")
        history, most = fields.choice("from", HISTORIES), fields.number("most", 1, MOST_PRODUCTS, 3)
        return Products(history=history, most=most, url=self._url(fields, more=PRODUCT), label=label)

    def _shown(self, path: str, row: object) -> Shown:
        data = {"product": row} if isinstance(row, str) else row
        fields = Fields(path, data, Shown._fields)
        key = fields.line("product", is_needed=True)
        if '"' in key or (self.terms.products is not None and key not in self.terms.products):
            raise ContentError(path, f"there is no product '{key}'")
        name, price = self._text(fields, "name"), self._text(fields, "price")
        return Shown(key, name, price, self._asset(fields), self._url(fields, more=PRODUCT))

    def _code(self, fields: Fields) -> Block:
        if "offer.code" not in self.terms.names:
            raise ContentError(f"{fields.path}.kind", "a code needs an offer: choose “Send an offer” as what is done")
        return Code(label=self._text(fields, "label"), note=self._text(fields, "note"))

    def _rating(self, fields: Fields) -> Block:
        question = self._text(fields, "question", is_needed=True)
        event = fields.line("event", 120) or "Rated"
        return Rating(question=question, low=self._text(fields, "low"), high=self._text(fields, "high"), event=event)

    def _text(self, fields: Fields, name: str, *, is_needed: bool = False) -> str:
        return self._use(f"{fields.path}.{name}", fields.line(name, is_needed=is_needed))

    def _long(self, fields: Fields, *, is_needed: bool = False) -> str:
        """Give a text that can be drawn: its Liquid stands only where markup is kept."""
        path = f"{fields.path}.text"
        text = self._use(path, fields.text("text", LONG, is_needed=is_needed))
        try:
            prose.plain(text, prose.Held())
        except render.TemplateRefused as error:
            raise ContentError(path, str(error)) from error
        return text

    def _url(self, fields: Fields, *, is_needed: bool = False, more: Collection[str] = ()) -> str:
        return self._use(f"{fields.path}.url", fields.url("url", is_needed=is_needed), more)

    def _asset(self, fields: Fields, *, is_needed: bool = False) -> str:
        asset = fields.name("asset")
        if is_needed and not asset:
            raise ContentError(f"{fields.path}.asset", "is missing: choose a picture")
        if asset and self.terms.assets is not None and asset not in self.terms.assets:
            raise ContentError(f"{fields.path}.asset", f"there is no picture '{asset}'")
        return asset

    def _use(self, path: str, text: str, more: Collection[str] = ()) -> str:
        """Give the text back if its Liquid can be read and names what there is."""
        try:
            render.check(text, {*self.terms.names, *more}, self.terms.attributes)
        except render.TemplateRefused as error:
            raise ContentError(path, str(error)) from error
        return text

    def _variant(self, own: Letter, key: str, data: object) -> Letter:
        path = f"content.languages.{key}"
        language = self._language(path, key)
        if language == own.language:
            raise ContentError(path, "is the language of the mail itself")
        fields = Fields(path, data, ("subject", "preheader", "blocks"))
        subject, preheader = self._head(fields, "subject"), self._head(fields, "preheader")
        given = fields.data.get("blocks", {})
        if not isinstance(given, dict):
            raise ContentError(f"{path}.blocks", f"expects an object, got {type(given).__name__}")
        for id_ in given:
            if id_ not in self.ids:
                raise ContentError(f"{path}.blocks.{id_}", "there is no block of this id")
        blocks = tuple(self._translated(f"{path}.blocks", block, given) for block in own.blocks)
        return Letter(language, subject or own.subject, preheader or own.preheader, blocks)

    def _translated(self, path: str, block: Block, given: dict[str, object]) -> Block:
        if isinstance(block, Columns):
            columns = [tuple(self._translated(path, one, given) for one in column) for column in block.columns]
            return replace(block, columns=tuple(columns))
        if not block.id or block.id not in given:
            return block
        names = TRANSLATED.get(type(block), ())
        fields = Fields(f"{path}.{block.id}", given[block.id], names)
        changes: dict[str, Any] = {name: self._changed(fields, block, name) for name in names if fields.data.get(name)}
        return replace(block, **changes)

    def _changed(self, fields: Fields, block: Block, name: str) -> str:
        if name == "url":
            return self._url(fields, more=PRODUCT if isinstance(block, Products) else ())
        if name == "asset":
            return self._asset(fields)
        if isinstance(block, Text):
            return self._long(fields)
        return self._text(fields, name)

    KINDS: ClassVar[dict[str, Callable[["_Parser", Fields], Block]]] = {
        "heading": _heading,
        "text": _prose,
        "image": _image,
        "button": _button,
        "divider": _divider,
        "spacer": _spacer,
        "columns": _columns,
        "products": _products,
        "code": _code,
        "rating": _rating,
    }
    NAMES: ClassVar[dict[str, tuple[str, ...]]] = {
        "heading": ("text", "level", "align"),
        "text": ("text", "align"),
        "image": ("asset", "alt", "url", "width"),
        "button": ("label", "url", "align"),
        "divider": (),
        "spacer": ("height",),
        "columns": ("columns",),
        "products": ("products", "from", "most", "url", "label"),
        "code": ("label", "note"),
        "rating": ("question", "low", "high", "event"),
    }
