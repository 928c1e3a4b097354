"""What the tests of deliveries share: an offer, planned mails, and a mail server whose answers are chosen."""

import contextlib
import os
from asyncio import Transport
from collections.abc import Callable, Iterator
from email import message_from_bytes
from email.message import Message
from typing import Any, cast

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from campaigns.models import Campaign, Delivery, Programme
from tests.campaigns import people
from tests.servers import free_port

OK = "250 Taken"


class Sink:
    """A mail server's mind: what it says to a recipient and to a message, and what it has taken."""

    def __init__(self) -> None:
        self.taken: list[Envelope] = []
        self.answers: list[str] = []
        self.recipient_answer = OK
        self.offers = ["250-PIPELINING"]
        self.seen: Callable[[], None] = lambda: None

    async def handle_EHLO(  # noqa: N802  aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        session.host_name = hostname
        return [*responses[:-1], *self.offers, responses[-1]]

    async def handle_RCPT(  # noqa: N802  aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.recipient_answer == OK:
            envelope.rcpt_tos.append(address)
        return self.recipient_answer

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        answer = self.answers.pop(0) if self.answers else OK
        self.seen()
        if answer == "drop":
            self.taken.append(envelope)
            cast("Transport", server.transport).abort()
            return OK
        if answer == OK:
            self.taken.append(envelope)
        return answer

    def messages(self) -> list[Message]:
        return [message_from_bytes(envelope.content or b"") for envelope in self.taken]  # type: ignore[arg-type]


@contextlib.contextmanager
def mail_server(settings: Any) -> Iterator[Sink]:
    """Run a mail server on a free port and point the settings at it."""
    sink = Sink()
    use_smtp(settings, free_port())
    controller = Controller(sink, hostname="127.0.0.1", port=settings.EMAIL_PORT)
    controller.start()
    try:
        yield sink
    finally:
        controller.stop()


def use_smtp(settings: Any, port: int) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", port
    settings.EMAIL_TIMEOUT = float(os.environ.get("TEST_EMAIL_TIMEOUT", "5"))


def planned_mails(count: int, **changes: Any) -> list[Delivery]:
    """Make a live campaign and one planned mail for each of `count` new customers; nobody is held out."""
    Programme.objects.update_or_create(pk=1, defaults={"holdout_share": 0.0})
    campaign = people.campaign(**changes)
    action = campaign.steps[0]["action"]
    return [people.planned(customer, campaign, action) for customer in people.customers(count)]


def states() -> list[str]:
    """Give the states of all deliveries, in order of their making."""
    return list(Delivery.objects.order_by("pk").values_list("state", flat=True))


def stop(campaign: Campaign) -> None:
    campaign.state = Campaign.State.PAUSED
    campaign.save(update_fields=["state"])
