"""The page of a model version: its grade first, then what it rests on."""

from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils.html import format_html
from django.utils.safestring import SafeString

from customers import plots
from customers.admin import Button
from customers.panels import Cell, Panel, moment, number, tag, when
from scoring import model_curves, model_story, number_page, targets, versions, words
from scoring.grades import ZONES, grade
from scoring.model_story import learner
from scoring.models import Backtest, Evaluation, ModelVersion, Target

STATE_TAGS = {"live": "good", "candidate": "wait", "retired": ""}
RULES = ("base rate", "one field", "recency", "rfm", "value")
CAMPAIGN = "/admin/campaigns/campaign/add/"
HYSTERESIS = 0.9
# Numbers have no line of 0 to 1: a campaign goes by a tenth of the customers.
HIGHEST = {"is_percentile": "on", "enter": 90, "leave": 85}
SOONEST = {"is_percentile": "on", "direction": "below", "enter": 10, "leave": 15}
JUDGED = 12
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


def lead(version: ModelVersion) -> list[Panel]:
    """Give the grade, in words and as a scale, with what limits it."""
    pooled = pooled_of(version)
    own, rule = own_of(version, pooled), rule_of(version, pooled)
    return [graded(version, own, rule)]


def panels(version: ModelVersion, request: HttpRequest) -> list[Panel]:
    """Give what the version rests on; parts that its training did not tell are left out."""
    report: dict[str, Any] = version.report
    pooled = pooled_of(version)
    own, rule = own_of(version, pooled), rule_of(version, pooled)
    may_change = request.user.has_perm("scoring.change_target")
    is_number = targets.is_number(version.target)
    tested = version.evaluations.filter(learner=version.learner, origin__isnull=False).order_by("origin")
    found = [
        model_curves.money(report.get("money", {})),
        *drawn(version, own, rule),
        model_curves.over_time(list(tested)),
        model_story.checks(report.get("gate", {})),
        model_story.changes(report.get("changes", [])),
        model_story.drivers(report.get("drivers", [])),
        number_page.came_true(judged(version)) if is_number else model_curves.came_true(judged(version)),
        drift(version),
        model_story.tried(report.get("learners", [])),
        model_story.guard(version.target, report.get("guard", {}), may_change=may_change),
        model_story.preparation(report.get("preparation", {})),
        figures(version, own, pooled),
        model_story.limits(version, report),
    ]
    return [panel for panel in found if panel]


def judged(version: ModelVersion) -> list[Backtest]:
    """Give the latest judgements of the scores that were given, the oldest first: of whom we left alone, if any."""
    found = version.backtests.order_by("-as_of")
    alone = list(found.filter(who=Backtest.Who.LEFT_ALONE)[:JUDGED])
    return (alone or list(found.filter(who=Backtest.Who.EVERYBODY)[:JUDGED]))[::-1]


def drift(version: ModelVersion) -> Panel | None:
    """Give whether the customers have changed since training."""
    last = version.drifts.order_by("-day").first()
    if last is None:
        return None
    names = words.known()
    changed = [words.name_of(field, names).label for field in last.figures.get("drifted", [])]
    said = f"These lie otherwise than in training: {', '.join(changed)}." if changed else "Not beyond what chance does."
    return Panel("Have customers changed?", f"As of {when(last.as_of)}. {said}", is_half=True)


def drawn(version: ModelVersion, own: Evaluation | None, rule: Evaluation | None) -> list[Panel]:
    """Give the curves of a version: of chances, or of amounts."""
    if own is None:
        return []
    if targets.is_number(version.target):
        return number_page.curves(version.target, own, rule)
    return model_curves.curves(own, rule, learner(rule.learner).lower() if rule else "")


def buttons(version: ModelVersion) -> list[Button]:
    """Give what may be done with a version: one that did not pass goes live for a reason only."""
    if version.state == ModelVersion.State.LIVE:
        asked = "Retire this version? Without a live version nobody is scored, and campaigns on its score wait."
        return [Button("retire", "Retire it", "bad", asked)]
    live = "Let this version go live? The next full cycle scores everybody by it."
    if versions.passed_gate(version):
        found = [Button("promote", "Let it go live", "main", live)]
    else:
        found = [Button("promote", "Let it go live all the same", "", live, "It did not pass. Why?")]
    if version.state == ModelVersion.State.CANDIDATE:
        found.append(Button("retire", "Put it away", "", "Put this version away? It can go live later all the same."))
    return found


def pooled_of(version: ModelVersion) -> list[Evaluation]:
    """Give the evaluations over all tests, by learner."""
    return list(version.evaluations.filter(origin=None).order_by("learner"))


def own_of(version: ModelVersion, pooled: list[Evaluation]) -> Evaluation | None:
    """Give the evaluation of the version's own learner."""
    return next((one for one in pooled if one.learner == version.learner), None)


def rule_of(version: ModelVersion, pooled: list[Evaluation]) -> Evaluation | None:
    """Give the evaluation of the best simple rule beside it."""
    named = version.report.get("gate", {}).get("baseline")
    others = [one for one in pooled if one.learner != version.learner]
    if told := next((one for one in others if one.learner == named), None):
        return told
    rules = [one for one in others if one.learner in RULES and "auc" in one.figures]
    return max(rules, key=lambda one: float(one.figures["auc"]["value"]), default=None)


