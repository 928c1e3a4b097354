"""Import customers, their attributes and consents from a file."""

from argparse import ArgumentParser
from typing import Any

from django.utils import timezone

from customers import consent, customer_mapping, prepared
from customers.customer_mapping import CustomerColumns
from customers.importing import ImportCommand
from customers.ingest import Result
from customers.models import Import
from customers.prepared import Prepared
from customers.reading import Table


class Command(ImportCommand):
    help = "Import customers from csv, tsv, gz, xlsx, parquet or ndjson; columns not named become attributes."
    kind = Import.Kind.CUSTOMERS

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--id", metavar="COL", required=True, help="the column that identifies a customer")
        parser.add_argument("--email", metavar="COL")
        parser.add_argument("--phone", metavar="COL")
        parser.add_argument("--attribute", metavar="COL[:TYPE]", action="append", default=[])
        parser.add_argument(
            "--leave-out", metavar="COL", action="append", default=[], help="a column to store nothing of"
        )
        parser.add_argument("--known-since", metavar="COL|DATE|always", help="default: since this import")
        parser.add_argument(
            "--consent", metavar="CHANNEL:TOPIC=COL|all", action="append", default=[], help="default: no consent"
        )
        parser.add_argument("--consent-source", metavar="TEXT", default="", help="where and when they agreed")

    def prepare(self, table: Table, options: dict[str, Any]) -> Prepared:
        wanted = CustomerColumns(
            id=options["id"],
            email=options["email"],
            phone=options["phone"],
            types=tuple(customer_mapping.declared(said, table.columns) for said in options["attribute"]),
            known_since=options["known_since"],
            permissions=tuple(customer_mapping.permission(said) for said in options["consent"]),
            consent_source=options["consent_source"],
            left=tuple(options["leave_out"]),
        )
        return prepared.customers(table, wanted, timezone.now())

    def after(self, result: Result) -> list[str]:
        ids = result.people
        counts = {name: int(consent.reachable(name, ids).is_in(ids.implode()).sum()) for name in ("email", "phone")}
        return [f"reachable by e-mail {counts['email']:,}, by phone {counts['phone']:,} of {len(ids):,} customers"]
