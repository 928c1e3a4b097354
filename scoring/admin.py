"""The admin of targets, model versions and their figures; a customer's scores."""

from datetime import datetime, timedelta
from typing import Any

import polars as pl
from django import forms
from django.contrib import admin
from django.db.models import Count, F, IntegerField
from django.db.models.functions import Cast, Floor
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html

from customers import charts
from customers.admin import BaseAdmin, ReadOnlyAdmin
from customers.customer_page import CUSTOMER_PANELS
from customers.models import Customer
from customers.panels import Cell, Panel, column, link, moment, number, share, tag, when
from scoring import ranking, targets
from scoring.api import scores_of
from scoring.models import Evaluation, ModelVersion, Score, ScoreRun, Target

STATE_TAGS = {"live": "good", "candidate": "wait", "retired": ""}
FIGURES = {
    "auc": ("AUC", "0.5 is a coin, 1 sorts everybody right"),
    "average_precision": ("Average precision", "the share of positives is a coin"),
    "brier": ("Brier score", "lower is better"),
    "ece": ("Calibration error", "how far chances are from what happens; lower is better"),
    "precision": ("Precision", "of those flagged, so many did"),
    "recall": ("Recall", "of those who did, so many were flagged"),
    "f1": ("F1", "both in one"),
    "lift": ("Lift of the top 10 %", "so many times the base rate"),
}
LEARNERS = {
    "average": "Average of both",
    "logistic": "Logistic regression",
    "boosting": "Gradient boosting",
    "base rate": "Base rate",
    "one field": "One field alone",
    "recency": "Recency alone",
}
COLUMNS = 20
BAND_TAGS = ("", "wait", "main")


class TargetForm(forms.ModelForm):  # type: ignore[type-arg]
    """A target that speaks of what exists."""

    class Meta:
        model = Target
        fields = ("key", "label", "kind", "event", "horizon_days", "attribute", "equals", "is_active", "rescore_hours")
        labels = {"horizon_days": "Within days", "is_active": "Is scored", "equals": "Has the value"}
        help_texts = {
            "key": "Its name in rules, after “scores.”",
            "event": "An event's name, such as Order Completed.",
            "attribute": "An attribute's name, such as plan.",
        }

    def clean(self) -> dict[str, Any]:
        """Refuse a target that cannot be trained, at the fields that make it so."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        is_attribute = cleaned.get("kind") == Target.Kind.ATTRIBUTE
        needed = ("attribute", "equals") if is_attribute else ("event", "horizon_days")
        for name in needed:
            if not cleaned.get(name) and name not in self.errors:
                self.add_error(name, "This kind needs it.")
        if not self.errors:
            try:
                targets.check(Target(**{name: cleaned.get(name) for name in ("kind", *needed)}))
            except targets.TargetError as error:
                self.add_error(needed[0], str(error))
        return cleaned


@admin.register(Target)
class TargetAdmin(BaseAdmin):
    """What models predict, with the figures of the live one."""

    form = TargetForm
    list_display = ("label", "sentence_shown", "key", "is_active")
    next_step = "A target says what a model foresees: add one, then run manage.py train with its key."
    list_filter = ("kind", "is_active")
    search_fields = ("key", "label")
    fieldsets = (
        (None, {"fields": (("label", "key"), ("kind", "is_active"))}),
        ("An event, or none, within a time", {"fields": (("event", "horizon_days"),)}),
        ("An attribute has a value", {"fields": (("attribute", "equals"),)}),
        ("How often", {"fields": ("rescore_hours", "scored_shown")}),
    )
    readonly_fields = ("scored_shown",)

    @admin.display(description="What it foresees", ordering="kind")
    def sentence_shown(self, target: Target) -> str:
        """Give what is foreseen in words."""
        return meaning(target)

    @admin.display(description="Last and next scored")
    def scored_shown(self, target: Target) -> str:
        """Give as of when everybody was last scored, and as of when at the earliest they are again."""
        run = ranking.published()
        last = run.scored_at.get(str(target.pk)) if run else None
        if last is None:
            return "Not yet; the next full cycle does."
        at = datetime.fromisoformat(last)
        if not target.rescore_hours:
            return f"As of {when(at)}; again by the next full cycle."
        return (
            f"As of {when(at)}; again by the first full cycle from {when(at + timedelta(hours=target.rescore_hours))}."
        )

    def lead(self, request: HttpRequest, item: Target) -> list[Panel]:
        """Give what is foreseen in words, and how the scores lie."""
        return [distribution(item)]

    def save_model(self, request: HttpRequest, obj: Target, form: forms.Form, change: bool) -> None:
        """Store it, noting when it was made."""
        obj.created_at = obj.created_at or timezone.now()
        super().save_model(request, obj, form, change)

    def panels(self, request: HttpRequest, item: Target) -> list[Panel]:
        """Give the live version's figures and charts, then all versions."""
        live = item.versions.filter(state=ModelVersion.State.LIVE).first()
        shown = version_panels(live) if live else []
        rows = [
            (
                link(v, f"v{v.number}"),
                tag(v.get_state_display(), STATE_TAGS[v.state]),
                learner(v.learner),
                moment(v.as_of),
                v.reason,
            )
            for v in item.versions.order_by("-number")[:20]
        ]
        head = ("Version", "State", "Learner", "Trained as of", "Why")
        empty = f"Nothing was trained yet. Run: manage.py train {item.key}"
        return [*shown, Panel("Versions", head=head, rows=rows, empty=empty)]


