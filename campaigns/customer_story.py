"""A customer's story: one list of all that happened, was decided and was sent, the newest first."""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

from django.db.models import Model, OuterRef, Subquery
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html, format_html_join
from django.utils.http import urlencode
from django.utils.safestring import SafeString

from campaigns import action_words
from campaigns.models import CallTask, Decision, Delivery, DeliveryAttempt, Way
from customers import charts
from customers.models import ConsentChange, Customer
from customers.panels import Cell, Panel, link, moment
from scoring.models import BandChange
from segments.models import MembershipChange

SHOWN = 40
OF_ONE_KIND = 200
LEFT, WIDE, STEP = 84, 640, 22


class Moment(NamedTuple):
    """One thing of one kind at one time."""

    at: datetime
    kind: str
    words: str
    detail: str
    item: Model | None = None


def _events(customer: Customer, most: int) -> Iterator[Moment]:
    for one in customer.events.order_by("-occurred_at", "-pk")[:most]:
        worth = f"{one.value:,.2f} {one.currency or ''}".strip() if one.value is not None else ""
        yield Moment(one.occurred_at, "events", one.name, worth, one)


def _decisions(customer: Customer, most: int) -> Iterator[Moment]:
    rows = Decision.objects.filter(customer=customer).select_related("campaign").order_by("-as_of", "-pk")
    for one in rows[:most]:
        yield Moment(one.as_of, "decisions", f"{one.campaign}: {one.get_outcome_display().lower()}", one.reason, one)


def _deliveries(customer: Customer, most: int) -> Iterator[Moment]:
    rows = Delivery.objects.filter(customer=customer).select_related("decision__campaign", "webhook_message")
    last = DeliveryAttempt.objects.filter(delivery=OuterRef("pk"), result="accepted").order_by("-number")
    for one in rows.annotate(receipt=Subquery(last.values("receipt")[:1])).order_by("-pk")[:most]:
        said = f"{one.get_action_display()} of {one.decision.campaign}: {action_words.state(one)}"
        detail = one.reason or ("" if Way(one.channel).is_contact else one.receipt or "")
        yield Moment(one.ended_at or one.began_at or one.due_at, "deliveries", said, detail, one)


def _consents(customer: Customer, most: int) -> Iterator[Moment]:
    for one in ConsentChange.objects.filter(customer=customer).order_by("-at", "-pk")[:most]:
        said = f"{'Agreed' if one.is_granted else 'No longer agrees'}: {one.get_channel_display()}, {one.topic}"
        yield Moment(one.at, "consents", said, one.source)


def _moves(customer: Customer, most: int) -> Iterator[Moment]:
    rows = MembershipChange.objects.filter(customer=customer).select_related("segment").order_by("-as_of", "-pk")
    for one in rows[:most]:
        yield Moment(one.as_of, "segments", f"{one.get_kind_display()} {one.segment}", "", one.segment)


def _bands(customer: Customer, most: int) -> Iterator[Moment]:
    rows = BandChange.objects.filter(customer=customer).select_related("target").order_by("-as_of", "-pk")
    for one in rows[:most]:
        yield Moment(one.as_of, "scores", f"{one.target}: {one}", "", one.target)


def _calls(customer: Customer, most: int) -> Iterator[Moment]:
    for one in CallTask.objects.filter(customer=customer).order_by("-pk")[:most]:
        outcome = one.get_outcome_display() or one.get_state_display()
        yield Moment(one.ended_at or one.due_at, "calls", f"{one.title}: {outcome.lower()}", one.note, one)


KINDS: dict[str, Callable[[Customer, int], Iterator[Moment]]] = {
    "events": _events,
    "decisions": _decisions,
    "deliveries": _deliveries,
    "consents": _consents,
    "segments": _moves,
    "scores": _bands,
    "calls": _calls,
}


def story(customer: Customer, kind: str = "") -> list[Moment]:
    """Give the latest of all kinds, or more of one, the newest first."""
    found = KINDS[kind](customer, OF_ONE_KIND) if kind in KINDS else _all(customer)
    ordered = sorted(found, key=lambda one: one.at, reverse=True)
    return ordered if kind in KINDS else ordered[:SHOWN]


def _all(customer: Customer) -> Iterator[Moment]:
    for told in KINDS.values():
        yield from told(customer, SHOWN)


def panel(customer: Customer, query: dict[str, str]) -> Panel:
    """Give the story as a list and on a line of time, of one kind where the address asks for it."""
    kind = query.get("kind", "") if query.get("kind", "") in KINDS else ""
    found = story(customer, kind)
    rows: list[Sequence[Cell]] = [
        (moment(one.at), one.kind, link(one.item, one.words) if one.item else one.words, one.detail or "–")
        for one in found
    ]
    what = f"The {len(rows)} latest, the newest first." if rows else ""
    return Panel(
        "The story so far",
        format_html("{} {}", _choices(kind), what),
        head=("When", "Kind", "What", "In detail"),
        rows=rows,
        drawing=_drawn(found) if len(found) > 1 else None,
        empty="Nothing is known of this customer yet.",
    )


def _choices(chosen: str) -> SafeString:
    """Give the kinds to choose from, as links."""
    every = [("", "Everything"), *((kind, kind.capitalize()) for kind in KINDS)]
    return format_html(
        '<nav class="cusp-kinds" aria-label="Show only">{}</nav>',
        format_html_join(
            " ",
            '<a class="cusp-kind" href="?{}"{}>{}</a>',
            (
                (
                    urlencode({"kind": kind} if kind else {}),
                    SafeString(' aria-current="true"') if kind == chosen else "",
                    label,
                )
                for kind, label in every
            ),
        ),
    )


def _drawn(found: list[Moment]) -> SafeString:
    """Give a row of dots for each kind, over time."""
    kinds = [kind for kind in KINDS if any(one.kind == kind for one in found)]
    first, last = found[-1].at, found[0].at
    length = (last - first).total_seconds() or 1.0
    dots = [
        (
            f"{LEFT + 8 + (WIDE - LEFT - 16) * (one.at - first).total_seconds() / length:.1f}",
            12 + STEP * kinds.index(one.kind),
            f"{date_format(timezone.localtime(one.at), 'j M Y, H:i')}: {one.words}",
        )
        for one in found
    ]
    lanes = [(LEFT - 8, 16 + STEP * n, kind, LEFT, WIDE, 12 + STEP * n, 12 + STEP * n) for n, kind in enumerate(kinds)]
    height = STEP * len(kinds)
    ends = [date_format(timezone.localtime(at), "j M Y") for at in (first, last)]
    svg = format_html(
        '{}{}<text x="{}" y="{}">{}</text><text x="{}" y="{}" text-anchor="end">{}</text>',
        format_html_join(
            "", '<text x="{}" y="{}" text-anchor="end">{}</text><line x1="{}" x2="{}" y1="{}" y2="{}"/>', lanes
        ),
        format_html_join("", '<circle cx="{}" cy="{}" r="4"><title>{}</title></circle>', dots),
        *(LEFT, height + 12, ends[0], WIDE, height + 12, ends[1] if ends[0] != ends[1] else ""),
    )
    return charts.framed(svg, "what happened when", WIDE + 4, height + 18, "cusp-wide cusp-story")
