"""A mail server that remembers each mail it accepted, and that can be stopped at a point of the conversation."""

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from email import message_from_bytes, policy
from enum import StrEnum
from typing import Any, NamedTuple, cast

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from tests.servers import free_port, wait_for

TAKEN = "250 Taken"
SECONDS_A_MAIL = 0.01
Hook = Callable[[str], None]


class Point(StrEnum):
    """Where a conversation can be stopped."""

    GREETING = "greeting"  # before anything of the mail was said
    DATA = "data"  # the mail is there, and is not accepted
    ACCEPTED = "accepted"  # the mail is accepted, and the answer is held back
    ANSWERED = "answered"  # the mail is accepted, and the answer goes out as soon as the hook has returned


class Mail(NamedTuple):
    """An accepted mail: whose delivery it is, by its Message-ID, and to whom it went."""

    delivery: str
    recipient: str


class Sink:
    """What the mail server does. It runs in a thread of its own."""

    def __init__(self) -> None:
        self.accepted: list[Mail] = []
        self.refuses: Callable[[], bool] = lambda: False
        self._point: Point | None = None
        self._hook: Hook = lambda delivery: None
        self._passing = 0
        self._reached = 0
        self._halted = 0

    @contextlib.contextmanager
    def stopped_at(
        self, point: Point, passing: int = 0, hook: Hook = lambda delivery: None
    ) -> Iterator[Callable[[], bool]]:
        """Stop conversations at the point while the block runs, after so many passed it; give whether one was stopped.

        At its end those of a dead client are gone, and those of a living one go on.
        """
        self._hook, self._passing, self._reached, self._point = hook, passing, 0, point
        try:
            yield lambda: self._reached > 0
        finally:
            self._point = None
            wait_for(lambda: not self._halted, "stopped conversations to end")

    async def handle_EHLO(  # noqa: N802  aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        session.host_name = hostname
        return [*responses[:-1], "250-PIPELINING", responses[-1]]

    async def handle_MAIL(  # noqa: N802  aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        await self._halt(Point.GREETING)
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        await asyncio.sleep(SECONDS_A_MAIL)
        await self._halt(Point.DATA)
        if self.refuses():
            return "451 4.3.0 Try again later"
        message = message_from_bytes(cast("bytes", envelope.content), policy=policy.default)
        delivery = message["Message-ID"].strip("<> ").partition("@")[0]
        self.accepted.append(Mail(delivery, envelope.rcpt_tos[0]))
        await self._halt(Point.ACCEPTED)
        if self._is_stopped(Point.ANSWERED):
            await asyncio.to_thread(self._hook, delivery)
            self._reached += 1
        return TAKEN

    def _is_stopped(self, point: Point) -> bool:
        if self._point != point:
            return False
        self._passing -= 1
        return self._passing < 0

    async def _halt(self, point: Point) -> None:
        if not self._is_stopped(point):
            return
        self._reached += 1
        self._halted += 1
        try:
            while self._point == point:
                await asyncio.sleep(0.01)
        finally:
            self._halted -= 1


@contextlib.contextmanager
def mail_sink() -> Iterator[tuple[Sink, str]]:
    """Run a mail server; give it with the EMAIL_URL that leads to it."""
    sink, port = Sink(), free_port()
    controller: Any = Controller(sink, hostname="127.0.0.1", port=port)
    controller.start()
    try:
        yield sink, f"smtp://127.0.0.1:{port}"
    finally:
        controller.stop()
