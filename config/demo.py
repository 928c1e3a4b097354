"""The demo: a shop's data through the whole loop, from the import to what the campaigns earned."""

from collections import Counter
from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management import call_command

from campaigns import cycle, launch, measure, schedule
from campaigns.calls import making
from campaigns.models import Campaign, Cycle, Decision, Delivery, Offer, Schedule
from config.demo_data import Shop
from customers import history, quality_days
from customers.models import Customer, Event, Import
from scoring import training
from scoring.models import ModelVersion, Target
from segments import definition
from segments.models import Segment

MARKETER = "marketer"
NEEDED = (Decision.Outcome.DELIVER, Decision.Outcome.CONTROL, Decision.Outcome.HELD_OUT)

GREETING = {"kind": "text", "id": "hello", "text": 'Hello {{ customer.first_name | default: "there" }},'}
WIN_BACK: dict[str, Any] = {
    "subject": "We have missed you",
    "preheader": "Your favourites are still on our shelves.",
    "blocks": [
        {"kind": "heading", "id": "title", "text": "It has been a while"},
        GREETING,
        {
            "kind": "text",
            "id": "why",
            "text": "your favourites are still on our shelves, and there is more beside them.",
        },
        {
            "kind": "button",
            "id": "new",
            "label": "See what is new",
            "url": "https://shop.example.test/new",
            "tag": "new",
        },
        {"kind": "text", "id": "end", "text": "We would be glad to see you again."},
    ],
}
THANK_YOU: dict[str, Any] = {
    "subject": "A thank-you for you",
    "preheader": "{{ offer.value }} dollars off your next order.",
    "blocks": [
        {"kind": "heading", "id": "title", "text": "Thank you"},
        GREETING,
        {
            "kind": "text",
            "id": "why",
            "text": "you are one of our best customers. This code takes "
            "{{ offer.value }} dollars off your next order, until {{ offer.valid_until }}:",
        },
        {"kind": "code", "id": "code"},
        {"kind": "rating", "id": "rating", "question": "How happy are you with us?", "tag": "rating"},
    ],
}
CALL_POINTS = """Ask whether everything was right with the last orders.
{{ customer.first_name | default: "The customer" }} used to buy often and has gone quiet.
Offer help before you offer a discount."""


class DemoFailed(Exception):
    """The story did not come out; the message says which part."""


def run(shop: Shop, say: Callable[[str], None], now: datetime) -> None:
    """Load the shop, train, make segments and campaigns, and cycle through its last weeks; again changes nothing.

    Raises DemoFailed if a campaign ends without a delivered, a control or a held-out customer.
    """
    say(f"{shop.name}: {shop.note}.")
    _import(shop)
    history.sync()
    say(f"{Customer.objects.count():,} customers and {Event.objects.count():,} events are in.")
    version = _train(shop)
    say(_trained(version))
    _make_segments(shop)
    _make_campaigns(shop)
    say("The campaigns may fire on imported events, because this calendar lies in the past: the demo asks for that.")
    for as_of in _cycles_to_come(shop):
        turn = cycle.run(as_of)
        quality_days.count(as_of)
        say(_turned(turn))
    schedule.switch_off([Schedule.Key.FULL_CYCLE, Schedule.Key.SMALL_CYCLE, Schedule.Key.WATCH], now)
    say(
        f"Cycles by the clock are switched off, because this calendar ends on {shop.cycles[-1]:%d %b %Y}: as of today "
        "everybody would have gone. The models are not looked after either. Operation > Schedules switches both on."
    )
    if waiting := making.renew(now):
        say(f"{waiting:,} calls wait in the call queue; this calendar's are over, so they are due from now on.")
    say("What these customers did was recorded before any of this was sent: a difference below is chance, not effect.")
    for segment in Segment.objects.order_by("key"):
        say(f"Segment “{segment.name}”: {segment.size or 0:,} customers.")
    _report(shop.cycles[-1], say)


def _import(shop: Shop) -> None:
    """Import the files that were not imported whole before."""
    done = set(Import.objects.filter(state=Import.State.DONE).values_list("file_name", flat=True))
    if shop.customers.name not in done and Customer.objects.exists():
        raise DemoFailed(
            "This database already holds other customers. Give the demo one of its own with DATABASE_URL and LAKE_URL."
        )
    if shop.customers.name not in done:
        call_command(
            "import_customers",
            str(shop.customers),
            *["--id", shop.customers_id, "--email", "email", "--phone", "phone", "--known-since", "first_seen"],
            *["--consent", "email:newsletter=agreed_to_mail", "--consent", "phone:calls=agreed_to_calls"],
            *["--consent-source", "made up for the demo", "--source", "demo"],
        )
    for path, arguments in shop.events:
        if path.name not in done:
            call_command("import_events", str(path), *arguments, "--source", "demo")


def _train(shop: Shop) -> ModelVersion:
    target, _ = Target.objects.get_or_create(
        key="lapse",
        defaults={
            "label": f"No order in the next {shop.quiet_days} days",
            "kind": Target.Kind.NO_EVENT,
            "event": "Order Completed",
            "horizon_days": shop.quiet_days,
            "created_at": shop.start,
        },
    )
    newest = target.versions.order_by("-number").first()
    return newest or training.train(target, shop.start)


