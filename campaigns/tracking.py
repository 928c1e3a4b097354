"""Links and openings of mails: signed on the way out, told raw when they come back.

A link leads to an address that we stored when we wrote the mail; nothing in it names an address. What is about one
customer alone (her e-mail address, her id) is not stored: the link itself carries it from there on.
"""

import ipaddress
import json
import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from hashlib import sha256
from html import unescape
from typing import Any, NamedTuple
from urllib.parse import quote, urlsplit

import polars as pl
from django.conf import settings
from django.db import transaction
from django.db.models import Q

from campaigns import links, machines
from campaigns.links import LinkRefused, Purpose
from campaigns.models import Delivery, MailLink, Touch
from campaigns.render import Mail
from customers import bulk, events
from customers.models import Customer

# Bounded, so that quotes that nobody closed cost no time.
ANCHOR = re.compile(r"""<a(?:rea)?\s(?:[^>"']{1,4000}+|"[^"]{0,4000}+"|'[^']{0,4000}+'){1,99}+>""", re.IGNORECASE)
ATTRIBUTE = re.compile(r"""\s([a-z-]+)\s*=\s*("[^"]*"|'[^']*'|[^\s"'>]+)""", re.IGNORECASE)
HOST = re.compile(r"https?://[^/?#]*", re.IGNORECASE)
NOT_FOLLOWED = ("/u/", "/p/", "/r/", "/c/")  # our own pages: what happens there is told there
LONGEST_ADDRESS = 2_000  # of longer ones no redirect is made
TAG_LENGTH, AGENT_LENGTH = 60, 300
MOST_TOUCHES = 500  # of one mail: more says nothing more
WAIT = timedelta(seconds=10)
AT_ONCE, REMOVED_AT_ONCE = 1_000, 5_000
KEPT = timedelta(days=180)
SOURCE = "campaigns"
NAMES = {"open": "Email Opened", "click": "Email Link Clicked"}
TOLD: bulk.Schema = {
    "touch_id": pl.Int64,
    "customer_id": pl.Int64,
    "delivery": pl.String,
    "link_id": pl.Int64,
    "kind": pl.String,
    "at": bulk.UTC_MICROSECONDS,
    "tag": pl.String,
    "campaign": pl.String,
    "variant": pl.String,
    "url": pl.String,
}
PIXEL = '<img src="{}" width="1" height="1" alt="" style="display:block;border:0;width:1px;height:1px">'


class Link(NamedTuple):
    """A link of a mail: what stands before its address and after it, and the tag of its block."""

    before: str
    url: str
    tag: str
    after: str


class Settled(NamedTuple):
    """How many touches were people's, and how many machines'."""

    people: int
    machines: int


@dataclass(frozen=True)
class Followed:
    """Where a link leads, and what it stands for."""

    public_id: str
    link_id: int
    tag: str
    address: str


def dress(mail: Mail, delivery: Delivery, private: Collection[str] = ()) -> Mail:
    """Give the mail with its links signed and a pixel at its end.

    An address is stored up to the first of the `private` texts; what follows is carried by the link.
    """
    lower = mail.html.lower()
    ways = [way for way in _ways(private) if way in lower]
    html = ANCHOR.sub(lambda found: _dressed(found[0], delivery.public_id, ways), mail.html)
    pixel = PIXEL.format(f"{settings.PUBLIC_URL}/o/{links.token(Purpose.OPEN, delivery.public_id)}.gif")
    end = html.rfind("</body>")
    return mail._replace(html=html + pixel if end < 0 else html[:end] + pixel + html[end:])


def follow(token: str) -> Followed:
    """Give where a link leads; raise LinkRefused when it is none of ours."""
    public_id, number, tag, rest = links.read(Purpose.CLICK, token, 4)
    try:
        return Followed(public_id, int(number), tag, url_of(int(number)) + rest)
    except (ValueError, MailLink.DoesNotExist) as error:
        raise LinkRefused("The link leads nowhere.") from error


def opened(token: str) -> str:
    """Give the delivery of a pixel; raise LinkRefused when it is none of ours."""
    return links.read(Purpose.OPEN, token, 1)[0]


def note(touch: Touch, public_id: str) -> Delivery | None:
    """Store a touch of a delivery, raw, and give the delivery; None: it is gone."""
    delivery = Delivery.objects.filter(public_id=public_id).first()
    if delivery and Touch.objects.filter(delivery=delivery).count() < MOST_TOUCHES:
        touch.delivery = delivery
        touch.save(force_insert=True)
    return delivery


def settle(until: datetime) -> Settled:
    """Tell machines' touches from people's, and record what people did as events; remove what is old.

    What came in the last seconds waits: a machine gives itself away by what it does next. Any number of workers may
    do this at once: a touch is judged by one of them, once.
    """
    done = Settled(0, 0)
    while (some := _settle(until)).people + some.machines:
        done = Settled(done.people + some.people, done.machines + some.machines)
    oldest = Touch.objects.order_by("pk").values("pk")[:REMOVED_AT_ONCE]
    Touch.objects.filter(pk__in=list(oldest.values_list("pk", flat=True)), at__lt=until - KEPT).delete()
    return done


def _settle(until: datetime) -> Settled:
    """Judge the touches of some customers, under their locks: an erasure, too, takes the customer first."""
    with transaction.atomic():
        waiting = Touch.objects.filter(is_machine=None, at__lte=until - WAIT).order_by("at")[:AT_ONCE]
        ids = set(waiting.values_list("delivery__customer_id", flat=True))
        locked = Customer.objects.select_for_update(no_key=True).filter(pk__in=ids).order_by("pk")
        here = list(locked.values_list("pk", flat=True))
        judged = machines.judge(_touches(here, until))
        ours = judged.join(_unjudged(here, until), on="touch_id", how="semi")
        people = ours.filter(why="")
        events.record(_events(people), SOURCE, until)
        marks = ours.select(id="touch_id", is_machine=pl.col("why") != "", why="why")
        bulk.update(Touch, marks, key=["id"])
    return Settled(len(people), len(ours) - len(people))


