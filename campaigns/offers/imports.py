"""Redemptions from a file: a table of codes with the days or times of their orders, and what they were worth."""

from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

import polars as pl
from django.conf import settings
from django.utils.dateparse import parse_date, parse_datetime

from campaigns.models import Offer
from campaigns.offers import codes, files, redemption
from campaigns.offers.files import Fault, FileRefused, Line
from customers import audit
from customers.audit import Actor

SLICE = 5_000  # codes of one commit
TIMES = ("redeemed_at", "redeemed at", "redeemed", "at", "time", "date", "day", "order_date")
VALUES = ("order_value", "order value", "value", "total", "amount", "revenue")
DAY, INSTANT = timedelta(days=1), timedelta(microseconds=1)
MOST_WORTH = 1e12


class Read(NamedTuple):
    """How many lines there were, how many codes were redeemed, and which lines were refused, with the reason."""

    read: int
    redeemed: int
    refused: list[Fault]


class _Unread(ValueError):
    """A cell that cannot be read."""


def redeem(offer: Offer, body: bytes, by: Actor, now: datetime) -> Read:
    """Redeem the codes of a file that are good; the others are told by line. Raises FileRefused for no table at all.

    Once more changes nothing: what was redeemed says so.
    """
    lines = files.lines(body)
    if not set(TIMES) & set(lines[0].cells):
        raise FileRefused("There is no column “redeemed_at”: say on which day or at which time each was redeemed.")
    rows: list[tuple[int, tuple[object, ...]]] = []
    refused: list[Fault] = []
    for line in lines:
        try:
            rows.append((line.number, _asked(line, offer, now)))
        except _Unread as error:
            refused.append(Fault(line.number, str(error)))
    done = 0
    for begin in range(0, len(rows), SLICE):
        some = rows[begin : begin + SLICE]
        asked = pl.DataFrame([row for _, row in some], schema=redemption.ASKED, orient="row")
        told = redemption.settle(asked, now)["refused"].to_list()
        refused += [Fault(number, said) for (number, _), said in zip(some, told, strict=True) if said is not None]
        done += told.count(None)
    audit.note(now, by, "redemptions imported", offer.key, read=len(lines), redeemed=done)
    return Read(len(lines), done, sorted(refused))


def _asked(line: Line, offer: Offer, now: datetime) -> tuple[object, ...]:
    code = codes.normal(line.cells.get("code", ""))
    if not code or len(code) > codes.MOST:
        raise _Unread("There is no code." if not code else f"The code is longer than {codes.MOST} symbols.")
    since, at = _times(_cell(line, TIMES))
    if since > now:
        raise _Unread("This lies ahead.")
    return (code, since, min(at, now), _worth(_cell(line, VALUES)), None, offer.pk)


def _cell(line: Line, names: tuple[str, ...]) -> str:
    return next((line.cells[name] for name in names if line.cells.get(name)), "")


def _times(text: str) -> tuple[datetime, datetime]:
    """Give when it was at the earliest and at the latest; a time without a zone is of the installation's."""
    zone = ZoneInfo(settings.TIME_ZONE)
    try:
        if day := parse_date(text):
            return _begin(day, zone), _begin(day + DAY, zone) - INSTANT
        at = parse_datetime(text)
    except (ValueError, OverflowError):
        at = None
    if at is None:
        raise _Unread(f"“{text[:40]}” is no time: write 2026-03-01 or 2026-03-01T12:00:00Z.")
    at = (at if at.tzinfo else at.replace(tzinfo=zone)).astimezone(UTC)
    return at, at


def _begin(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(), zone).astimezone(UTC)


def _worth(text: str) -> float | None:
    if not text:
        return None
    try:
        found = float(text)
    except ValueError:
        found = -1.0
    if not 0.0 <= found <= MOST_WORTH:
        raise _Unread(f"“{text[:40]}” is no value of an order: write 1234.50.")
    return found
