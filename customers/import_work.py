"""The work on imports that people asked for: one is claimed, read, checked and stored. Done by workers."""

from collections.abc import Callable
from datetime import datetime

from customers import import_queue, imports, in_parts, leases, prepared, uploads
from customers.customer_mapping import CustomerColumns
from customers.import_queue import Columns, ImportLost
from customers.ingest import Result
from customers.leases import Queue
from customers.mapping import WrongMapping
from customers.models import Import
from customers.prepared import Prepared
from customers.reading import Table, Unreadable

READ, CHECKED = 0.05, 0.25  # portions of the work, as they are shown


def work(now: Callable[[], datetime]) -> Import | None:
    """Do the import that has waited longest; give it as it ended. None where there is none to do."""
    refusals = (Unreadable, WrongMapping)
    return leases.work(Queue(import_queue.claim, _stored, _finish, import_queue.fail, refusals, ImportLost), now)


def prepare(table: Table, columns: Columns, received: datetime) -> Prepared:
    """Give the records of a file by its columns. Raises WrongMapping."""
    if isinstance(columns, CustomerColumns):
        return prepared.customers(table, columns, received)
    return prepared.events(table, columns, received)


def _finish(asked: Import, result: Result, at: datetime) -> None:
    import_queue.finish(asked, result, at)
    uploads.remove(asked.sha256)


def _stored(asked: Import) -> Result:
    import_queue.tell(asked, "Reads the file", 0.0)
    table = uploads.table(asked.sha256, asked.file_name)
    import_queue.tell(asked, "Checks every line", READ)
    found = prepare(table, import_queue.columns_of(asked), asked.started_at)
    imports.forget_refused(asked.sha256, asked.source)
    import_queue.tell(asked, f"Stores {found.read:,} lines", CHECKED)

    def told(done: int, total: int) -> None:
        share = CHECKED + (1.0 - CHECKED) * done / max(total, 1)
        import_queue.tell(asked, f"Stores: {done:,} of {total:,}", share)

    return in_parts.store(found, asked, asked.source, asked.started_at, told)
