"""Mails of one campaign, from due to handed over: through the gate, written, and by SMTP to a server that takes all."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from django.conf import settings

from campaigns import decide, deliver, gate, looks, variants
from campaigns.channels import email, smtp
from campaigns.models import Campaign, Delivery, Programme
from config import bench_decisions
from customers import bulk
from customers.models import Channel, Customer

PEOPLE = 4_800  # of whom some 3,000 consent and are neither held out nor among the controls
WARM = 20
SOON = timedelta(minutes=1)
KEY = "mailing"
BODY = """Dear {{ customer.first_name | default: 'you' }},

We have not seen you for a while. [Have a look](https://shop.example/new?from=mail)

And there is [more](https://shop.example/more) of **everything**.

Yours, {{ company }}"""
STEP = {"action": "email", "subject": "Hello {{ customer.first_name | default: 'you' }}", "body": BODY}


def prepare(at: datetime) -> int:
    """Decide about the customers of a mailing that goes before all else, and give how many mails are due."""
    rows = Customer.objects.order_by("bucket", "id").values_list("id", "bucket", "seed")
    people = bulk.read(rows[:PEOPLE], bench_decisions.PEOPLE)
    campaign = Campaign.objects.create(
        key=KEY,
        name="Mailing",
        state=Campaign.State.LIVE,
        trigger={"kind": "hand"},
        steps=[STEP],
        priority=1,
        created_at=at,
        launched_at=at,
    )
    decide.of(campaign, looks.due(bench_decisions.firing(people)), at)
    waiting = Delivery.objects.filter(state=Delivery.State.PLANNED)
    waiting.filter(channel=Channel.PHONE).update(state=Delivery.State.CANCELLED)
    Programme.objects.update(is_sending_stopped=False)
    return waiting.filter(decision__campaign=campaign).count()


def warm(at: datetime) -> None:
    """Send a few, so that this process is one that has sent before."""
    deliver.deliver(at + SOON, WARM)


def send(at: datetime, count: int) -> int:
    """Send so many, and give how many were."""
    return deliver.deliver(at + SOON, count)[Delivery.State.SENT]


def written() -> list[smtp.Wire]:
    """Give the mails that were sent, with their senders and receivers, written once more."""
    rules = Programme.objects.select_related("logo").get()
    sent = Delivery.objects.filter(decision__campaign__key=KEY, state=Delivery.State.SENT)
    mails = []
    for one in sent.select_related("decision__campaign", "customer"):
        step = variants.step_of(one.decision.campaign, one.decision.variant)
        mails.append(smtp.wire(email.compose(gate.Passed(one, one.customer, rules, step, None))))
    return mails


def hand_over(mails: list[smtp.Wire]) -> None:
    """Give mails to the server over one connection, and do nothing else."""
    with smtp.Impatient(settings.EMAIL_HOST, settings.EMAIL_PORT, timeout=smtp.PATIENCE) as client:
        for mail in mails:
            client.begin_mail()
            client.hand_over(mail)


@contextmanager
def sink() -> Iterator[str]:
    """Give the EMAIL_URL of a server that takes everything, in a process of its own."""
    server = subprocess.Popen(
        [sys.executable, "-m", "config.bench_sink", os.devnull], stdout=subprocess.PIPE, text=True
    )
    try:
        assert server.stdout is not None
        yield f"smtp://127.0.0.1:{int(server.stdout.readline())}"
    finally:
        server.terminate()
        server.wait()
