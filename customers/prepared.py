"""A file as records ready for ingest, by what its columns mean: one way for the commands and the pages."""

from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

from django.conf import settings

from customers import attributes, customer_mapping, event_mapping
from customers.customer_mapping import CustomerColumns, People
from customers.event_mapping import EventColumns
from customers.ingest import Records
from customers.reading import Table


@dataclass(frozen=True)
class Prepared:
    """A file ready for ingest, what was inferred, and the key of the source unless one is given.

    `people` are the lines of a file of customers, which may be read in parts.
    """

    inferred: tuple[str, ...]
    source_key: str
    happened: Records = field(default_factory=lambda: Records(read=0))
    people: People | None = None

    @property
    def read(self) -> int:
        """Give how many lines were read."""
        return self.happened.read if self.people is None else len(self.people.table.rows)

    @cached_property
    def records(self) -> Records:
        """Give the records of all lines at once."""
        return self.happened if self.people is None else self.people.records()


def customers(table: Table, wanted: CustomerColumns, received: datetime) -> Prepared:
    """Give the customers of a file. Raises WrongMapping."""
    stored = attributes.known_types()
    columns = customer_mapping.resolve(wanted, table.columns, stored)
    people = customer_mapping.people(table, columns, stored, settings.TIME_ZONE, received)
    return Prepared(tuple(customer_mapping.inferred(people.reading)), "import-customers", people=people)


def events(table: Table, wanted: EventColumns, received: datetime) -> Prepared:
    """Give the events of a file. Raises WrongMapping."""
    columns = event_mapping.resolve(wanted, table.columns)
    mapped = event_mapping.map_events(table, columns, settings.TIME_ZONE, received)
    return Prepared(mapped.inferred, f"import-{wanted.name or 'events'}", mapped.records)