@admin.register(ModelVersion)
class ModelVersionAdmin(ReadOnlyAdmin):
    """Fitted pipelines with their evaluation."""

    list_display = (
        "__str__",
        "state_shown",
        column("learner", "Learner", lambda name: learner(name)),
        column("customers", "Customers", number),
        column("positives", "Positives", number),
        "as_of",
        "reason",
    )
    next_step = "Nothing was trained yet. Make a target, then run manage.py train with its key."
    list_select_related = ("target",)
    list_filter = ("state", "target")
    search_fields = ("target__key", "learner")
    ordering = ("-created_at",)
    fields = (("target", "number"), "reason", ("state", "validated"), ("as_of", "created_at"))

    @admin.display(description="State", ordering="state")
    def state_shown(self, version: ModelVersion) -> Cell:
        """Give the state in its colour."""
        return tag(version.get_state_display(), STATE_TAGS[version.state])

    def panels(self, request: HttpRequest, item: ModelVersion) -> list[Panel]:
        """Give figures, charts and the features it reads."""
        facts: list[tuple[str, Cell]] = [
            ("Learner", learner(item.learner)),
            ("Trained on", f"{number(item.customers)} customers"),
            ("Of whom positive", f"{number(item.positives)} rows"),
            ("Counts as yes from", number(item.threshold, 3)),
            *((f"Band {band.get('name')}", f"from {number(band.get('from'), 2)}") for band in item.bands),
            ("File", item.artefact or "–"),
            ("Seed", str(item.seed)),
        ]
        read = f"It reads {len(item.features)} features: {', '.join(item.features)}."
        return [*version_panels(item), Panel("How it was made", read, facts=facts)]


def learner(name: str) -> str:
    """Give a learner's name as people say it."""
    return LEARNERS.get(name, name)


def meaning(target: Target) -> str:
    """Give what a target foresees in words."""
    if target.kind == Target.Kind.ATTRIBUTE:
        return f"{target.attribute} is {target.equals}"
    verb = "happens" if target.kind == Target.Kind.EVENT else "does not happen"
    return f"{target.event} {verb} within {number(target.horizon_days)} days"


def distribution(target: Target) -> Panel:
    """Give how many customers have which score in the published run, by columns and by bands."""
    run = ranking.published()
    scores = Score.objects.filter(run=run, target=target).order_by()
    place = Cast(Floor(F("value") * COLUMNS), IntegerField())
    counts: dict[int, int] = {}
    for at, n in scores.annotate(place=place).values_list("place").annotate(n=Count("customer_id")):
        counts[min(at, COLUMNS - 1)] = counts.get(min(at, COLUMNS - 1), 0) + n
    title, said = "What it foresees", f"{meaning(target)}."
    if run is None or not counts:
        return Panel(title, said, facts=[("Scored", "nobody yet: the next cycle scores with the live version")])
    bands = _by_band(target, run)
    live = target.versions.filter(state=ModelVersion.State.LIVE).first()
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


