"""The pages of data quality: all fields with the worst first, and everything about one."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from typing import Any, NamedTuple

from django.db.models import Q
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from customers import charts, quality_days, quality_words
from customers.charts import Part
from customers.models import FieldQuality, Quarantine
from customers.panels import Cell, Panel, lines, link, moment, number, share, tag, when
from customers.quality import EPOCH
from customers.quality_words import BAD, SOME, TOLD, Trouble
from segments import field_alerts, field_uses, quality_rules
from segments.field_uses import Uses

DAYS = 90
LAST_REFUSED = 20_000  # records that are looked through for examples
EXAMPLES = 10
FILES = 10
TAGS = {BAD: ("changed", "bad"), SOME: ("to check", "wait"), TOLD: ("fine", "good")}
SHOWN = {"": "All fields", "trouble": "With something wrong", "used": "In use"}
MOVED = {"few": "too few to say", "no": "as before", "some": "somewhat", "strong": "strongly"}
SPARK_WIDE, SPARK_HIGH = 90, 22


class Line(NamedTuple):
    """One field in the list."""

    row: FieldQuality
    troubles: list[Trouble]
    uses: Uses
    spark: SafeString | str = ""

    @property
    def level(self) -> int:
        return self.troubles[0].level if self.troubles else 0

    @property
    def tag(self) -> SafeString:
        return tag(*TAGS[self.level]) if self.level or not self.troubles else tag("empty")

    @property
    def address(self) -> str:
        return field_alerts.page(self.row.field)

    @property
    def filled(self) -> str:
        return share(self.row.figures["filled"] / self.row.figures["rows"]) if self.row.figures["rows"] else "–"


def listed(request: HttpRequest) -> dict[str, Any]:
    """Give what the list shows: fields by how much is wrong with them, or those that hold some words."""
    rows = quality_days.newest()
    words, which = request.GET.get("q", "").strip(), request.GET.get("which", "")
    sparks = _sparks(rows)
    found = [one._replace(spark=sparks.get(one.row.field, "")) for one in lines_of(rows, words, which)]
    return {
        "lines": sorted(found, key=by_trouble),
        "many": len(rows),
        "words": words,
        "which": which,
        "choices": SHOWN.items(),
        "as_of": when(rows[0].as_of) if rows else "",
    }


def lines_of(rows: Iterable[FieldQuality], words: str = "", which: str = "") -> list[Line]:
    """Give fields with what is wrong and who uses them: those that hold some words, and are of one of `SHOWN`."""
    uses = field_uses.by_field()
    found = [
        Line(row, troubles_of(row), field_uses.of(row.field, uses))
        for row in rows
        if words.casefold() in f"{row.label} {row.field}".casefold()
    ]
    wanted: Mapping[str, Callable[[Line], bool]] = {
        "trouble": lambda one: bool(one.troubles),
        "used": lambda one: bool(one.uses.names),
    }
    return list(filter(wanted[which], found)) if which in wanted else found


def troubles_of(row: FieldQuality) -> list[Trouble]:
    """Give what is wrong with a field, the worst first."""
    return quality_words.troubles(row.kind, row.figures, row.drift or None)


def by_trouble(one: Line) -> tuple[int, bool, float, str, str]:
    """Give what puts a field before another: how bad it is, that it is in use, and how many values it concerns."""
    worst = max((trouble.share for trouble in one.troubles), default=0.0)
    return -one.level, not one.uses.names, -worst if one.level else 0.0, one.row.label.casefold(), one.row.field


def _sparks(rows: Sequence[FieldQuality]) -> Mapping[str, SafeString]:
    """Draw the share filled of every field over the last weeks."""
    if not rows:
        return {}
    days = FieldQuality.objects.filter(of_import=None, day__gt=rows[0].day - timedelta(days=30)).order_by("day")
    points: dict[str, list[float]] = {}
    for name, filled, of_all in days.values_list("field", "figures__filled", "figures__rows"):
        points.setdefault(name, []).append(filled / of_all if of_all else 0.0)
    return {name: _spark(shares) for name, shares in points.items() if len(shares) > 1}


def _spark(shares: Sequence[float]) -> SafeString:
    step = SPARK_WIDE / (len(shares) - 1)
    high = SPARK_HIGH - 4
    places = " ".join(f"{n * step:.1f},{2 + high * (1 - one):.1f}" for n, one in enumerate(shares))
    said = f"Filled share over {len(shares)} days: from {shares[0]:.1%} to {shares[-1]:.1%}"
    text = '<svg class="cusp-spark" viewBox="0 0 {} {}" role="img" aria-label="{}"><polyline points="{}"/></svg>'
    return format_html(text, SPARK_WIDE, SPARK_HIGH, said, places)


def of_one(name: str, request: HttpRequest) -> dict[str, Any] | None:
    """Give the page of a field; nothing where there is none."""
    row = FieldQuality.objects.filter(field=name, of_import=None).order_by("-day").first()
    files = list(
        FieldQuality.objects.filter(field=name).exclude(of_import=None).select_related("of_import").order_by("-pk")
    )[:FILES]
    shown = row or next(iter(files), None)
    if shown is None:
        return None
    uses = field_uses.of(name, field_uses.by_field())
    found = [
        _stands(shown, request),
        _histogram(shown),
        _top(shown),
        _history(name),
        _brought(files, request),
        *([_refused(shown, files)] if request.user.has_perm("customers.view_quarantine") else []),
        _models(uses, request),
        _segments(uses, request),
    ]
    return {"title": shown.label, "panels": [one for one in found if one]}


def _stands(row: FieldQuality, request: HttpRequest) -> Panel:
    figures = row.figures
    facts: list[tuple[str, Cell]] = [
        ("Filled", _filled(row)),
        ("Different values", number(figures["distinct"])),
        ("Do not fit", number(figures["unfit"])),
        ("Last value known", moment(row.newest)),
        ("Counted as of", moment(row.as_of)),
    ]
    if figures["quartiles"]:
        names = ("Least", "Lower quarter", "Median", "Upper quarter", "Most")
        is_date = row.kind == "date"
        facts += [(name, _at(one, is_date)) for name, one in zip(names, figures["quartiles"], strict=True)]
    if row.drift:
        known = row.drift
        compared = f"{MOVED[known['moved']]} (index {known['psi']:.2f}; {known['seen']:,} beside {known['known']:,})"
        facts.append((f"Changed since {when(datetime.fromisoformat(known['since']))}", compared))
    found = [_told(one) for one in troubles_of(row)]
    drawing = lines([*found, *_rules(row, request)]) if found or _rules(row, request) else None
    note = "" if found else "Nothing is wrong with it."
    return Panel(f"{row.label}, as it stands", note, facts=facts, drawing=drawing)


def _told(one: Trouble) -> SafeString:
    return format_html("{} {}", tag(*TAGS[one.level]), one.sentence) if one.level else format_html("{}", one.sentence)


def _rules(row: FieldQuality, request: HttpRequest) -> list[SafeString]:
    """Give links that begin a segment with the customers concerned."""
    if row.of_import_id or not request.user.has_perm("segments.add_segment"):
        return []
    base = reverse("admin:segments_segment_add")
    text = '<a class="cusp-link" href="{}?quality={}&amp;where={}">{}: make a segment of them</a>'
    return [format_html(text, base, row.pk, one, quality_rules.WORDS[one]) for one in quality_rules.offered(row)]


def _filled(row: FieldQuality) -> str:
    figures = row.figures
    part = share(figures["filled"] / figures["rows"]) if figures["rows"] else "–"
    return f"{part} ({figures['filled']:,} of {figures['rows']:,})"


def _at(value: float, is_date: bool) -> str:
    return _day(value).isoformat() if is_date else f"{value:,.4g}"


def _day(value: float) -> date:
    days = min(max(value, (date.min - EPOCH).days), (date.max - EPOCH).days)
    return EPOCH + timedelta(days=int(days))


def _histogram(row: FieldQuality) -> Panel | None:
    bars, heights = row.figures["bars"], row.figures["heights"]
    if len(bars) < 3:
        return None
    is_date = row.kind == "date"
    parts = [Part(_at(bar, is_date), many) for bar, many in zip(bars, heights, strict=False)]
    rows = [(f"from {part.label}", number(part.value)) for part in parts]
    note = "The first and the last column hold what lies beyond." if row.figures["low"] is not None else ""
    drawing = charts.columns(parts, f"how many by {row.label}")
    return Panel("How its values lie", note, head=("Value", "How many"), rows=rows, drawing=drawing, is_folded=True)


def _top(row: FieldQuality) -> Panel | None:
    filled = max(row.figures["filled"], 1)
    rows = [(str(value), number(many), share(many / filled)) for value, many in row.figures["top"]]
    note = "What could tell who somebody is, is left out."
    return Panel("Most frequent values", note, head=("Value", "How many", "Share"), rows=rows) if rows else None


def _history(name: str) -> Panel:
    days = FieldQuality.objects.filter(field=name, of_import=None).order_by("-day")[:DAYS]
    told = list(days.values_list("day", "figures__filled", "figures__rows", "figures__distinct", "drift__psi"))[::-1]
    points = [(_midday(day), 100 * filled / of_all) for day, filled, of_all, _, _ in told if of_all]
    drawing = charts.over_time(points, "share filled in %, day by day") if len(points) > 1 else None
    rows = [
        (
            day.isoformat(),
            share(filled / of_all) if of_all else "–",
            number(of_all),
            number(distinct),
            number(index, 2),
        )
        for day, filled, of_all, distinct, index in reversed(told)
    ]
    head = ("Day", "Filled", "Of", "Different values", "Index beside a week before")
    empty = "It is counted once a day, after a full cycle; it was not yet."
    return Panel("Over time", head=head, rows=rows, drawing=drawing, is_folded=bool(rows), empty=empty)


def _midday(day: date) -> datetime:
    return timezone.make_aware(datetime.combine(day, time(12)))


def _brought(files: Sequence[FieldQuality], request: HttpRequest) -> Panel:
    may = request.user.has_perm("customers.view_import")
    rows = []
    for row in files:
        if row.of_import is None:
            continue
        told = [one.sentence for one in troubles_of(row)]
        name = link(row.of_import, row.of_import.file_name) if may else row.of_import.file_name
        rows.append((name, moment(row.as_of), _filled(row), number(row.figures["unfit"]), " ".join(told) or "–"))
    head = ("File", "When", "Filled", "Do not fit", "What is wrong")
    return Panel("As files brought it", head=head, rows=rows, empty="No file brought it yet.")


def _refused(row: FieldQuality, files: Sequence[FieldQuality]) -> Panel:
    """Give the refused records of late that named this field, or the column of a file that it came from."""
    bare = row.field.removeprefix("attributes.")
    bare = bare.rpartition(".")[2] if row.field.startswith(quality_days.EVENTS) else bare
    newest = Quarantine.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
    late = Quarantine.objects.filter(pk__gt=newest - LAST_REFUSED)
    labels = {bare, bare.replace("_", " ")}
    for file in files:
        said = file.of_import.mapping.get(bare) if file.of_import else None
        labels |= set(said) if isinstance(said, list) else {said} if isinstance(said, str) else set()
    named = Q(*(("column__iexact", label) for label in labels), _connector=Q.OR)
    found = late.filter(named).select_related("of_import", "source").order_by("-pk")[:EXAMPLES]
    rows = [
        (
            link(one.of_import, one.of_import.file_name) if one.of_import else str(one.source),
            "–" if one.line is None else number(one.line),
            one.reason,
            link(one, "Record"),
        )
        for one in found
    ]
    head = ("From", "Line", "Reason", "As read")
    return Panel("Refused lately", head=head, rows=rows, empty="No record was refused for it lately.")


def _models(uses: Uses, request: HttpRequest) -> Panel:
    may = request.user.has_perm("scoring.view_target")
    rows = [
        (
            link(one.target) if may else str(one.target),
            tag("read", "good") if one.is_read else tag("left out", "wait"),
            one.done,
            share(one.missing / one.rows) if one.rows else "–",
            number(one.outliers) if one.rows else "–",
            number(one.rare) if one.rows else "–",
        )
        for one in uses.models
    ]
    head = ("Model of", "", "What the preparation does", "Without a value", "Pulled in", "Rare values")
    return Panel("What the live models do about it", head=head, rows=rows, empty="No live model was offered it.")


def _segments(uses: Uses, request: HttpRequest) -> Panel:
    may = request.user.has_perm("segments.view_segment")
    rows = [(link(one) if may else str(one), number(one.size)) for one in uses.segments]
    return Panel("Segments that ask it", head=("Segment", "Members"), rows=rows, empty="No segment asks it.")
