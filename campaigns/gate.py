"""The last look before messages begin: one transaction, under the customers' locks, that ends in `sending` or not."""

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import lru_cache

from django.db import connection, transaction
from django.db.models import F, QuerySet
from django.db.models.functions import Now

from campaigns import barrier, deferral, last_look, offers, sending, steps, variants
from campaigns.deferral import Ruling
from campaigns.last_look import Look, Refused, Run
from campaigns.models import Campaign, Decision, Delivery, Offer, OfferCode, Programme
from customers.models import Channel, Customer
from customers.statements import Change, Reading

SENDING_LEASE = timedelta(minutes=10)  # longer than a mail server may take over all its answers to a group
REASON_LENGTH = 300

State = Delivery.State
STOPPED = Refused(State.PLANNED, "All sending is stopped.")


def _claimed(ids: Sequence[int], token: str) -> "QuerySet[Delivery]":
    return Delivery.objects.filter(pk__in=ids, token=token, state=State.CLAIMED, lease_until__gt=Now())


def _their_customers(ids: Sequence[int], token: str) -> "QuerySet[Customer]":
    wanted = Customer.objects.filter(pk__in=_claimed(ids, token).values("customer_id"))
    return wanted.order_by("pk").select_for_update(no_key=True)


def _with_decisions(ids: Sequence[int], token: str) -> "QuerySet[Delivery]":
    rows = _claimed(ids, token).select_for_update(of=("self",))
    return rows.select_related("decision").order_by("pk")


PEOPLE, OURS = Reading(_their_customers), Reading(_with_decisions)
CAMPAIGNS = Reading(lambda keys: Campaign.objects.filter(pk__in=keys))
BEGIN = Change(
    lambda ids, until: Delivery.objects.filter(pk__in=ids),
    lambda ids, until: {
        "state": State.SENDING,
        "began_at": until,
        "attempts": F("attempts") + 1,
        "lease_until": Now() + SENDING_LEASE,
        "reason": "",
    },
)
ATTEMPTS = """
INSERT INTO campaigns_deliveryattempt
    (delivery_id, number, began_at, campaign_version, result, receipt, provider_id)
SELECT delivery.id, delivery.attempts, delivery.began_at, campaign.version, '', '', ''
FROM campaigns_delivery AS delivery
JOIN campaigns_decision AS decision ON decision.id = delivery.decision_id
JOIN campaigns_campaign AS campaign ON campaign.id = decision.campaign_id
WHERE delivery.id IN ({}) ORDER BY delivery.id
"""


@dataclass(frozen=True)
class Passed:
    """A delivery that is now `sending`, with all that its channel needs."""

    delivery: Delivery
    customer: Customer
    programme: Programme
    step: steps.Step
    offer: Offer | None = None
    code: OfferCode | None = None
    devices: tuple[str, ...] = ()  # where a push message goes

    @property
    def campaign(self) -> Campaign:
        return self.delivery.decision.campaign

    def facts(self) -> dict[str, object]:
        """Give what a template may say about the customer; no value is an empty text."""
        customer = self.customer
        names = ("email", "phone", "external_id", "first_name", "last_name", "country", "city", "language")
        facts: dict[str, object] = {name: getattr(customer, name) or "" for name in names}
        facts["name"] = f"{facts['first_name']} {facts['last_name']}".strip()
        facts["attributes"] = dict(customer.attributes)
        return facts


@dataclass
class Gated:
    """What came of a group at the gate; whose claim was lost is in neither."""

    passed: list[Passed] = field(default_factory=list)
    refused: list[tuple[Delivery, Refused]] = field(default_factory=list)


def pass_(ids: Sequence[int], token: str, until: datetime, run: Run | None = None) -> Gated:
    """Commit `sending` for those of a group of claimed deliveries that may begin, and the reason against the others.

    The customers' rows are locked, in the order of their ids, so that a withdrawal of consent is either seen here or
    waits until `sending` stands; no campaign is changed meanwhile, so that a message says what one version says.
    Leases are judged by the database's clock; `until` is when the messages begin, for caps and events.
    """
    gated = Gated()
    with transaction.atomic():
        rules = sending.rules()
        barrier.begin(ids)
        people = {one.pk: one for one in PEOPLE.rows(ids, token)}
        ours = _ours(ids, token, people)
        if not ours:
            return gated
        look = last_look.take(ours, people, rules, until, run or Run())
        known, plans = _offers(ours), _plans(ours)
        for delivery in ours:
            refused = STOPPED if rules.is_sending_stopped else last_look.judge(delivery, look, until)
            verdict = refused or _ready(delivery, look, known, plans)
            if isinstance(verdict, Refused):
                gated.refused.append((delivery, verdict))
            else:
                look.note(delivery, until)
                gated.passed.append(verdict)
        _coded(gated, until)
        _begin(gated.passed, until)
        _refuse(gated.refused, until)
    return gated


