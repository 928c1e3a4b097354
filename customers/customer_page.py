"""The page of one customer: what happened, consents and attributes; upper apps add what they know."""

from collections.abc import Callable

from django.http import HttpRequest
from django.utils.safestring import SafeString

from customers import charts, consent, consent_page
from customers.models import AttributeChange, Channel, ConsentChange, Customer, Event
from customers.panels import LAST, Cell, Panel, link, moment, number, plain, tag

DRAWN = 400
# What stands first, of an address's query too: campaigns adds the story of all that happened.
CUSTOMER_LEADS: list[Callable[[Customer, dict[str, str]], Panel]] = []
CUSTOMER_PANELS: list[Callable[[Customer], Panel]] = []  # scoring, segments and campaigns add theirs


def panels(customer: Customer, request: HttpRequest) -> list[Panel]:
    """Give the timeline, what upper apps know, consents and attributes."""
    first = [one(customer, request.GET.dict()) for one in CUSTOMER_LEADS]
    known = [one(customer) for one in CUSTOMER_PANELS]
    return [*first, events(customer), *known, consents(customer, request), attributes(customer)]


def consents(customer: Customer, request: HttpRequest) -> Panel:
    """Give what we may send and call, with its history."""
    addresses = [(Channel.EMAIL, customer.email), (Channel.PHONE, customer.phone)]
    blocked = [channel.label for channel, address in addresses if address and consent.is_suppressed(channel, address)]
    in_force: list[tuple[str, Cell]] = [
        (f"{c.get_channel_display()}, {c.topic}", tag("granted", "good") if c.is_granted else tag("withdrawn", "bad"))
        for c in customer.consents.order_by("channel", "topic")
    ]
    rows = [
        (moment(c.at), c.get_channel_display(), c.topic, "granted" if c.is_granted else "withdrawn", c.source)
        for c in ConsentChange.objects.filter(customer=customer).order_by("-at", "-pk")[:LAST]
    ]
    return Panel(
        "Consent",
        "What is in force, then every grant and withdrawal." if rows else "",
        facts=in_force,
        head=("When", "Channel", "Topic", "What", "Source"),
        rows=rows,
        drawing=consent_page.drawing(request, customer),
        empty="No consent is recorded: this customer may not be contacted.",
        warning=f"Suppressed: {', '.join(blocked)}. Nothing is sent there." if blocked else "",
    )


def attributes(customer: Customer) -> Panel:
    """Give the latest value of every attribute, and since when it is known."""
    known = dict(
        AttributeChange.objects.filter(customer=customer).order_by("known_at", "pk").values_list("name", "known_at")
    )
    rows = [(name, plain(value), moment(known.get(name))) for name, value in sorted(customer.attributes.items())]
    return Panel("Attributes", head=("Name", "Value", "Known since"), rows=rows, empty="Nothing more was told.")


def events(customer: Customer) -> Panel:
    """Give a drawing of what happened, and the last events."""
    found = list(customer.events.select_related("source").order_by("-occurred_at", "-pk")[:DRAWN])
    rows = [
        (link(e, moment(e.occurred_at)), e.name, _amount(e), e.order_id or "–", e.source.name) for e in found[:LAST]
    ]
    return Panel(
        "What happened",
        f"The {len(rows)} latest events." if rows else "",
        head=("When", "Event", "Value", "Order", "Source"),
        rows=rows,
        drawing=_timeline(found),
        empty="Nothing has happened yet. Import events with manage.py import_events.",
    )


def _amount(event: Event) -> str:
    return f"{number(event.value, 2)} {event.currency or ''}".strip()


def _timeline(found: list[Event]) -> SafeString | None:
    """Give the events that have a value, over time."""
    worth = [(event.occurred_at, event.value) for event in reversed(found) if event.value is not None]
    if len(worth) < 2:
        return None
    return charts.over_time(worth, f"value of each of the last {len(worth)} events that have one", is_line=False)