def _trained(version: ModelVersion) -> str:
    figures = version.evaluations.filter(learner=version.learner, origin=None).get().figures
    auc = figures["auc"]
    interval = f"{auc['value']:.3f} ({auc['low']:.3f} to {auc['high']:.3f})"
    return (
        f"Model of “{version.target}”: {version.learner}, AUC {interval} "
        f"{version.get_validated_display().lower()}; {version.get_state_display().lower()}: {version.reason}"
    )


def _make_segments(shop: Shop) -> None:
    """Make one segment by rules, one by the score, one by a percentile."""
    quiet = {"last": shop.quiet_days, "unit": "days"}
    regular = {
        "event": "Order Completed",
        "count": {">=": shop.regular_orders},
        "within": {"last": 365, "unit": "days"},
    }
    silent = {"event": "Order Completed", "count": {"=": 0}, "within": quiet}
    rules: dict[str, tuple[str, dict[str, Any]]] = {
        "regulars-gone-quiet": ("Regulars gone quiet", {"all": [regular, silent]}),
        "about-to-lapse": ("About to lapse", {"field": "scores.lapse", "op": ">=", "value": 0.6}),
        "top-spenders": ("Top spenders", {"field": "features.spend_90d", "op": "top_percent", "value": 10}),
    }
    for key, (name, rule) in rules.items():
        if not Segment.objects.filter(key=key).exists():
            segment = Segment(key=key, name=name, rule={"version": 1, "rule": rule}, created_at=shop.start)
            definition.save(segment, None, shop.start)


def _make_campaigns(shop: Shop) -> None:
    """Make and launch an e-mail on a score, an offer and a call on segments."""
    Offer.objects.get_or_create(key="thank-you", defaults={"name": "Thank you", "value": 5, "valid_days": 21})
    crossing = {"kind": "score", "score": "lapse", "direction": "above", "enter": 0.6, "leave": 0.45}
    best = {"kind": "segment", "segment": "top-spenders", "edge": "entered"}
    quiet = {"kind": "segment", "segment": "regulars-gone-quiet", "edge": "entered"}
    email = {"action": "email", "content": WIN_BACK}
    offer = {"action": "offer", "offer": "thank-you", "content": THANK_YOU}
    call: dict[str, Any] = {
        "action": "call",
        "title": "Call a regular who has gone quiet",
        "talking_points": CALL_POINTS,
    }
    plans = [
        ("win-back", "Win back", "newsletter", crossing, email),
        ("thank-you", "Thank you", "newsletter", best, offer),
        ("call-regulars", "Call quiet regulars", "calls", quiet, call),
    ]
    for key, name, topic, trigger, step in plans:
        if Campaign.objects.filter(key=key).exists():
            continue
        campaign = Campaign.objects.create(
            key=key, name=name, topic=topic, trigger=trigger, steps=[step], fires_on_import=True, created_at=shop.start
        )
        launch.launch(campaign, None, shop.start)


def _cycles_to_come(shop: Shop) -> list[datetime]:
    last = Cycle.objects.filter(kind=Cycle.Kind.FULL, state=Cycle.State.DONE).order_by("-as_of").first()
    return [as_of for as_of in shop.cycles if last is None or as_of > last.as_of]


def _turned(turn: Cycle) -> str:
    summary = turn.summary
    seconds = sum(summary["seconds"].values())
    decisions = sum(summary["decisions"].values())
    return (
        f"{turn.as_of:%d %b %Y}: {summary['scored']:,} scores, {summary['entered']:,} entered and "
        f"{summary['left']:,} left segments, {decisions:,} decisions, "
        f"{summary['deliveries'].get('sent', 0):,} delivered ({seconds:.1f} s)."
    )


def _report(as_of: datetime, say: Callable[[str], None]) -> None:
    for campaign in Campaign.objects.order_by("key"):
        outcomes = Counter(campaign.decisions.values_list("outcome", flat=True))
        said = ", ".join(
            f"{count:,} {Decision.Outcome(outcome).label.lower()}" for outcome, count in outcomes.most_common()
        )
        say(f"Campaign “{campaign.name}”: {said or 'no decisions'}.")
        missing = [outcome.label.lower() for outcome in NEEDED if not outcomes[outcome]]
        if missing:
            raise DemoFailed(f"Campaign “{campaign.name}” ended without any customer: {', '.join(missing)}.")
        if not Delivery.objects.filter(decision__campaign=campaign, state=Delivery.State.SENT).exists():
            raise DemoFailed(f"Campaign “{campaign.name}” delivered nothing.")
        say("  " + " ".join(measure.measure(campaign, as_of).words))


def marketer(password: str) -> str:
    """Make the demo's marketer, or give the one there is the new password; give the name to log in with."""
    user, _ = get_user_model().objects.get_or_create(
        username=MARKETER, defaults={"is_staff": True, "is_superuser": True}
    )
    user.set_password(password)
    user.save(update_fields=["password"])
    return MARKETER
