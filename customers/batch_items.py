"""Items of a batch, read one by one: what fits becomes rows of the records, what does not is refused. Pure."""

import json
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, NamedTuple

import polars as pl

from customers import bulk, cleaning, ingest
from customers.attributes import CORE
from customers.cleaning import REFUSED, Check
from customers.ingest import Records
from customers.models import Channel
from customers.problems import UNSTORABLE

MOST_BYTES = 32 * 1024  # of one item, as the tracking APIs of the field have it
MOST_DEPTH = 16
MOST_LINES = 500
DECIMALS = 6  # of the sum of an order's lines
HALF = re.compile("[\ud800-\udfff]")  # of a surrogate pair
SHOWN = 60  # letters of a value that is refused
Row = dict[str, Any]
SAID: bulk.Schema = {**ingest.CUSTOMERS, "country": pl.String}


class Unfit(Exception):
    """A value that cannot be taken: where it is in the item, and what is wrong with it."""

    def __init__(self, column: str, kind: str, value: object = None) -> None:
        """Take the place, the fault and the value, of which a little is shown."""
        super().__init__(kind)
        self.column, self.kind = column, kind
        self.value = None if value is None else json.dumps(value, default=str)[:SHOWN]


@dataclass
class Read:
    """What the items of some batches say, as rows, each with its line; `count` is the last line."""

    count: int = 0
    rows: dict[str, list[Row]] = field(default_factory=dict)
    refused: list[Row] = field(default_factory=list)

    def records(self) -> Records:
        """Give the records that these rows make."""
        people = _tidied(self._frame("customers", SAID))
        refused = [pl.DataFrame(self.refused, schema=REFUSED), *([self._unread(people)] if people else [])]
        return Records(
            read=self.count,
            customers=people.accepted.select(ingest.CUSTOMERS.keys()) if people else None,
            attributes=self._kept("attributes", ingest.ATTRIBUTES, people),
            consents=self._kept("consents", ingest.CONSENTS, people),
            events=self._frame("events", ingest.EVENTS),
            lines=self._frame("lines", ingest.LINES),
            products=self._frame("products", ingest.PRODUCTS),
            refused=pl.concat(refused),
        )

    @property
    def holds_anything(self) -> bool:
        """Say whether there is anything to store."""
        return bool(self.refused) or any(self.rows.values())

    def with_lines(self) -> set[str]:
        """Give the message ids of events that have order lines."""
        return {line["message_id"] for line in self.rows.get("lines", ())}

    def without(self, lines: Set[int]) -> "Read":
        """Give what is left when the events of some lines are taken out."""
        left = [row for row in self.rows.get("events", ()) if row["line"] not in lines]
        return replace(self, rows={**self.rows, "events": left})

    def _frame(self, name: str, schema: bulk.Schema) -> pl.DataFrame | None:
        rows = self.rows.get(name)
        return pl.DataFrame(rows, schema=schema) if rows else None

    def _kept(self, name: str, schema: bulk.Schema, people: "cleaning.Sifted | None") -> pl.DataFrame | None:
        """Give the rows of a kind without those of customers who were refused."""
        frame = self._frame(name, schema)
        gone = people.refused if people else None
        return (
            frame if frame is None or gone is None else frame.join(gone, on="line", how="anti", maintain_order="left")
        )

    def _unread(self, people: cleaning.Sifted) -> pl.DataFrame:
        items = pl.DataFrame(self.rows["items"], schema={"line": pl.Int64, "record": pl.String})
        return people.refused.join(items, on="line", how="left").select(REFUSED.keys())


class Field(NamedTuple):
    """One field of an item: what it is called in a row, how it is read, and whether it must be there."""

    row: str
    reads: Callable[[str, Any], Any]
    is_needed: bool = False


def read_events(items: Sequence[object], received: datetime, read: Read | None = None) -> Read:
    """Give the events that items say, added to those of `read`."""
    return _read_all(items, lambda item, line: _event(item, line, received), read or Read())


def read_customers(items: Sequence[object], received: datetime, read: Read | None = None) -> Read:
    """Give the customers, facts and consents that items say, added to those of `read`."""
    return _read_all(items, lambda item, line: _customer(item, line, received), read or Read())


