"""manage.py cycle: turn the loop once, and say what came of it."""

import json
from argparse import ArgumentParser
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.core.management import BaseCommand, CommandError
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime

from campaigns import cycle, progress
from campaigns.models import Cycle, Decision, Delivery


class Command(BaseCommand):
    help = "Read new events, rescore everybody, refresh the segments, decide and deliver."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--as-of", help="a time such as 2026-03-01 or 2026-03-01T12:00:00+01:00; default: now")
        parser.add_argument("--cancel", action="store_true", help="end the running cycles instead")
        parser.add_argument("--json", type=Path, help="write the summary to this file")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["cancel"]:
            self._cancel()
            return
        as_of = _time(options["as_of"]) if options["as_of"] else timezone.now()
        try:
            turned = cycle.begin(as_of)
            for _ in cycle.turn(turned):
                self._progress(turned)
        except (cycle.CycleRunning, cycle.CycleBehind) as error:
            raise CommandError(str(error)) from error
        self._progress(None)
        if options["json"]:
            options["json"].write_text(json.dumps(turned.summary, indent=1) + "\n")
        for line in _lines(turned):
            self.stdout.write(line)
        if turned.state == Cycle.State.FAILED:
            raise CommandError(f"The cycle failed.\n{turned.error}")
        if turned.state == Cycle.State.CANCELLED:
            raise CommandError("The cycle was cancelled. What it had written stands; the next one goes on from there.")

    def _cancel(self) -> None:
        running = list(Cycle.objects.filter(state=Cycle.State.RUNNING).order_by("pk"))
        if not running:
            raise CommandError("No cycle is running.")
        for each in running:
            cycle.cancel(each, None, timezone.now())
            self.stdout.write(f"The {each} is cancelled. Workers finish the piece in hand; the next one may begin now.")

    def _progress(self, turned: Cycle | None) -> None:
        """Overwrite one line on a terminal; write nothing to a file."""
        if not self.stderr.isatty():
            return
        text = progress.of(turned, timezone.now()).sentence() if turned is not None else ""
        self.stderr.write(f"\r{text:<90}\r", ending="")


def _time(text: str) -> datetime:
    try:
        day = parse_date(text)
        moment = datetime(day.year, day.month, day.day) if day else parse_datetime(text)  # noqa: DTZ001  zone follows
    except ValueError:
        moment = None
    if moment is None:
        raise CommandError(f'--as-of is "{text}", which is no time; one is 2026-03-01T12:00:00+00:00.')
    zoned = moment if moment.tzinfo else timezone.make_aware(moment)
    return zoned.astimezone(UTC)


def _lines(turned: Cycle) -> list[str]:
    """Give the summary in a few lines."""
    counts = turned.summary
    decisions = _said(counts["decisions"], Decision.Outcome)
    deliveries = _said(counts["deliveries"], Delivery.State)
    spent = counts["seconds"]
    seconds = ", ".join(f"{stage} {spent[stage]:.1f}" for stage in Cycle.Stage if stage in spent)
    return [
        f"As of {turned.as_of:%Y-%m-%d %H:%M} UTC: {counts['customers']:,} customers, {counts['events']:,} new events, "
        f"{counts['scored']:,} scores.",
        f"Segments: {counts['entered']:,} entered, {counts['left']:,} left.",
        f"Decisions: {decisions}. Deliveries: {deliveries}.",
        f"Seconds of work: {seconds}.",
    ]


def _said(counts: dict[str, int], choices: type[Decision.Outcome] | type[Delivery.State]) -> str:
    told = [f"{counts[choice]:,} {choice.label.lower()}" for choice in choices if counts.get(choice)]
    return ", ".join(told) or "none"
