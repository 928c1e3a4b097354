"""What the columns of a file are: guessed from their names and values, and read from what a person chose. Pure."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from customers import attributes, cleaning, customer_mapping, mapping
from customers.customer_mapping import ALL, ALWAYS, CustomerColumns, Permission
from customers.event_mapping import EventColumns
from customers.mapping import WrongMapping
from customers.models import Attribute, Channel, Import
from customers.reading import LINE, Table

FIRST, SHOWN = 5, 60  # rows that are shown, and letters of a value
PERMISSIONS = 2
CUSTOMERS = {
    "": "Attribute, or as its name says",
    "left": "Left out",
    "id": "Customer id",
    "email": "E-mail address",
    "phone": "Phone number",
    "known_since": "Known since",
}
EVENTS = {
    "": "Left out",
    "customer": "Customer id",
    "time": "Time",
    "name": "Name of the event",
    "value": "Value",
    "order": "Order number",
    "product": "Product id",
    "product_name": "Product name",
    "category": "Category",
    "quantity": "Quantity",
    "price": "Price of one",
    "discount": "Discount on the line",
    "property": "Property of the event",
    "id": "Id of the line",
    "known_since": "Known since",
}
ROLES = {Import.Kind.CUSTOMERS.value: CUSTOMERS, Import.Kind.EVENTS.value: EVENTS}
SEVERAL = {"", "left", "value", "discount", "property"}
ID_WORDS = ("customerid", "externalid", "id", "customer", "userid", "clientid", "memberid", "customernumber")
WORDS: dict[str, dict[str, tuple[str, ...]]] = {
    Import.Kind.CUSTOMERS.value: {
        "id": ID_WORDS,
        "email": ("email", "emailaddress", "mail"),
        "phone": ("phone", "phonenumber", "mobile", "telephone", "tel"),
    },
    Import.Kind.EVENTS.value: {
        "customer": (*(word for word in ID_WORDS if word != "id"), "id"),
        "time": ("time", "timestamp", "occurredat", "date", "invoicedate", "orderdate", "day", "createdat", "at"),
        "name": ("event", "eventname", "eventtype"),
        "order": ("order", "orderid", "ordernumber", "invoice", "invoiceno", "invoiceid"),
        "product": ("product", "productid", "sku", "stockcode", "item", "itemid"),
        "product_name": ("productname", "description", "itemname"),
        "category": ("category", "productcategory"),
        "quantity": ("quantity", "qty"),
        "price": ("price", "unitprice"),
        "value": ("value", "total", "amount", "revenue", "ordervalue"),
        "discount": ("discount",),
    },
}


@dataclass(frozen=True)
class Column:
    """A column as the page shows it: where it stands, its first values, and what it seems to be."""

    at: int
    name: str
    first: tuple[str, ...]
    type: str
    role: str


def shown(table: Table, kind: str) -> list[Column]:
    """Give the columns of a file with a guess for each."""
    guessed = _guesses(table, kind)
    return [
        Column(
            at,
            name,
            tuple(_short(value) for value in table.rows[name].head(FIRST)),
            str(Attribute.Type(mapping.inferred_type(table.rows[name])).label).lower(),
            guessed.get(name, ""),
        )
        for at, name in enumerate(table.columns)
    ]


def customers(told: Mapping[str, str], names: Sequence[str]) -> CustomerColumns:
    """Give the columns of customers that a person chose. Raises WrongMapping."""
    chosen = _chosen(told, names, CUSTOMERS)
    known_since = next(iter(chosen.get("known_since", [])), None) or told.get("known", "").strip() or None
    if known_since and known_since not in (ALWAYS, *names) and not mapping.is_date(known_since):
        raise WrongMapping(f"Known since: “{known_since}” is no date; write 2026-01-31, or “always”.")
    permissions = tuple(one for place in range(PERMISSIONS) if (one := _permission(told, names, place)))
    source = told.get("consent_source", "").strip()
    if permissions and not source:
        raise WrongMapping("Consent: say where and when these people agreed.")
    taken = {*(name for role, some in chosen.items() if role for name in some), *(one.column for one in permissions)}
    wanted = {name: told.get(f"type-{at}", "") for at, name in enumerate(names) if name not in taken}
    if wrong := next((type_ for type_ in wanted.values() if type_ and type_ not in Attribute.Type.values), None):
        raise WrongMapping(f"“{wrong[:SHOWN]}” is no type.")
    return CustomerColumns(
        id=_needed(chosen, "id", CUSTOMERS),
        email=next(iter(chosen.get("email", [])), None),
        phone=next(iter(chosen.get("phone", [])), None),
        types=tuple((name, type_) for name, type_ in wanted.items() if type_),
        known_since=known_since,
        permissions=permissions,
        consent_source=source,
        left=tuple(chosen.get("left", ())),
    )


def events(told: Mapping[str, str], names: Sequence[str]) -> EventColumns:
    """Give the columns of events that a person chose. Raises WrongMapping."""
    chosen = _chosen(told, names, EVENTS)
    one = {role: next(iter(chosen.get(role, [])), None) for role in EVENTS}
    called = told.get("event_name", "").strip()[:120] or None
    if one["name"] and called:
        raise WrongMapping("Name of the event: choose a column, or write one name for all; not both.")
    if not one["name"] and not called:
        raise WrongMapping("Name of the event: choose the column that holds it, or write one name for all.")
    if one["order"] and not called:
        raise WrongMapping("Order number: the lines of an order are one event, so write its name for all.")
    return EventColumns(
        customer=_needed(chosen, "customer", EVENTS),
        time=_needed(chosen, "time", EVENTS),
        name=called,
        name_column=one["name"],
        value=tuple(chosen.get("value", [])),
        order=one["order"],
        product=one["product"],
        product_name=one["product_name"],
        category=one["category"],
        quantity=one["quantity"],
        price=one["price"],
        discount=tuple(chosen.get("discount", [])),
        properties=tuple(chosen.get("property", [])),
        id=one["id"],
        known_since=one["known_since"],
    )


def _chosen(told: Mapping[str, str], names: Sequence[str], roles: Mapping[str, str]) -> dict[str, list[str]]:
    """Give the columns of each role. Raises WrongMapping where two claim what only one can be."""
    chosen: dict[str, list[str]] = {}
    for at, name in enumerate(names):
        role = told.get(f"role-{at}", "")
        if role not in roles:
            raise WrongMapping(f"{name}: “{role[:SHOWN]}” is nothing a column can be.")
        chosen.setdefault(role, []).append(name)
    for role, some in chosen.items():
        if role not in SEVERAL and len(some) > 1:
            raise WrongMapping(f"{roles[role]}: only one column can be that, not {' and '.join(some)}.")
    return chosen


def _needed(chosen: Mapping[str, Sequence[str]], role: str, roles: Mapping[str, str]) -> str:
    if role not in chosen:
        raise WrongMapping(f"{roles[role]}: say which column it is.")
    return chosen[role][0]


def _permission(told: Mapping[str, str], names: Sequence[str], place: int) -> Permission | None:
    """Give a consent that was chosen: nobody's, unless a person says whose."""
    who, topic = told.get(f"consent_who-{place}", ""), told.get(f"consent_topic-{place}", "").strip()
    channel = told.get(f"consent_channel-{place}", "")
    if not who:
        return None
    if channel not in Channel.values:
        raise WrongMapping("Consent: choose a channel.")
    if not topic or len(topic) > 60:
        raise WrongMapping("Consent: name the topic, in 60 letters at most.")
    if who == ALL:
        return Permission(channel, topic, ALL)
    at = int(who) if who.isascii() and who.isdigit() and len(who) < 5 else len(names)
    if at >= len(names):
        raise WrongMapping("Consent: choose who agreed: nobody, everybody, or by a column.")
    return Permission(channel, topic, names[at])


