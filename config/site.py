"""The admin site: its navigation, and the home page with the state of the loop."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db.models import Count, Exists, Model, OuterRef, Q
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html

from campaigns import cycle_pages, programme
from campaigns.models import CallTask, Campaign, Cycle, Decision, Delivery, Programme
from customers import inbox
from customers.models import Channel, Consent, Customer, Event, Suppression
from customers.panels import Cell, Panel, link, moment, number, plain, tag, when, zone
from scoring import grades
from scoring.api import figures_of
from scoring.models import ModelVersion, Target
from segments.alerts import alerts
from segments.models import Segment

SHOWN = 8
STATE_TAGS = {"live": "good", "sent": "good", "done": "good", "failed": "bad", "uncertain": "bad", "paused": "wait"}


@dataclass(frozen=True)
class Card:
    """One figure of the loop, with the page behind it."""

    label: str
    value: str
    note: str
    url: str


@dataclass(frozen=True)
class Step:
    """What to do next where something is still missing."""

    title: str
    text: str
    command: str = ""
    url: str = ""
    link: str = ""


STEPS: tuple[tuple[type[Model], Step], ...] = (
    (
        Customer,
        Step(
            "Import customers",
            "Bring in your customers. Each file is checked line by line; what is refused is listed under Imports.",
            "manage.py import_customers customers.csv --id customer_id --email email --consent email:newsletter=agreed",
        ),
    ),
    (
        Event,
        Step(
            "Import what they did",
            "Features, scores and most rules are made of events.",
            "manage.py import_events orders.csv --name 'Order Completed' --customer id --time day --value total",
        ),
    ),
    (
        Target,
        Step(
            "Train a first model",
            "Say what should be foreseen, such as no order within 60 days.",
            "manage.py train --event 'Order Completed' --within 60 --absent",
        ),
    ),
    (
        Segment,
        Step(
            "Make a segment",
            "Say who belongs together: by facts, by what they did, by scores.",
            url="admin:segments_segment_add",
            link="New segment",
        ),
    ),
    (
        Campaign,
        Step(
            "Make a campaign",
            "Say who gets what, and when. A share is always left alone, so that the effect can be measured.",
            url="admin:campaigns_campaign_add",
            link="New campaign",
        ),
    ),
    (
        Cycle,
        Step(
            "Let it run",
            "A cycle scores everybody, refreshes the segments, decides and delivers.",
            "manage.py cycle",
        ),
    ),
)


@dataclass(frozen=True)
class Home:
    """Everything that the home page shows to one person."""

    cards: list[Card] = field(default_factory=list)
    panels: list[Panel] = field(default_factory=list)
    next_step: Step | None = None
    programme: Programme | None = None


def home(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Give the home page's context: django-unfold's dashboard callback."""
    now = timezone.now()
    may = request.user.has_perm
    parts: list[tuple[str, Callable[[], Panel]]] = [
        ("campaigns.view_cycle", lambda: cycles(request, now)),
        ("campaigns.view_campaign", campaigns),
        ("scoring.view_modelversion", models),
        ("segments.view_segment", segments),
        ("campaigns.view_delivery", deliveries),
    ]
    state = Home(
        cards=cards(may),
        panels=[
            *asking(may),
            *attention(may),
            *waiting(may),
            *(part() for permission, part in parts if may(permission)),
        ],
        next_step=next_step(),
        programme=programme.current() if may("campaigns.view_programme") else None,
    )
    return {**context, "home": state, "title": "Home", "now": now}


def cards(may: Callable[[str], bool]) -> list[Card]:
    """Give the figures that this person may see."""
    found: list[Card] = []
    if may("customers.view_customer"):
        stopped = Suppression.objects.count()
        by_email, by_phone = number(reachable(Channel.EMAIL)), number(reachable(Channel.PHONE))
        note = f"{by_email} reachable by e-mail, {by_phone} by phone"
        if stopped:
            note += f"; suppressed addresses: {number(stopped)}"
        found.append(Card("Customers", number(Customer.objects.count()), note, _list("customers_customer")))
    if may("customers.view_event"):
        latest = Event.objects.order_by("-pk").values_list("occurred_at", flat=True).first()
        note = f"the last stored one happened on {when(latest)}" if latest else "nothing has happened yet"
        found.append(Card("Events", number(Event.objects.count()), note, _list("customers_event")))
    if may("campaigns.view_decision"):
        found.append(
            Card("Decisions", number(Decision.objects.count()), "each with its reason", _list("campaigns_decision"))
        )
    if may("campaigns.view_calltask") or may("campaigns.change_calltask"):
        waiting = CallTask.objects.aggregate(
            open=Count("pk", filter=Q(state="open")), claimed=Count("pk", filter=Q(state="claimed"))
        )
        note = f"{number(waiting['claimed'])} taken by an agent"
        found.append(Card("Open calls", number(waiting["open"]), note, reverse("admin:campaigns_calltask_queue")))
    return found


