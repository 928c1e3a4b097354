"""The lines of a file as customers: addresses, core columns, attributes and consents."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import polars as pl

from customers import attributes, cleaning, mapping, refusal
from customers.attributes import CORE
from customers.cleaning import EARLIEST, Check
from customers.ingest import Records
from customers.mapping import WrongMapping
from customers.models import Attribute, Channel
from customers.reading import LINE, SURPLUS, Table

ALWAYS = "always"
ALL = "all"
NAMES = ("first_name", "last_name")
TOLD = ("known_since", "email", "phone", *NAMES)


@dataclass(frozen=True)
class Permission:
    """A consent that a file brings: for everybody, or by a column that says yes or no."""

    channel: str
    topic: str
    column: str


@dataclass(frozen=True)
class CustomerColumns:
    """Which columns of a file make customers; `types` are those the options declare, `left` those left out."""

    id: str
    email: str | None = None
    phone: str | None = None
    types: tuple[tuple[str, str | None], ...] = ()
    known_since: str | None = None
    permissions: tuple[Permission, ...] = ()
    consent_source: str = ""
    left: tuple[str, ...] = ()


def permission(said: str) -> Permission:
    """Parse CHANNEL:TOPIC=COL or CHANNEL:TOPIC=all. Raises WrongMapping."""
    what, _, column = said.partition("=")
    channel, _, topic = what.partition(":")
    if not (channel and topic and column):
        raise WrongMapping(f'--consent "{said}" is not of the form CHANNEL:TOPIC=COL or CHANNEL:TOPIC=all.')
    if channel not in Channel.values:
        raise WrongMapping(f'"{channel}" is not a channel; the channels are {", ".join(Channel.values)}.')
    return Permission(channel, topic, column)


def declared(said: str, columns: Sequence[str]) -> tuple[str, str | None]:
    """Parse COL or COL:TYPE; a column may have a colon of its own."""
    name, colon, type_ = said.rpartition(":")
    return (name, type_) if colon and said not in columns else (said, None)


def resolve(wanted: CustomerColumns, columns: Sequence[str], stored: Mapping[str, str]) -> CustomerColumns:
    """Give the mapping with the file's own column names. Raises WrongMapping.

    `stored` are the types attributes have already: they hold, and a declaration against them is refused.
    """
    if wanted.permissions and not wanted.consent_source.strip():
        raise WrongMapping("--consent needs --consent-source: say where and when these people agreed.")
    types = {mapping.find(name, columns): type_ for name, type_ in wanted.types}
    for name, type_ in types.items():
        if type_ is None:
            continue
        if type_ not in Attribute.Type.values:
            raise WrongMapping(f'"{type_}" is not a type; the types are {", ".join(Attribute.Type.values)}.')
        if stored.get(name, type_) != type_:
            raise WrongMapping(f'The attribute "{name}" is stored as {stored[name]} and cannot be told as {type_}.')
    return CustomerColumns(
        id=mapping.find(wanted.id, columns),
        email=mapping.find(wanted.email, columns) if wanted.email else None,
        phone=mapping.find(wanted.phone, columns) if wanted.phone else None,
        types=tuple(types.items()),
        known_since=mapping.known_since(wanted.known_since, columns, (ALWAYS,)),
        permissions=tuple(
            Permission(one.channel, one.topic, ALL if one.column == ALL else mapping.find(one.column, columns))
            for one in wanted.permissions
        ),
        consent_source=wanted.consent_source.strip(),
        left=tuple(mapping.find(name, columns) for name in wanted.left),
    )


@dataclass(frozen=True)
class Reading:
    """How the lines of a file are read: `core` names the columns of core columns, `types` the types of attributes."""

    columns: CustomerColumns
    core: Mapping[str, str]
    types: Mapping[str, str]
    zone: str
    received: datetime

    @property
    def labels(self) -> dict[str, str]:
        """Give the facts, by name, with the columns that tell them."""
        core = {called: name for called, name in self.core.items() if called in CORE}
        return core | {name: name for name in self.types}


@dataclass(frozen=True)
class People:
    """The lines of a file of customers, some or all.

    `settled` holds beside each line what is read by all lines together: ids, times in the one format that reads most of
    them, lists by the one mark. So a line says the same in whichever part it is read.
    """

    table: Table
    settled: pl.DataFrame
    reading: Reading

    @property
    def external_ids(self) -> pl.Series:
        """Give the id of the customer that each line tells of, none where it has none."""
        return self.settled["external_id"]

    def part(self, places: pl.Series) -> "People":
        """Give the lines at some places, in ascending order."""
        rows, surplus = self.table.rows[places], self.table.surplus[places]
        return replace(self, table=replace(self.table, rows=rows, surplus=surplus), settled=self.settled[places])

    def records(self) -> Records:
        """Give what the lines tell, checked one by one; lines that say the same count once."""
        table, reading = self.table, self.reading
        facts = {name: self._fact(name, column) for name, column in reading.labels.items()}
        wide = _people(self).with_columns(values.alias(f"fact.{name}") for name, values in facts.items())
        checks = _checks(reading.columns, reading.core, reading.received)
        sifted = cleaning.sift(wide, [*checks, *_fact_checks(reading.labels, reading.types)])
        lines = table.rows.join(sifted.accepted.select(pl.col("line").alias(LINE)), on=LINE, how="semi")
        kept = lines.unique(table.columns, keep="first").select(line=LINE)
        accepted = sifted.accepted.join(kept, on="line", how="semi", maintain_order="left")
        return Records(
            read=len(table.rows),
            customers=accepted.select("line", "external_id", *(name for name in TOLD if name in accepted.columns)),
            attributes=_long(accepted, list(facts)),
            consents=_consents(accepted, reading.columns),
            refused=mapping.refused_records(table, sifted.refused),
            types=reading.types,
            timeless=frozenset(reading.types if reading.columns.known_since == ALWAYS else ()),
        )

    def _fact(self, name: str, column: str) -> pl.Series:
        if f"fact.{name}" in self.settled.columns:
            return self.settled[f"fact.{name}"]
        type_ = self.reading.types.get(name, Attribute.Type.TEXT.value)
        return mapping.as_json(self.table.rows[column], type_, self.reading.zone)


def people(table: Table, columns: CustomerColumns, stored: Mapping[str, str], zone: str, received: datetime) -> People:
    """Give the lines of a file, one customer a line; `stored` are the types attributes have already."""
    core, others = _roles(table, columns)
    types = {name: _type(table, columns, stored, name) for name in others}
    reading = Reading(columns, core, types, zone, received)
    return People(table, _settled(table, reading), reading)


def inferred(reading: Reading) -> list[str]:
    """Give what the columns were taken for, in lines to print."""
    told = [f"{name}: {called}" for called, name in reading.core.items()]
    return [*told, *(f"{name}: attribute, {type_}" for name, type_ in reading.types.items())]


def _settled(table: Table, reading: Reading) -> pl.DataFrame:
    rows, columns, zone = table.rows, reading.columns, reading.zone
    settled = [cleaning.identifiers(rows[columns.id]).rename("external_id")]
    if columns.phone:
        settled.append(cleaning.identifiers(rows[columns.phone]).rename("said.phone"))
    if columns.known_since in rows.columns:
        settled.append(cleaning.times(rows[columns.known_since], zone).values.rename("known_since"))
    if "birth_date" in reading.core:
        days = mapping.as_json(rows[reading.core["birth_date"]], Attribute.Type.DATE.value, zone)
        settled.append(days.str.replace(r"^(\"\d{4}-\d\d-\d\d)T.*$", '${1}"').rename("fact.birth_date"))
    together = (Attribute.Type.DATE, Attribute.Type.LIST)
    facts = {name: type_ for name, type_ in reading.types.items() if type_ in together}
    settled += [mapping.as_json(rows[name], type_, zone).rename(f"fact.{name}") for name, type_ in facts.items()]
    return pl.DataFrame(settled)


def _roles(table: Table, columns: CustomerColumns) -> tuple[dict[str, str], list[str]]:
    """Give the columns that fill core columns, by these, and those that become attributes."""
    taken = {
        columns.id,
        columns.email,
        columns.phone,
        columns.known_since,
        *(one.column for one in columns.permissions),
        *columns.left,
    }
    declared = {name for name, _ in columns.types}
    free = [name for name in table.columns if name not in taken]
    plain = {name: name.casefold().replace(" ", "_").replace("-", "_") for name in free}
    core = {plain[name]: name for name in reversed(free) if plain[name] in (*CORE, *NAMES) and name not in declared}
    used = set(core.values())
    return dict(reversed(core.items())), [name for name in free if name not in used]


def _type(table: Table, columns: CustomerColumns, stored: Mapping[str, str], name: str) -> str:
    return stored.get(name) or dict(columns.types).get(name) or mapping.inferred_type(table.rows[name])


def _people(some: People) -> pl.DataFrame:
    """Give line, external id, addresses, names, known_since and consents, beside the texts they were read from."""
    rows, settled, core, columns = some.table.rows, some.settled, some.reading.core, some.reading.columns
    series = [rows[LINE].rename("line"), some.table.surplus.rename(SURPLUS), some.external_ids]
    series += [cleaning.text_of(rows[core[name]]).rename(name) for name in NAMES if name in core]
    if columns.email:
        series.append(cleaning.text_of(rows[columns.email]).rename("said.email"))
        series.append(cleaning.emails(series[-1]).rename("email"))
    if columns.phone:
        region = (
            rows[core["country"]].cast(pl.String)
            if "country" in core
            else pl.Series([None] * len(rows), dtype=pl.String)
        )
        series.append(settled["said.phone"])
        series.append(cleaning.phones(series[-1], region).rename("phone"))
    if columns.known_since and columns.known_since not in rows.columns:
        moment = EARLIEST if columns.known_since == ALWAYS else mapping.midnight(columns.known_since)
        series.append(pl.repeat(moment, len(rows), eager=True).rename("known_since"))
    elif columns.known_since:
        series.append(cleaning.text_of(rows[columns.known_since]).rename("said.known_since"))
        series.append(settled["known_since"])
    for place, one in enumerate(columns.permissions):
        said = pl.repeat("yes", len(rows), eager=True) if one.column == ALL else cleaning.text_of(rows[one.column])
        series.append(said.cast(pl.String).rename(f"said.consent {place}"))
    return pl.DataFrame(series)


def _checks(columns: CustomerColumns, core: Mapping[str, str], received: datetime) -> list[Check]:
    """Give what refuses a line, under the file's own column names."""
    checks = [mapping.ragged(), cleaning.missing("external_id", columns.id)]
    texts = {"external_id": columns.id, **{name: core[name] for name in NAMES if name in core}}
    for called, name in texts.items():
        checks += [cleaning.unstorable(called, name), cleaning.too_long(called, name, refusal.LIMITS[called])]
    if columns.email:
        checks.append(_unread("email", columns.email, "is not an e-mail address"))
    if columns.phone:
        checks.append(_unread("phone", columns.phone, "is not a phone number"))
    if columns.known_since and columns.known_since != ALWAYS and not mapping.is_date(columns.known_since):
        checks.append(_unread("known_since", columns.known_since, "is not a date"))
        checks += cleaning.implausible("known_since", columns.known_since, received)
    for place, one in enumerate(columns.permissions):
        said = pl.col(f"said.consent {place}")
        unclear = said.is_not_null() & ~said.str.to_lowercase().is_in((*mapping.YES, *mapping.NO))
        checks.append(Check(one.column, unclear, "is not yes or no", said.str.slice(0, 60)))
    return checks


