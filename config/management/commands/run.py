"""manage.py run: web, worker and scheduler in one process; with REDIS_URL set, the web server alone."""

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management import BaseCommand, CommandError, call_command
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.migrations.executor import MigrationExecutor

from config import embedded, roles


class Command(BaseCommand):
    help = "Serve the pages and do the work in one process; with REDIS_URL set, serve the pages only."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default="127.0.0.1")
        parser.add_argument("--port", type=int, default=8000)

    def handle(self, *args: Any, **options: Any) -> None:
        self._migrate()
        host, port = options["host"], options["port"]
        self.stdout.write(f"Cusp answers at http://{host}:{port}/admin/ (stop it with Ctrl+C).")
        if settings.IS_EMBEDDED:
            self.stdout.write("Web server, worker and scheduler run in this process, because REDIS_URL is not set.")
            with embedded.working():
                embedded.serve(host, port)
            return
        self.stdout.write("REDIS_URL is set, so the work is done by processes of their own. Start them with:")
        self.stdout.write("  celery -A config worker --concurrency 2")
        self.stdout.write("  celery -A config beat")
        embedded.serve(host, port)

    def _migrate(self) -> None:
        """Bring an embedded database up to date; anywhere else, refuse to start before somebody did."""
        executor = MigrationExecutor(connections[DEFAULT_DB_ALIAS])
        pending = executor.migration_plan(executor.loader.graph.leaf_nodes())
        if not pending:
            return
        if not (settings.IS_EMBEDDED and settings.IS_SQLITE):
            raise CommandError(
                f"The database lacks {len(pending)} migrations. Run `manage.py migrate` first: "
                "with a shared database that is a decision of the operator."
            )
        self.stdout.write(f"Applying {len(pending)} migrations to {settings.DATABASE['NAME']} …")
        call_command("migrate", verbosity=0)
        roles.make()
