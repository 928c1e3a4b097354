"""What the processes of a crowd do, and what they find in the tables; each function runs in a process of its own."""

import sys
from collections.abc import Iterable
from datetime import timedelta
from random import Random

from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.utils import timezone

from campaigns import decide, deliver, unsubscribe
from campaigns.calls import outcomes, queue
from campaigns.calls.outcomes import Said
from campaigns.calls.queue import CallRefused
from campaigns.models import Agent, CallTask, Campaign, Decision, Delivery, Programme, Throughput
from customers.models import Customer
from scoring.models import Target
from tests.campaigns import people
from tests.campaigns.people import T0
from tests.servers import wait_for

HOUR = timedelta(hours=1)


def plan_campaigns(campaigns: str, customers: str) -> None:
    """Let each of some campaigns have a message for each customer, who is to get one a day; those wait to be judged."""
    Programme.objects.update_or_create(pk=1, defaults={"holdout_share": 0.0, "cap_messages": 1, "cap_days": 1})
    everybody = people.customers(int(customers))
    for number in range(int(campaigns)):
        _plan(people.campaign(f"campaign{number}"), everybody)
    Decision.objects.update(outcome=Decision.Outcome.DEFERRED, expires_at=timezone.now() + HOUR)


def plan_mails(count: str) -> None:
    """Let so many customers have a message each."""
    Programme.objects.update_or_create(pk=1, defaults={"holdout_share": 0.0})
    _plan(people.campaign(), people.customers(int(count)))


def plan_pace(count: str, per_minute: str) -> None:
    """Let so many customers have a message each, in a channel that takes so many a minute."""
    plan_mails(count)
    Throughput.objects.create(channel="email", per_minute=int(per_minute))


def plan_calls(count: str, agents: str) -> None:
    """Let so many customers wait for a call, and so many agents take two at once and three a day."""
    Programme.objects.update_or_create(pk=1, defaults={"holdout_share": 0.0})
    campaign = people.campaign(steps=[people.CALL_STEP])
    for customer in people.customers(int(count)):
        people.planned(customer, campaign, "call")
    deliver.deliver(T0)
    for number in range(int(agents)):
        user, _ = User.objects.get_or_create(username=f"agent{number}")
        Agent.objects.update_or_create(user=user, defaults={"at_once": 2, "calls_a_day": 3})


def know(count: str) -> None:
    """Let a campaign have seen so many customers, none of whom was due."""
    Programme.objects.update_or_create(pk=1, defaults={"holdout_share": 0.0})
    Target.objects.update_or_create(
        key="lapse",
        defaults={"label": "Lapse", "kind": "no_event", "event": "Bought", "horizon_days": 90, "created_at": T0},
    )
    people.campaign()
    decide.decide(people.frame(people.customers(int(count)), 0.1, "start"), people.no_changes(), T0 - HOUR)


def decide_all(seconds: str) -> None:
    """Decide about everybody, who is due by now; say how many decisions were ours."""
    everybody = list(Customer.objects.order_by("pk"))
    found = decide.decide(people.frame(everybody, 0.9), people.no_changes(), T0 + timedelta(seconds=int(seconds)))
    sys.stdout.write(str(found.total()))


def deliver_all(at_a_time: str) -> None:
    """Deliver until nothing is planned, at most so many in a run; say how many went out."""
    sent = 0
    while done := deliver.deliver(timezone.now(), int(at_a_time)):
        sent += done["sent"]
    sys.stdout.write(str(sent))


def deliver_at_its_pace() -> None:
    """Deliver again and again, whatever the channel lets through, until nothing is planned."""
    planned = Delivery.objects.filter(state=Delivery.State.PLANNED)

    def is_over() -> bool:
        deliver.deliver(timezone.now())
        return not planned.exists()

    wait_for(is_over, "the last message to go")


def make_calls(number: str, agents: str) -> None:
    """Be one of an agent's two windows: take calls until she may have no more, make one of hers, and go on."""
    agent = User.objects.get(username=f"agent{int(number) % int(agents)}")
    hers = CallTask.objects.filter(agent=agent, state=CallTask.State.CLAIMED)
    at = T0 + HOUR
    while True:
        try:
            queue.take_next(agent, at)
        except CallRefused:
            mine = queue.mine(agent)
            if not mine:
                break
            outcomes.close(mine[0], agent, Said("reached", number=1), at)
        else:
            assert hers.count() <= 2


def leave(number: str, of: str) -> None:
    """Let one part of every second customer unsubscribe by the link of her mail; note when it was acknowledged."""
    mails = list(Delivery.objects.select_related("customer").order_by("due_at", "pk"))[::2]
    first, *others = mails[int(number) :: int(of)]
    Random(number).shuffle(others)
    client = Client(HTTP_HOST="localhost")
    for mail in (first, *others):
        link = unsubscribe.link(mail.customer, "newsletter", mail)
        assert client.post(link[link.index("/u/") :]).status_code == 200
        with connection.cursor() as cursor:
            cursor.execute("INSERT INTO crowd_left VALUES (%s, clock_timestamp())", [mail.customer_id])


def _plan(campaign: Campaign, customers: Iterable[Customer]) -> None:
    """Plan messages that are due now, one after the other."""
    for customer in customers:
        people.planned(customer, campaign, due=timezone.now())