def _guesses(table: Table, kind: str) -> dict[str, str]:
    """Give the roles that names suggest; where none says who the customer is, the first column does."""
    plain = {name: re.sub(r"[\W_]+", "", name.casefold()) for name in table.columns}
    found: dict[str, str] = {}
    for role, words in WORDS[kind].items():
        free = [name for name in table.columns if name not in found]
        best = min((name for name in free if plain[name] in words), key=lambda one: words.index(plain[one]), default="")
        if best:
            found[best] = role
    free = [name for name in table.columns if name not in found]
    if kind == Import.Kind.CUSTOMERS and "email" not in found.values():
        found |= dict.fromkeys([one for one in free if _is_address(table.rows[one])][:1], "email")
    needed = "id" if kind == Import.Kind.CUSTOMERS else "customer"
    if needed not in found.values() and (free := [name for name in table.columns if name not in found]):
        found[free[0]] = needed
    return found


def is_core(name: str) -> bool:
    """Say whether a column fills a field that every customer has."""
    return name.casefold().replace(" ", "_").replace("-", "_") in (*attributes.CORE, *customer_mapping.NAMES)


def _is_address(column: pl.Series) -> bool:
    if column.dtype != pl.String:
        return False
    told = column.head(200).drop_nulls()
    return len(told) > 0 and cleaning.emails(told).null_count() * 2 < len(told)


def _short(value: object) -> str:
    said = "" if value is None else str(value)
    return f"{said[:SHOWN]}…" if len(said) > SHOWN else said


def told_of(table: Table) -> str:
    """Say in words what a file is."""
    many = f"{len(table.rows):,} lines and {len(table.columns)} columns"
    return f"{many} ({', '.join(table.notes)}). The first values stand on line {table.rows[LINE][0]}."