def reachable(channel: Channel) -> int:
    """Give how many customers have an address for a channel and granted it in any topic."""
    address = "email" if channel == Channel.EMAIL else "phone"
    granted = Consent.objects.filter(customer=OuterRef("pk"), channel=channel, is_granted=True)
    return Customer.objects.filter(Exists(granted), **{f"{address}__isnull": False}).count()


def cycles(request: HttpRequest, now: datetime) -> Panel:
    """Give the last turn of the loop, the next one, and the one that runs."""
    last = cycle_pages.ended_cycle()
    facts = cycle_pages.due(last, now)
    if last is not None:
        facts += [(name.capitalize(), plain(last.summary[name])) for name in cycle_pages.COUNTS if name in last.summary]
    drawing = cycle_pages.begin_or_watch(request, cycle_pages.running_cycle(), now)
    return Panel("The cycle", facts=facts, drawing=drawing, warning=last.error if last else "")


def campaigns() -> Panel:
    """Give every campaign with its decisions by outcome."""
    counts: dict[int, dict[str, int]] = {}
    for row in Decision.objects.values("campaign_id", "outcome").annotate(n=Count("pk")).order_by():
        counts.setdefault(row["campaign_id"], {})[row["outcome"]] = row["n"]
    rows = []
    for campaign in Campaign.objects.order_by("priority", "name")[: SHOWN * 2]:
        outcomes = counts.get(campaign.pk, {})
        named = [outcomes.get(name, 0) for name in ("deliver", "control", "held_out")]
        others = sum(outcomes.values()) - sum(named)
        state = tag(campaign.get_state_display(), STATE_TAGS.get(campaign.state, ""))
        rows.append((link(campaign), state, *map(number, named), number(others)))
    head = ("Campaign", "State", "Deliver", "Control", "Held out", "Not now")
    return Panel("Campaigns", "Decisions by outcome.", head=head, rows=rows, empty="No campaign yet.")


def models() -> Panel:
    """Give the live models with how well they sort customers."""
    live = list(ModelVersion.objects.filter(state="live").select_related("target").order_by("target__key"))
    figures = figures_of(live)
    rows = []
    for version in live:
        found = grades.grade(figures.get(version.pk, {}).get("auc", {}))
        text = '{} {} of 100 <span class="cusp-interval">({} to {})</span>'
        told: Cell = "–"
        if found is not None:
            values = map(number, (found.value, found.low, found.high))
            told = format_html(text, tag(found.word, found.kind), *values)
        rows.append((link(version.target), told, moment(version.as_of)))
    head = ("Prediction", "How well it sorts", "Trained as of")
    return Panel(
        "Live models",
        "0 is chance, 100 would put everybody in the right order; in brackets, what is 95 % certain.",
        head=head,
        rows=rows,
        empty="No model is live.",
    )


def asking(may: Callable[[str], bool]) -> list[Panel]:
    """Give the campaigns that paused themselves and wait for an answer; nothing where there are none."""
    if not may("campaigns.view_campaign"):
        return []
    paused = Campaign.objects.filter(state=Campaign.State.PAUSED).exclude(paused_why="").order_by("priority", "name")
    if not paused:
        return []
    rows = [(link(one), one.paused_why) for one in paused[: SHOWN * 2]]
    warning = "What they planned waits. Let each go on, or stop it, on its page."
    return [Panel("Campaigns that paused themselves", head=("Campaign", "Why"), rows=rows, warning=warning)]


def attention(may: Callable[[str], bool]) -> list[Panel]:
    """Give what somebody should mend: segments that are paused, with what goes by them; nothing where all is well."""
    found = alerts() if may("segments.view_segment") else []
    if not found:
        return []
    rows = [(link(one.segment), one.problem, ", ".join(one.users) or "nothing") for one in found]
    what = "1 segment is" if len(found) == 1 else f"{len(found)} segments are"
    warning = f"{what} paused: members stay as they were until the rule can be answered again."
    return [Panel("Needs attention", head=("Segment", "Why", "Used by"), rows=rows, warning=warning)]


def waiting(may: Callable[[str], bool]) -> list[Panel]:
    """Give the alerts that wait for somebody; nothing where there are none."""
    found = inbox.newest(SHOWN) if may("customers.view_alert") else []
    if not found:
        return []
    rows = [
        (
            format_html("{}<br>{}", link(one, one.get_kind_display()), one.sentence),
            str(one.owner or "nobody yet"),
            moment(one.first_at),
        )
        for one in found
    ]
    text = '<a class="cusp-link" href="{}">{} open in the inbox</a>'
    note = format_html(text, _list("customers_alert"), number(inbox.open_count()))
    head = ("What", "Who looks after it", "Since")
    return [Panel("Alerts", note, head=head, rows=rows)]


def segments() -> Panel:
    """Give the segments with their sizes."""
    rows = [
        (link(segment), "not counted yet" if segment.size is None else number(segment.size), moment(segment.as_of))
        for segment in Segment.objects.order_by("name")[: SHOWN * 2]
    ]
    return Panel("Segments", head=("Segment", "Members", "As of"), rows=rows, empty="No segment yet.")