def _unread(called: str, name: str, kind: str) -> Check:
    said = pl.col(f"said.{called}")
    return Check(name, said.is_not_null() & pl.col(called).is_null(), kind, said.str.slice(0, 60))


def _fact_checks(labels: Mapping[str, str], types: Mapping[str, str]) -> list[Check]:
    """Give what refuses a line for one of its facts: `labels` name the column of each."""
    checks = []
    for name, label in labels.items():
        value = pl.col(f"fact.{name}")
        type_ = types.get(name, Attribute.Type.DATE.value if name == "birth_date" else Attribute.Type.TEXT.value)
        checks += [
            Check(label, attributes.is_unfit(value, type_), attributes.CALLED[type_], value.str.slice(0, 60)),
            Check(
                label,
                value.str.contains(refusal.ESCAPED_NUL, literal=True),
                "contains a NUL character",
                refusal.NOTHING,
            ),
        ]
        if name in refusal.CORE_LIMITS:
            limit = refusal.CORE_LIMITS[name]
            long = value.str.len_chars() > limit + 2
            checks.append(Check(label, long, f"is longer than {limit} characters", refusal.NOTHING))
    return checks


def _long(rows: pl.DataFrame, names: Sequence[str]) -> pl.DataFrame | None:
    """Give one row a fact, known since its customer is."""
    known = pl.col("known_since") if "known_since" in rows.columns else pl.lit(None, pl.Datetime("us", "UTC"))
    facts = [
        rows.select("line", "external_id", name=pl.lit(name), value=pl.col(f"fact.{name}"), known_at=known)
        for name in names
    ]
    return pl.concat(facts) if facts else None


def _consents(rows: pl.DataFrame, columns: CustomerColumns) -> pl.DataFrame | None:
    """Give what each line says about each permission; a blank says nothing."""
    told = []
    for place, one in enumerate(columns.permissions):
        said = pl.col(f"said.consent {place}")
        row = rows.filter(said.is_not_null()).select(
            "line",
            "external_id",
            channel=pl.lit(one.channel),
            topic=pl.lit(one.topic),
            is_granted=said.str.to_lowercase().is_in(mapping.YES),
            source=pl.lit(columns.consent_source),
        )
        told.append(row)
    return pl.concat(told) if told else None
