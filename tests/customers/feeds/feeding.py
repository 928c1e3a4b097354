"""Feeds for the tests."""

import json
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from customers import imports
from customers.customer_mapping import CustomerColumns
from customers.feeds import looking
from customers.models import Feed, Import

T0 = datetime(2100, 3, 1, 12, tzinfo=UTC)  # after every file of these tests was written
MINUTE = timedelta(minutes=1)
PEOPLE = "customer_id,email\n1,ann@example.test\n2,bob@example.test\n"
MAPPING = json.loads(json.dumps(asdict(CustomerColumns(id="customer_id", email="email"))))  # as it is stored


def imported(**changes: Any) -> Import:
    """Make an import by the page that went well."""
    values = {"kind": "customers", "state": "done", "file_name": "people.csv", "sha256": "0", "mapping": MAPPING}
    counts = {"read": 2, "stored": 2, "source": imports.source_of("import-customers"), "started_at": T0}
    return Import.objects.create(**{**values, **counts, **changes})


def feed(**place: Any) -> Feed:
    """Make a feed that is due every ten minutes."""
    values = {"name": "nightly", "kind": "customers", "mapping": MAPPING, "every_minutes": 10, "created_at": T0}
    source = imports.source_of("import-customers")
    return Feed.objects.create(source=source, next_at=T0, **(values | place))


def of_folder(folder: Path, **changes: Any) -> Feed:
    return feed(folder=str(folder), pattern="*.csv", **changes)


def look(at: datetime = T0, seconds: float = 5) -> int:
    return looking.look_due(lambda: at, seconds=seconds)


def taken() -> list[str]:
    return list(Import.objects.order_by("pk").values_list("file_name", flat=True))
