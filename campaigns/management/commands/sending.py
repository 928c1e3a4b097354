"""manage.py sending stop|start|status|mark-sent: the one button over all sending, for operators."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management import BaseCommand, CommandError
from django.utils import timezone

from campaigns import dns_check, programme, provider_log, sending
from customers.panels import when


class Command(BaseCommand):
    help = "Stop all sending, start it again, say how it stands, or mark as sent what the provider's log knows."

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        stop = actions.add_parser("stop", help="let nothing begin any more")
        stop.add_argument("why", help="the reason, which everybody reads until sending is started again")
        actions.add_parser("start", help="let sending go on")
        actions.add_parser("status", help="say how sending stands and what the domain publishes; exit 1 while stopped")
        mark = actions.add_parser("mark-sent", help="mark deliveries as sent that the provider's log knows")
        mark.add_argument("file", type=Path, help="Message-IDs, one a line")

    def handle(self, *args: Any, **options: Any) -> None:
        action = options["action"]
        try:
            if action == "stop":
                is_new = sending.stop(None, options["why"], timezone.now())
                self.stdout.write("All sending is stopped." if is_new else "Sending was stopped already.")
            elif action == "start":
                sending.start(None, timezone.now())
                self.stdout.write("Sending goes on.")
            elif action == "mark-sent":
                self._mark(options["file"])
            else:
                self._status()
        except sending.SendingError as refused:
            raise CommandError(str(refused)) from refused

    def _status(self) -> None:
        for one in dns_check.now(programme.current()):
            self.stdout.write(f"{one.name}: {dns_check.WORDS[one.verdict]}. {one.told}")
        now = sending.status()
        if not now.is_stopped:
            self.stdout.write("Sending is on.")
            return
        by = f"by {now.by}" if now.by else "by the program or an operator"
        raise CommandError(f"All sending is stopped since {when(now.at)}, {by}: {now.why}")

    def _mark(self, file: Path) -> None:
        try:
            lines = file.read_text().splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise CommandError(f"{file} cannot be read: {error}") from error
        marked = provider_log.mark_sent(lines, None, timezone.now())
        self.stdout.write(
            f"Marked as sent: {marked.sent:,}. Needed no mark: {marked.known:,}. Not ours, or lost: {marked.strange:,}."
        )