def _read_all(items: Sequence[object], one: Callable[[Row, int], dict[str, list[Row]]], read: Read) -> Read:
    for line, item in enumerate(items, read.count + 1):
        try:
            for name, found in one(_sound(item), line).items():
                read.rows.setdefault(name, []).extend(found)
        except Unfit as fault:
            told = {"line": line, "column": fault.column, "kind": fault.kind, "value": fault.value}
            read.refused.append({**told, "record": _record(item)})
    read.count += len(items)
    return read


def _event(item: Row, line: int, received: datetime) -> dict[str, list[Row]]:
    told = _fields(item, EVENT, "")
    lines = told.pop("lines", None) or []
    bought = [_fields(one, LINE, f"lines[{place}].") for place, one in enumerate(lines)]
    worth = [one["price"] * one.get("quantity", 1.0) for one in bought if one.get("price") is not None]
    value = told.get("value", round(sum(worth), DECIMALS) if worth else None)
    event = {"line": line, "occurred_at": received, **told, "value": value}
    named = [one for one in bought if one.keys() & {"name", "category", "brand"}]
    return {
        "events": [event],
        "lines": [
            {"message_id": event["message_id"], "quantity": 1.0, **{k: v for k, v in one.items() if k in ingest.LINES}}
            for one in bought
        ],
        "products": [
            {"external_id": one["product"], **{k: v for k, v in one.items() if k in ("name", "category", "brand")}}
            for one in named
        ],
    }


def _customer(item: Row, line: int, received: datetime) -> dict[str, list[Row]]:
    told = _fields(item, CUSTOMER, "")
    facts = {**(told.pop("attributes", None) or {}), **{name: told.pop(name) for name in CORE if name in told}}
    consents = told.pop("consents", None) or []
    who = {"line": line, "external_id": told["external_id"]}
    country = facts.get("country")
    return {
        "customers": [{"line": line, **told, "country": country if isinstance(country, str) else None}],
        "items": [{"line": line, "record": _record(item)}],
        "attributes": [
            {**who, "name": name, "value": None if value is None else json.dumps(value)}
            for name, value in facts.items()
        ],
        "consents": [{**who, **_fields(one, CONSENT, f"consents[{place}].")} for place, one in enumerate(consents)],
    }


def _tidied(said: pl.DataFrame | None) -> cleaning.Sifted | None:
    """Part customers whose addresses can be read from those whose cannot."""
    if said is None:
        return None
    read = said.with_columns(
        cleaning.emails(said["email"]).alias("tidy.email"),
        cleaning.phones(said["phone"], said["country"]).alias("tidy.phone"),
    )
    faults = (("email", "is not an e-mail address"), ("phone", "is not a phone number"))
    checks = [
        Check(
            name, pl.col(name).is_not_null() & pl.col(f"tidy.{name}").is_null(), kind, pl.col(name).str.slice(0, SHOWN)
        )
        for name, kind in faults
    ]
    tidy = [pl.col(f"tidy.{name}").alias(name) for name, _ in faults]
    sifted = cleaning.sift(read, checks)
    return sifted._replace(accepted=sifted.accepted.with_columns(tidy))


def _sound(item: object) -> Row:
    """Give an item that may be stored: an object, not too large, not too deep, of whole texts."""
    if not isinstance(item, dict):
        raise Unfit("", "is no object", item)
    if _is_plainly_sound(item):
        return item
    level: list[object] = [item]
    for _ in range(MOST_DEPTH):
        for one in level:
            if isinstance(one, str) and UNSTORABLE.search(one):
                raise Unfit(_place_of(item, one), "holds a NUL or half of a surrogate pair")
        level = [inner for one in level for inner in _inside(one)]
        if not level:
            break
    else:
        raise Unfit("", f"is nested more than {MOST_DEPTH} deep")
    if len(json.dumps(item)) > MOST_BYTES:
        raise Unfit("", f"is larger than {MOST_BYTES:,} bytes")
    return item


def _is_plainly_sound(item: Row) -> bool:
    """Say that an item is sound as its JSON text shows, which is quick; of others nothing is known."""
    try:
        text = json.dumps(item)
    except RecursionError:
        return False
    is_shallow = text.count("{") + text.count("[") < MOST_DEPTH
    return is_shallow and len(text) <= MOST_BYTES and "\\ud" not in text and "\\u0000" not in text