def deliveries() -> Panel:
    """Give the deliveries by action and state."""
    rows = [
        (
            Delivery.Action(row["action"]).label,
            tag(Delivery.State(row["state"]).label, STATE_TAGS.get(row["state"], "")),
            number(row["n"]),
        )
        for row in Delivery.objects.values("action", "state").annotate(n=Count("pk")).order_by("action", "state")
    ]
    return Panel("Deliveries", head=("Action", "State", "How many"), rows=rows, empty="Nothing was sent yet.")


def next_step() -> Step | None:
    """Give the first thing of the loop that is still missing, and how to do it."""
    for table, step in STEPS:
        if not table.objects.exists():  # type: ignore[attr-defined]
            return step
    return None


def _list(name: str) -> str:
    return reverse(f"admin:{name}_changelist")


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """Give the side bar: what is used daily first; a page that a person may not see is left out."""
    groups: list[tuple[str, list[tuple[str, str, str]]]] = [
        ("", [("Home", "home", "index"), ("Alerts", "notifications", "customers_alert")]),
        (
            "Who",
            [
                ("Customers", "group", "customers_customer"),
                ("Segments", "account_tree", "segments_segment"),
                ("Events", "bolt", "customers_event"),
                ("Suppressions", "block", "customers_suppression"),
                ("Topics", "topic", "customers_topic"),
                ("Data quality", "fact_check", "customers_fieldquality"),
            ],
        ),
        (
            "What they will do",
            [("Targets", "target", "scoring_target"), ("Model versions", "model_training", "scoring_modelversion")],
        ),
        (
            "What we do",
            [
                ("Campaigns", "campaign", "campaigns_campaign"),
                ("What they did", "monitoring", "campaigns_programme_report"),
                ("Call queue", "call", "campaigns_calltask_queue"),
                ("Load of the agents", "support_agent", "campaigns_agent_load"),
                ("Offers", "sell", "campaigns_offer"),
                ("Redeem a code", "point_of_sale", "campaigns_offercode_till"),
                ("Decisions", "rule", "campaigns_decision"),
                ("Deliveries", "send", "campaigns_delivery"),
            ],
        ),
        (
            "Operation",
            [
                ("Cycles", "autorenew", "campaigns_cycle"),
                ("Schedules", "schedule", "campaigns_schedule"),
                ("Imports", "upload_file", "customers_import"),
                ("Scheduled imports", "schedule_send", "customers_feed"),
                ("Refused records", "report", "customers_quarantine"),
                ("Sources", "input", "customers_source"),
                ("Event names", "label", "customers_eventname"),
                ("Attributes", "list_alt", "customers_attribute"),
                ("Programme", "tune", "campaigns_programme"),
                ("Sending", "front_hand", "sending"),
                ("API keys", "key", "customers_apikey"),
                ("Webhooks", "webhook", "campaigns_webhook"),
                ("Users", "person", "auth_user"),
                ("Groups", "shield_person", "auth_group"),
                ("Audit", "history", "customers_auditentry"),
                ("Exports", "download", "segments_segmentexport"),
            ],
        ),
    ]
    return [
        {"title": title, "separator": bool(title), "items": [item for page in pages if (item := _item(request, *page))]}
        for title, pages in groups
    ]


PAGES = {
    "campaigns_calltask_queue": (
        "admin:campaigns_calltask_queue",
        ("campaigns.view_calltask", "campaigns.change_calltask"),
    ),
    "campaigns_offercode_till": ("admin:campaigns_offercode_till", ("campaigns.redeem_offercode",)),
    "campaigns_programme_report": ("admin:campaigns_programme_report", ("campaigns.view_campaign",)),
    "campaigns_agent_load": ("admin:campaigns_calltask_load", ("campaigns.view_agent",)),
}


def _item(request: HttpRequest, title: str, icon: str, page: str) -> dict[str, Any] | None:
    if page == "index":
        return {"title": title, "icon": icon, "link": reverse("admin:index")}
    if page == "sending":
        sees = request.user.has_perm("campaigns.view_programme")
        return {"title": title, "icon": icon, "link": reverse(page)} if sees else None
    if page in PAGES:
        address, permissions = PAGES[page]
        sees = any(map(request.user.has_perm, permissions))
        return {"title": title, "icon": icon, "link": reverse(address)} if sees else None
    app, model = page.split("_")[:2]
    if not request.user.has_perm(f"{app}.view_{model}"):
        return None
    is_list = page.count("_") == 1
    badge = {"badge": inbox.open_count() or "", "badge_variant": "danger"} if page == "customers_alert" else {}
    return {**badge, "title": title, "icon": icon, "link": _list(page) if is_list else reverse(f"admin:{page}")}


def environment(request: HttpRequest) -> list[str]:
    """Give the label at the top of every page: the zone of all times, in django-unfold's form of words and colour."""
    return [f"Times in {zone()}", "info"]
