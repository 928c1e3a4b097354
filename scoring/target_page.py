"""The page of a target: what it foresees, how the scores lie, and its versions."""

from datetime import datetime, timedelta
from typing import NamedTuple

import polars as pl
from django.db.models import Count, F, IntegerField
from django.db.models.functions import Cast, Floor

from customers import charts
from customers.admin import Button
from customers.panels import Panel, link, moment, number, share, tag, when
from scoring import model_page, ranking, versions
from scoring.model_story import bare, learner
from scoring.models import ModelVersion, Score, ScoreRun, Target
from scoring.target_form import NewTargetForm
from scoring.target_words import meaning, population

COLUMNS = 20
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


def buttons(target: Target) -> list[Button]:
    """Give what may be done with a target's versions."""
    before = versions.before_of(target)
    if before is None:
        return []
    asked = f"Go back to version {before.number}? The next full cycle scores everybody by it."
    return [Button("back", f"Roll back to version {before.number}", "", asked)]


def live_of(target: Target) -> ModelVersion | None:
    """Give the version in use."""
    return target.versions.filter(state=ModelVersion.State.LIVE).first()


def distribution(target: Target) -> Panel:
    """Give how many customers have which score in the published run, by columns and by bands."""
    run = ranking.published()
    scores = Score.objects.filter(run=run, target=target).order_by()
    place = Cast(Floor(F("value") * COLUMNS), IntegerField())
    counts: dict[int, int] = {}
    for at, n in scores.annotate(place=place).values_list("place").annotate(n=Count("customer_id")):
        counts[min(at, COLUMNS - 1)] = counts.get(min(at, COLUMNS - 1), 0) + n
    title = "What it foresees"
    said = f"{upper(meaning(target))}, {population(target)}."
    if run is None or not counts:
        return Panel(title, said, facts=[("Scored", "nobody yet: the next cycle scores with the live version")])
    bands = _by_band(target, run)
    live = live_of(target)
    whole = sum(counts.values())
    edges = live.bands if live else []
    rows = [
        (
            tag(str(band["name"]), band_kind(live, band["name"])),
            f"from {number(band['from'], 2)}",
            number(n),
            share(n / whole),
        )
        for band in reversed(edges)
        for n in [bands.get(band["name"], 0)]
    ]
    parts = [charts.Part(f"{at / COLUMNS:.2f}", counts.get(at, 0)) for at in range(COLUMNS)]
    return Panel(
        title,
        f"{said} {number(whole)} customers have a score as of {when(run.as_of)}.",
        facts=[("Last and next scored", scored(target))],
        head=("Band", "Score", "Customers", "Share"),
        rows=rows,
        drawing=charts.columns(parts, "customers by score, from 0 to 1"),
    )


def _by_band(target: Target, run: ScoreRun) -> dict[str, int]:
    """Give how many of the run's scores are in which band."""
    order = ranking.orders_of(run).get(target.pk)
    if order is None:
        return {}
    counts = order.band(pl.Series(order.millionths / ranking.MILLION)).value_counts()
    return dict(counts.iter_rows())


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
    empty = f"Nothing was trained yet. Press “Train now”, or run: manage.py train {target.key}"
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


class Counted(NamedTuple):
    """What there is to learn from, or what is still to be said."""

    sentence: str
    population: str = ""
    problem: str = ""


def counted(form: NewTargetForm, at: datetime) -> Counted:
    """Give what there is to learn from, for what stands in a form."""
    if not form.is_valid():
        return Counted("", problem=str(next(iter(form.errors.values()))[0]))
    return Counted(form.instance.label, population(form.instance))


def scored(target: Target) -> str:
    """Give as of when everybody was last scored, and as of when at the earliest they are again."""
    run = ranking.published()
    last = run.scored_at.get(str(target.pk)) if run else None
    if last is None:
        return "Not yet; the next full cycle does."
    at = datetime.fromisoformat(last)
    if not target.rescore_hours:
        return f"As of {when(at)}; again by the next full cycle."
    return f"As of {when(at)}; again by the first full cycle from {when(at + timedelta(hours=target.rescore_hours))}."
