"""Import events or orders from a file."""

from argparse import ArgumentParser
from typing import Any

from django.utils import timezone

from customers import prepared
from customers.event_mapping import EventColumns
from customers.importing import ImportCommand
from customers.models import Import
from customers.prepared import Prepared
from customers.reading import Table


class Command(ImportCommand):
    help = "Import events from csv, tsv, gz, xlsx, parquet or ndjson; lines that share --order become one order event."
    kind = Import.Kind.EVENTS

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--name", help='the name of every event, such as "Order Completed"')
        parser.add_argument("--name-column", metavar="COL", help="the column that names the event")
        parser.add_argument("--customer", metavar="COL", required=True)
        parser.add_argument("--time", metavar="COL", required=True)
        parser.add_argument("--value", metavar="COL|COL*COL", help="the value of a line, or columns to multiply")
        parser.add_argument("--order", metavar="COL", help="lines that share it are one order, their values summed")
        parser.add_argument("--product", metavar="COL", help="makes order lines")
        parser.add_argument("--product-name", metavar="COL")
        parser.add_argument("--category", metavar="COL")
        parser.add_argument("--quantity", metavar="COL")
        parser.add_argument("--price", metavar="COL", help="the price of one unit")
        parser.add_argument("--discount", metavar="COL", action="append", default=[], help="taken off the whole line")
        parser.add_argument("--property", metavar="COL", action="append", default=[], help="kept with the event")
        parser.add_argument("--id", metavar="COL", help="the column that identifies a line for ever")
        parser.add_argument("--known-since", metavar="COL|DATE", help="when it was known; default: when it occurred")
        parser.add_argument("--keep-duplicates", action="store_true", help="identical lines are events of their own")

    def prepare(self, table: Table, options: dict[str, Any]) -> Prepared:
        wanted = EventColumns(
            customer=options["customer"],
            time=options["time"],
            name=options["name"],
            name_column=options["name_column"],
            value=tuple(part.strip() for part in (options["value"] or "").split("*") if part.strip()),
            order=options["order"],
            product=options["product"],
            product_name=options["product_name"],
            category=options["category"],
            quantity=options["quantity"],
            price=options["price"],
            discount=tuple(options["discount"]),
            properties=tuple(options["property"]),
            id=options["id"],
            known_since=options["known_since"],
            is_keeping_duplicates=options["keep_duplicates"],
        )
        return prepared.events(table, wanted, timezone.now())