def _unjudged(customers: list[int], until: datetime) -> pl.DataFrame:
    found = Touch.objects.filter(is_machine=None, at__lte=until - WAIT, delivery__customer__in=customers)
    return bulk.read(found.values_list("pk"), {"touch_id": pl.Int64})


def _touches(customers: list[int], until: datetime) -> pl.DataFrame:
    """Give what is to be judged, what else their mails' touches were, and who else came in those minutes."""
    unjudged = Q(is_machine=None, at__lte=until)
    theirs = Touch.objects.filter(Q(delivery__customer__in=customers) | unjudged)
    columns = ("pk", "delivery_id", "kind", "at", "delivery__began_at", "link_id", "method", "agent", "network")
    return bulk.read(theirs.values_list(*columns), machines.SCHEMA)


def _events(people: pl.DataFrame) -> pl.DataFrame:
    """Give the events of touches; a second look or a second press within a minute is the same."""
    columns = ("pk", "delivery__customer_id", "delivery__public_id", "link_id", "kind", "at", "tag")
    more = ("delivery__decision__campaign__key", "delivery__decision__variant", "link__url")
    found = Touch.objects.filter(pk__in=people["touch_id"].to_list())
    touches = bulk.read(found.values_list(*columns, *more), TOLD).sort("at", "touch_id")
    minute = pl.col("at").dt.epoch("s") // 60
    return touches.select(
        "customer_id",
        message_id=pl.format("{}-{}-{}-{}", "kind", "delivery", pl.col("link_id").fill_null(0), minute),
        name=pl.col("kind").replace_strict(NAMES, return_dtype=pl.String),
        occurred_at="at",
        properties=pl.Series([_properties(row) for row in touches.iter_rows(named=True)], dtype=pl.String),
    ).unique("message_id", keep="first", maintain_order=True)


def _properties(told: dict[str, Any]) -> str:
    names = ("campaign", "variant", "delivery", "url", "tag")
    return json.dumps({name: told[name] for name in names if told[name]})


def network_of(told: str) -> str:
    """Give the network of an internet address: its first 24 bits, or 48; nothing for one that is not public."""
    try:
        address = ipaddress.ip_address(told.strip())
    except ValueError:
        return ""
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    if not address.is_global:
        return ""
    return str(ipaddress.ip_network((address, 24 if address.version == 4 else 48), strict=False))


@lru_cache(maxsize=20_000)
def id_of(url: str) -> int:
    """Give the number of an address, storing it the first time."""
    found, _ = MailLink.objects.get_or_create(sha256=sha256(url.encode()).hexdigest(), defaults={"url": url})
    return found.pk


@lru_cache(maxsize=20_000)
def url_of(number: int) -> str:
    return MailLink.objects.get(pk=number).url


def _dressed(anchor: str, public_id: str, private: Collection[str]) -> str:
    """Give an anchor whose address is a signed one, without our own attribute."""
    link = _link(anchor, settings.PUBLIC_URL)
    if not link.url:
        return link.before
    base, rest = _split(link.url, private) if private else (link.url, "")
    token = links.token(Purpose.CLICK, public_id, str(id_of(base)), link.tag, rest)
    return f'{link.before} href="{settings.PUBLIC_URL}/c/{token}"{link.after}'


@lru_cache(maxsize=5_000)
def _link(anchor: str, ours: str) -> Link:
    """Give what an anchor leads to; no address: it is not followed, and `before` is all there is."""
    found = {one[1].lower(): one for one in ATTRIBUTE.finditer(anchor)}
    href, told = found.get("href"), found.get("data-tag")
    url, tag = _said(href), " ".join(_said(told).split())[:TAG_LENGTH]
    plain = anchor.replace(told[0], "") if told else anchor
    if href is None or not _is_followed(url, ours):
        return Link(plain, "", "", "")
    before, _, after = plain.partition(href[0])
    return Link(before, url, tag, after)


def _said(attribute: re.Match[str] | None) -> str:
    return unescape(attribute[2].strip("\"'")).strip() if attribute else ""


def _is_followed(url: str, ours: str) -> bool:
    is_ours = url.startswith(tuple(ours + path for path in NOT_FOLLOWED))
    if is_ours or len(url) > LONGEST_ADDRESS or not url.isprintable():
        return False
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)


def _ways(private: Collection[str]) -> set[str]:
    """Give how an address may write the texts."""
    return {way.lower() for text in private if text for way in (text, quote(text, safe=""), quote(text))}


def _split(url: str, private: Collection[str]) -> tuple[str, str]:
    """Cut an address where it begins to speak of one customer; its host is never cut."""
    host = HOST.match(url)
    after = host.end() if host else len(url)
    starts = [start for text in private if (start := _word(url.lower(), text, after)) >= 0]
    return (url[: min(starts)], url[min(starts) :]) if starts else (url, "")


def _word(url: str, text: str, start: int) -> int:
    """Give where a text stands as a whole, or -1: customer 12 is not in /order/123."""
    while (start := url.find(text, start)) >= 0:
        end = start + len(text)
        if not (url[start - 1].isalnum() or url[end : end + 1].isalnum()):
            return start
        start += 1
    return -1
