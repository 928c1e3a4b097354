"""Score everybody."""

from argparse import ArgumentParser
from datetime import datetime
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand
from django.utils import timezone

from customers import history, snapshot
from customers.history import Scope
from scoring import ranking, scores
from scoring.management.commands.train import moment


class Command(BaseCommand):
    help = "Scores all customers by the live models, ranks them and publishes the scores."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--as-of", type=moment, help="use nothing known later (default: now)")

    def handle(self, *args: Any, **options: Any) -> None:
        as_of: datetime = options["as_of"] or timezone.now()
        history.sync()
        run = scores.begin(as_of)
        if run is None:
            self.stdout.write(f"The scores as of {as_of:%Y-%m-%d %H:%M} are published already.")
            return
        customers = 0
        for bucket in range(settings.BUCKETS):
            customers += scores.score(snapshot.take(Scope(bucket=bucket), as_of), as_of, run).height
        ranking.rank(run)
        self.stdout.write(f"Scored {customers} customers as of {as_of:%Y-%m-%d %H:%M}.")
