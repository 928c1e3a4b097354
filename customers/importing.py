"""What the two import commands share: open, map, check, store, report."""

import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from customers import imports, in_parts, ingest, reading
from customers.ingest import Result
from customers.mapping import WrongMapping
from customers.models import Import
from customers.prepared import Prepared
from customers.reading import Table

NOT_MAPPING = {"verbosity", "settings", "pythonpath", "traceback", "no_color", "force_color", "skip_checks", "json"}
NOT_MAPPING |= {"stdout", "stderr"}


class ImportCommand(BaseCommand):
    """Reads a file, maps its columns, puts its records, prints what became of every line."""

    kind: Import.Kind

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare what both imports take."""
        parser.add_argument("file", type=Path)
        parser.add_argument("--source", metavar="KEY", help="where the records come from; repeats are found within it")
        parser.add_argument("--dry-run", action="store_true", help="check everything, store nothing")
        parser.add_argument("--json", metavar="FILE", help="write the counts to a file")

    def prepare(self, table: Table, options: dict[str, Any]) -> Prepared:
        """Give the records of the file by the options. Raises WrongMapping."""
        raise NotImplementedError

    def after(self, result: Result) -> list[str]:
        """Give lines to print once everything is stored."""
        return []

    def handle(self, *args: Any, **options: Any) -> None:
        """Import the file; raises CommandError with one sentence, and with code 1 when nothing could be stored."""
        started = time.monotonic()
        try:
            table = reading.read(options["file"])
            prepared = self.prepare(table, options)
        except (reading.Unreadable, WrongMapping) as error:
            raise CommandError(str(error)) from error
        result = self._preview(prepared, options) if options["dry_run"] else self._store(table, prepared, options)
        seconds = time.monotonic() - started
        for line in imports.lines_of(result, (*table.notes, *prepared.inferred), seconds):
            self.stdout.write(line)
        if options["dry_run"]:
            self.stdout.write("Nothing was stored: this was a dry run.")
        for line in [] if options["dry_run"] else self.after(result):
            self.stdout.write(line)
        if options["json"]:
            imports.write_json(options["json"], result, seconds)
        if result.quarantined == result.read:
            raise CommandError("Nothing could be stored: every line was refused.", returncode=1)

    def _preview(self, prepared: Prepared, options: dict[str, Any]) -> Result:
        key = options["source"] or prepared.source_key
        return ingest.preview(prepared.records, imports.key_of(key), timezone.now())

    def _store(self, table: Table, prepared: Prepared, options: dict[str, Any]) -> Result:
        received = timezone.now()
        source = imports.source_of(options["source"] or prepared.source_key)
        mapping = {
            name: value for name, value in options.items() if name not in NOT_MAPPING and value not in (None, [])
        }
        file = imports.File(options["file"], table.sha256, self.kind, {**mapping, "file": str(options["file"])})
        row = imports.begin(file, source, received)
        bar = imports.progress_bar(self.stdout, "storing")
        try:
            result = in_parts.store(prepared, row, source, received, bar)
        except BaseException as error:
            imports.fail(row, error, timezone.now())
            raise
        imports.finish(row, result, timezone.now())
        return result
