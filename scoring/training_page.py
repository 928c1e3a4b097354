"""A training as pages show it: asked for by a button, watched until it has ended, told why it was refused."""

from datetime import datetime

from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from customers.audit import User
from customers.panels import Panel, when
from scoring import training_queue
from scoring.horizons import newest
from scoring.models import Target, TrainingRun

State = TrainingRun.State
WAITING = "Waits for a worker"


def begin(target: Target, by: User, now: datetime) -> str:
    """Ask for a training on all that is known, and give a sentence about it."""
    training_queue.ask(target, newest(now), by)
    return f"“{target.label}” is being trained. You may leave this page; it goes on."


def is_open(target: Target) -> bool:
    """Tell whether a training of the target waits or runs."""
    return target.training_runs.filter(state__in=training_queue.OPEN).exists()


def panels(target: Target) -> list[Panel]:
    """Give the progress of the training that waits or runs, or why the last one came to nothing."""
    last = target.training_runs.order_by("-pk").first()
    if last is None:
        return []
    if last.state in training_queue.OPEN:
        bar = render_to_string("admin/training_bar.html", {"run": last, "progress": progress(last)})
        return [Panel("Training", drawing=bar)]
    if last.state in (State.REFUSED, State.FAILED):
        how = "refused" if last.state == State.REFUSED else "broken off"
        said = f"The training of {when(last.finished_at)} was {how}. {last.sentence}"
        return [Panel("Training", warning=said)]
    return []


def progress(run: TrainingRun) -> SafeString:
    """Give the bar of a training with its stage."""
    percent = round(100 * run.portion)
    stage = WAITING if run.state == State.WAITING else run.stage or "Begins"
    return render_to_string("admin/training_progress.html", {"percent": percent, "sentence": f"{stage}: {percent} %"})
