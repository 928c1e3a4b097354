"""manage.py demo: a public data set through the whole loop, then the pages on 127.0.0.1:8000."""

import secrets
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import BaseCommand, CommandError, call_command
from django.utils import timezone

from config import demo, roles
from config.demo_data import UnknownDataSet, online_retail, the_complete_journey


class Command(BaseCommand):
    help = "Load a public data set, train, cycle through its last weeks, print what happened, and serve."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--data", type=Path, help="Online Retail as CSV or Parquet; default: The Complete Journey")
        parser.add_argument("--no-serve", action="store_true", help="stop after the summary")

    def handle(self, *args: Any, **options: Any) -> None:
        folder = settings.VAR_DIR / "demo"
        folder.mkdir(parents=True, exist_ok=True)
        call_command("migrate", verbosity=0)
        roles.make()
        try:
            shop = online_retail(options["data"], folder) if options["data"] else the_complete_journey(folder)
            demo.run(shop, self.stdout.write, timezone.now())
        except (UnknownDataSet, demo.DemoFailed) as error:
            raise CommandError(str(error)) from error
        password = secrets.token_urlsafe(12)
        name = demo.marketer(password)
        if options["no_serve"]:
            return
        self.stdout.write(f"Open {settings.PUBLIC_URL}/admin/ and log in as {name} with the password {password}")
        call_command("run")
