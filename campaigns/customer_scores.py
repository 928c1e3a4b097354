"""A customer's scores over time: those of the kept snapshots and runs, each decision's, and changes of band."""

from datetime import datetime

from django.utils.html import format_html_join

from campaigns.models import Decision
from customers import charts
from customers.models import Customer
from customers.panels import LAST, Panel, moment
from scoring import earlier
from scoring.models import BandChange, Score, ScoreRun, Target

KEPT = (
    "Drawn are the last score of each of the last 35 days and 24 months, those of the two latest runs and the score "
    "that each decision rested on. Every change of band is kept."
)


def panel(customer: Customer) -> Panel:
    """Give a chart for each target with two scores or more, and the changes of band."""
    points = _points(customer)
    drawn = [
        charts.over_time([(at, 100 * value) for at, value in sorted(found.items())], f"{target}, in hundredths")
        for target, found in points.items()
        if len(found) > 1
    ]
    changes = BandChange.objects.filter(customer=customer).select_related("target").order_by("-as_of", "-pk")[:LAST]
    rows = [(moment(one.as_of), str(one.target), one.band_before or "–", one.band) for one in changes]
    return Panel(
        "Scores over time",
        KEPT,
        head=("When", "Target", "Band before", "Band"),
        rows=rows,
        drawing=format_html_join("", "{}", ((one,) for one in drawn)) if drawn else None,
        empty="No change of band so far.",
    )


def _points(customer: Customer) -> dict[Target, dict[datetime, float]]:
    targets = {target.key: target for target in Target.objects.order_by("key")}
    kept = earlier.of_customer(customer, targets)
    found = {targets[key]: kept[key] for key in targets if key in kept}
    runs = list(ScoreRun.objects.values_list("pk", flat=True))
    for one in Score.objects.filter(run__in=runs, customer=customer).select_related("target"):
        found.setdefault(one.target, {})[one.as_of] = one.value
    decided = Decision.objects.filter(customer=customer, score__isnull=False, model_version__isnull=False)
    for decision in decided.select_related("model_version__target").order_by("-as_of")[: 5 * LAST]:
        if decision.model_version and decision.score is not None:
            found.setdefault(decision.model_version.target, {})[decision.as_of] = decision.score
    return found