def _inside(one: object) -> Iterable[object]:
    if isinstance(one, dict):
        return [*one, *one.values()]
    return one if isinstance(one, list) else ()


def _place_of(item: Row, text: str) -> str:
    """Give the field of an item that holds a text, at whatever depth."""
    for name, value in item.items():
        level: list[object] = [value]
        while level:
            if any(one is text for one in level):
                return name if not UNSTORABLE.search(name) else ""
            level = [inner for one in level for inner in _inside(one)]
    return ""


def _fields(item: object, known: Mapping[str, Field], place: str) -> Row:
    if not isinstance(item, dict):
        raise Unfit(place.rstrip("."), "is no object", item)
    for name in item:
        if name not in known:
            raise Unfit(f"{place}{name}"[:SHOWN], "is no field", item[name])
    row = {}
    for name, one in known.items():
        value = item.get(name)
        found = None if value is None else one.reads(f"{place}{name}", value)
        if found is None and one.is_needed:
            raise Unfit(f"{place}{name}", "has no value")
        if found is not None:
            row[one.row] = found
    return row


def _text(place: str, value: Any) -> str | None:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise Unfit(place, "is no text", value)
    return str(value).strip() or None


def _number(place: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Unfit(place, "is no number", value)
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise Unfit(place, "is no finite number")
    return number


def _moment(place: str, value: Any) -> datetime:
    """Read a time of RFC 3339."""
    try:
        moment = datetime.fromisoformat(value)
        if moment.tzinfo is None:
            raise Unfit(place, "has no offset from UTC", value)
        return moment.astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        raise Unfit(place, "is no time such as 2026-03-01T09:30:00Z", value) from None


def _flag(place: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise Unfit(place, "is neither true nor false", value)
    return value


def _properties(place: str, value: Any) -> str:
    if not isinstance(value, dict):
        raise Unfit(place, "is no object", value)
    return json.dumps(value)


def _object(place: str, value: Any) -> Row:
    if not isinstance(value, dict):
        raise Unfit(place, "is no object", value)
    return value


def _list(place: str, value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise Unfit(place, "is no list", value)
    if len(value) > MOST_LINES:
        raise Unfit(place, f"has more than {MOST_LINES} items")
    return value


def _as_told(place: str, value: Any) -> Any:
    return value


def _channel(place: str, value: Any) -> str:
    if value not in Channel.values:
        raise Unfit(place, f"is none of {', '.join(Channel.values)}", value)
    return str(value)


EVENT = {
    "customer": Field("external_id", _text, is_needed=True),
    "message_id": Field("message_id", _text, is_needed=True),
    "name": Field("name", _text, is_needed=True),
    "occurred_at": Field("occurred_at", _moment),
    "value": Field("value", _number),
    "currency": Field("currency", _text),
    "order_id": Field("order_id", _text),
    "properties": Field("properties", _properties),
    "lines": Field("lines", _list),
}
LINE = {
    "product": Field("product", _text, is_needed=True),
    "quantity": Field("quantity", _number),
    "price": Field("price", _number),
    "discount": Field("discount", _number),
    "name": Field("name", _text),
    "category": Field("category", _text),
    "brand": Field("brand", _text),
}
CUSTOMER = {
    "external_id": Field("external_id", _text, is_needed=True),
    "email": Field("email", _text),
    "phone": Field("phone", _text),
    "first_name": Field("first_name", _text),
    "last_name": Field("last_name", _text),
    "known_since": Field("known_since", _moment),
    **{name: Field(name, _as_told) for name in CORE},
    "attributes": Field("attributes", _object),
    "consents": Field("consents", _list),
}
CONSENT = {
    "channel": Field("channel", _channel, is_needed=True),
    "topic": Field("topic", _text, is_needed=True),
    "granted": Field("is_granted", _flag, is_needed=True),
    "source": Field("source", _text, is_needed=True),
}


def _record(item: object) -> str:
    """Give an item as it is kept with its refusal: nothing of it where it is too large."""
    text = HALF.sub("\ufffd", json.dumps(item, ensure_ascii=False))
    return text if len(text.encode()) <= MOST_BYTES else "{}"
