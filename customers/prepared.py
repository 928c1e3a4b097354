"""A file as records ready for ingest, by what its columns mean: one way for the commands and the pages."""

from dataclasses import dataclass
from datetime import datetime

from django.conf import settings

from customers import attributes, customer_mapping, event_mapping
from customers.customer_mapping import CustomerColumns
from customers.event_mapping import EventColumns
from customers.ingest import Records
from customers.reading import Table


@dataclass(frozen=True)
class Prepared:
    """Records ready for ingest, what was inferred, and the key of the source unless one is given."""

    records: Records
    inferred: tuple[str, ...]
    source_key: str


def customers(table: Table, wanted: CustomerColumns, received: datetime) -> Prepared:
    """Give the customers of a file. Raises WrongMapping."""
    stored = attributes.known_types()
    columns = customer_mapping.resolve(wanted, table.columns, stored)
    mapped = customer_mapping.map_customers(table, columns, stored, settings.TIME_ZONE, received)
    return Prepared(mapped.records, mapped.inferred, "import-customers")


def events(table: Table, wanted: EventColumns, received: datetime) -> Prepared:
    """Give the events of a file. Raises WrongMapping."""
    columns = event_mapping.resolve(wanted, table.columns)
    mapped = event_mapping.map_events(table, columns, settings.TIME_ZONE, received)
    return Prepared(mapped.records, mapped.inferred, f"import-{wanted.name or 'events'}")
