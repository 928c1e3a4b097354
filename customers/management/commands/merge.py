"""manage.py merge KEPT GONE: two customers become one, with all that was told of either."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import IntegrityError
from django.utils import timezone

from customers.merging import MergeError, merge


class Command(BaseCommand):
    help = "Merge two customers, by their external ids: all of the second becomes the first's. It cannot be undone."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("kept", help="the external id of the customer who stays")
        parser.add_argument("gone", help="the external id that will point to the one who stays")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            done = merge(options["kept"], options["gone"], timezone.now())
        except MergeError as error:
            raise CommandError(str(error)) from error
        except IntegrityError as error:
            raise CommandError("Something was stored of them at this moment; nothing is merged. Try again.") from error
        self.stdout.write(f'"{done.gone_external_id}" is "{done.customer}" from now on (customer {done.customer_id}).')
        self.stdout.write("The merge triggers no campaign; the next cycle reads their whole history as one.")