def _ours(ids: Sequence[int], token: str, people: dict[int, Customer]) -> list[Delivery]:
    """Give the deliveries whose claim still holds, in the order of `ids`, each with its decision and campaign."""
    found = {row.pk: row for row in OURS.rows(ids, token) if row.customer_id in people}
    campaigns = {one.pk: one for one in CAMPAIGNS.rows(sorted({row.decision.campaign_id for row in found.values()}))}
    for row in found.values():
        row.decision.campaign = campaigns[row.decision.campaign_id]
    return [found[pk] for pk in ids if pk in found]


def _offers(ours: Sequence[Delivery]) -> dict[str, Offer]:
    campaigns = {one.decision.campaign_id: one.decision.campaign for one in ours}
    keys = set().union(*(offers.keys_of(campaign) for campaign in campaigns.values()))
    found = Offer.objects.filter(key__in=keys).select_related("audience") if keys else ()
    return {offer.key: offer for offer in found}


@lru_cache(maxsize=256)
def _parsed(plan: str, variant: str) -> steps.Step:
    own, others = json.loads(plan)
    return variants.step_of(Campaign(steps=own, variants=others), variant)


def _plans(ours: Sequence[Delivery]) -> dict[int, str]:
    """Give the plan of each campaign as a text, by which what was parsed is found again."""
    campaigns = {one.decision.campaign_id: one.decision.campaign for one in ours}
    return {pk: json.dumps([campaign.steps, campaign.variants]) for pk, campaign in campaigns.items()}


def _ready(delivery: Delivery, look: Look, known: dict[str, Offer], plans: dict[int, str]) -> Passed | Refused:
    """Give the delivery with its variant's step and offer, or the reason why there is nothing to send."""
    try:
        step = _parsed(plans[delivery.decision.campaign_id], delivery.decision.variant)
    except steps.StepError as error:
        return Refused(State.CANCELLED, f"The campaign cannot be used: {error}")
    if step.action != delivery.action:
        return Refused(State.CANCELLED, "The campaign no longer has this step.")
    customer = look.people[delivery.customer_id]
    devices = look.open_addresses(customer, Channel.PUSH) if delivery.channel == Channel.PUSH else ()
    passed = Passed(delivery, customer, look.rules, step, devices=devices)
    key = steps.offer_of(step)
    if not key:
        return passed
    if key not in known:
        return Refused(State.CANCELLED, f"There is no offer '{key}'.")
    return replace(passed, offer=known[key])


def _coded(gated: Gated, until: datetime) -> None:
    """Find the codes of those that give one, or reserve them; whose code there is none of is refused."""
    wanted = [offers.Wanted(one.delivery, one.customer, one.offer) for one in gated.passed if one.offer]
    codes = offers.at_gate(wanted, until)
    passed, gated.passed = gated.passed, []
    for one in passed:
        code = codes.get(one.delivery.pk)
        if isinstance(code, str):
            refused = Refused(State.CANCELLED, code, Ruling(Decision.Outcome.INELIGIBLE, code))
            gated.refused.append((one.delivery, refused))
        else:
            gated.passed.append(replace(one, code=code))


def _begin(ready: Sequence[Passed], until: datetime) -> None:
    """Commit to `sending`, with attempts."""
    if not ready:
        return
    BEGIN.run([one.delivery.pk for one in ready], until)
    for one in ready:
        delivery = one.delivery
        delivery.state, delivery.began_at, delivery.attempts = State.SENDING, until, delivery.attempts + 1
    with connection.cursor() as cursor:
        cursor.execute(ATTEMPTS.format(", ".join(["%s"] * len(ready))), [one.delivery.pk for one in ready])
    for one in ready:
        deferral.settle(one.delivery, Ruling(Decision.Outcome.DELIVER))


def _refuse(refused: Sequence[tuple[Delivery, Refused]], until: datetime) -> None:
    """Write the reasons down, those that are alike together; a decision that waits or is given up says so too."""
    alike: dict[Refused, list[Delivery]] = defaultdict(list)
    for delivery, verdict in refused:
        alike[verdict].append(delivery)
        if verdict.ruling:
            deferral.settle(delivery, verdict.ruling)
    for verdict, deliveries in alike.items():
        is_over = verdict.state == State.CANCELLED
        due_at = verdict.ruling.due_at if verdict.ruling and not is_over else None
        Delivery.objects.filter(pk__in=[one.pk for one in deliveries]).update(
            state=verdict.state,
            reason=verdict.reason[:REASON_LENGTH],
            token="",
            lease_until=None,
            ended_at=until if is_over else None,
            **({"due_at": due_at} if due_at else {}),
        )
        if is_over:
            offers.release(deliveries)
