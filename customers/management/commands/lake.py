"""manage.py lake rebuild|sync|size: bring the lake back, bring it up to date, say what it takes."""

import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from customers import history
from customers.history import LakeError


class Command(BaseCommand):
    help = "The lake: rebuild it from the database, append what is new, or say what it takes on disk."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("action", choices=["rebuild", "sync", "size"])

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            self._act(options["action"])
        except LakeError as error:
            raise CommandError(str(error)) from error

    def _act(self, action: str) -> None:
        if action == "size":
            return self._show_sizes()
        started = time.monotonic()
        events = history.rebuild() if action == "rebuild" else history.sync()
        seconds = time.monotonic() - started
        self.stdout.write(f"{events:,} events in {seconds:.1f} s; generation {history.pin().generation}")

    def _show_sizes(self) -> None:
        lake = history.pin()
        self.stdout.write(f"generation {lake.generation}")
        for size in lake.sizes():
            megabytes = size.bytes / 1_000_000
            self.stdout.write(f"{size.table:<12} {size.rows:>12,} rows {size.files:>6,} files {megabytes:>10,.1f} MB")