def version_panels(version: ModelVersion) -> list[Panel]:
    """Give a version's figures beside those of the other learners, and its two charts with their numbers."""
    pooled = list(version.evaluations.filter(origin=None).order_by("learner"))
    own = next((e for e in pooled if e.learner == version.learner), None)
    if own is None:
        return [Panel("Figures", empty="This version was not evaluated.")]
    others = [e for e in pooled if e is not own]
    how = version.get_validated_display()
    tested = f"{number(own.customers)} customers, {number(own.positives)} positives"
    name = learner(version.learner).lower()
    note = f"Version {version.number}, {name}. {how}: {tested}. In brackets, the 95 % interval."
    head = ("Figure", learner(version.learner), *(learner(e.learner) for e in others))
    rows = [
        (_explained(label, why), figure(own, name), *(_plainly(e, name) for e in others))
        for name, (label, why) in FIGURES.items()
        if name in own.figures
    ]
    origins = [
        (moment(e.origin), number(e.customers), number(e.positives), figure(e, "auc"))
        for e in version.evaluations.filter(learner=version.learner, origin__isnull=False).order_by("origin")
    ]
    panels = [Panel("Figures", note, head=head, rows=rows), *drawings(own)]
    if origins:
        panels.append(Panel("By test time", head=("As of", "Customers", "Positives", "AUC"), rows=origins))
    return panels


def _explained(label: str, why: str) -> Cell:
    return format_html('{}<br><span class="cusp-quiet cusp-small">{}</span>', label, why)


def _plainly(evaluation: Evaluation, name: str) -> Cell:
    """Give a figure alone; a pointer shows its interval."""
    found = evaluation.figures.get(name)
    if not isinstance(found, dict):
        return "–"
    text = '<span title="{} to {}">{}</span>'
    return format_html(text, number(found.get("low"), 3), number(found.get("high"), 3), number(found.get("value"), 3))


def figure(evaluation: Evaluation, name: str) -> Cell:
    """Give a figure with its interval."""
    found = evaluation.figures.get(name)
    if not isinstance(found, dict):
        return "–"
    interval = f"({number(found.get('low'), 3)} to {number(found.get('high'), 3)})"
    text = '<strong>{}</strong> <span class="cusp-interval">{}</span>'
    return format_html(text, number(found.get("value"), 3), interval)


def drawings(evaluation: Evaluation) -> list[Panel]:
    """Give reliability and gains, each as a drawing and as a table."""
    panels = []
    bins = evaluation.curves.get("reliability", [])
    if bins:
        points = [(b["predicted"], b["observed"]) for b in bins]
        rows = [(number(b["predicted"], 3), number(b["observed"], 3), number(b["customers"])) for b in bins]
        note = "Of those given a chance, so many did. On the dashed line, chances mean what they say."
        drawing = charts.curve(points, "predicted chance", "share that did")
        panels.append(
            Panel(
                "Reliability",
                note,
                head=("Predicted", "Observed", "Customers"),
                rows=rows,
                drawing=drawing,
                is_half=True,
            )
        )
    gains = evaluation.curves.get("gains", [])
    if gains:
        points = [(g["share"], g["captured"]) for g in gains]
        reached = [(share(g["share"], 0), share(g["captured"])) for g in gains if round(g["share"] * 100) % 10 == 0]
        note = "Taking the highest scores first, so many of those who did are reached. The dashed line is chance."
        drawing = charts.curve(points, "share of customers taken", "share of positives reached")
        panels.append(
            Panel(
                "Gains",
                note,
                head=("Customers taken", "Positives reached"),
                rows=reached,
                drawing=drawing,
                is_half=True,
            )
        )
    return panels


def customer_scores(customer: Customer) -> Panel:
    """Give a customer's published scores with bands."""
    targets = {target.key: target for target in Target.objects.all()}
    live = {version.target_id: version for version in ModelVersion.objects.filter(state=ModelVersion.State.LIVE)}
    rows = [
        (
            link(targets[s["target"]]),
            f"{s['value']:.3f}",
            tag(s["band"], band_kind(live.get(targets[s["target"]].pk), s["band"])) if s["band"] else "–",
            f"at or above {number(s['percentile'], 1)} % of all" if s["percentile"] is not None else "–",
            number(s["rank"]),
            moment(s["as_of"]),
        )
        for s in scores_of([customer.pk]).get(customer.pk, [])
    ]
    head = ("Target", "Score", "Band", "Among all", "Rank", "As of")
    return Panel("Scores", head=head, rows=rows, empty="Not scored yet. The next cycle scores with the live models.")


CUSTOMER_PANELS.append(customer_scores)
