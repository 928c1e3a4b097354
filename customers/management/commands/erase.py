"""manage.py erase EXTERNAL_ID: take a customer out of the database, and out of the files with the next rewriting."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from customers import erasure
from customers.erasure import UnknownCustomer
from customers.history import LakeError


class Command(BaseCommand):
    help = "Erase a customer: every row at once, the files of the lake within a day. The addresses stay closed."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("customer", help="the customer's external id")
        parser.add_argument("--reason", default="Erased by command.", help="why, without a name; kept")
        parser.add_argument("--files", action="store_true", help="rewrite the files of the lake now")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            erased = erasure.erase(options["customer"], timezone.now(), options["reason"])
            rewritten = erasure.rewrite(timezone.now()) if options["files"] else 0
        except (UnknownCustomer, LakeError) as error:
            raise CommandError(str(error)) from error
        rows = sum(erased.rows.values())
        self.stdout.write(f"customer {erased.customer_id} is erased: {rows:,} rows of {len(erased.rows)} tables")
        done = "are rewritten" if rewritten else "are rewritten within a day"
        self.stdout.write(f"the files of the lake {done}; nobody is read from them any more")
