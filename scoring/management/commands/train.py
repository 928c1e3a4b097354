"""Train a target's model."""

import json
from argparse import ArgumentParser
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime

from customers import history
from scoring import forecasts, number_figures, questions, targets, training
from scoring.evaluation import NAMES
from scoring.models import Target
from scoring.questions import QUESTIONS
from scoring.targets import TargetError
from scoring.training_set import TrainingRefused


class Command(BaseCommand):
    help = "Trains a target's model, tests it, and lets it go live if it beats the simple rules."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("target", nargs="?", help="the key of a target")
        parser.add_argument("--attribute", help="makes the target: an attribute ...")
        parser.add_argument("--equals", help="... has this value")
        parser.add_argument("--event", help="makes the target: an event ...")
        parser.add_argument("--within", type=int, metavar="DAYS", help="... happens within so many days")
        parser.add_argument("--absent", action="store_true", help="... or does not")
        parser.add_argument("--question", help=f"makes the target: one of {', '.join(one.name for one in QUESTIONS)}")
        parser.add_argument(
            "--answer", action="append", default=[], metavar="NAME=VALUE", help="answers the question; repeat for each"
        )
        parser.add_argument("--as-of", type=moment, help="use nothing known later (default: now)")
        parser.add_argument("--seed", type=int, default=0)
        parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")

    def handle(self, *args: Any, **options: Any) -> None:
        as_of: datetime = options["as_of"] or timezone.now()
        try:
            target = wanted(options, as_of)
            history.sync()
            version = training.train(target, as_of, options["seed"], self.tell)
        except (TargetError, TrainingRefused) as error:
            raise CommandError(str(error)) from error
        summary = training.summary(version)
        if options["json"]:
            options["json"].write_text(json.dumps(summary, indent=2) + "\n")
        for line in lines(summary):
            self.stdout.write(line)

    def tell(self, stage: str, portion: float) -> None:
        """Print how far it is."""
        self.stdout.write(f"{portion:4.0%}  {stage}")


def wanted(options: dict[str, Any], at: datetime) -> Target:
    """Give the target that the options name or describe."""
    ways = [options["target"], options["attribute"], options["event"], options["question"]]
    if sum(way is not None for way in ways) != 1:
        raise CommandError(
            "Give one of: the key of a target, --attribute with --equals, --event with --within, or --question with "
            "--answer."
        )
    if options["question"] is not None:
        return targets.store(questions.make(options["question"], answered(options["answer"]), at))
    if options["attribute"] is not None:
        if options["equals"] is None:
            raise CommandError("--attribute needs --equals VALUE.")
        return targets.of_attribute(options["attribute"], options["equals"], at)
    if options["event"] is not None:
        if options["within"] is None:
            raise CommandError("--event needs --within DAYS.")
        return targets.of_event(options["event"], options["within"], options["absent"], at)
    return targets.by_key(options["target"])


def answered(told: list[str]) -> dict[str, str]:
    """Give answers told as NAME=VALUE by their names."""
    for one in told:
        if "=" not in one:
            raise CommandError(f'"{one}" is not an answer such as horizon_days=90.')
    return dict(one.split("=", 1) for one in told)


def moment(text: str) -> datetime:
    """Give the time that a text like 2026-01-31 or 2026-01-31T12:00:00Z says, by default in the installation's zone."""
    day = parse_date(text) if len(text) <= len("2026-01-31") else None
    found = datetime(day.year, day.month, day.day) if day else parse_datetime(text)  # noqa: DTZ001  made aware below
    if found is None:
        raise CommandError(f'"{text}" is not a date or a time such as 2026-01-31 or 2026-01-31T12:00:00Z.')
    return (found if timezone.is_aware(found) else timezone.make_aware(found)).astimezone(UTC)


def lines(summary: dict[str, Any]) -> list[str]:
    """Give the summary of a version as lines to read."""
    how = (
        "on later times and other customers" if summary["validated"] == "over_time" else "in folds (there are no dates)"
    )
    state = "live" if summary["live"] else "candidate, not live"
    names = (name for name in (*NAMES, *number_figures.NAMES, forecasts.ON_TIME) if name in summary)
    figures = [
        f"  {name.replace('_', ' '):18} {one['value']:.3f}  ({one['low']:.3f} to {one['high']:.3f})"
        for name, one in ((name, summary[name]) for name in names)
    ]
    flags = f", flags from {summary['threshold']:.3f}" if "threshold" in summary else ""
    baseline, figure = summary["baseline"], "auc" if "auc" in summary else number_figures.GINI
    return [
        f"{summary['target']} version {summary['version']}: {summary['learner']}, {state}. {summary['reason']}",
        f"Tested {how}; figures with 95 % intervals{flags}:",
        *figures,
        f"  {baseline['learner']:18} {'AUC' if figure == 'auc' else 'Gini'} {baseline[figure]['value']:.3f}",
        *(f"  {note}" for note in summary.get("notes") or []),
    ]
