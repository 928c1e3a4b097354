"""The members of a segment as a page shows them: searched by id or e-mail, by the highest or lowest score."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import polars as pl
from django.db.models import Q, QuerySet
from django.template.loader import render_to_string
from django.utils.http import urlencode

from customers.models import Customer
from customers.panels import Cell, Panel, link, moment, number, tag
from scoring import ranking
from scoring.models import ModelVersion, Score, ScoreRun, Target
from scoring.target_page import band_kind
from segments.models import Membership, Segment

ROWS = 25
MOST_PAGES = 400
HEAD: tuple[str, ...] = ("Customer", "Name", "E-mail", "Since")
SINCE = "since"


class Wanted(NamedTuple):
    """What a page asks of the members: some letters, an order (`lapse`, `-lapse` or since), and a page from 0."""

    text: str
    order: str
    page: int

    @classmethod
    def of(cls, query: Mapping[str, str]) -> "Wanted":
        """Read an address's query; what makes no sense is the first page in the usual order."""
        page = query.get("page", "")
        number_of = min(int(page), MOST_PAGES) if page.isdecimal() and len(page) < 6 else 0
        return cls(query.get("member", "").strip().replace("\x00", "")[:254], query.get("order", ""), number_of)


class Way(NamedTuple):
    """One order to choose from."""

    value: str
    label: str


def members(segment: Segment, wanted: Wanted) -> Panel:
    """Give one page of members, those with the highest score of the first scored target first."""
    run = ranking.published()
    orders = ranking.orders_of(run)
    targets = {target.key: target for target in Target.objects.filter(pk__in=orders).order_by("pk")}
    ways = [Way(key, f"highest {one.label}") for key, one in targets.items()]
    ways += [Way(f"-{key}", f"lowest {one.label}") for key, one in targets.items()] + [Way(SINCE, "newest first")]
    order = wanted.order if wanted.order in {way.value for way in ways} else ways[0].value
    target = targets.get(order.removeprefix("-"))
    first = wanted.page * ROWS
    head = HEAD
    if target is None or run is None:
        rows = _by_time(segment, wanted.text, first)
    else:
        direction = "value" if order.startswith("-") else "-value"
        found = _scored(segment, wanted.text, run, target).order_by(direction, "customer_id")
        rows, head = (
            _rows(segment, list(found[first : first + ROWS + 1]), target, orders),
            (*HEAD, target.label, "Band"),
        )
    form = render_to_string("admin/segment_members.html", _controls(segment, wanted, ways, order, len(rows)))
    return Panel("Members", head=head, rows=rows[:ROWS], drawing=form, empty=_nobody(segment, wanted))


def _controls(segment: Segment, wanted: Wanted, ways: list[Way], order: str, found: int) -> dict[str, Any]:
    def page(number_of: int) -> str:
        return f"?{urlencode({'member': wanted.text, 'order': order, 'page': str(number_of)})}#members"

    return {
        "wanted": wanted,
        "ways": ways,
        "order": order,
        "size": number(segment.size),
        "first": wanted.page * ROWS + 1,
        "last": wanted.page * ROWS + min(found, ROWS),
        "before": page(wanted.page - 1) if wanted.page else "",
        "next": page(wanted.page + 1) if found > ROWS and wanted.page < MOST_PAGES else "",
    }


def _like(text: str) -> Q:
    if not text:
        return Q()
    return Q(customer__external_id__startswith=text) | Q(customer__email=text.lower())


def _by_time(segment: Segment, text: str, first: int) -> list[tuple[Cell, ...]]:
    found = segment.memberships.filter(_like(text)).select_related("customer").order_by("-since", "customer_id")
    return [_person(one.customer, one.since) for one in found[first : first + ROWS + 1]]


def _scored(segment: Segment, text: str, run: ScoreRun, target: Target) -> "QuerySet[Score]":
    scores = Score.objects.filter(run=run, target=target, customer__memberships__segment=segment)
    return scores.filter(_like(text)).select_related("customer")


def _rows(
    segment: Segment, scores: list[Score], target: Target, orders: Mapping[int, ranking.Order]
) -> list[tuple[Cell, ...]]:
    chosen = Membership.objects.filter(segment=segment, customer_id__in=[one.customer_id for one in scores])
    since = dict(chosen.values_list("customer_id", "since"))
    live = ModelVersion.objects.filter(target=target, state=ModelVersion.State.LIVE).first()
    bands = orders[target.pk].band(pl.Series([one.value for one in scores], dtype=pl.Float64)).to_list()
    return [
        (
            *_person(one.customer, since.get(one.customer_id)),
            f"{one.value:.3f}",
            tag(band, band_kind(live, band)) if band else "–",
        )
        for one, band in zip(scores, bands, strict=True)
    ]


def _person(customer: Customer, since: Any) -> tuple[Cell, ...]:
    name = f"{customer.first_name or ''} {customer.last_name or ''}".strip() or "–"
    return (link(customer), name, customer.email or "–", moment(since))


def _nobody(segment: Segment, wanted: Wanted) -> str:
    if wanted.text:
        return "No member has this id or e-mail address."
    return "The next cycle finds its members." if segment.as_of is None else "Nobody belongs to it now."