def graded(version: ModelVersion, own: Evaluation | None, rule: Evaluation | None) -> Panel:
    """Give the grade with its words, badges and facts."""
    found = grade(own.figures.get("auc", {})) if own else None
    if own and targets.is_number(version.target):
        return number_page.graded(version, own, rule, _badges(version))
    title = f"Version {version.number}: {learner(version.learner).lower()}"
    if found is None or own is None:
        badges = format_html('<p class="cusp-badges">{}</p>', _badges(version))
        return Panel(title, version.reason, drawing=badges, warning="This version was not evaluated.")
    words = f"quality {found.value:.0f} of 100, between {found.low:.0f} and {found.high:.0f}: {found.word}"
    facts: list[tuple[str, Cell]] = [
        ("Tested", version.get_validated_display()),
        ("On", f"{number(own.customers)} customers, {number(own.positives)} positives"),
        ("Trained as of", moment(version.as_of)),
        ("Live since", moment(version.live_since)),
    ]
    told = {
        "grade": found,
        "tag": tag(found.word, found.kind),
        "track": plots.track(found.value, found.low, found.high, ZONES, words),
        "rule": _against(rule),
        "badges": _badges(version),
        "reason": version.reason,
        "facts": facts,
    }
    return Panel(title, drawing=render_to_string("admin/model_grade.html", told))


def _against(rule: Evaluation | None) -> str:
    beside = grade(rule.figures.get("auc", {})) if rule else None
    return f"The simple rule, {learner(rule.learner).lower()}, gets {beside.value:.0f}." if rule and beside else ""


def _badges(version: ModelVersion) -> SafeString:
    """Give what a reader should know at once."""
    season = version.report.get("season") or {}
    found = [tag(version.get_state_display(), STATE_TAGS[version.state])]
    if version.is_baseline:
        found.append(tag("simple rule", "wait"))
    if version.validated == ModelVersion.Validated.IN_FOLDS:
        found.append(tag("not validated over time", "wait"))
    if season and not season["known"]:
        found.append(tag("season unknown", "wait"))
    blocked = len(version.report.get("guard", {}).get("blocked", []))
    if blocked:
        found.append(tag(f"{blocked} field{'s' if blocked > 1 else ''} guarded", "bad"))
    return format_html("{}" * len(found), *found)


def figures(version: ModelVersion, own: Evaluation | None, pooled: list[Evaluation]) -> Panel | None:
    """Give all figures, beside those of the other learners that were judged."""
    if own is None:
        return None
    others = [one for one in pooled if one is not own]
    head = ("Figure", learner(version.learner), *(learner(one.learner) for one in others))
    rows = [
        (_explained(label, why), _strong(own, name), *(_plainly(one, name) for one in others))
        for name, (label, why) in {**FIGURES, **number_page.FIGURES}.items()
        if name in own.figures
    ]
    return Panel("All figures", "In brackets, the 95 % interval.", head=head, rows=rows)


def _explained(label: str, why: str) -> Cell:
    return format_html('{}<br><span class="cusp-quiet cusp-small">{}</span>', label, why)


def _plainly(evaluation: Evaluation, name: str) -> Cell:
    """Give a figure alone; a pointer shows its interval."""
    found = evaluation.figures.get(name)
    if not isinstance(found, dict):
        return "–"
    text = '<span title="{}">{}</span>'
    return format_html(text, model_curves.interval(found), number(found.get("value"), 3))


def _strong(evaluation: Evaluation, name: str) -> Cell:
    found = evaluation.figures.get(name)
    if not isinstance(found, dict):
        return "–"
    text = '<strong>{}</strong> <span class="cusp-interval">({})</span>'
    return format_html(text, number(found.get("value"), 3), model_curves.interval(found))


def campaign_address(target: Target, version: ModelVersion) -> str:
    """Give the address of a new campaign on this score, with the line and the goal filled in."""
    told = version.report.get("money") or {}
    line = told.get("line") if told.get("line") is not None else version.threshold
    asked: dict[str, Any] = {"trigger_kind": "score", "score": target.key, "direction": "above"}
    if targets.is_number(target):
        asked |= SOONEST if target.kind == Target.Kind.NEXT else HIGHEST
    elif line is not None:
        asked |= {"enter": f"{line:.4g}", "leave": f"{line * HYSTERESIS:.4g}"}
    asked["name"] = f"Act on {target.label}"[:120]
    if target.event:
        asked |= {"goal_event": target.event, "goal_days": target.horizon_days or 14}
    return f"{CAMPAIGN}?{urlencode(asked)}"


def short(version: ModelVersion) -> Cell:
    """Give a version's grade for a list; its evaluations may have been read beforehand."""
    own = own_of(version, [one for one in version.evaluations.all() if one.origin is None])
    if own and targets.is_number(version.target):
        return number_page.short(own)
    found = grade(own.figures.get("auc", {})) if own else None
    return format_html("{} {}", f"{found.value:.0f}", tag(found.word, found.kind)) if found else "–"
