"""The admin of targets, model versions and their figures; a customer's scores."""

from collections.abc import Sequence
from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from customers.admin import CUSTOMER_PANELS, BaseAdmin, Cell, Panel, ReadOnlyAdmin, link, moment, number, tag
from customers.models import Customer
from scoring import targets
from scoring.api import scores_of
from scoring.models import Evaluation, ModelVersion, Target

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
SIDE = 240
EDGE = 34


class TargetForm(forms.ModelForm):  # type: ignore[type-arg]
    """A target that speaks of what exists."""

    class Meta:
        model = Target
        fields = ("key", "label", "kind", "event", "horizon_days", "attribute", "equals", "is_active")
        help_texts = {"key": "Its name in rules, after “scores.”"}

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
    list_display = ("label", "key", "kind", "horizon_days", "is_active")
    list_filter = ("kind", "is_active")
    search_fields = ("key", "label")
    fieldsets = (
        (None, {"fields": (("label", "key"), ("kind", "is_active"))}),
        ("An event, or none, within a time", {"fields": (("event", "horizon_days"),)}),
        ("An attribute has a value", {"fields": (("attribute", "equals"),)}),
    )

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
                v.learner,
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

    list_display = ("__str__", "state", "learner", "validated", "customers", "positives", "as_of", "reason")
    list_select_related = ("target",)
    list_filter = ("state", "target")
    search_fields = ("target__key", "learner")
    ordering = ("-created_at",)
    fields = (
        ("target", "number"),
        ("state", "learner"),
        "reason",
        ("validated", "as_of"),
        ("customers", "positives"),
        ("threshold", "seed"),
        ("artefact", "created_at"),
    )

    def panels(self, request: HttpRequest, item: ModelVersion) -> list[Panel]:
        """Give figures, charts and the features it reads."""
        bands = [(str(band.get("name")), f"from {number(band.get('from'), 3)}") for band in item.bands]
        features = Panel(
            "What it reads",
            f"{len(item.features)} features: {', '.join(item.features)}.",
            facts=bands,
            empty="No bands.",
        )
        return [*version_panels(item), features]


def version_panels(version: ModelVersion) -> list[Panel]:
    """Give a version's figures beside those of the other learners, and its two charts with their numbers."""
    pooled = list(version.evaluations.filter(origin=None).order_by("learner"))
    own = next((e for e in pooled if e.learner == version.learner), None)
    if own is None:
        return [Panel("Figures", empty="This version was not evaluated.")]
    others = [e for e in pooled if e is not own]
    how = version.get_validated_display()
    tested = f"{number(own.customers)} customers, {number(own.positives)} positives"
    note = f"v{version.number}, {version.learner}. {how}: {tested}. In brackets, the 95 % interval."
    head = ("Figure", version.learner, *(e.learner for e in others), "Meaning")
    rows = [
        (label, figure(own, name), *(figure(e, name) for e in others), meaning)
        for name, (label, meaning) in FIGURES.items()
        if name in own.figures
    ]
    origins = [
        (moment(e.origin), number(e.customers), number(e.positives), figure(e, "auc"))
        for e in version.evaluations.filter(learner=version.learner, origin__isnull=False).order_by("origin")
    ]
    panels = [Panel("Figures", note, head=head, rows=rows), *charts(own)]
    if origins:
        panels.append(Panel("By test time", head=("As of", "Customers", "Positives", "AUC"), rows=origins))
    return panels


def figure(evaluation: Evaluation, name: str) -> Cell:
    """Give a figure with its interval."""
    found = evaluation.figures.get(name)
    if not isinstance(found, dict):
        return "–"
    interval = f"({number(found.get('low'), 3)} to {number(found.get('high'), 3)})"
    text = '<strong>{}</strong> <span class="cusp-interval">{}</span>'
    return format_html(text, number(found.get("value"), 3), interval)


def charts(evaluation: Evaluation) -> list[Panel]:
    """Give reliability and gains, each as a drawing and as a table."""
    panels = []
    bins = evaluation.curves.get("reliability", [])
    if bins:
        points = [(b["predicted"], b["observed"]) for b in bins]
        rows = [(number(b["predicted"], 3), number(b["observed"], 3), number(b["customers"])) for b in bins]
        note = "Of those given a chance, so many did. On the dashed line, chances mean what they say."
        drawing = chart(points, "predicted chance", "share that did")
        panels.append(
            Panel("Reliability", note, head=("Predicted", "Observed", "Customers"), rows=rows, drawing=drawing)
        )
    gains = evaluation.curves.get("gains", [])
    if gains:
        points = [(g["share"], g["captured"]) for g in gains]
        reached = [(f"{g['share']:.0%}", f"{g['captured']:.1%}") for g in gains if round(g["share"] * 100) % 10 == 0]
        note = "Taking the highest scores first, so many of those who did are reached. The dashed line is chance."
        drawing = chart(points, "share of customers taken", "share of positives reached")
        panels.append(
            Panel("Gains", note, head=("Customers taken", "Positives reached"), rows=reached, drawing=drawing)
        )
    return panels


def chart(points: Sequence[tuple[float, float]], across: str, up: str) -> SafeString:
    """Give a line over the unit square as inline SVG, with a dashed diagonal and dots that tell their numbers."""
    places = [(EDGE + x * SIDE, 8 + (1 - y) * SIDE, x, y) for x, y in points]
    line = " ".join(f"{px:.1f},{py:.1f}" for px, py, _, _ in places)
    dot = '<circle cx="{}" cy="{}" r="3.5"><title>{}: {}, {}: {}</title></circle>'
    dots = format_html_join(
        "", dot, ((f"{px:.1f}", f"{py:.1f}", across, f"{x:.3f}", up, f"{y:.3f}") for px, py, x, y in places)
    )
    ticks = format_html_join(
        "",
        '<text x="{}" y="{}" text-anchor="middle">{}</text><text x="{}" y="{}" text-anchor="end">{}</text>',
        (
            (f"{EDGE + t * SIDE:.0f}", SIDE + 24, f"{t:g}", EDGE - 6, f"{8 + (1 - t) * SIDE + 4:.0f}", f"{t:g}")
            for t in (0, 0.5, 1)
        ),
    )
    svg = (
        '<figure class="cusp-chart">'
        '<svg viewBox="0 0 {w} {h}" role="img" aria-label="{up} over {across}; the table has the numbers">'
        '<rect x="{e}" y="8" width="{s}" height="{s}"/><line x1="{e}" y1="{b}" x2="{r}" y2="8"/>'
        '<polyline points="{line}"/>{dots}{ticks}</svg>'
        "<figcaption>{up} (up) over {across} (across)</figcaption></figure>"
    )
    sizes = {"w": EDGE + SIDE + 14, "h": SIDE + 32, "e": EDGE, "s": SIDE, "b": SIDE + 8, "r": EDGE + SIDE}
    return format_html(svg, up=up, across=across, line=line, dots=dots, ticks=ticks, **sizes)


def customer_scores(customer: Customer) -> Panel:
    """Give a customer's published scores with bands."""
    labels = dict(Target.objects.values_list("key", "label"))
    rows = [
        (
            labels[s["target"]],
            f"{s['value']:.3f}",
            number(s["percentile"], 1),
            number(s["rank"]),
            tag(s["band"]) if s["band"] else "–",
            moment(s["as_of"]),
        )
        for s in scores_of([customer.pk]).get(customer.pk, [])
    ]
    head = ("Target", "Score", "Percentile", "Rank", "Band", "As of")
    return Panel("Scores", head=head, rows=rows, empty="Not scored yet.")


CUSTOMER_PANELS.append(customer_scores)
