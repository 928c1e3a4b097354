"""The page of one customer: what it was worth, consents and attributes; upper apps add what they know."""

from collections.abc import Callable

from django.http import HttpRequest

from customers import charts, consent, consent_page
from customers.models import AttributeChange, Channel, ConsentChange, Customer
from customers.panels import LAST, Cell, Panel, moment, plain, tag

DRAWN = 400
# What stands first, of an address's query too: campaigns adds the story of all that happened.
CUSTOMER_LEADS: list[Callable[[Customer, dict[str, str]], Panel]] = []
CUSTOMER_PANELS: list[Callable[[Customer], Panel]] = []  # scoring, segments and campaigns add theirs


def panels(customer: Customer, request: HttpRequest) -> list[Panel]:
    """Give what upper apps know, what the events were worth, consents and attributes."""
    first = [one(customer, request.GET.dict()) for one in CUSTOMER_LEADS]
    known = [one(customer) for one in CUSTOMER_PANELS]
    return [*first, *worth(customer), *known, consents(customer, request), attributes(customer)]


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


def worth(customer: Customer) -> list[Panel]:
    """Give the last events that have a value, over time; nothing of fewer than two."""
    found = customer.events.filter(value__isnull=False).order_by("-occurred_at", "-pk")
    told = [(at, value or 0.0) for at, value in found.values_list("occurred_at", "value")[:DRAWN]][::-1]
    if len(told) < 2:
        return []
    label = f"value of each of the last {len(told)} events that have one"
    return [Panel("What it was worth", drawing=charts.over_time(told, label, is_line=False))]
