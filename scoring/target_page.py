"""The page of a target: what it foresees, how the scores lie, and its versions."""

from datetime import datetime, timedelta
from typing import NamedTuple

import numpy as np
import polars as pl

from customers import charts
from customers.admin import Button
from customers.panels import Cell, Panel, link, moment, number, share, tag, when
from scoring import counts, model_page, ranking, save_rate, targets, training_page, versions
from scoring.counts import Counted
from scoring.horizons import Suggested, newest, suggested
from scoring.model_story import bare, from_where, learner
from scoring.models import ModelVersion, Target
from scoring.target_form import NewTargetForm
from scoring.target_words import meaning, population

COLUMNS = 20
ROUNDING = 1e-9  # scores are whole millionths
OF_GAPS = (Target.Kind.EVENT, Target.Kind.NO_EVENT, Target.Kind.SPEND)
BAND_TAGS = ("", "wait", "main")
SHOWN = 20
SAID = {
    "vouch": ("vouched", True, "is known in time, as you say, and is read"),
    "unvouch": ("vouched", False, "is guarded again"),
    "exclude": ("excluded", True, "is not read"),
    "include": ("excluded", False, "may be read"),
}


def upper(text: str) -> str:
    """Give a text with a capital first letter."""
    return text[:1].upper() + text[1:]


def train_buttons(target: Target) -> list[Button]:
    """Give the button that asks for a training, unless one waits or runs."""
    if training_page.is_open(target):
        return []
    words = "Train again" if target.versions.exists() else "Train now"
    return [Button("train", words, "" if target.versions.exists() else "main")]


def buttons(target: Target) -> list[Button]:
    """Give what may be done with a target's versions."""
    before = versions.before_of(target)
    if before is None:
        return []
    asked = f"Go back to version {before.number}? The next full cycle scores everybody by it."
    return [Button("back", f"Roll back to version {before.number}", "", asked)]


def rate_buttons(target: Target) -> list[Button]:
    """Give the button that takes over the share that campaigns measured, where it is surely above 0."""
    if targets.is_number(target) or save_rate.may_take(target) is None:
        return []
    return [Button("rate", "Use the measured share")]


def won(target: Target) -> list[Panel]:
    """Give which share a contact wins, measured and used; of a number there is none."""
    if targets.is_number(target):
        return []
    rate = save_rate.of(target)
    groups = f"{number(rate.treated)} treated, {number(rate.control)} in control groups" if rate else ""
    facts: list[tuple[str, Cell]] = [("Compared", groups), ("As of", moment(rate.as_of))] if rate else []
    return [Panel("How many a contact wins", save_rate.words(target), facts=facts)]


def live_of(target: Target) -> ModelVersion | None:
    """Give the version in use."""
    return target.versions.filter(state=ModelVersion.State.LIVE).first()


def distribution(target: Target) -> Panel:
    """Give how many customers have which score in the published run, by columns and by bands."""
    run = ranking.published()
    order = ranking.orders_of(run).get(target.pk) if run else None
    title, said = "What it foresees", f"{upper(meaning(target))}, {population(target)}."
    if run is None or order is None or not len(order.millionths):
        return Panel(title, said, facts=[("Scored", "nobody yet: the next cycle scores with the live version")])
    scores = order.millionths / ranking.MILLION
    bands = dict(order.band(pl.Series(scores)).value_counts().iter_rows())
    live = live_of(target)
    rows = [
        (
            tag(str(band["name"]), band_kind(live, band["name"])),
            from_where(band),
            number(bands.get(band["name"], 0)),
            share(bands.get(band["name"], 0) / len(scores)),
        )
        for band in reversed(live.bands if live else [])
    ]
    width = float(np.quantile(scores, 0.95)) / COLUMNS or 1.0 if targets.is_number(target) else 1 / COLUMNS
    counted = np.bincount(np.minimum((scores / width + ROUNDING).astype(int), COLUMNS - 1), minlength=COLUMNS)
    digits = 0 if width >= 1 else 2
    parts = [charts.Part(number(at * width, digits), int(n)) for at, n in enumerate(counted)]
    unit = targets.unit(target.kind)
    return Panel(
        title,
        f"{said} {number(len(scores))} customers have a score as of {when(run.as_of)}. {scored(target)}",
        head=("Band", "Score", "Customers", "Share"),
        rows=rows,
        drawing=charts.columns(parts, f"customers by {'score, from 0 to 1' if unit == 'probability' else unit}"),
    )


def band_kind(version: ModelVersion | None, name: object) -> str:
    """Give the colour of a band: the higher, the stronger."""
    names = [band.get("name") for band in version.bands] if version else []
    return BAND_TAGS[min(names.index(name), len(BAND_TAGS) - 1)] if name in names else ""


def all_versions(target: Target) -> Panel:
    """Give all versions, the newest first, each with its grade."""
    rows = [
        (
            link(one, f"v{one.number}"),
            tag(one.get_state_display(), model_page.STATE_TAGS[one.state]),
            model_page.short(one),
            learner(one.learner),
            moment(one.as_of),
            one.reason,
        )
        for one in target.versions.prefetch_related("evaluations").order_by("-number")[:SHOWN]
    ]
    head = ("Version", "State", "Quality", "Learner", "Trained as of", "Why")
    empty = f"Nothing was trained yet. From the command line: manage.py train {target.key}"
    return Panel("Versions", head=head, rows=rows, empty=empty)


def say(target: Target, what: str, field: str) -> str:
    """Note what a person says about a field, and give a sentence; it counts from the next training."""
    if what not in SAID or not field:
        raise ValueError("Choose a field, and what to do with it.")
    name, is_added, words = SAID[what]
    others = [one for one in getattr(target, name) if one != field]
    setattr(target, name, [*others, field] if is_added else others)
    target.save(update_fields=[name])
    return f"“{bare(field)}” {words} from the next training."


class Learnable(NamedTuple):
    """What there is to learn from, or what is still to be said."""

    sentence: str
    population: str = ""
    problem: str = ""
    counted: Counted | None = None
    suggested: Suggested | None = None

    @property
    def facts(self) -> list[tuple[str, str]]:
        """The figures that are shown large."""
        if self.counted is None:
            return []
        return [("Customers", number(self.counted.customers)), ("Times it came true", number(self.counted.positives))]


def learnable(form: NewTargetForm, now: datetime) -> Learnable:
    """Give what there is to learn from, for what stands in a form."""
    if not form.is_valid():
        return Learnable("", problem=str(next(iter(form.errors.values()))[0]))
    target, as_of = form.instance, newest(now)
    found = counts.count(target, as_of)
    days = suggested(target.event, as_of) if target.kind in OF_GAPS else None
    if days and days.days == target.horizon_days:
        days = None
    return Learnable(target.label, population(target), counted=found, suggested=days)


def scored(target: Target) -> str:
    """Give as of when everybody was last scored, and as of when at the earliest they are again."""
    run = ranking.published()
    last = run.scored_at.get(str(target.pk)) if run else None
    if last is None:
        return "Everybody is scored by the next full cycle."
    at = datetime.fromisoformat(last)
    if not target.rescore_hours:
        return f"Scored as of {when(at)}; again by the next full cycle."
    due = when(at + timedelta(hours=target.rescore_hours))
    return f"Scored as of {when(at)}; again by the first full cycle from {due}."
