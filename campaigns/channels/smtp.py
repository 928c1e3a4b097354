"""SMTP with an end to patience: a server has so many seconds for all its answers to one mail, however it drips them."""

import smtplib
import socket
import time
from typing import Any, NamedTuple

from django.core.mail import EmailMultiAlternatives
from django.core.mail.backends.smtp import EmailBackend

from campaigns.channels import mime

PATIENCE = 60.0  # seconds, where the settings say nothing
OK, FOR_RECEIVERS, GO_ON, CLOSING = 250, (250, 251), 354, 421  # RFC 5321, 4.2.3
COMMANDS = 3  # of an envelope


class Wire(NamedTuple):
    """A mail as a server gets it; its content ends with a line."""

    sender: str
    receiver: str
    content: bytes


class _Lines:
    """Lines from a socket until a moment; TimeoutError afterwards."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock, self._rest = sock, b""
        self.until = 0.0

    def readline(self, most: int) -> bytes:
        while b"\n" not in self._rest and len(self._rest) < most:
            left = self.until - time.monotonic()
            if left <= 0:
                raise TimeoutError("timed out")
            self._sock.settimeout(left)
            if not (more := self._sock.recv(8192)):
                break
            self._rest += more
        end = self._rest.find(b"\n") + 1 or len(self._rest)
        line, self._rest = self._rest[: min(end, most)], self._rest[min(end, most) :]
        return line

    def close(self) -> None:
        self._rest = b""


class _Impatient:
    """What is added to an SMTP client: a deadline for all answers, and whether a mail's content was begun."""

    sock: Any
    file: Any
    timeout: Any
    deadline: float | None = None
    is_content_begun = False
    is_hanging = False

    def begin_mail(self) -> None:
        """Give the server its seconds for one mail."""
        self.deadline, self.is_content_begun = time.monotonic() + (self.timeout or PATIENCE), False

    def getreply(self) -> tuple[int, bytes]:
        """Give an answer that comes in time."""
        if self.deadline is None:  # the greeting, and what belongs to it
            self.deadline = time.monotonic() + (self.timeout or PATIENCE)
        if self.file is None:
            self.file = _Lines(self.sock)
        self.file.until = self.deadline
        try:
            answer: tuple[int, bytes] = super().getreply()  # type: ignore[misc]
        except smtplib.SMTPServerDisconnected as error:
            self.is_hanging = isinstance(error.__context__, TimeoutError)
            raise
        if self.sock:
            self.sock.settimeout(max(self.deadline - time.monotonic(), 0.01))
        return answer

    def send(self, s: Any) -> None:
        """Note that content follows: only it is sent as bytes."""
        self.is_content_begun = self.is_content_begun or isinstance(s, bytes)
        super().send(s)  # type: ignore[misc]

    def takes_groups(self) -> bool:
        """Say whether the server takes several commands in one piece (RFC 2920, PIPELINING)."""
        client: Any = self
        client.ehlo_or_helo_if_needed()
        return bool(client.has_extn("pipelining"))

    def hand_over(self, wire: Wire) -> None:
        """Hand a mail over. Errors are those of `smtplib.SMTP.sendmail`."""
        client: Any = self
        if not self.takes_groups():
            client.sendmail(wire.sender, [wire.receiver], wire.content)
            return
        self.offer(wire)
        self.offered(wire)
        self.put(wire)
        self.accepted()

    def offer(self, wire: Wire) -> None:
        """Send a mail's envelope."""
        self.send(self._envelope(wire))

    def offered(self, wire: Wire) -> None:
        """Read what the server says to an envelope; it waits for the content then, or for another mail after errors."""
        client: Any = self
        answers = [client.getreply()]
        while len(answers) < COMMANDS and answers[-1][0] != CLOSING:
            answers.append(client.getreply())
        refused = _refused(answers, wire.sender, wire.receiver)
        if refused is None:
            return
        if answers[-1][0] == GO_ON:  # to nobody: an empty mail, which the server refuses
            client.send(f".{smtplib.CRLF}")
            client.getreply()
        client.close() if answers[-1][0] == CLOSING else client._rset()
        raise refused

    def put(self, wire: Wire, following: Wire | None = None) -> None:
        """Send a mail's content, and in the same piece the envelope of the mail that follows (RFC 2920, 3.1)."""
        envelope = self._envelope(following).encode("ascii") if following else b""
        self.send(wire.content.replace(b"\r\n.", b"\r\n..") + b".\r\n" + envelope)

    def accepted(self) -> None:
        """Read what the server says to a content. After a no it waits for another mail (RFC 5321, 4.1.1.4)."""
        client: Any = self
        answer = client.getreply()
        if answer[0] == CLOSING:
            client.close()
        if answer[0] != OK:
            raise smtplib.SMTPDataError(*answer)

    def _envelope(self, wire: Wire) -> str:
        client: Any = self
        size = f" size={len(wire.content)}" if client.has_extn("size") else ""
        return f"mail FROM:{_path(wire.sender)}{size}\r\nrcpt TO:{_path(wire.receiver)}\r\ndata\r\n"


def wire(message: EmailMultiAlternatives) -> Wire:
    """Give a mail to one receiver as it is handed over; raise ValueError for what no mail may hold."""
    (receiver,) = message.recipients()
    made = Wire(mime.bare(message.from_email), mime.bare(receiver), mime.raw(message))
    _path(made.sender), _path(made.receiver)
    return made


def _path(address: str) -> str:
    """Give an address as commands have it."""
    found = f"<{address}>" if mime.PLAIN.fullmatch(address) else smtplib.quoteaddr(address)
    if not found.isprintable():
        raise ValueError(f"{address!r} is no address")
    return found


def _refused(answers: list[tuple[int, bytes]], sender: str, receiver: str) -> smtplib.SMTPException | None:
    """Give what the answers to sender, receiver and `data` refuse, or nothing."""
    if answers[0][0] != OK:
        return smtplib.SMTPSenderRefused(*answers[0], sender)
    if answers[1][0] not in FOR_RECEIVERS:
        return smtplib.SMTPRecipientsRefused({receiver: answers[1]})
    return None if answers[2][0] == GO_ON else smtplib.SMTPDataError(*answers[2])


class Impatient(_Impatient, smtplib.SMTP):
    """A client without encryption of its own."""


class ImpatientSSL(_Impatient, smtplib.SMTP_SSL):
    """A client that begins encrypted."""


class Backend(EmailBackend):
    """Django's SMTP backend with such clients."""

    @property
    def connection_class(self) -> type[smtplib.SMTP]:
        return ImpatientSSL if self.use_ssl else Impatient

    def _send(self, email_message: EmailMultiAlternatives) -> bool:
        if not isinstance(self.connection, _Impatient):
            raise smtplib.SMTPServerDisconnected("please run connect() first")
        self.connection.hand_over(wire(email_message))
        return True

    def drop(self) -> None:
        """Forget the connection without a word, which a hanging server would not answer."""
        for name in ("connection", "_partial_connection"):
            if client := getattr(self, name):
                client.close()
            setattr(self, name, None)
