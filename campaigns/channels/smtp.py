"""SMTP with an end to patience: a server has so many seconds for all its answers to one mail, however it drips them."""

import smtplib
import socket
import time
from typing import Any

from django.core.mail import EmailMultiAlternatives
from django.core.mail.backends.smtp import EmailBackend

from campaigns.channels import mime

PATIENCE = 60.0  # seconds, where the settings say nothing
OK, FOR_RECEIVERS, GO_ON, CLOSING = 250, (250, 251), 354, 421  # RFC 5321, 4.2.3


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

    def hand_over(self, sender: str, receiver: str, mail: bytes) -> None:
        """Hand a mail over; its envelope goes in one piece to a server that takes it so (RFC 2920, PIPELINING).

        `mail` ends with a line. Errors are those of `smtplib.SMTP.sendmail`.
        """
        client: Any = self
        client.ehlo_or_helo_if_needed()
        if not client.has_extn("pipelining"):
            client.sendmail(sender, [receiver], mail)
            return
        size = f" size={len(mail)}" if client.has_extn("size") else ""
        envelope = (f"mail FROM:{_path(sender)}{size}", f"rcpt TO:{_path(receiver)}", "data")
        client.send("".join(f"{line}{smtplib.CRLF}" for line in envelope))
        answers = [client.getreply()]
        while len(answers) < len(envelope) and answers[-1][0] != CLOSING:
            answers.append(client.getreply())
        refused = _refused(answers, sender, receiver)
        if refused is None:
            client.send(mail.replace(b"\r\n.", b"\r\n..") + b".\r\n")
            if (last := client.getreply())[0] == OK:
                return
            answers[-1], refused = last, smtplib.SMTPDataError(*last)
        elif answers[-1][0] == GO_ON:  # to nobody: an empty mail, which the server refuses
            client.send(f".{smtplib.CRLF}")
            client.getreply()
        client.close() if answers[-1][0] == CLOSING else client._rset()
        raise refused


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
        (receiver,) = email_message.recipients()
        if not isinstance(self.connection, _Impatient):
            raise smtplib.SMTPServerDisconnected("please run connect() first")
        sender = mime.bare(email_message.from_email)
        self.connection.hand_over(sender, mime.bare(receiver), mime.raw(email_message))
        return True

    def drop(self) -> None:
        """Forget the connection without a word, which a hanging server would not answer."""
        for name in ("connection", "_partial_connection"):
            if client := getattr(self, name):
                client.close()
            setattr(self, name, None)
